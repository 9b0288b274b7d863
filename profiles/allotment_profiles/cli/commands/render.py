"""`allotment render`: exactly what would run."""

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from allotment_profiles.cli.commands.explain import able, moment
from allotment_profiles.cli.commands.sources import catalog_of, output, repository, revision

if TYPE_CHECKING:
    from allotment_profiles.access.launch import Launch
    from allotment_profiles.access.people import User
    from allotment_profiles.catalog.catalog import Catalog


@click.command()
@click.argument("profile")
@click.option("--option", "options", multiple=True, metavar="NAME=CHOICE", help="An option's answer; may be repeated.")
@click.option("--user", help="As this user.  [default: somebody who may start it]")
@click.option("--group", "groups", multiple=True, help="A group of the user, by its full name; may be repeated.")
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="Ask about the end of this day.  [default: now]")
@repository
@revision
@output("text", "json")
def render(
    profile: str,
    options: tuple[str, ...],
    user: str | None,
    groups: tuple[str, ...],
    day: dt.datetime | None,
    path: Path,
    revision: str | None,
    form: str,
) -> None:
    """Print exactly what a session of PROFILE (team/name) would be: program, image, size, data, times, price.

    Ends with 0, with 1 when the start would be refused, and with 2 when the question makes no sense.
    """
    from allotment_profiles.access.launch import Request, resolve
    from allotment_profiles.access.people import User
    from allotment_profiles.model.problems import RefusedError

    chosen = {}
    for each in options:
        name, equals, value = each.partition("=")
        if not equals:
            raise click.UsageError(f"{each!r} is not NAME=CHOICE.")
        chosen[name] = value
    catalog = catalog_of(path, revision)
    who = User(user, frozenset(groups)) if user is not None else _somebody(catalog, profile)
    try:
        launch = resolve(catalog, who, Request(profile, chosen), moment(day), able())
    except RefusedError as error:
        raise click.ClickException(error.refusal.sentence) from None
    facts = _facts(launch)
    if form == "json":
        click.echo(json.dumps(facts, indent=2))
        return
    from allotment_profiles.cli.commands.tables import console, table

    console().print(table(["what", "value"], [(key.replace("_", " "), _plain(value)) for key, value in facts.items()]))


def _somebody(catalog: "Catalog", profile_id: str) -> "User":
    """Make up a user in every group that the files name for the profile."""
    from allotment_profiles.access.people import User

    team, entry = catalog.teams.get(profile_id.partition("/")[0]), catalog.profiles.get(profile_id)
    groups = set()
    if team and entry:
        groups = {*team.value.members.groups, *team.value.leads.groups, *entry.value.only}
        for option in entry.value.options.values():
            groups.update(group for choice in option.choices.values() for group in choice.only)
    names = [*team.value.leads.users, *team.value.members.users] if team else []
    return User(names[0] if names else "somebody", frozenset(groups))


def _facts(launch: "Launch") -> dict[str, Any]:
    """Write a launch as people and machines read it."""
    from allotment_profiles.model.quantities import cpu_number, format_duration, format_memory

    size = launch.size
    return {
        "profile": launch.profile_id,
        "title": launch.title,
        "team": launch.team,
        "commit": launch.commit,
        "options": dict(launch.request.options),
        "app": launch.app,
        "image": launch.image,
        "cpu": {"guarantee": cpu_number(size.cpu_guarantee), "limit": cpu_number(size.cpu)},
        "memory": {"guarantee": format_memory(size.memory_guarantee), "limit": format_memory(size.memory)},
        "gpu": size.gpu,
        "gpu_kind": size.gpu_kind,
        "node_pool": launch.node_pool.model_dump(mode="json", exclude_unset=True) if launch.node_pool else None,
        "tool": launch.tool.model_dump(mode="json", exclude_unset=True) if launch.tool else None,
        "home": format_memory(launch.storage.home) if launch.storage.home else None,
        "team_folder": launch.storage.team,
        "checkout": launch.checkout.model_dump(mode="json", exclude_unset=True) if launch.checkout else None,
        "environment": dict(launch.environment),
        "data": {role: binding.kind for role, binding in launch.bindings.items()},
        "idle": format_duration(launch.idle),
        "total": format_duration(launch.total),
        "cost": launch.cost.text,
    }


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(each)}" for key, each in value.items()) or "none"
    return "none" if value is None else str(value)
