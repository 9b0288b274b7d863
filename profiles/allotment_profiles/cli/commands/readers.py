"""`allotment readers`: who can reach data, by the files."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from allotment_profiles.cli.commands.explain import moment
from allotment_profiles.cli.commands.sources import catalog_of, output, repository, revision


@click.command()
@click.argument("data_role", metavar="DATA-ROLE")
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="Ask about the end of this day.  [default: now]")
@repository
@revision
@output("text", "json")
@click.pass_context
def readers(
    context: click.Context, data_role: str, day: dt.datetime | None, path: Path, revision: str | None, form: str
) -> None:
    """List who can reach the data of DATA-ROLE: through which team and profiles, and until when.

    People are named as the files name them: the groups of the identity provider, and single users. Who is in a group
    the identity provider knows; the page of the data role adds the people that the hub has seen.

    Ends with 0, and with 2 when there is no such data role that reads.
    """
    from allotment_profiles.access.subjects import people_of
    from allotment_profiles.model.dates import days_left

    catalog = catalog_of(path, revision)
    entry = catalog.data_roles.get(data_role)
    if entry is None:
        raise click.UsageError(f"There is no readable data role {data_role!r}.")
    now = moment(day)
    rows = []
    for team, grant in sorted(entry.value.granted_to.items()):
        ended = days_left(grant.until, now) < 0 or (grant.review_by is not None and days_left(grant.review_by, now) < 0)
        rows.append({
            "team": team,
            "people": sorted(people_of(team, catalog)),
            "profiles": [each for each in catalog.profiles_reaching(data_role) if each.startswith(f"{team}/")],
            "until": grant.until.isoformat(),
            "review_by": grant.review_by.isoformat() if grant.review_by else None,
            "ended": ended,
        })  # fmt: skip
    if form == "json":
        click.echo(json.dumps({"data_role": data_role, "owner": entry.value.owner, "readers": rows}, indent=2))
    else:
        _tell(f"{data_role}: {entry.value.title}. Its owner is the team {entry.value.owner}.", rows)
    context.exit(0)


def _tell(title: str, rows: "Sequence[Mapping[str, object]]") -> None:
    from allotment_profiles.cli.commands.tables import console, table, text

    out = console()
    out.print(text(title))
    if not rows:
        out.print(text("Nobody reaches it: it is granted to no team."))
        return

    def joined(value: object) -> str:
        return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

    out.print(table(
        ["team", "groups and users", "profiles", "until"],
        [
            [row["team"], joined(row["people"]), joined(row["profiles"]) or "none yet",
             f"{row['until']} (ended)" if row["ended"] else row["until"]]
            for row in rows
        ],
    ))  # fmt: skip
