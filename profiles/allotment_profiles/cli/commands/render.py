"""`allotment render`: what a session would be exactly."""

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from allotment_profiles.cli.sources import catalog_of, on, output, repository, revision, time_of

if TYPE_CHECKING:
    from allotment_profiles.access.launch import Launch
    from allotment_profiles.access.people import User
    from allotment_profiles.catalog.catalog import Catalog


@click.command()
@click.argument("profile")
@click.option(
    "--option", "options", multiple=True, metavar="NAME=CHOICE", help="The choice of an option; may be repeated."
)
@click.option("--user", help="Decide for this user.  [default: a user who may start it]")
@click.option("--group", "groups", multiple=True, help="A group of the user, by its full name; may be repeated.")
@on
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
    """Print what a session of PROFILE (team/name) would be exactly: program, image, size, data, times, price.

    Exit codes: 0; 1 if the start would be refused; 2 for a usage error.
    """
    from allotment_profiles.access.deployments import unlimited
    from allotment_profiles.access.launch import Request, resolve
    from allotment_profiles.access.people import User
    from allotment_profiles.model.problems import RefusedError

    chosen = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals:
            raise click.UsageError(f"{option!r} is not of the form NAME=CHOICE.")
        chosen[name] = value
    catalog = catalog_of(path, revision)
    starter = User(user, frozenset(groups)) if user is not None else _example_user(catalog, profile)
    request = Request(profile, chosen)
    try:
        launch = resolve(catalog, starter, request, time_of(day), unlimited("the platform"))
    except RefusedError as error:
        raise click.ClickException(error.refusal.sentence) from None
    content = _content(launch)
    if form == "json":
        click.echo(json.dumps(content, indent=2))
        return
    from allotment_profiles.cli.report import console, table

    console().print(table(["key", "value"], [(key.replace("_", " "), _plain(value)) for key, value in content.items()]))


def _example_user(catalog: "Catalog", profile_id: str) -> "User":
    from allotment_profiles.access.people import User

    team, entry = catalog.teams.get(profile_id.partition("/")[0]), catalog.profiles.get(profile_id)
    groups = set()
    if team and entry:
        groups = {*team.value.members.groups, *team.value.leads.groups, *entry.value.only}
        groups.update(group for _, choice in entry.value.all_choices() for group in choice.only)
    names = [*team.value.leads.users, *team.value.members.users] if team else []
    return User(names[0] if names else "somebody", frozenset(groups))


def _content(launch: "Launch") -> dict[str, Any]:
    from allotment_profiles.model.values.quantities import cpu_number, format_duration, format_memory

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
        return ", ".join(f"{key}: {_plain(inner)}" for key, inner in value.items()) or "none"
    return "none" if value is None else str(value)
