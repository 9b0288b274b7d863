"""Resolve what applies of one file: its newest version, an earlier version, or nothing; and why."""

import dataclasses
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from allotment_profiles.catalog.catalog import Entry, ModelCache, ModelT, Version
from allotment_profiles.catalog.revocations import with_revocations
from allotment_profiles.catalog.team_validation import check_data_role, check_team
from allotment_profiles.catalog.validation import check_profile
from allotment_profiles.documents.parsing import too_large
from allotment_profiles.documents.reading import Reading, read
from allotment_profiles.documents.source_map import SourceMap
from allotment_profiles.git.repository import TreeEntry
from allotment_profiles.model import DataRole, Model, Policy, Profile, Team
from allotment_profiles.model.limits import MAXIMUM_BYTES
from allotment_profiles.model.paths import POLICY, FileRef, Kind, data_role_path, team_path
from allotment_profiles.model.problems import Problem
from allotment_profiles.store.history import REGULAR, File
from allotment_profiles.store.snapshot import Snapshot


@dataclass(frozen=True)
class Context:
    """The other files that a file is checked against."""

    policy: Policy | None = None
    teams: Mapping[str, Team] = field(default_factory=dict)
    roles: Mapping[str, DataRole] = field(default_factory=dict)
    successors: Mapping[str, str] = field(default_factory=dict)
    known: Container[str] = ()


@dataclass(frozen=True, slots=True)
class Resolution:
    """What applies of one file."""

    entry: Entry[Any] | None
    problems: tuple[Problem, ...] = ()
    broken: bool = False
    """Whether the file exists but no version of it applies."""
    successor: str | None = None
    """The successor that a profile's newest version names, if it can be read."""
    former: DataRole | None = None
    """Of a broken data role, the last valid or readable version. It gives no access, but says whose the data is."""

    def entry_of(self, kind: type[ModelT]) -> Entry[ModelT] | None:
        """Return the entry. The caller knows its kind."""
        return cast("Entry[ModelT] | None", self.entry)


@dataclass(frozen=True, slots=True)
class CachedResolution:
    """The resolution of a profile, without its bytes, which are in git. It can be kept across restarts."""

    blob: str | None
    """The version that applies; None where none does."""
    problems: tuple[Problem, ...] = ()
    successor: str | None = None
    outdated_since: Version | None = None
    data_roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Choice:
    """The version of a file that is to apply."""

    value: Model
    blob: str
    outdated_since: Version | None = None


