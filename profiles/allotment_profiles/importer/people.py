"""Who belongs to the team and who leads it, from what the hub is told about users."""

from collections.abc import Iterable
from typing import Any

from allotment_profiles.importer.formatting import refused
from allotment_profiles.importer.ledger import Ledger
from allotment_profiles.importer.values import Node
from allotment_profiles.model import EVERYONE
from allotment_profiles.model.texts import Group

_HUB = "This is the hub's own business: it stays in the values of the chart."
MAXIMUM_USERS, MAXIMUM_GROUPS = 200, 100


def import_people(hub: Node | None, team: str, groups: Iterable[str], ledger: Ledger) -> dict[str, Any]:
    """Give a team's `members` and `leads`; `groups` are those that profiles name. Nobody gains what they did not have.

    The team `everyone` is whoever may sign in; of another one the members are those who are named.
    """
    found: dict[str, list[str]] = {name: [] for name in ("admin_users", "admin_groups", "users", "groups")}
    config = hub.at("config") if hub else None
    for section, node in (config.mapping if config else {}).items():
        if not section.endswith("uthenticator"):
            continue
        for name, each in node.mapping.items():
            kind = name.removeprefix("allowed_")
            if name in ("admin_users", "admin_groups"):
                _names(each, found[name], ledger)
            elif name in ("allowed_users", "allowed_groups") and team != EVERYONE:
                _names(each, found[kind], ledger)
            elif not each.says_nothing:
                ledger.stays(each, _HUB)
    leads = _people(found["admin_groups"], found["admin_users"])
    if team == EVERYONE:
        return {"members": {"everyone": True}, "leads": leads}
    return {"members": _people([*found["groups"], *groups], found["users"]), "leads": leads}


def _people(groups: Iterable[str], users: Iterable[str]) -> dict[str, Any]:
    people = {"groups": list(dict.fromkeys(groups))[:MAXIMUM_GROUPS], "users": list(dict.fromkeys(users))}
    return {name: names for name, names in people.items() if names}


def _names(node: Node, found: list[str], ledger: Ledger) -> None:
    for each in node.entries:
        why = refused(Group, each.value)
        if why or len(found) >= MAXIMUM_USERS:
            ledger.lost(each, why or f"At most {MAXIMUM_USERS} are named.")
        else:
            found.append(str(each.value))
            ledger.carried(each)
