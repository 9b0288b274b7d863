"""`allotment readers`: who can reach the data of a data role."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from allotment_profiles.cli.sources import catalog_of, on, output, repository, revision, time_of


@click.command()
@click.argument("data_role", metavar="DATA-ROLE")
@on
@repository
@revision
@output("text", "json")
@click.pass_context
def readers(
    context: click.Context, data_role: str, day: dt.datetime | None, path: Path, revision: str | None, form: str
) -> None:
    """List who can reach the data of DATA-ROLE: through which team and profiles, and until when.

    Shows groups of the identity provider and single users, as the files name them. Only the identity provider knows
    the members of a group; the page of the data role also shows the members whom the hub knows.

    Exit codes: 0; 2 if there is no such data role, or its file is not valid.
    """
    from allotment_profiles.access.subjects import people_of
    from allotment_profiles.model.values.dates import days_left

    catalog = catalog_of(path, revision)
    entry = catalog.data_roles.get(data_role)
    if entry is None:
        raise click.UsageError(f"There is no valid data role {data_role!r}.")
    now = time_of(day)
    rows = []
    for team, grant in sorted(entry.value.granted_to.items()):
        rows.append(
            {
                "team": team,
                "people": sorted(people_of(team, catalog)),
                "profiles": [name for name in catalog.profiles_reaching(data_role) if name.startswith(f"{team}/")],
                "until": grant.until.isoformat(),
                "review_by": grant.review_by.isoformat() if grant.review_by else None,
                "ended": days_left(grant.last_day, now) < 0,
            }
        )
    if form == "json":
        click.echo(json.dumps({"data_role": data_role, "owner": entry.value.owner, "readers": rows}, indent=2))
    else:
        _print(f"{data_role}: {entry.value.title}. Its owner is the team {entry.value.owner}.", rows)
    context.exit(0)


def _print(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    from allotment_profiles.cli.report import console, table, text

    out = console()
    out.print(text(title))
    if not rows:
        out.print(text("It is not granted to any team, so nobody can reach it."))
        return

    out.print(table(["team", "groups and users", "profiles", "until"], map(_cells, rows)))


def _cells(row: Mapping[str, Any]) -> list[str]:
    until = f"{row['until']} (ended)" if row["ended"] else row["until"]
    return [row["team"], ", ".join(row["people"]), ", ".join(row["profiles"]) or "none", until]
