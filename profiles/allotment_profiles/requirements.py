"""Which approvals a set of changes needs, from whom and why; and who can give them. Pure."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from allotment_profiles.catalog import Catalog
from allotment_profiles.changes import Change, owner_before
from allotment_profiles.paths import place
from allotment_profiles.rules import ADMINISTRATORS, User, leads, leads_of

RequirementKind = Literal["lead", "owner", "administrator"]
_PARTICIPLES = {"unreadable": "changed"}
# What a team's lead decides in the team's file; everything else there is an administrator's.
_LEADS_OWN = ("title", "description")


@dataclass(frozen=True, slots=True)
class Requirement:
    """An approval that a change needs."""

    kind: RequirementKind
    team: str
    """The team whose leads approve; empty for administrators."""
    reasons: tuple[str, ...]
    """Why, one sentence each."""
    who: str
    """Who can give it, in words."""

    @property
    def key(self) -> str:
        """Stable, for machines: `lead:housing`, `administrator`."""
        return f"{self.kind}:{self.team}" if self.team else self.kind

    @property
    def text(self) -> str:
        """Who has to approve, and why."""
        return f"{self.who}: {' '.join(self.reasons)}"

    def as_dict(self) -> dict[str, object]:
        """Give the form that JSON answers carry."""
        return {
            "key": self.key,
            "kind": self.kind,
            "team": self.team,
            "who": self.who,
            "reasons": list(self.reasons),
            "text": self.text,
        }


def _needs(change: Change, before: Catalog, after: Catalog) -> Iterable[tuple[RequirementKind, str, str]]:
    where = place(change.path)
    if where is None or where.kind == "policy":
        yield "administrator", "", f"{change.subject[0].upper()}{change.subject[1:]} holds for everyone."
    elif where.kind == "profile":
        team = where.id.partition("/")[0]
        yield "lead", team, f"The profile {where.id} is {_PARTICIPLES.get(change.kind, change.kind)}."
    elif where.kind == "team":
        yield from _needs_of_team(change, where.id, before)
    else:
        yield from _needs_of_data_role(change, where.id, before, after)


def _needs_of_team(change: Change, team: str, before: Catalog) -> Iterable[tuple[RequirementKind, str, str]]:
    if not change.field:
        yield "administrator", "", f"The team {team} is {change.kind}."
        if change.kind == "added":
            # A grant may have waited for the name, or outlived a team of that name: its owner judges the new people.
            for role, owner in _reached(team, before):
                yield "owner", owner, f"The new team {team} gains the data of {role}."
        return
    if change.field in _LEADS_OWN:
        yield "lead", team, f"The team {team} is described differently."
        return
    yield "administrator", "", f"In the team {team}: {change.text}."
    people_added = change.field.split(".")[0] in ("members", "leads") and change.after is not None
    if people_added:
        for role, owner in _reached(team, before):
            yield "owner", owner, f"{change.after} gains the data of {role} as part of the team {team}."


def _reached(team: str, before: Catalog) -> Iterable[tuple[str, str]]:
    for role, entry in before.data_roles.items():
        if team in entry.value.granted_to:
            yield role, entry.value.owner


def _needs_of_data_role(
    change: Change, role: str, before: Catalog, after: Catalog
) -> Iterable[tuple[RequirementKind, str, str]]:
    owner = owner_before(change.path, before, after)
    if owner:
        # The binding's values are not for everybody who reads what is needed.
        bound = change.field.startswith("binding")
        what = "the binding changes" if bound else change.text if change.kind == "changed" else f"it is {change.kind}"
        yield "owner", owner, f"Data role {role}: {what}."
    owners_alone = change.kind == "rewritten" or (change.kind == "changed" and change.field.startswith("granted_to"))
    if owner is None or not owners_alone:
        yield "administrator", "", f"The data role {role} is {change.kind}."
    new_owner = after.data_roles[role].value.owner if role in after.data_roles else owner
    if new_owner and new_owner != owner:
        yield "owner", new_owner, f"The data role {role} comes to this team."


def requirements_of(changes: Iterable[Change], before: Catalog, after: Catalog) -> list[Requirement]:
    """Say which approvals the changes need, judged by main (`before`): a proposal cannot appoint its own reviewer."""
    reasons: dict[tuple[RequirementKind, str], dict[str, None]] = {}
    for change in changes:
        for kind, team, reason in _needs(change, before, after):
            known = kind == "administrator" or team in before.teams
            # A team that is new has no leads on main yet: an administrator answers for it.
            key = (kind, team) if known else ("administrator", "")
            reasons.setdefault(key, {})[reason] = None
    order: dict[RequirementKind, int] = {"lead": 0, "owner": 1, "administrator": 2}
    return [
        Requirement(kind, team, tuple(why), leads_of(before, team) if team else ADMINISTRATORS)
        for (kind, team), why in sorted(reasons.items(), key=lambda item: (order[item[0][0]], item[0][1]))
    ]


def can_meet(requirement: Requirement, user: User, main: Catalog, proposer: User) -> bool:
    """Tell whether a user's approval meets a requirement.

    The proposer's never does. Where the proposer leads the team in question, an administrator may stand in for a lead,
    since the team may have no other; nobody stands in for the owner of data.
    """
    if user.name == proposer.name:
        return False
    if requirement.kind == "administrator":
        return user.admin
    team = main.teams.get(requirement.team)
    if team is None:
        return False
    if leads(user, team.value):
        return True
    return requirement.kind == "lead" and user.admin and leads(proposer, team.value)


def addressed(requirements: Iterable[Requirement], main: Catalog, proposer: User) -> tuple[Requirement, ...]:
    """Say in each requirement who can meet it when this user proposes: where the proposer leads, who stands in."""
    found = []
    for requirement in requirements:
        team = main.teams.get(requirement.team)
        if requirement.kind == "lead" and team and leads(proposer, team.value):
            who = f"another of {requirement.who}, or {ADMINISTRATORS} in their place"
            found.append(dataclasses.replace(requirement, who=who))
        else:
            found.append(requirement)
    return tuple(found)


def missing(
    requirements: Iterable[Requirement], approvers: Iterable[User], main: Catalog, proposer: User
) -> list[Requirement]:
    """Give the requirements that no approver meets."""
    people = list(approvers)
    return [
        requirement
        for requirement in requirements
        if not any(can_meet(requirement, user, main, proposer) for user in people)
    ]
