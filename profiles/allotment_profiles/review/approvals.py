"""Which approvals a set of changes requires, from whom and why; and who can give them. Pure functions.

A rename requires all that the removal of the old file and the addition of the new one would require, so that nobody
can avoid an approval by moving a file.
"""

import dataclasses
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from allotment_profiles.access.people import ADMINISTRATORS, User, answers_for, leads, leads_of
from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.model import Budget, Envelope, Team
from allotment_profiles.model.base import attributes
from allotment_profiles.model.paths import data_role_path, file_ref
from allotment_profiles.review.access_diff import compare_access
from allotment_profiles.review.automatic import automatic_paths
from allotment_profiles.review.changes import Change, compare_values, owner_before, subject_of
from allotment_profiles.review.team_limits import binding_envelope, further_outside, new_restricted_variables

RequirementKind = Literal["lead", "owner", "administrator"]
_ORDER: dict[RequirementKind, int] = {"lead": 0, "owner": 1, "administrator": 2}
_PARTICIPLES = {"unreadable": "changed"}
_NAMED_PEOPLE = 5
"""How many people a reason names; the changes have all of them."""
_NAMED_ROLES = 5
"""How many data roles of one owner a reason names."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """An approval that a change needs."""

    kind: RequirementKind
    team: str
    """The team whose leads approve; empty for administrators."""
    reasons: tuple[str, ...]
    who: str
    leads_only: bool = False
    """Whether a deputy cannot stand in for a lead."""
    or_administrator: bool = False
    """Whether an administrator may stand in for a lead."""
    gives_data: bool = False
    """Whether one of the reasons is that somebody gains data."""

    @property
    def key(self) -> str:
        """A stable identifier: `lead:housing`, `administrator`."""
        return f"{self.kind}:{self.team}" if self.team else self.kind

    @property
    def text(self) -> str:
        """Who has to approve, and why."""
        return f"{self.who}: {' '.join(self.reasons)}"

    def as_dict(self) -> dict[str, object]:
        """Return the requirement as the API and `allotment compare` send it."""
        return attributes(self, "key", "kind", "team", "who", "reasons", "text")


@dataclass(frozen=True, slots=True)
class _Reason:
    """One reason why somebody has to approve; the reasons for the same people make one requirement."""

    kind: RequirementKind
    team: str
    text: str
    leads_only: bool = False
    or_administrator: bool = False
    gives: str = ""
    """The data role whose data somebody gains."""


def requirements_of(
    changes: Iterable[Change], before: Catalog, after: Catalog, proposer: User | None = None
) -> list[Requirement]:
    """Return the approvals that the changes need.

    Main (`before`) decides who approves, so that a proposal cannot appoint its own reviewers. Files that change
    automatically for the proposer need no approval; without a proposer, no file does.
    """
    changes = list(changes)
    automatic = automatic_paths(changes, before, after, proposer)
    reasons: dict[tuple[RequirementKind, str], list[_Reason]] = {}
    for reason in _with_other_owners(
        _reasons([change for change in changes if change.path not in automatic], before, after), before, after
    ):
        # A new team has no leads on main yet: an administrator approves in their place.
        known = reason.kind == "administrator" or reason.team in before.teams
        reasons.setdefault((reason.kind, reason.team) if known else ("administrator", ""), []).append(reason)
    return [
        _requirement(kind, team, reasons[kind, team], before)
        for kind, team in sorted(reasons, key=lambda key: (_ORDER[key[0]], key[1]))
    ]


def _requirement(kind: RequirementKind, team: str, reasons: list[_Reason], main: Catalog) -> Requirement:
    """Merge the reasons for the same people; the strictest reason decides who may stand in."""
    leads_only = any(reason.leads_only for reason in reasons)
    or_administrator = kind == "lead" and all(reason.or_administrator for reason in reasons)
    who = leads_of(main, team) if team else ADMINISTRATORS
    if or_administrator:
        who += f", or {ADMINISTRATORS}"
    texts = tuple(dict.fromkeys(reason.text for reason in reasons))
    gives_data = any(reason.gives for reason in reasons)
    return Requirement(kind, team, texts, who, leads_only, or_administrator, gives_data)


def can_meet(
    requirement: Requirement, user: User, main: Catalog, proposer: User, contributors: Container[str] = ()
) -> bool:
    """Return whether a user's approval meets a requirement.

    The proposer's approval never does, nor that of anybody who set a head of the proposal (`contributors`, by name).
    A deputy may stand in for a lead, except where deputies are appointed. Where the proposer leads the team, an
    administrator may stand in for a lead, since the team may have no other. Only a deputy may stand in for the owner
    of data.
    """
    if user.name == proposer.name or user.name in contributors:
        return False
    if requirement.kind == "administrator" or (user.admin and requirement.or_administrator):
        return user.admin
    team = main.teams.get(requirement.team)
    if team is None:
        return False
    if leads(user, team.value) or (not requirement.leads_only and answers_for(user, team.value)):
        return True
    return requirement.kind == "lead" and user.admin and leads(proposer, team.value)


def addressed(requirements: Iterable[Requirement], main: Catalog, proposer: User) -> tuple[Requirement, ...]:
    """Return the requirements with `who` as it is for this proposer: where the proposer leads, who may stand in."""
    result = []
    for requirement in requirements:
        team = main.teams.get(requirement.team)
        needs_lead = requirement.kind == "lead" and not requirement.or_administrator
        if needs_lead and team and leads(proposer, team.value):
            who = f"another of {requirement.who}, or {ADMINISTRATORS} in their place"
            result.append(dataclasses.replace(requirement, who=who))
        else:
            result.append(requirement)
    return tuple(result)


def missing(
    requirements: Iterable[Requirement],
    approvers: Iterable[User],
    main: Catalog,
    proposer: User,
    contributors: Container[str] = (),
) -> list[Requirement]:
    """Return the requirements that no approver meets."""
    people = list(approvers)
    return [
        requirement
        for requirement in requirements
        if not any(can_meet(requirement, user, main, proposer, contributors) for user in people)
    ]


def _reasons(changes: list[Change], before: Catalog, after: Catalog) -> Iterator[_Reason]:
    for change in changes:
        if change.kind == "renamed":
            yield from _for_rename(change, before, after)
        else:
            yield from _for_change(change, before, after)
    yield from _for_moves(changes, before, after)
    yield from _for_people(changes, before)
    by_path: dict[str, list[Change]] = {}
    for change in changes:
        by_path.setdefault(change.path, []).append(change)
    for path, file_changes in by_path.items():
        yield from _beyond_before(path, file_changes, before, after)


def _with_other_owners(reasons: Iterable[_Reason], before: Catalog, after: Catalog) -> Iterator[_Reason]:
    """Add the owners of the other data roles that reach the same data: theirs is given as well."""
    others_of: dict[str, dict[str, list[str]]] = {}
    for reason in reasons:
        yield reason
        if reason.gives and reason.gives not in others_of:
            others_of[reason.gives] = _others_by_owner(reason.gives, before, after)
        for owner, others in others_of.get(reason.gives, {}).items():
            if owner != reason.team:
                text = f"The data role {reason.gives} reaches the same data as {', '.join(others)}. {reason.text}"
                yield _Reason("owner", owner, text)


def _others_by_owner(data_role: str, before: Catalog, after: Catalog) -> dict[str, list[str]]:
    """Return the first data roles of each owner that reach the same data; also those that main had before."""
    others: dict[str, list[str]] = {}
    for other in after.also_through(data_role):
        owner = owner_before(data_role_path(other), before, after)
        if owner and len(others.setdefault(owner, [])) < _NAMED_ROLES:
            others[owner].append(other)
    new = after.data_roles.get(data_role)
    for former in before.formerly_through(new.value.binding) if new else ():
        known = others.setdefault(former.owner, [])
        if f"{former.name} before" not in known and former.name not in known:
            known += [f"{former.name} before"][: _NAMED_ROLES - len(known)]
    return others


def _administrator(text: str) -> _Reason:
    return _Reason("administrator", "", text)


def _for_rename(change: Change, before: Catalog, after: Catalog) -> Iterator[_Reason]:
    """Return the reasons for the removal and for the addition; changed fields come as changes of their own."""
    ref = file_ref(change.path)
    kinds: Mapping[str, Mapping[str, Entry[Any]]] = {
        "team": after.teams,
        "data role": after.data_roles,
        "profile": after.profiles,
    }
    entry = kinds[ref.kind][ref.id] if ref else None
    removal = dataclasses.replace(change, kind="removed", path=change.moved_from, subject=subject_of(change.moved_from))
    for single in (removal, *compare_values(change.path, None, entry.value if entry else None)):
        yield from _for_change(single, before, after)


def _for_change(change: Change, before: Catalog, after: Catalog) -> Iterator[_Reason]:
    ref = file_ref(change.path)
    if ref is None:
        yield _administrator(f"Only administrators decide about {change.subject}, which Allotment does not read.")
    elif ref.kind == "policy":
        yield _administrator(f"{change.subject[0].upper()}{change.subject[1:]} applies to everyone.")
    elif ref.kind == "profile":
        participle = _PARTICIPLES.get(change.kind, change.kind)
        yield _Reason("lead", ref.id.partition("/")[0], f"The profile {ref.id} is {participle}.")
        if change.category == "acceptance":
            yield _administrator(f"Only an administrator accepts problems of the profile {ref.id}: {change.text}.")
    elif ref.kind == "team":
        yield from _for_team(change, ref.id, before, after)
    else:
        yield from _for_data_role(change, ref.id, before, after)


def _beyond_before(path: str, changes: list[Change], before: Catalog, after: Catalog) -> Iterator[_Reason]:
    """Require an administrator where a profile exceeds main's envelope, or sets restricted variables, unlike before."""
    ref = file_ref(path)
    new = after.profiles.get(ref.id) if ref and ref.kind == "profile" else None
    if ref is None or new is None or any(change.kind in ("removed", "unreadable") for change in changes):
        return
    old = None if changes[0].moved_from else before.profiles.get(ref.id)
    team = ref.id.partition("/")[0]
    beyond = further_outside(old.value if old else None, new.value, binding_envelope(before, after, team))
    if beyond:
        yield _administrator(f"The profile {ref.id} goes beyond the team's envelope: {'; '.join(beyond.values())}.")
    names = new_restricted_variables(old.value if old else None, new.value, (before.policy or after.policy))
    if names:
        yield _administrator(f"The profile {ref.id} sets what an administrator has to accept: {', '.join(names)}.")


