"""What each single change needs: whose approval, and why. Pure.

A rename needs all that the removal of the old file and the addition of the new one would need, so nothing is gained
by moving a file instead of writing it anew.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.model import Budget, Envelope, Team
from allotment_profiles.model.paths import file_ref
from allotment_profiles.review.access_diff import compare_access
from allotment_profiles.review.changes import Change, compare_values, owner_before, subject_of
from allotment_profiles.review.team_limits import binding_envelope, further_outside

RequirementKind = Literal["lead", "owner", "administrator"]
_PARTICIPLES = {"unreadable": "changed"}


@dataclass(frozen=True, slots=True)
class Need:
    """One approval, for one reason."""

    kind: RequirementKind
    team: str
    reason: str
    leads_only: bool = False
    """Whether a deputy cannot stand in for the lead."""
    or_administrator: bool = False
    """Whether an administrator may stand in for the lead."""


def needs_of(changes: Iterable[Change], before: Catalog, after: Catalog) -> Iterator[Need]:
    """Give what the changes need, judged by main (`before`)."""
    changes = list(changes)
    for change in changes:
        if change.kind == "renamed":
            yield from _of_rename(change, before, after)
        else:
            yield from _needs(change, before, after)
    yield from _of_moves(changes, before, after)
    by_path: dict[str, list[Change]] = {}
    for change in changes:
        by_path.setdefault(change.path, []).append(change)
    for path, theirs in by_path.items():
        yield from _of_envelope(path, theirs, before, after)


def _of_rename(change: Change, before: Catalog, after: Catalog) -> Iterator[Need]:
    """Give what the removal and the addition would need; the fields that differ come as changes of their own."""
    where = file_ref(change.path)
    kinds: dict[str, Mapping[str, Entry[Any]]] = {
        "team": after.teams, "data role": after.data_roles, "profile": after.profiles
    }  # fmt: skip
    entry = kinds[where.kind][where.id] if where else None
    removed = replace(change, kind="removed", path=change.moved_from, subject=subject_of(change.moved_from))
    for each in (removed, *compare_values(change.path, None, entry.value if entry else None)):
        yield from _needs(each, before, after)


def _needs(change: Change, before: Catalog, after: Catalog) -> Iterator[Need]:
    where = file_ref(change.path)
    if where is None or where.kind == "policy":
        yield Need("administrator", "", f"{change.subject[0].upper()}{change.subject[1:]} holds for everyone.")
    elif where.kind == "profile":
        yield from _of_profile(change, where.id)
    elif where.kind == "team":
        yield from _of_team(change, where.id, before, after)
    else:
        yield from _of_data_role(change, where.id, before, after)


def _of_profile(change: Change, profile_id: str) -> Iterator[Need]:
    team = profile_id.partition("/")[0]
    yield Need("lead", team, f"The profile {profile_id} is {_PARTICIPLES.get(change.kind, change.kind)}.")
    if change.category == "acceptance":
        why = f"What the profile {profile_id} takes on is an administrator's to accept: {change.text}."
        yield Need("administrator", "", why)


def _of_envelope(path: str, changes: list[Change], before: Catalog, after: Catalog) -> Iterator[Need]:
    """Ask an administrator where a profile goes further beyond main's envelope than it did."""
    where = file_ref(path)
    new = after.profiles.get(where.id) if where and where.kind == "profile" else None
    if where is None or new is None or any(change.kind in ("removed", "unreadable") for change in changes):
        return
    old = None if changes[0].moved_from else before.profiles.get(where.id)
    team = where.id.partition("/")[0]
    beyond = further_outside(old.value if old else None, new.value, binding_envelope(before, after, team))
    if beyond:
        yield Need(
            "administrator",
            "",
            f"The profile {where.id} goes beyond the team's envelope: {'; '.join(beyond.values())}.",
        )


def _of_moves(changes: list[Change], before: Catalog, after: Catalog) -> Iterator[Need]:
    """Ask the owners of data that people of another team gain by a move: the agreement was with the old team."""
    moved = {change.after for change in changes if change.category == "moved"}
    if not moved:
        return
    for change in compare_access(before, after):
        role = before.data_roles.get(change.data_role) or after.data_roles.get(change.data_role)
        if role and change.gains and not change.also_via_other_profile and not moved.isdisjoint(change.profiles):
            why = f"{change.people} of the team {change.team} gain the data of {change.data_role}"
            yield Need("owner", role.value.owner, f"{why} through {change.through}, which moves there.")


