"""A profile's JSON Schema, restricted to what one user may ask for: for the form and for clients of `GET schema`.

The form does not read the keys `x-maximum`, `x-patterns`, `x-granted`, `askable` and `memory_bytes`. They are part of
the API, for clients that build a form of their own.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from allotment_profiles.access.people import User, belongs
from allotment_profiles.access.visibility import profile_is_listed
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import BUILT_IN_APPS, Envelope, Team
from allotment_profiles.model.values.dates import days_left
from allotment_profiles.model.values.quantities import cpu_number, format_memory
from allotment_profiles.model.values.texts import image_matches


def form_schema(schema: dict[str, Any], catalog: Catalog, user: User, now: dt.datetime) -> dict[str, Any]:
    """Restrict a profile's JSON Schema to what the user's teams may ask for; return it with each team's bounds.

    `schema` is changed in place. It gets the widest bounds of all these teams; `teams` has each team's own bounds, for
    a form that knows the team. Administrators may ask for every team.
    """
    teams = {
        name: entry.value for name, entry in sorted(catalog.teams.items()) if user.admin or belongs(user, entry.value)
    }
    described = {name: _team(catalog, user, name, team, now) for name, team in teams.items()}
    _restrict_amounts(schema, [team["maximum"] for team in described.values()])
    _restrict_images(schema, [team["images"] for team in described.values()])
    _restrict_names(schema, catalog)
    _restrict_data_roles(schema, catalog, described)
    return {"schema": schema, "team": {"type": "string", "enum": list(teams)}, "teams": described}


def _restrict_amounts(schema: dict[str, Any], bounds: Sequence[Mapping[str, Any]]) -> None:
    if not bounds:
        return
    parts = schema["$defs"]
    memory = format_memory(max(bound["memory_bytes"] for bound in bounds))
    for key in ("guarantee", "limit"):
        for part in ("CpuRange", "CpuOverride"):
            _value(parts[part], key)["maximum"] = max(bound["cpu"] for bound in bounds)
        for part in ("MemoryRange", "MemoryOverride"):
            parts[part]["properties"][key]["x-maximum"] = memory
    for part in ("Resources", "ResourcesOverride"):
        _value(parts[part], "gpu")["maximum"] = max(bound["gpu"] for bound in bounds)


def _restrict_images(schema: dict[str, Any], teams: Sequence[Mapping[str, Any]]) -> None:
    images = {
        "examples": sorted({image for team in teams for image in team["known"]}),
        "x-patterns": sorted({pattern for team in teams for pattern in team["patterns"]}),
    }
    schema["properties"]["image"].update(images)
    schema["$defs"]["Choice"]["properties"]["image"].update(images)


def _restrict_names(schema: dict[str, Any], catalog: Catalog) -> None:
    """Restrict apps, kinds of GPU and node pools to those of the policy."""
    if catalog.policy is None:
        return
    policy, parts = catalog.policy.value, schema["$defs"]
    for described, names in (
        (schema["properties"]["app"], (*BUILT_IN_APPS, *policy.tools)),
        (_value(parts["Choice"], "app"), (*BUILT_IN_APPS, *policy.tools)),
        (_value(parts["Resources"], "gpu_kind"), policy.gpu_kinds),
        (_value(parts["ResourcesOverride"], "gpu_kind"), policy.gpu_kinds),
        (_value(schema, "node_pool"), policy.node_pools),
        (_value(parts["Choice"], "node_pool"), policy.node_pools),
    ):
        described["enum"] = list(names)
    _value(parts["Storage"], "home")["x-maximum"] = format_memory(policy.ceilings.home)


def _restrict_data_roles(schema: dict[str, Any], catalog: Catalog, teams: Mapping[str, Mapping[str, Any]]) -> None:
    data_roles = schema["properties"]["data_roles"]
    data_roles["items"]["enum"] = sorted(catalog.data_roles)
    data_roles["x-granted"] = {
        name: [role["name"] for role in team["data_roles"]["granted"]] for name, team in teams.items()
    }


def _value(part: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the schema of a property; where it may be null, the schema of the other values."""
    described: dict[str, Any] = part["properties"][key]
    options: Sequence[dict[str, Any]] = described.get("anyOf", ())
    return next((option for option in options if option.get("type") != "null"), described)


def _team(catalog: Catalog, user: User, name: str, team: Team, now: dt.datetime) -> dict[str, Any]:
    envelope, kinds = team.envelope, catalog.policy.value.gpu_kinds if catalog.policy else {}
    profiles = (entry.value for id_, entry in catalog.profiles.items() if profile_is_listed(catalog, user, id_))
    used = {image for profile in profiles for _, image in profile.images()}
    known = sorted(image for image in used if any(image_matches(image, pattern) for pattern in envelope.images))
    return {
        "title": team.title,
        "envelope": _bounds(envelope.cpu, envelope.memory, envelope.gpu),
        "maximum": _maximum(catalog, envelope),
        "images": {"patterns": list(envelope.images), "known": known},
        "data_roles": _data_roles(catalog, name, now),
        "groups": [*team.members.groups, *team.leads.groups, *team.deputies.groups],
        "gpu_kinds": [kind for kind in kinds if not envelope.gpu_kinds or kind in envelope.gpu_kinds],
        "node_pools": list(envelope.node_pools),
        "home": format_memory(envelope.home),
        "repositories": list(catalog.policy.value.repositories) if catalog.policy else [],
    }


def _bounds(cpu: int, memory: int, gpu: int) -> dict[str, Any]:
    return {"cpu": cpu_number(cpu), "memory": format_memory(memory), "memory_bytes": memory, "gpu": gpu}


def _maximum(catalog: Catalog, envelope: Envelope) -> dict[str, Any]:
    """Return the ceilings; also the envelope's bounds, where the policy does not let an administrator accept more."""
    if catalog.policy is None:
        return _bounds(envelope.cpu, envelope.memory, envelope.gpu)
    ceilings = catalog.policy.value.ceilings
    if catalog.policy.value.rules.envelope != "hard":
        return _bounds(ceilings.cpu, ceilings.memory, ceilings.gpu)
    return _bounds(
        min(envelope.cpu, ceilings.cpu), min(envelope.memory, ceilings.memory), min(envelope.gpu, ceilings.gpu)
    )


def _data_roles(catalog: Catalog, team: str, now: dt.datetime) -> dict[str, list[dict[str, Any]]]:
    granted: list[dict[str, Any]] = []
    askable: list[dict[str, Any]] = []
    for name, entry in sorted(catalog.data_roles.items()):
        role = entry.value
        grant = role.granted_to.get(team)
        described = {
            "name": name,
            "title": role.title,
            "owner": role.owner,
            "sensitivity": role.sensitivity,
            "until": grant.last_day.isoformat() if grant else None,
        }
        active = grant is not None and days_left(grant.last_day, now) >= 0
        (granted if active else askable).append(described)
    return {"granted": granted, "askable": askable}