def _for_moves(changes: list[Change], before: Catalog, after: Catalog) -> Iterator[_Reason]:
    """Require the owners of data that the people of another team gain by a move: the grant was for the old team."""
    moved = {change.after for change in changes if change.category == "moved"}
    if not moved:
        return
    for change in compare_access(before, after):
        role = before.data_roles.get(change.data_role) or after.data_roles.get(change.data_role)
        if role and change.gains and not change.also_via_other_profile and not moved.isdisjoint(change.profiles):
            gain = f"{change.people} of the team {change.team} gain the data of {change.data_role}"
            text = f"{gain} through {change.through}, which moves there."
            yield _Reason("owner", role.value.owner, text, gives=change.data_role)


def _for_team(change: Change, team: str, before: Catalog, after: Catalog) -> Iterator[_Reason]:
    if not change.field:
        yield _administrator(f"The team {team} is {_PARTICIPLES.get(change.kind, change.kind)}.")
        if change.kind == "added":
            # A grant may be older than the team, or than this team of that name: its owner judges the new people.
            for role, owner in _granted(team, before):
                yield _Reason("owner", owner, f"The new team {team} gains the data of {role}.", gives=role)
    elif change.kind != "added":  # The addition of the whole file covers its fields.
        yield _for_team_field(change, team, before, after)


