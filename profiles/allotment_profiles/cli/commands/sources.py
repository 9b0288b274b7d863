"""Where a command finds the files: a folder, a commit, or what applies on main; and how it says that it cannot."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from allotment_profiles.catalog.catalog import Catalog
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
    help="This commit, branch or tag instead of the files in the folder.  [default for a bare repository: main]",
)


def output(*forms: str) -> "Callable[[CommandT], CommandT]":
    """Give the option that chooses between words and what machines read."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(forms),
        default=forms[0],
        show_default=True,
        help="Words, or for machines.",
    )


@contextlib.contextmanager
def asked_in_vain(path: Path) -> Iterator[None]:
    """Turn what git or the disk refuses into a sentence and the exit code 2."""
    from allotment_profiles.git.process import GitError

    try:
        yield
    except GitError as error:
        raise click.UsageError(f"{click.format_filename(path)}: {error}") from None
    except OSError as error:
        name = click.format_filename(str(error.filename or path))
        raise click.UsageError(f"{name} cannot be read: {error.strerror}") from None


def snapshot_of(path: Path, revision: str | None, *, applied: bool = False) -> "Snapshot":
    """Take the files of a folder, or of a commit: all of them, or with `applied` what of them applies on main."""
    from allotment_profiles.git.process import GitError
    from allotment_profiles.git.repository import Repository
    from allotment_profiles.store import snapshot as snapshots

    bare = (path / "HEAD").is_file() and (path / "objects").is_dir()
    if revision is None and not bare:
        return snapshots.in_folder(path)
    repository = Repository(path)
    commit = repository.resolve(MAIN if revision is None else revision)
    if commit is None:
        raise GitError(f"no commit is named {'main' if revision is None else revision!r} there")
    return snapshots.applied(repository, commit) if applied else snapshots.at_commit(repository, commit)


def catalog_of(path: Path, revision: str | None) -> "Catalog":
    """Load what applies; problems are for `allotment check`."""
    from allotment_profiles.store.loading import load

    with asked_in_vain(path):
        return load(snapshot_of(path, revision, applied=True))
