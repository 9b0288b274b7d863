"""Everything that applies at one commit of main, parsed and checked: an immutable snapshot. Pure data."""

import datetime as dt
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from allotment_profiles.commits import Version
from allotment_profiles.model import DataRole, Model, Policy, Profile, Team
from allotment_profiles.problems import Problem

ModelT = TypeVar("ModelT", bound=Model)


@dataclass(frozen=True)
class Entry(Generic[ModelT]):
    """One file that applies."""

    id: str
    path: str
    value: ModelT
    blob: str
    """The blob of the version that applies."""
    source: bytes
    """The bytes of the version that applies."""
    problems: tuple[Problem, ...] = ()
    """Why the newest version does not apply, where that is so; and warnings."""
    outdated_since: Version | None = None
    """The oldest version of the unbroken run that does not read, where an earlier version applies."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A change of main that does not apply yet: its path keeps the version from before."""

    path: str
    commit: str
    """The commit whose change is held."""
    reason: Literal["removal", "direct-push"]
    since: dt.datetime
    """When that commit was made, UTC."""


@dataclass(frozen=True)
class Catalog:
    """What exists at one commit."""

    revision: str
    time: dt.datetime
    policy: Entry[Policy] | None
    teams: Mapping[str, Entry[Team]]
    profiles: Mapping[str, Entry[Profile]]
    data_roles: Mapping[str, Entry[DataRole]]
    problems: tuple[Problem, ...]
    """Everything that is wrong anywhere, by path and line."""
    broken: frozenset[str] = frozenset()
    """Paths that do not read and have no version that applies."""
    held: tuple[Hold, ...] = ()
    """What main says and does not apply yet, by path."""

    def problems_of(self, path: str) -> list[Problem]:
        """Give the problems of one file."""
        return [problem for problem in self.problems if problem.path == path]

    @property
    def policy_reads(self) -> bool:
        """Whether the newest policy applies; while it does not, nothing merges."""
        return self.policy is not None and self.policy.outdated_since is None

    def profiles_of(self, team: str) -> tuple[str, ...]:
        """Give the ids of a team's profiles, in order."""
        return self._by_team.get(team, ())

    def profiles_reaching(self, role: str) -> tuple[str, ...]:
        """Give the ids of the profiles that name a data role, in order."""
        return self._by_role.get(role, ())

    @functools.cached_property
    def _by_team(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for profile_id in sorted(self.profiles):
            found.setdefault(profile_id.partition("/")[0], []).append(profile_id)
        return {team: tuple(ids) for team, ids in found.items()}

    @functools.cached_property
    def _by_role(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for profile_id in sorted(self.profiles):
            for role in self.profiles[profile_id].value.data_roles:
                found.setdefault(role, []).append(profile_id)
        return {role: tuple(ids) for role, ids in found.items()}