def _for_people(changes: list[Change], before: Catalog) -> Iterator[_Reason]:
    """Require the owners of the data that new people of a team gain, with one reason for each data role and team."""
    added: dict[str, list[str]] = {}
    for change in changes:
        ref = file_ref(change.path)
        in_team = ref and ref.kind == "team" and change.field and change.kind not in ("added", "renamed")
        if ref and in_team and _adds_people(change, before.teams.get(ref.id)):
            everybody = change.field.endswith(".everyone")
            added.setdefault(ref.id, []).append("everybody" if everybody else str(change.after))
    for team, people in added.items():
        names = list(dict.fromkeys(people))
        others = f" and {len(names) - _NAMED_PEOPLE} others" if len(names) > _NAMED_PEOPLE else ""
        gain = f"{', '.join(names[:_NAMED_PEOPLE])}{others} {'gains' if len(names) == 1 else 'gain'}"
        for role, owner in _granted(team, before):
            yield _Reason("owner", owner, f"{gain} the data of {role} as part of the team {team}.", gives=role)


def _for_team_field(change: Change, team: str, before: Catalog, after: Catalog) -> _Reason:
    if change.category == "text":
        what = "channel" if change.field == "channel" else "description"
        return _Reason("lead", team, f"The {what} of the team {team} changes.")
    text = f"In the team {team}: {change.text}"
    old, new = before.teams.get(team), after.teams.get(team)
    if change.field.startswith("deputies."):
        return _Reason("lead", team, f"{text}; only a lead can appoint deputies.", leads_only=True)
    if old and new and _only_removes(change, old.value, new.value):
        return _Reason("lead", team, f"{text}; this only removes, so a lead is enough.", or_administrator=True)
    return _administrator(f"{text}.")