def _of_team(change: Change, team: str, before: Catalog, after: Catalog) -> Iterator[Need]:
    if not change.field:
        yield Need("administrator", "", f"The team {team} is {_PARTICIPLES.get(change.kind, change.kind)}.")
        if change.kind == "added":
            # A grant may have waited for the name, or outlived a team of that name: its owner judges the new people.
            for role, owner in _reached(team, before):
                yield Need("owner", owner, f"The new team {team} gains the data of {role}.")
        return
    if change.kind == "added":
        return  # said of the file as a whole
    if change.category == "text":
        yield Need("lead", team, f"The team {team} is described differently.")
        return
    part = change.field.partition(".")[0]
    told = f"In the team {team}: {change.text}"
    old, new = before.teams.get(team), after.teams.get(team)
    if part == "deputies":
        yield Need("lead", team, f"{told}; a lead decides who stands in.", leads_only=True)
    elif old and new and narrows(change, old.value, new.value):
        yield Need("lead", team, f"{told}; that takes away only, so a lead is enough.", or_administrator=True)
    else:
        yield Need("administrator", "", f"{told}.")
    if (
        part in ("members", "leads", "deputies")
        and change.after not in (None, "no")
        and not _known(change, old.value if old else None)
    ):
        who = "everybody" if change.field.endswith(".everyone") else change.after
        for role, owner in _reached(team, before):
            yield Need("owner", owner, f"{who} gains the data of {role} as part of the team {team}.")


def _known(change: Change, team: Team | None) -> bool:
    """Tell whether who becomes a deputy belongs to the team already, and so gains no data."""
    if team is None or not change.field.startswith("deputies."):
        return False
    kind = change.field.rpartition(".")[2]
    return change.after in (*getattr(team.members, kind), *getattr(team.leads, kind))


def narrows(change: Change, before: Team, after: Team) -> bool:
    """Tell whether a change of a team's file only takes away: members, a part of the envelope, of a budget.

    Who leads is not among it: that is a change of who decides.
    """
    part, _, field = change.field.partition(".")
    if part == "members":
        return field in ("groups", "users") and change.after is None
    if part == "envelope":
        return _envelope_narrows(field, before.envelope, after.envelope)
    if part == "budget":
        return _budget_narrows(field, before.budget, after.budget)
    return part == "user_budget" and _budget_narrows(field, before.user_budget, after.user_budget)


def _envelope_narrows(field: str, before: Envelope, after: Envelope) -> bool:
    was, now = getattr(before, field), getattr(after, field)
    if not isinstance(was, tuple):
        return bool(now <= was)
    if field == "gpu_kinds":
        # None named means every kind.
        return bool(now) and (not was or set(now) <= set(was))
    return set(now) <= set(was)


def _budget_narrows(field: str, before: Budget | None, after: Budget | None) -> bool:
    # What a budget leaves out has no bound.
    was = getattr(before, field) if before else None
    now = getattr(after, field) if after else None
    return now is not None and (was is None or now <= was)


def _reached(team: str, before: Catalog) -> Iterator[tuple[str, str]]:
    for role, entry in before.data_roles.items():
        if team in entry.value.granted_to:
            yield role, entry.value.owner


def _of_data_role(change: Change, role: str, before: Catalog, after: Catalog) -> Iterator[Need]:
    owner = owner_before(change.path, before, after)
    participle = _PARTICIPLES.get(change.kind, change.kind)
    if owner:
        # The binding's values are not for everybody who reads what is needed.
        bound = change.field.startswith("binding")
        what = "the binding changes" if bound else change.text if change.kind == "changed" else f"it is {participle}"
        yield Need("owner", owner, f"Data role {role}: {what}.")
    owners_alone = change.kind == "rewritten" or (change.kind == "changed" and change.field.startswith("granted_to"))
    if owner is None or not owners_alone:
        yield Need("administrator", "", f"The data role {role} is {participle}.")
    new_owner = after.data_roles[role].value.owner if role in after.data_roles else owner
    if new_owner and new_owner != owner:
        yield Need("owner", new_owner, f"The data role {role} comes to this team.")
