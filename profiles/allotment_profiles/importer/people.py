"""Import the members and the leads of the team from the authenticator settings of the hub."""

from collections.abc import Iterable
from typing import Any

from allotment_profiles.importer.formatting import validation_error
from allotment_profiles.importer.ledger import Ledger
from allotment_profiles.importer.values import Node
from allotment_profiles.model import EVERYONE
from allotment_profiles.model.values.texts import Group

_HUB = "This is a setting of the hub: it stays in the values of the chart."
MAXIMUM_NAMES = {"users": 200, "groups": 100}


def import_people(hub: Node | None, team: str, groups: Iterable[str], ledger: Ledger) -> dict[str, Any]:
    """Return the `members` and `leads` of a team. `groups` are the groups that its profiles name.

    Everyone who can sign in is a member of the team `everyone`. Another team has only the members that are named, so
    nobody gains access.
    """
    people: dict[str, list[str]] = {name: [] for name in ("admin_users", "admin_groups", "users", "groups")}
    config = hub.at("config") if hub else None
    for section, node in (config.mapping if config else {}).items():
        if not section.endswith("uthenticator"):
            continue
        for name, setting in node.mapping.items():
            kind = name.removeprefix("allowed_")
            if name in ("admin_users", "admin_groups"):
                _add_names(setting, people[name], ledger, MAXIMUM_NAMES[name.removeprefix("admin_")])
            elif name in ("allowed_users", "allowed_groups") and team != EVERYONE:
                _add_names(setting, people[kind], ledger, MAXIMUM_NAMES[kind])
            elif not setting.is_empty:
                ledger.stays(setting, _HUB)
    leads = _people(people["admin_groups"], people["admin_users"])
    if team == EVERYONE:
        return {"members": {"everyone": True}, "leads": leads}
    return {"members": _people([*people["groups"], *groups], people["users"]), "leads": leads}


def _people(groups: Iterable[str], users: Iterable[str]) -> dict[str, Any]:
    people = {"groups": list(dict.fromkeys(groups)), "users": list(dict.fromkeys(users))}
    return {name: names for name, names in people.items() if names}


def _add_names(node: Node, names: list[str], ledger: Ledger, maximum: int) -> None:
    for entry in node.entries:
        why = validation_error(Group, entry.value)
        if why or len(names) >= maximum:
            ledger.lost(entry, why or f"A list has at most {maximum} names.")
        else:
            names.append(str(entry.value))
            ledger.carried(entry)
