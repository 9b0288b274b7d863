"""Everything that applies at one commit of main, parsed and checked: an immutable snapshot. Pure data."""

import datetime as dt
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar, cast

from allotment_profiles.documents.reading import read
from allotment_profiles.model import DataRole, Model, Policy, Profile, Team
from allotment_profiles.model.paths import Kind
from allotment_profiles.model.problems import Problem

ModelT = TypeVar("ModelT", bound=Model)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one file in the first-parent history."""

    commit: str
    time: dt.datetime
    """When the version came to main, UTC."""
    blob: str | None
    """None where the commit removed the file, or made it something else than a regular file."""


class Models:
    """The models of files that are known to read, by kind and bytes, the last used ones kept.

    Ten thousand models take several times the memory of their files; most of them nobody asks for.
    """

    def __init__(self, size: int = 1280) -> None:
        self.get = functools.lru_cache(size)(_model)


def _model(kind: Kind, source: bytes) -> Model:
    value = read(kind, "", source).value
    if value is None:  # what is given here was read before
        raise ValueError(f"a {kind} that was read before does not read")
    return value


class Entry(Generic[ModelT]):
    """One file that applies. Nothing of it changes after it was made."""

    __slots__ = ("_kept", "_lazy", "_reaches", "blob", "id", "outdated_since", "path", "problems", "source")

    def __init__(
        self,
        id: str,  # noqa: A002  (what it is called everywhere)
        path: str,
        value: ModelT | None,
        blob: str,
        source: bytes,
        problems: tuple[Problem, ...] = (),
        outdated_since: Version | None = None,
        *,
        lazy: tuple[Models, Kind] | None = None,
        reaches: tuple[str, ...] = (),
    ) -> None:
        """Take a value, or where to have it read from when it is asked for, and what the indexes need of it."""
        self.id = id
        self.path = path
        self.blob = blob
        """The blob of the version that applies."""
        self.source = source
        """The bytes of the version that applies."""
        self.problems = problems
        """Why the newest version does not apply, where that is so; and warnings."""
        self.outdated_since = outdated_since
        """Since when the file has not been right, where an earlier version applies."""
        self._kept = value
        self._lazy = lazy
        self._reaches = reaches

    @property
    def value(self) -> ModelT:
        """The model; it may be read anew, so ask an index where there is one before looking at all."""
        if self._lazy is None:
            return cast("ModelT", self._kept)
        models, kind = self._lazy
        return cast("ModelT", models.get(kind, self.source))

    @property
    def reaches(self) -> tuple[str, ...]:
        """The data roles that a profile names; nothing is read for it."""
        return self._kept.data_roles if isinstance(self._kept, Profile) else self._reaches

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Entry) or self._facts() != other._facts():
            return False
        # What is read from equal bytes is equal; a kept value may have been narrowed.
        return (self._lazy is not None and other._lazy is not None) or self.value == other.value

    def __hash__(self) -> int:
        return hash((self.path, self.blob))

    def __repr__(self) -> str:
        return f"Entry({self.path}, {self.blob[:12]})"

    def _facts(self) -> tuple[object, ...]:
        return (self.id, self.path, self.blob, self.source, self.problems, self.outdated_since, self.reaches)


@dataclass(frozen=True, slots=True)
class QuarantinedChange:
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
    held: tuple[QuarantinedChange, ...] = ()
    """What main says and does not apply yet, by path."""

    def problems_of(self, path: str) -> list[Problem]:
        """Give the problems of one file."""
        return list(self._by_path.get(path, ()))

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
    def _by_path(self) -> dict[str, list[Problem]]:
        found: dict[str, list[Problem]] = {}
        for problem in self.problems:
            found.setdefault(problem.path, []).append(problem)
        return found

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
            for role in dict.fromkeys(self.profiles[profile_id].reaches):
                found.setdefault(role, []).append(profile_id)
        return {role: tuple(ids) for role, ids in found.items()}