def _adds_people(change: Change, team: Entry[Team] | None) -> bool:
    part, _, kind = change.field.partition(".")
    if part not in ("members", "leads", "deputies") or change.after in (None, "no"):
        return False
    if part == "deputies" and team is not None:
        return change.after not in (*getattr(team.value.members, kind), *getattr(team.value.leads, kind))
    return True


def _only_removes(change: Change, before: Team, after: Team) -> bool:
    """Return whether a change of a team only takes away; not of its leads, since that changes who decides."""
    part, _, field = change.field.partition(".")
    if part == "members":
        return field in ("groups", "users") and change.after is None
    if part == "envelope":
        return _envelope_shrinks(field, before.envelope, after.envelope)
    if part == "budget":
        return _budget_shrinks(field, before.budget, after.budget)
    return part == "user_budget" and _budget_shrinks(field, before.user_budget, after.user_budget)


def _envelope_shrinks(field: str, before: Envelope, after: Envelope) -> bool:
    was, now = getattr(before, field), getattr(after, field)
    if not isinstance(was, tuple):
        return bool(now <= was)
    if field == "gpu_kinds":
        # An envelope that names no kinds allows all.
        return bool(now) and (not was or set(now) <= set(was))
    return set(now) <= set(was)


def _budget_shrinks(field: str, before: Budget | None, after: Budget | None) -> bool:
    # An amount that a budget leaves out is not limited.
    was = getattr(before, field) if before else None
    now = getattr(after, field) if after else None
    return now is not None and (was is None or now <= was)


def _granted(team: str, before: Catalog) -> Iterator[tuple[str, str]]:
    for role, entry in before.data_roles.items():
        if team in entry.value.granted_to:
            yield role, entry.value.owner


def _for_data_role(change: Change, role: str, before: Catalog, after: Catalog) -> Iterator[_Reason]:
    owner = owner_before(change.path, before, after)
    participle = _PARTICIPLES.get(change.kind, change.kind)
    if owner:
        # Everybody who may read the requirements reads this, so the values of the binding stay out of it.
        binding = change.field.startswith("binding")
        what = "the binding changes" if binding else change.text if change.kind == "changed" else f"it is {participle}"
        gives = change.kind == "added" or binding or change.category in ("grant-added", "grant-longer")
        yield _Reason("owner", owner, f"Data role {role}: {what}.", gives=role if gives else "")
    owner_is_enough = change.kind == "rewritten" or (change.kind == "changed" and change.field.startswith("granted_to"))
    if owner is None or not owner_is_enough:
        yield _administrator(f"The data role {role} is {participle}.")
    new_owner = after.data_roles[role].value.owner if role in after.data_roles else owner
    if new_owner and new_owner != owner:
        yield _Reason("owner", new_owner, f"The data role {role} comes to this team.")
