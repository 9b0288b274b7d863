"""`allotment import`: from the values of a zero-to-jupyterhub chart to profiles."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from allotment_profiles.cli.commands.sources import asked_in_vain, output

if TYPE_CHECKING:
    from allotment_profiles.importer.assembling import Import

WORDS = {"lost": "not carried over", "changed": "changed", "stays": "stays in the chart", "note": "to know"}
COLOURS = {"lost": "red", "changed": "yellow", "stays": "dim", "note": "yellow"}


@click.command("import")
@click.argument("values", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--into",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Where the files are written; no file there is overwritten.",
)
@click.option("--team", default="everyone", show_default=True, help="The team that offers them; `everyone`: to all.")
@click.option("--lead-group", "leads", multiple=True, help="A group that leads the team; may be repeated.")
@output("text", "json")
def import_values(values: Path, folder: Path, team: str, leads: tuple[str, ...], form: str) -> None:
    """Turn the profile list of a zero-to-jupyterhub VALUES file into a repository that passes `allotment check`.

    Keeps what it can, and tells of every key that it could not carry over, with its line and why, here and in
    IMPORT.md beside the files. Values are never shown: they may be secrets.

    Ends with 0 when the files are written, with 1 when nothing could be carried over or a file is in the way, and
    with 2 when the question makes no sense: the file is not the values of such a chart.
    """
    from allotment_profiles.importer.assembling import import_values as imported
    from allotment_profiles.importer.formatting import refused
    from allotment_profiles.importer.values import UnreadableError
    from allotment_profiles.model.texts import Group, is_name

    if not is_name(team):
        raise click.UsageError(f"{team!r} is not a name of a team: use lower-case letters, digits and hyphens.")
    for lead in leads:
        if why := refused(Group, lead):
            raise click.UsageError(why)
    with asked_in_vain(values):
        try:
            result = imported(values.read_bytes(), team, leads)
        except UnreadableError as error:
            raise click.UsageError(f"{click.format_filename(values)}: {error}") from None
        if not result.profiles:
            _tell(result, form)
            raise click.ClickException("No profile could be carried over; nothing was written.")
        write_new(folder, result.files)
    _tell(result, form)


def write_new(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a folder, all or, where one is there already, none."""
    there = [path for path in files if (folder / path).exists() or (folder / path).is_symlink()]
    if there:
        raise click.ClickException(f"{click.format_filename(folder / there[0])} is there already; nothing was written.")
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with (folder / path).open("xb") as file:
            file.write(data)


def _tell(result: "Import", form: str) -> None:
    if form == "json":
        answer = {
            "files": sorted(result.files),
            "profiles": list(result.profiles),
            "findings": [each.as_dict() for each in result.findings],
        }
        click.echo(json.dumps(answer, indent=2))
        return
    from allotment_profiles.cli.commands.tables import console, table, text

    rows = [
        (text(WORDS[each.outcome], COLOURS[each.outcome]), each.path, each.line, each.why) for each in result.findings
    ]
    if rows:
        console().print(table(["", "key", "line", "why"], rows))
    lost = sum(each.outcome == "lost" for each in result.findings)
    click.echo(f"{_count(len(result.profiles), 'profile')} carried over; {_count(lost, 'key')} not.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
