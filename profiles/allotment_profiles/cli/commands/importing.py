"""`allotment import`: turns the values of a zero-to-jupyterhub chart into profiles."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from allotment_profiles.cli.sources import output, usage_errors

if TYPE_CHECKING:
    from allotment_profiles.importer.convert import Import

OUTCOMES = {"lost": "not imported", "changed": "changed", "stays": "stays in the chart", "note": "note"}
COLOURS = {"lost": "red", "changed": "yellow", "stays": "dim", "note": "yellow"}


@click.command("import")
@click.argument("values", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--into",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The folder for the new files; existing files are not overwritten.",
)
@click.option(
    "--team",
    default="everyone",
    show_default=True,
    help="The team of the profiles; `everyone` offers them to all users.",
)
@click.option("--lead-group", "leads", multiple=True, help="A group that leads the team; may be repeated.")
@output("text", "json")
def import_values(values: Path, folder: Path, team: str, leads: tuple[str, ...], form: str) -> None:
    """Turn the profile list of a zero-to-jupyterhub VALUES file into a repository that passes `allotment check`.

    Imports what it can. Lists every key that it cannot import, with line and reason, here and in IMPORT.md beside the
    files. Never shows values, since they may be secrets.

    Exit codes: 0 if the files are written; 1 if nothing can be imported or a file exists already; 2 for a usage error:
    the file does not contain the values of such a chart.
    """
    from allotment_profiles.cli.scaffold import write_new
    from allotment_profiles.importer.convert import import_values as import_chart
    from allotment_profiles.importer.formatting import validation_error
    from allotment_profiles.importer.values import UnreadableError
    from allotment_profiles.model.values.texts import Group, is_name

    if not is_name(team):
        raise click.UsageError(f"{team!r} is not the name of a team: use lower-case letters, digits and hyphens.")
    for lead in leads:
        if why := validation_error(Group, lead):
            raise click.UsageError(why)
    with usage_errors(values):
        try:
            result = import_chart(values.read_bytes(), team, leads)
        except UnreadableError as error:
            raise click.UsageError(f"{click.format_filename(values)}: {error}") from None
        if not result.profiles:
            _print(result, form)
            raise click.ClickException("No profile could be imported; nothing was written.")
        write_new(folder, result.files)
    _print(result, form)


def _print(result: "Import", form: str) -> None:
    if form == "json":
        answer = {
            "files": sorted(result.files),
            "profiles": list(result.profiles),
            "findings": [finding.as_dict() for finding in result.findings],
        }
        click.echo(json.dumps(answer, indent=2))
        return
    from allotment_profiles.cli.report import console, table, text
    from allotment_profiles.model.values.quantities import format_count

    rows = [
        (text(OUTCOMES[finding.outcome], COLOURS[finding.outcome]), finding.path, finding.line, finding.why)
        for finding in result.findings
    ]
    if rows:
        console().print(table(["", "key", "line", "why"], rows))
    lost = sum(finding.outcome == "lost" for finding in result.findings)
    click.echo(f"{format_count(len(result.profiles), 'profile')} imported; {format_count(lost, 'key')} not.")
