"""`allotment check`: what is wrong with the files, with the exact place."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from allotment_profiles.cli.commands.sources import asked_in_vain, output, snapshot_of

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
@click.option("--base", help="Tell only what is worse than at this commit, branch or tag.")
@output("text", "json", "github", "sarif")
@click.pass_context
def check(context: click.Context, paths: tuple[Path, ...], revision: str | None, base: str | None, form: str) -> None:
    """Check the profiles repository at PATH: a folder with the files (default: this one), or a bare git repository.

    Prints every problem with path, line, column, code, and what would help. Where PATHS are files, the repository
    around them is read and the problems of these files are told. The formats: words with the lines of the files;
    {"problems": [...]}; annotations of a GitHub or Gitea workflow; SARIF 2.1.0.

    Ends with 0 when nothing stands in the way (advice may be there), with 1 when something does, and with 2 when the
    question makes no sense: there is no such folder, revision or repository, a file cannot be opened.
    """
    from allotment_profiles.cli.report import write_report
    from allotment_profiles.store.loading import load

    path, chosen = _asked(paths)
    with asked_in_vain(path):
        snapshot = snapshot_of(path, revision)
        problems = list(load(snapshot).problems)
        if base is not None:
            known = {_identity(each) for each in load(snapshot_of(path, base)).problems}
            problems = [each for each in problems if _identity(each) not in known]
        if chosen is not None:
            problems = [each for each in problems if each.path in chosen]
        write_report(form, _without_others(snapshot, chosen), problems)
    context.exit(1 if any(problem.blocks for problem in problems) else 0)


def _identity(problem: "Problem") -> tuple[str, str, str, str]:
    return problem.path, problem.code, problem.field, problem.message


def _asked(paths: tuple[Path, ...]) -> tuple[Path, frozenset[str] | None]:
    """Give the repository's folder, and the files in it that are asked about; None for all."""
    if not paths:
        return Path(), None
    if len(paths) == 1 and paths[0].is_dir():
        return paths[0], None
    if any(path.is_dir() for path in paths):
        raise click.UsageError("Name one folder, or files of one repository.")
    files = [path.absolute() for path in paths]
    root = next((parent for parent in files[0].parents if (parent / "policy.yaml").is_file()), None)
    if root is None:
        raise click.UsageError(f"{click.format_filename(paths[0])} lies in no repository with a policy.yaml.")
    outside = next((file for file in files if not file.is_relative_to(root)), None)
    if outside is not None:
        raise click.UsageError(f"{click.format_filename(outside)} does not lie in {click.format_filename(root)}.")
    return root, frozenset(file.relative_to(root).as_posix() for file in files)


def _without_others(snapshot: "Snapshot", chosen: frozenset[str] | None) -> "Snapshot":
    """Leave the files that are asked about, which the report counts."""
    import dataclasses

    if chosen is None:
        return snapshot
    return dataclasses.replace(snapshot, files={path: file for path, file in snapshot.files.items() if path in chosen})
