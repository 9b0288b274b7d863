"""The catalog: an immutable snapshot of the files that apply at one commit of main. Pure."""

import datetime as dt
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, cast

from allotment_profiles.catalog.credentials import (
    Credential,
    FormerRole,
    also_through,
    by_credential,
    credential_of,
    overlaps,
)
from allotment_profiles.documents.reading import read
from allotment_profiles.model import Binding, DataRole, Model, Policy, Profile, Team
from allotment_profiles.model.paths import Kind, file_ref
from allotment_profiles.model.problems import Problem

ModelT = TypeVar("ModelT", bound=Model)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one file in the first-parent history."""

    commit: str
    time: dt.datetime
    blob: str | None
    """None if the commit removed the file, or replaced it by something else than a regular file."""


class ModelCache:
    """An LRU cache of the models of valid files, by kind and content; 10,000 models would need much memory."""

    def __init__(self, size: int = 1280) -> None:
        self.get = functools.lru_cache(size)(_model)


def _model(kind: Kind, source: bytes) -> Model:
    value = read(kind, "", source).value
    if value is None:  # only files that have been read before get here
        raise ValueError(f"the {kind} was valid before and is not any more")
    return value


class Entry(Generic[ModelT]):
    """One file that applies. Immutable."""

    __slots__ = ("_data_roles", "_lazy", "_value", "blob", "id", "outdated_since", "path", "problems", "source")

    def __init__(
        self,
        id: str,  # noqa: A002  (the name of the attribute)
        path: str,
        value: ModelT | None,
        blob: str,
        source: bytes,
        problems: tuple[Problem, ...] = (),
        outdated_since: Version | None = None,
        *,
        lazy: tuple[ModelCache, Kind] | None = None,
        data_roles: tuple[str, ...] = (),
    ) -> None:
        """Create an entry with its model, or with a cache to read the model from and the data roles of the profile."""
        self.id = id
        self.path = path
        self.blob = blob
        self.source = source
        self.problems = problems
        """Warnings, and why the newest version does not apply, if it does not."""
        self.outdated_since = outdated_since
        """First invalid version of the file, if an earlier version applies."""
        self._value = value
        self._lazy = lazy
        self._data_roles = data_roles

    @property
    def value(self) -> ModelT:
        """The model. It may have to be read again, so use an index instead of looping over all entries."""
        if self._lazy is None:
            return cast("ModelT", self._value)
        models, kind = self._lazy
        return cast("ModelT", models.get(kind, self.source))

    @property
    def data_roles(self) -> tuple[str, ...]:
        """The data roles of a profile, without reading the model."""
        return self._value.data_roles if isinstance(self._value, Profile) else self._data_roles

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Entry) or self._key() != other._key():
            return False
        # Equal content gives equal models, but revocations may have changed a model that is not lazy.
        return (self._lazy is not None and other._lazy is not None) or self.value == other.value

    def __hash__(self) -> int:
        return hash((self.path, self.blob))

    def __repr__(self) -> str:
        return f"Entry({self.path}, {self.blob[:12]})"

    def _key(self) -> tuple[object, ...]:
        return (self.id, self.path, self.blob, self.source, self.problems, self.outdated_since, self.data_roles)


@dataclass(frozen=True, slots=True)
class QuarantinedChange:
    """A change on main that does not apply until it is confirmed. The version before it applies."""

    path: str
    commit: str
    reason: Literal["removal", "direct-push"]
    since: dt.datetime


@dataclass(frozen=True)
class Catalog:
    """The files that apply at one commit."""

    revision: str
    time: dt.datetime
    policy: Entry[Policy] | None
    teams: Mapping[str, Entry[Team]]
    profiles: Mapping[str, Entry[Profile]]
    data_roles: Mapping[str, Entry[DataRole]]
    problems: tuple[Problem, ...]
    broken: frozenset[str] = frozenset()
    """Paths of invalid files without an earlier version that applies."""
    quarantined: tuple[QuarantinedChange, ...] = ()
    former_roles: tuple[FormerRole, ...] = ()
    """What broken data roles were last, and what others were once: they give no access, but say whose the data is."""

    def entry_at(self, path: str) -> Entry[Any] | None:
        """Return the file that applies at a path, or None."""
        ref = file_ref(path)
        if ref is None or ref.kind == "policy":
            return self.policy if ref else None
        kinds: dict[str, Mapping[str, Entry[Any]]] = {
            "profile": self.profiles,
            "team": self.teams,
            "data role": self.data_roles,
        }
        return kinds[ref.kind].get(ref.id)

    def problems_of(self, path: str) -> list[Problem]:
        """Return the problems of one file."""
        return list(self._by_path.get(path, ()))

    @property
    def policy_reads(self) -> bool:
        """Whether the newest policy applies. While it does not, no proposal merges."""
        return self.policy is not None and self.policy.outdated_since is None

    def profiles_of(self, team: str) -> tuple[str, ...]:
        """Return the sorted ids of the profiles of a team."""
        return self._by_team.get(team, ())

    def profiles_reaching(self, role: str) -> tuple[str, ...]:
        """Return the sorted ids of the profiles with a data role."""
        return self._by_role.get(role, ())

    def also_through(self, role: str) -> tuple[str, ...]:
        """Return the other data roles that reach the same data, since they name the same credential, in order."""
        entry = self.data_roles.get(role)
        return also_through(role, entry.value, self._by_credential) if entry else ()

    def formerly_through(self, binding: Binding) -> tuple[FormerRole, ...]:
        """Return the former data roles that reached the same data as a binding."""
        candidates = self._former_by_credential.get(credential_of(binding), ())
        return tuple(former for former in candidates if overlaps(binding, former.binding))

    @functools.cached_property
    def _former_by_credential(self) -> dict[Credential, list[FormerRole]]:
        index: dict[Credential, list[FormerRole]] = {}
        for former in self.former_roles:
            index.setdefault(credential_of(former.binding), []).append(former)
        return index

    @functools.cached_property
    def _by_credential(self) -> dict[Credential, dict[str, DataRole]]:
        return by_credential((name, entry.value) for name, entry in self.data_roles.items())

    @functools.cached_property
    def _by_path(self) -> dict[str, list[Problem]]:
        problems: dict[str, list[Problem]] = {}
        for problem in self.problems:
            problems.setdefault(problem.path, []).append(problem)
        return problems

    @functools.cached_property
    def _by_team(self) -> dict[str, tuple[str, ...]]:
        profiles: dict[str, list[str]] = {}
        for profile_id in sorted(self.profiles):
            profiles.setdefault(profile_id.partition("/")[0], []).append(profile_id)
        return {team: tuple(ids) for team, ids in profiles.items()}

    @functools.cached_property
    def _by_role(self) -> dict[str, tuple[str, ...]]:
        profiles: dict[str, list[str]] = {}
        for profile_id in sorted(self.profiles):
            for role in dict.fromkeys(self.profiles[profile_id].data_roles):
                profiles.setdefault(role, []).append(profile_id)
        return {role: tuple(ids) for role, ids in profiles.items()}