class Resolver:
    """Resolve the files of one snapshot. Contents that were read stay in memory until `clear`."""

    def __init__(self, snapshot: Snapshot, models: ModelCache) -> None:
        self._snapshot = snapshot
        self._lazy: tuple[ModelCache, Kind] = (models, "profile")
        self._sources: dict[str, bytes] = {}
        self._readings: dict[str, Reading] = {}
        self._data_roles: dict[tuple[str, ...], tuple[str, ...]] = {}

    # -- contents

    def fetch(self, files: Mapping[str, File], paths: Iterable[str]) -> None:
        """Read the contents of some files at once: what applies, and what is quarantined and may revoke access."""
        self._fetch(_needed_blobs(files, paths, {}))

    def read_contents(
        self, files: Mapping[str, File], paths: Iterable[str], cached: Mapping[str, CachedResolution]
    ) -> dict[str, bytes]:
        """Read contents in another thread, for `add_contents`."""
        return self._snapshot.read(dict.fromkeys(blob for blob in _needed_blobs(files, paths, cached) if blob))

    def add_contents(self, contents: Mapping[str, bytes]) -> None:
        """Add contents that were read ahead."""
        self._sources.update(contents)

    def fetch_fallbacks(self, files: Mapping[str, File], paths: Iterable[str]) -> None:
        """Read one earlier version of each of some files at once: it may apply where the newest does not."""
        earlier = (
            next((version.blob for version in file.versions if version.blob != file.entry.blob), None)
            for path in paths
            if (file := files.get(path)) and file.entry
        )
        self._fetch(earlier)

    def clear(self) -> None:
        """Drop all contents and readings."""
        self._sources.clear()
        self._readings.clear()

    def _fetch(self, blobs: Iterable[str | None]) -> None:
        missing = [blob for blob in dict.fromkeys(blobs) if blob is not None and blob not in self._sources]
        if missing:
            self._sources.update(self._snapshot.read(missing))

    def _source(self, blob: str) -> bytes:
        self._fetch([blob])
        return self._sources[blob]

    # -- resolution

    def newest(self, path: str, ref: FileRef, file: File) -> Model | None:
        """Read the version that applies by the history. Return None where it cannot be read."""
        entry = _entry(file)
        return None if entry.mode not in REGULAR else self._read(path, ref, entry).value

    def resolve(self, path: str, ref: FileRef, file: File, context: Context) -> Resolution:
        """Resolve a file that exists."""
        return self.resolve_value(path, ref, file, self.newest(path, ref, file), context)

    def resolve_value(self, path: str, ref: FileRef, file: File, value: Model | None, context: Context) -> Resolution:
        """Resolve a file whose newest version was read."""
        entry = _entry(file)
        if entry.mode not in REGULAR:
            message, remedy = "This is a link or a submodule.", "Only regular files are read."
            problem = Problem(path, "not-a-file", message, remedy)
            return Resolution(None, (problem,), broken=True, former=self._former(path, ref, file, context))
        if value is None:
            valid, problems = False, self._read(path, ref, entry).problems
        else:
            valid, problems = self._check(ref, value, entry.blob, context)
        choice = _Choice(value, entry.blob) if value is not None and valid else None
        # No fallback for a data role: an earlier version may hold a grant that the newest was meant to revoke.
        if choice is None and ref.kind != "data role":
            choice = self._last_good(path, ref, file, value, context)
        successor = value.successor if isinstance(value, Profile) else None
        if choice is None:
            return Resolution(None, problems, True, successor, self._former(path, ref, file, context))
        if isinstance(choice.value, Profile):
            since, roles = choice.outdated_since, choice.value.data_roles
            return self.resolve_cached(path, ref, CachedResolution(choice.blob, problems, successor, since, roles))
        return self._with_revocations(path, ref, file, choice, problems)

    def resolve_cached(self, path: str, ref: FileRef, cached: CachedResolution) -> Resolution:
        """Return the resolution of a profile."""
        entry: Entry[Profile] | None = None
        if cached.blob is not None:
            # One tuple for all that are equal: thousands of profiles name the same data roles.
            roles = self._data_roles.setdefault(cached.data_roles, cached.data_roles)
            source, since = self._source(cached.blob), cached.outdated_since
            entry = Entry(
                ref.id, path, None, cached.blob, source, cached.problems, since, lazy=self._lazy, data_roles=roles
            )
        return Resolution(entry, cached.problems, entry is None, cached.successor)

    def _read(self, path: str, ref: FileRef, entry: TreeEntry) -> Reading:
        if path not in self._readings:
            if entry.size > MAXIMUM_BYTES:
                self._readings[path] = Reading(None, (too_large(entry.size).as_problem(path),))
            else:
                self._readings[path] = read(ref.kind, path, self._source(entry.blob))
        return self._readings[path]

    def _check(self, ref: FileRef, value: Model, blob: str, context: Context) -> tuple[bool, tuple[Problem, ...]]:
        """Return whether a version may apply, and its problems with their lines."""
        problems = _check(ref.id, value, context)
        if not problems:
            return True, ()
        source_map = SourceMap(self._source(blob)[:MAXIMUM_BYTES])
        located = tuple(_located(problem, source_map) for problem in problems)
        return not any(problem.blocks and not self._is_denial(problem, value) for problem in located), located

    def _is_denial(self, problem: Problem, value: Model) -> bool:
        """Whether the problem is that a valid profile has lost access.

        Such a profile applies, and its start is refused with the reason; an earlier version would hide the reason.
        """
        if problem.code == "grant-missing":
            return True
        if problem.code != "data-role-unknown" or not isinstance(value, Profile):
            return False
        path = data_role_path(value.data_roles[int(problem.field.rpartition(".")[2])])
        return path in self._snapshot.gone or path in self._snapshot.files

    def _last_good(self, path: str, ref: FileRef, file: File, newest: Model | None, context: Context) -> _Choice | None:
        """Return the newest earlier version that can be read and passes its checks."""
        first_bad = file.versions[0]
        for version in file.versions[1:]:
            if version.blob is None:
                return None
            if version.blob != _entry(file).blob:
                value = read(ref.kind, path, self._source(version.blob)).value
                if value is not None and self._check(ref, value, version.blob, context)[0]:
                    since = first_bad if newest is None else self._failing_since(first_bad, ref, newest)
                    return _Choice(value, version.blob, since)
            first_bad = version
        return None

    def _former(self, path: str, ref: FileRef, file: File, context: Context) -> DataRole | None:
        """Return the newest version of a data role that passes its checks, or else the newest that can be read."""
        if ref.kind != "data role":
            return None
        sources = (self._source(version.blob) for version in file.versions if version.blob)
        values = [value for source in sources if isinstance(value := read(ref.kind, path, source).value, DataRole)]
        valid = (each for each in values if not any(found.blocks for found in _check(ref.id, each, context)))
        return next(valid, values[0] if values else None)

    def _failing_since(self, first_bad: Version, ref: FileRef, value: Model) -> Version:
        """Return since when a readable file fails: the last change of it or of a file that it is checked against."""
        paths = [POLICY]
        if isinstance(value, Profile):
            paths += [team_path(ref.id.partition("/")[0]), *map(data_role_path, value.data_roles)]
        files = [file for path in paths if (file := self._snapshot.files.get(path))]
        versions = [first_bad, *(file.versions[0] for file in files if file.versions)]
        return max(versions, key=lambda version: version.time)

    def _with_revocations(
        self, path: str, ref: FileRef, file: File, choice: _Choice, problems: tuple[Problem, ...]
    ) -> Resolution:
        """Return the chosen version without what newer versions revoke."""
        value = choice.value
        for source in self._newer_sources(file, choice.blob):
            narrowed = with_revocations(value, source)
            if narrowed is None:
                return Resolution(None, (*problems, *read(ref.kind, path, source).problems), broken=True)
            value = narrowed
        source = self._source(choice.blob)
        return Resolution(Entry(ref.id, path, value, choice.blob, source, problems, choice.outdated_since), problems)

    def _newer_sources(self, file: File, blob: str) -> Iterator[bytes]:
        """Yield the newer versions that do not apply, but whose revocations do."""
        if _entry(file).blob != blob:
            yield self._source(_entry(file).blob)
        newest = file.quarantined[-1].entry if file.quarantined else None
        if newest:
            yield self._source(newest.blob) if newest.mode in REGULAR else b""


def _entry(file: File) -> TreeEntry:
    if file.entry is None:
        raise ValueError("no version of the file applies")
    return file.entry


def _needed_blobs(
    files: Mapping[str, File], paths: Iterable[str], cached: Mapping[str, CachedResolution]
) -> Iterator[str | None]:
    for path in paths:
        file = files.get(path)
        if file:
            yield from [cached[path].blob] if path in cached else _blobs(file)


def _blobs(file: File) -> Iterator[str]:
    entries = [file.entry, file.quarantined[-1].entry if file.quarantined else None]
    return (entry.blob for entry in entries if entry and entry.mode in REGULAR and entry.size <= MAXIMUM_BYTES)


def _check(identity: str, value: Model, context: Context) -> list[Problem]:
    if isinstance(value, Profile):
        team = context.teams.get(identity.partition("/")[0])
        return check_profile(identity, value, team, context.policy, context.roles, context.successors, context.known)
    if isinstance(value, Team):
        return check_team(identity, value, context.policy)
    if isinstance(value, DataRole):
        return check_data_role(identity, value, context.teams)
    return []


def _located(problem: Problem, source_map: SourceMap) -> Problem:
    line, column = source_map.of_field(problem.field)
    return dataclasses.replace(problem, line=line, column=column)
