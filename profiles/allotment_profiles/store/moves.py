"""Find the removed profiles that a commit only moves: at another path, everybody can start them as before.

What counts is what applies for people, before and after. The new team has to include whoever could start the profile,
to have its data as long, and budgets with room for it; the profile has to be valid there, as no earlier version stands
in for a new file; and what belongs to the old team by its name (its folder, the service account that a cloud's
credential trusts) stays behind. In case of doubt a file counts as removed. Files of teams and data roles are named by
others, so that they never move.
"""

import functools
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import cast

from allotment_profiles.catalog.lookalikes import key_of
from allotment_profiles.catalog.team_validation import check_data_role, check_team
from allotment_profiles.catalog.validation import check_profile
from allotment_profiles.documents.reading import read
from allotment_profiles.git.repository import Repository
from allotment_profiles.model import Budget, DataRole, Model, People, Policy, Profile, Team
from allotment_profiles.model.limits import MAXIMUM_BYTES
from allotment_profiles.model.paths import POLICY, data_role_path, file_ref, team_path
from allotment_profiles.model.problems import Problem
from allotment_profiles.model.sizes import SizeRange

Blobs = Mapping[str, str]
"""The regular files that apply: path → blob."""


def moved_paths(repository: Repository, before: Blobs, after: Blobs) -> set[str]:
    """Return the removed profiles that everybody can start as before at another path. Raise GitError."""
    pairs = list(_pairs(before, after))
    # Profiles that stay where they are need not be read.
    others = [blob for blobs in (before, after) for path, blob in blobs.items() if _kind(path) != "profile"]
    contents = _Contents(repository, [*others, *(before[old] for old, _ in pairs)])
    old_side, new_side = _Side(before, contents), _Side(after, contents)
    names = Counter(key_of(path) for path in after)
    return {old for old, new in pairs if _serves(old_side, old, new_side, new, names)}


def _pairs(before: Blobs, after: Blobs) -> Iterator[tuple[str, str]]:
    """Yield removed and added profiles with the same content, as old and new path."""
    added: dict[str, list[str]] = {}
    for path in sorted(after.keys() - before.keys(), reverse=True):
        if _kind(path) == "profile":
            added.setdefault(after[path], []).append(path)
    for path in sorted(before.keys() - after.keys()):
        if _kind(path) == "profile" and added.get(before[path]):
            yield path, added[before[path]].pop()


class _Contents:
    """Models by kind and blob, of contents that are read at once."""

    def __init__(self, repository: Repository, blobs: list[str]) -> None:
        self._sources = repository.objects(blobs, maximum=MAXIMUM_BYTES)
        self.model = functools.cache(self._model)

    def _model(self, path: str, blob: str) -> Model | None:
        ref = file_ref(path)
        return read(ref.kind, path, self._sources[blob]).value if ref and blob in self._sources else None


class _Side:
    """The files that apply before the commit, or after it."""

    def __init__(self, blobs: Blobs, contents: _Contents) -> None:
        self._blobs = blobs
        self._contents = contents

    def model(self, path: str) -> Model | None:
        """Return a file's model; None where there is none that can be read."""
        return self._contents.model(path, self._blobs[path]) if path in self._blobs else None

    def team(self, name: str) -> Team | None:
        """Return a team."""
        return cast("Team | None", self.model(team_path(name)))

    def role(self, name: str) -> DataRole | None:
        """Return a data role."""
        return cast("DataRole | None", self.model(data_role_path(name)))

    def is_valid(self, profile_id: str, profile: Profile) -> bool:
        """Whether a profile applies here, with its team and its data roles. One with a successor is not judged."""
        team_name = profile_id.partition("/")[0]
        team, policy = self.team(team_name), cast("Policy | None", self.model(POLICY))
        if team is None or policy is None or profile.successor is not None:
            return False
        roles = {name: role for name in profile.data_roles if (role := self.role(name))}
        problems: list[Problem] = check_team(team_name, team, policy)
        for name, role in roles.items():
            owner = self.team(role.owner)
            problems += check_data_role(name, role, {role.owner: owner} if owner else {})
        problems += check_profile(profile_id, profile, team, policy, roles, {}, ())
        return not any(problem.blocks for problem in problems)


def _serves(old_side: _Side, old: str, new_side: _Side, new: str, names: Counter[tuple[str, ...] | None]) -> bool:
    """Whether a profile serves whoever could start it at its old path at the new one."""
    profile = cast("Profile | None", old_side.model(old))
    (old_team, _), (new_team, new_id) = _team_and_id(old), _team_and_id(new)
    was, now = old_side.team(old_team), new_side.team(new_team)
    if profile is None or was is None or now is None or not new_side.is_valid(new_id, profile):
        return False
    if names[key_of(new)] > 1 or names[key_of(team_path(new_team))] > 1:
        return False
    if not (now.members.everyone or (not was.members.everyone and _include(now.members, was.members))):
        return False
    # Leads and deputies see hidden profiles, too, and decide about all.
    if not (_include(now.leads, was.leads) and _include(now.deputies, was.deputies)):
        return False
    if old_team != new_team and not _stays(profile, was, now):
        return False
    return all(_granted(old_side.role(name), old_team, new_side.role(name), new_team) for name in profile.data_roles)


def _stays(profile: Profile, was: Team, now: Team) -> bool:
    """Whether another team has the profile's folder, and room for each of its sizes."""
    if profile.storage.team != "none":
        return False
    sizes = SizeRange(profile)
    largest = {"sessions": 1, **{name: sizes.largest(name) for name in ("cpu", "memory", "gpu")}}
    budgets = (was.budget, now.budget), (was.user_budget, now.user_budget)
    return all(_holds(name, amount, *pair) for pair in budgets for name, amount in largest.items())


def _holds(name: str, amount: int, was: Budget | None, now: Budget | None) -> bool:
    """Whether a budget has room for an amount, or is no smaller than before."""
    old, new = getattr(was, name, None), getattr(now, name, None)
    return new is None or new >= amount or (old is not None and new >= old)


def _include(now: People, was: People) -> bool:
    return set(was.groups) <= set(now.groups) and set(was.users) <= set(now.users)


def _granted(was: DataRole | None, old_team: str, now: DataRole | None, new_team: str) -> bool:
    """Whether a new grant lasts at least as long as the old one, and gives the data in the same way."""
    old = was.granted_to.get(old_team) if was else None
    new = now.granted_to.get(new_team) if now else None
    if old is None:
        return True
    # The other kinds of credential trust service accounts, which are named after the team.
    trusted = now is None or not (now.binding.volume or now.binding.secret)
    return new is not None and new.last_day >= old.last_day and not (trusted and old_team != new_team)


def _team_and_id(path: str) -> tuple[str, str]:
    ref = file_ref(path)
    profile_id = ref.id if ref else ""
    return profile_id.partition("/")[0], profile_id


def _kind(path: str) -> str:
    ref = file_ref(path)
    return ref.kind if ref else ""
