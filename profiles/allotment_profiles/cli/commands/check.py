"""`allotment check`: the problems of the files, with their positions."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from allotment_profiles.cli.sources import output, snapshot_of, unread_changes, usage_errors

if TYPE_CHECKING:
    from allotment_profiles.model.problems import Problem
    from allotment_profiles.store.snapshot import Snapshot


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--revision",
    help="Check this commit, branch or tag of the git repository at PATH instead of the files in the folder."
    "  [default for a bare repository: main]",
)
@click.option(
    "--base",
    help="Report only problems that this commit, branch or tag does not have, and those of invalid files that change.",
)
@output("text", "json", "github", "sarif")
@click.pass_context
def check(context: click.Context, paths: tuple[Path, ...], revision: str | None, base: str | None, form: str) -> None:
    """Check the profiles repository at PATH: a folder with the files (default: this one), or a bare git repository.

    Prints every problem with path, line, column, code and remedy. If PATHS are files, reads the repository around them
    and reports the problems of these files. Formats: text with the lines of the files; json: {"problems": [...]};
    github: annotations of a GitHub or Gitea workflow; sarif: SARIF 2.1.0.

    Exit codes: 0 without errors (there may be advice); 1 with errors; 2 for a usage error: the folder, revision or
    repository does not exist, or a file cannot be opened.
    """
    from allotment_profiles.cli.report import write_report
    from allotment_profiles.store.loading import load

    path, selected = _selection(paths)
    with usage_errors(path):
        snapshot = snapshot_of(path, revision)
        catalog = load(snapshot)
        problems = list(catalog.problems)
        if base is not None:
            earlier = snapshot_of(path, base)
            old = load(earlier)
            unread = unread_changes(earlier, snapshot, old, catalog)
            known = {_identity(problem) for problem in old.problems if problem.path not in unread}
            problems = [problem for problem in problems if _identity(problem) not in known]
        if selected is not None:
            problems = [problem for problem in problems if problem.path in selected]
        write_report(form, _only(snapshot, selected), problems)
    context.exit(1 if any(problem.blocks for problem in problems) else 0)


def _identity(problem: "Problem") -> tuple[str, str, str, str]:
    return problem.path, problem.code, problem.field, problem.message


def _selection(paths: tuple[Path, ...]) -> tuple[Path, frozenset[str] | None]:
    if not paths:
        return Path(), None
    if len(paths) == 1 and paths[0].is_dir():
        return paths[0], None
    if any(path.is_dir() for path in paths):
        raise click.UsageError("Name one folder, or files of one repository.")
    files = [path.absolute() for path in paths]
    root = next((parent for parent in files[0].parents if (parent / "policy.yaml").is_file()), None)
    if root is None:
        raise click.UsageError(f"{click.format_filename(paths[0])} is not in a repository with a policy.yaml.")
    outside = next((file for file in files if not file.is_relative_to(root)), None)
    if outside is not None:
        raise click.UsageError(f"{click.format_filename(outside)} is not in {click.format_filename(root)}.")
    return root, frozenset(file.relative_to(root).as_posix() for file in files)


def _only(snapshot: "Snapshot", selected: frozenset[str] | None) -> "Snapshot":
    """Return the snapshot with the selected files only, which the report counts."""
    import dataclasses

    if selected is None:
        return snapshot
    return dataclasses.replace(
        snapshot, files={path: file for path, file in snapshot.files.items() if path in selected}
    )
