"""Options and functions with which commands load the files: from a folder or a commit, or as they apply on main."""

import contextlib
import datetime as dt
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from allotment_profiles.catalog.catalog import Catalog
    from allotment_profiles.git.process import GitError
    from allotment_profiles.git.repository import Repository
    from allotment_profiles.git.signatures import Verifier
    from allotment_profiles.store.snapshot import Snapshot

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

MAIN = "refs/heads/main"

repository = click.option(
    "--repository",
    "path",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="The folder with the files, or a bare git repository.  [default: this folder]",
)
revision = click.option(
    "--revision",
    help="Read this commit, branch or tag instead of the files in the folder.  [default for a bare repository: main]",
)


on = click.option(
    "--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="Decide for the end of this day.  [default: now]"
)


def output(*forms: str) -> "Callable[[CommandT], CommandT]":
    """Return the option `--format`; the first form is the default."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(forms),
        default=forms[0],
        show_default=True,
        help="Text for people, or a format for programs.",
    )


def time_of(day: dt.datetime | None) -> dt.datetime:
    """Return the end of the day of `--on`, UTC; without a day, return now."""
    return day.replace(hour=23, minute=59, tzinfo=dt.UTC) if day else dt.datetime.now(dt.UTC)


def git_folder(path: Path) -> Path:
    """Return where git keeps what a folder has: the folder itself, where it is a bare repository."""
    return path / ".git" if (path / ".git").is_dir() else path


@contextlib.contextmanager
def usage_errors(path: Path) -> Iterator[None]:
    """Turn errors of git and of the file system into a message and exit code 2."""
    from allotment_profiles.git.process import GitError

    try:
        yield
    except GitError as error:
        raise click.UsageError(f"{click.format_filename(path)}: {error}") from None
    except OSError as error:
        name = click.format_filename(str(error.filename or path))
        raise click.UsageError(f"{name} cannot be read: {error.strerror}") from None


def open_repository(path: Path, verifier: "Verifier | None" = None) -> "Repository":
    """Return the git repository of a folder. Raise GitError where it belongs to somebody whom the user does not trust.

    The user's configuration of git counts for this alone (`safe.directory`): pipelines often check out as another user.
    """
    from allotment_profiles.git.process import GitCommandError, GitDataError, GitProcess
    from allotment_profiles.git.repository import Repository

    if git_folder(path).stat().st_uid == os.geteuid():
        return Repository(git_folder(path), verifier)
    home = Path(os.environ.get("HOME") or "/nonexistent")
    own = [home / ".gitconfig", Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config", "git", "config")]
    file = os.environ.get("GIT_CONFIG_GLOBAL") or next((each for each in own if each.is_file()), os.devnull)
    users = {"HOME": str(home), "GIT_CONFIG_GLOBAL": str(file), "GIT_CONFIG_NOSYSTEM": "0"}
    try:
        GitProcess(path, environment=users).run("rev-parse", "--git-dir")
    except GitCommandError as error:
        trust = "; if you trust it: `git config --global --add safe.directory` with its path"
        raise GitDataError(error.reason + trust * ("dubious ownership" in error.reason)) from error
    return Repository(git_folder(path), verifier, {"safe.directory": "*"})


def _no_commit(repository: "Repository", revision: str | None) -> "GitError":
    """Return the error for a revision that is not there, with what is there."""
    from allotment_profiles.git.process import GitDataError

    text = f"there is no commit {'main' if revision is None else revision!r}"
    if (repository.path / "shallow").is_file():
        text += (
            "; this clone has only the end of the history. Fetch all of it: `git fetch --unshallow`, or in a workflow"
            " `fetch-depth: 0`"
        )
    elif revision in (None, "main"):
        branches = [name.removeprefix("refs/heads/") for name in repository.references("refs/heads/")][:5]
        text += f"; its branches are {', '.join(branches)}" if branches else "; it has no branch"
    return GitDataError(text)


def unread_changes(before: "Snapshot", after: "Snapshot", old: "Catalog", new: "Catalog") -> frozenset[str]:
    """Return the files that change and are not valid before or after: catalogs do not say what that changes."""
    from allotment_profiles.store.snapshot import differing_bytes

    return differing_bytes(before, after, old.broken | new.broken)


def snapshot_of(path: Path, revision: str | None, *, applied: bool = False) -> "Snapshot":
    """Load the files of a folder or of a commit; with `applied`, load only what applies at the commit."""
    from allotment_profiles.store import snapshot as snapshots

    bare = (path / "HEAD").is_file() and (path / "objects").is_dir()
    if revision is None and not bare:
        return snapshots.in_folder(path)
    repository = open_repository(path)
    commit = repository.resolve(MAIN if revision is None else revision)
    if commit is None:
        raise _no_commit(repository, revision)
    return snapshots.applied(repository, commit) if applied else snapshots.at_commit(repository, commit)


def catalog_of(path: Path, revision: str | None) -> "Catalog":
    """Load the catalog, without a report of problems."""
    from allotment_profiles.store.loading import load

    with usage_errors(path):
        return load(snapshot_of(path, revision, applied=True))
