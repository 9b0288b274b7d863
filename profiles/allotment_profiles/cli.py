"""The command `allotment`: what people and pipelines ask on the command line. Words in, words out.

Other packages join with click commands in the entry point group `allotment.commands`.
"""

import json
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from allotment_profiles.snapshot import Snapshot

GROUP = "allotment.commands"


class Commands(click.Group):
    """Our own commands, and those of the packages beside; each of these is imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all commands without importing any."""
        return sorted({*super().list_commands(ctx), *(found.name for found in entry_points(group=GROUP))})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command; one that cannot be imported is a command that says why."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        return next((_loaded(found) for found in entry_points(group=GROUP, name=cmd_name)), None)


def _loaded(found: EntryPoint) -> click.Command:
    try:
        command = found.load()
    except Exception as error:  # noqa: BLE001  (the edge to other packages: an import may raise anything)
        return _unavailable(found.name, f"{type(error).__name__}: {error}")
    if isinstance(command, click.Command):
        return command
    return _unavailable(found.name, f"{found.value} is no command")


def _unavailable(name: str, why: str) -> click.Command:
    def refuse(arguments: tuple[str, ...]) -> None:
        raise click.ClickException(f"`{name}` is not available in this installation. {why}")

    return click.Command(
        name,
        callback=refuse,
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        short_help=f"(not available: {why})",
        context_settings={"ignore_unknown_options": True},
        add_help_option=False,
    )


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="allotment", prog_name="allotment")
def main() -> None:
    """JupyterHub profiles that teams tend themselves: files in git, proposed on a page, reviewed by those who know."""


@main.command()
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option(
    "--revision",
    help="Check this commit, branch or tag of the git repository at PATH instead of the files in the folder."
    "  [default for a bare repository: main]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help='Words with the lines of the files; {"problems": [...]}; or annotations of a GitHub workflow.',
)
@click.pass_context
def check(context: click.Context, path: Path, revision: str | None, form: str) -> None:
    """Check the profiles repository at PATH: a folder with the files (default: this one), or a bare git repository.

    Prints every problem with path, line, column, code, and what would help.

    Ends with 0 when there is no error (warnings may be there), with 1 when there are errors, and with 2 when the
    question makes no sense: PATH is no folder, the revision does not exist, a file cannot be opened.
    """
    # What parses and paints is imported by the command that needs it, so that the others start at once.
    from allotment_profiles.git import GitError  # noqa: PLC0415
    from allotment_profiles.loading import load  # noqa: PLC0415
    from allotment_profiles.report import write_report  # noqa: PLC0415

    try:
        snapshot = _snapshot(path, revision)
        catalog = load(snapshot)
        write_report(form, snapshot, catalog.problems)
    except GitError as error:
        raise click.UsageError(f"{click.format_filename(path)}: {error}") from None
    except OSError as error:
        name = click.format_filename(str(error.filename or path))
        raise click.UsageError(f"{name} cannot be read: {error.strerror}") from None
    context.exit(1 if any(problem.blocks for problem in catalog.problems) else 0)


def _snapshot(path: Path, revision: str | None) -> "Snapshot":
    from allotment_profiles.git import GitError, Repository  # noqa: PLC0415
    from allotment_profiles.snapshot import at_commit, in_folder  # noqa: PLC0415

    bare = (path / "HEAD").is_file() and (path / "objects").is_dir()
    if revision is None and not bare:
        return in_folder(path)
    repository = Repository(path)
    commit = repository.resolve(revision or "refs/heads/main")
    if commit is None:
        raise GitError(f"no commit is named {revision or 'main'!r} there")
    return at_commit(repository, commit)


@main.command()
@click.argument("kind", type=click.Choice(["profile", "team", "data-role", "policy"]), required=False)
def schema(kind: str | None) -> None:
    """Print the JSON Schema of a KIND of file; without KIND, all of them in one object."""
    from allotment_profiles.schema import KINDS, schema_of  # noqa: PLC0415

    answer = schema_of(KINDS[kind]) if kind else {name: schema_of(each) for name, each in KINDS.items()}
    click.echo(json.dumps(answer, indent=2))
