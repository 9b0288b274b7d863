"""What becomes of one file: it applies, an earlier version of it applies, or nothing does; and why."""

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
    """The other files that one is checked against."""

    policy: Policy | None = None
    teams: Mapping[str, Team] = field(default_factory=dict)
    roles: Mapping[str, DataRole] = field(default_factory=dict)
    successors: Mapping[str, str] = field(default_factory=dict)
    known: Container[str] = ()


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of one file."""

    entry: Entry[Any] | None
    problems: tuple[Problem, ...] = ()
    broken: bool = False
    """Whether there is a file and no version of it applies."""
    successor: str | None = None
    """What a profile's newest version names, where it reads."""

    def entry_of(self, kind: type[ModelT]) -> Entry[ModelT] | None:
        """Give the entry, which the caller knows to be of a kind."""
        return cast("Entry[ModelT] | None", self.entry)


@dataclass(frozen=True, slots=True)
class CachedResolution:
    """An outcome of a profile as it is kept across restarts: without the bytes, which git has."""

    blob: str | None
    """The version that applies."""
    problems: tuple[Problem, ...] = ()
    successor: str | None = None
    outdated_since: Version | None = None
    reaches: tuple[str, ...] = ()


class Resolver:
    """Evaluates the files of one snapshot; what was fetched stays until it is told to forget."""

    def __init__(self, snapshot: Snapshot, models: ModelCache) -> None:
        self._snapshot = snapshot
        self._lazy: tuple[ModelCache, Kind] = (models, "profile")
        self._sources: dict[str, bytes] = {}
        self._readings: dict[str, Reading] = {}
        self._reaches: dict[tuple[str, ...], tuple[str, ...]] = {}

    # -- fetching

    def fetch(
        self, files: Mapping[str, File], paths: Iterable[str], settled: Mapping[str, CachedResolution] | None = None
    ) -> None:
        """Read the contents of some files at once: what applies, and what is held but may deny."""
        self._fetch(_wanted(files, paths, settled or {}))

    def contents(
        self, files: Mapping[str, File], paths: Iterable[str], settled: Mapping[str, CachedResolution]
    ) -> dict[str, bytes]:
        """Read the same in another thread, to be taken when the files before have been evaluated."""
        return self._snapshot.read(dict.fromkeys(blob for blob in _wanted(files, paths, settled) if blob))

    def take(self, contents: Mapping[str, bytes]) -> None:
        """Take what was read ahead."""
        self._sources.update(contents)

    def fetch_fallbacks(self, files: Mapping[str, File], paths: Iterable[str]) -> None:
        """Read the earlier versions of some files at once, one each: the next may do where the newest does not."""
        earlier = (
            next((version.blob for version in file.versions if version.blob != file.entry.blob), None)
            for path in paths
            if (file := files.get(path)) and file.entry
        )
        self._fetch(earlier)

    def forget(self) -> None:
        """Let go of contents and readings."""
        self._sources.clear()
        self._readings.clear()

    def _fetch(self, blobs: Iterable[str | None]) -> None:
        missing = [blob for blob in dict.fromkeys(blobs) if blob is not None and blob not in self._sources]
        if missing:
            self._sources.update(self._snapshot.read(missing))

    def _source(self, blob: str) -> bytes:
        self._fetch([blob])
        return self._sources[blob]

    # -- judging

    def newest(self, path: str, where: FileRef, file: File) -> Model | None:
        """Read what applies by the history, or None where it does not read."""
        entry = _entry(file)
        return None if entry.mode not in REGULAR else self._read(path, where, entry).value

    def outcome(self, path: str, where: FileRef, file: File, context: Context) -> Resolution:
        """Say what becomes of a file that is there."""
        return self.checked(path, where, file, self.newest(path, where, file), context)

    def checked(self, path: str, where: FileRef, file: File, value: Model | None, context: Context) -> Resolution:
        """Say what becomes of a file whose newest version was read."""
        entry = _entry(file)
        if entry.mode not in REGULAR:
            message, remedy = "This is a link or a submodule.", "Only regular files are read."
            return Resolution(None, (Problem(path, "not-a-file", message, remedy),), broken=True)
        if value is None:
            right, problems = False, self._read(path, where, entry).problems
        else:
            right, problems = self._right(where, value, entry.blob, context)
        successor = value.successor if isinstance(value, Profile) else None
        if value is not None and right:
            return self._applying(path, where, file, value, entry.blob, problems, None, successor)
        # Fail closed: yesterday's data role may hold a grant that today's file meant to take away.
        if where.kind != "data role":
            oldest_bad = file.versions[0]
            for version in file.versions[1:]:
                if version.blob is None:
                    break
                if version.blob != entry.blob:
                    earlier = read(where.kind, path, self._source(version.blob)).value
                    if earlier is not None and self._right(where, earlier, version.blob, context)[0]:
                        since = oldest_bad if value is None else self._cause(oldest_bad, where, value)
                        return self._applying(path, where, file, earlier, version.blob, problems, since, successor)
                oldest_bad = version
        return Resolution(None, problems, broken=True, successor=successor)

    def restored(self, path: str, where: FileRef, settled: CachedResolution) -> Resolution:
        """Give the outcome of a profile that was kept."""
        entry: Entry[Profile] | None = None
        if settled.blob is not None:
            entry = Entry(
                where.id, path, None, settled.blob, self._source(settled.blob), settled.problems,
                settled.outdated_since, lazy=self._lazy, data_roles=self._one(settled.reaches),
            )  # fmt: skip
        return Resolution(entry, settled.problems, entry is None, settled.successor)

    def _read(self, path: str, where: FileRef, entry: TreeEntry) -> Reading:
        if path not in self._readings:
            if entry.size > MAXIMUM_BYTES:
                self._readings[path] = Reading(None, (too_large(entry.size).as_problem(path),))
            else:
                self._readings[path] = read(where.kind, path, self._source(entry.blob))
        return self._readings[path]

    def _right(self, where: FileRef, value: Model, blob: str, context: Context) -> tuple[bool, tuple[Problem, ...]]:
        problems = _check(where.id, value, context)
        if not problems:
            return True, ()
        places = SourceMap(self._source(blob)[:MAXIMUM_BYTES])
        placed = tuple(_placed(problem, places) for problem in problems)
        return not any(each.blocks and not self._is_denial(each, value) for each in placed), placed

    def _is_denial(self, problem: Problem, value: Model) -> bool:
        """Tell whether access was taken away from a profile that is right in itself.

        Such a profile is refused at its start and says why; an earlier version in its place would hide that.
        """
        if problem.code == "grant-missing":
            return True
        if problem.code != "data-role-unknown" or not isinstance(value, Profile):
            return False
        path = data_role_path(value.data_roles[int(problem.field.rpartition(".")[2])])
        return path in self._snapshot.gone or path in self._snapshot.files

    def _cause(self, oldest_bad: Version, where: FileRef, value: Model) -> Version:
        """Say since when a file that reads has failed: since it or something that it is checked against changed."""
        paths = [POLICY]
        if isinstance(value, Profile):
            paths += [team_path(where.id.partition("/")[0]), *map(data_role_path, value.data_roles)]
        files = [file for path in paths if (file := self._snapshot.files.get(path))]
        return max([oldest_bad, *(file.versions[0] for file in files if file.versions)], key=lambda each: each.time)

    def _applying(
        self, path: str, where: FileRef, file: File, value: Model, blob: str, problems: tuple[Problem, ...],
        since: Version | None, successor: str | None,
    ) -> Resolution:  # fmt: skip
        source = self._source(blob)
        if isinstance(value, Profile):
            entry: Entry[Any] = Entry(
                where.id,
                path,
                None,
                blob,
                source,
                problems,
                since,
                lazy=self._lazy,
                data_roles=self._one(value.data_roles),
            )
            return Resolution(entry, problems, successor=successor)
        narrower: Model | None = value
        for newer in self._denying(file, blob):
            narrower = with_revocations(narrower, newer) if narrower is not None else None
            if narrower is None:
                said = read(where.kind, path, newer).problems
                return Resolution(None, (*problems, *said), broken=True)
        return Resolution(Entry(where.id, path, narrower, blob, source, problems, since), problems)

    def _denying(self, file: File, blob: str) -> Iterator[bytes]:
        """Give the newer versions that do not apply, whose denials do."""
        if _entry(file).blob != blob:
            yield self._source(_entry(file).blob)
        newest = file.quarantined[-1].entry if file.quarantined else None
        if newest:
            yield self._source(newest.blob) if newest.mode in REGULAR else b""

    def _one(self, reaches: tuple[str, ...]) -> tuple[str, ...]:
        """Give one tuple for all that are equal: thousands of profiles name the same data roles."""
        return self._reaches.setdefault(reaches, reaches)


def _entry(file: File) -> TreeEntry:
    if file.entry is None:
        raise ValueError("nothing of the file applies")
    return file.entry


def _wanted(
    files: Mapping[str, File], paths: Iterable[str], settled: Mapping[str, CachedResolution]
) -> Iterator[str | None]:
    for path in paths:
        file = files.get(path)
        if file:
            yield from [settled[path].blob] if path in settled else _blobs(file)


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


def _placed(problem: Problem, places: SourceMap) -> Problem:
    line, column = places.of_field(problem.field)
    return dataclasses.replace(problem, line=line, column=column)
