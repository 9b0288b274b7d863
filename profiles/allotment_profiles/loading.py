"""From the files of one moment to the catalog that applies.

A bad file harms only itself: a profile, team or policy that does not read, or fails its checks, keeps its last good
version for a bounded time, flagged; a data role that does not read gives no access.
"""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import cast

from allotment_profiles.catalog import Catalog, Entry, ModelT
from allotment_profiles.checks import check_data_role, check_profile, check_team
from allotment_profiles.commits import Version
from allotment_profiles.git import TreeEntry
from allotment_profiles.model import DataRole, Model, Policy, Profile, Team
from allotment_profiles.paths import POLICY, Place, data_role_path, is_stray, place
from allotment_profiles.problems import Problem
from allotment_profiles.quantities import shown
from allotment_profiles.reading import MAXIMUM_BYTES, Places, Reading, read
from allotment_profiles.snapshot import Snapshot

REGULAR = ("100644", "100755")


@dataclass
class ReadingCache:
    """Readings by kind, path and blob, so that only what changed is read again."""

    readings: dict[tuple[str, str], Reading] = field(default_factory=dict)
    sources: dict[str, bytes] = field(default_factory=dict)

    def forget_unwritten(self) -> None:
        """Drop what came from `snapshot.with_files`: it will not come again."""
        self.readings = {key: value for key, value in self.readings.items() if not key[1].startswith("new:")}
        self.sources = {blob: value for blob, value in self.sources.items() if not blob.startswith("new:")}


def load(snapshot: Snapshot, cache: ReadingCache | None = None) -> Catalog:
    """Read and check a snapshot; raises nothing for what files say, GitError where objects cannot be read."""
    return _Loading(snapshot, cache or ReadingCache()).run()


class _Loading:
    """The state of one load: from documents to checked entries, in the order policy, teams, data roles, profiles."""

    def __init__(self, snapshot: Snapshot, cache: ReadingCache) -> None:
        self._snapshot = snapshot
        self._cache = cache
        self._problems: list[Problem] = []
        self._broken: set[str] = set()

    def run(self) -> Catalog:
        readable = self._regular_files()
        self._fetch(entry.blob for entry in readable.values())
        by_kind: dict[str, list[tuple[str, Place]]] = {"policy": [], "team": [], "data role": [], "profile": []}
        for path in sorted(readable):
            where = cast("Place", place(path))
            by_kind[where.kind].append((path, where))

        policies = self._entries(by_kind["policy"], Policy, lambda *_: [])
        policy = policies.get("policy")
        if policy is None:
            message = "There is no readable policy: nothing can be started or merged."
            self._problems.append(Problem(POLICY, "policy-missing", message, "Add or correct policy.yaml."))
        applied = policy.value if policy else None
        teams = self._entries(by_kind["team"], Team, lambda name, team: check_team(name, team, applied))
        known_teams = {name: entry.value for name, entry in teams.items()}
        data_roles = self._entries(
            by_kind["data role"], DataRole, lambda name, role: check_data_role(name, role, known_teams)
        )
        known_roles = {name: entry.value for name, entry in data_roles.items()}
        known = {where.id for _, where in by_kind["profile"]}
        newest = {where.id: self._read(path, where, readable[path].blob).value for path, where in by_kind["profile"]}
        successors = {
            name: value.successor for name, value in newest.items() if isinstance(value, Profile) and value.successor
        }
        profiles = self._entries(
            by_kind["profile"],
            Profile,
            lambda name, profile: check_profile(
                name, profile, known_teams.get(name.partition("/")[0]), applied, known_roles, successors, known
            ),
        )
        return Catalog(
            revision=self._snapshot.revision,
            time=self._snapshot.time,
            policy=policy,
            teams=teams,
            profiles=profiles,
            data_roles=data_roles,
            problems=tuple(sorted(self._problems, key=lambda problem: (problem.path, problem.line or 0, problem.code))),
            broken=frozenset(self._broken),
        )

    def _regular_files(self) -> dict[str, TreeEntry]:
        regular = {}
        for path, entry in self._snapshot.entries.items():
            if is_stray(path):
                remedy = (
                    "Allowed: policy.yaml, teams/NAME/team.yaml, teams/NAME/profiles/NAME.yaml, data-roles/NAME.yaml."
                )
                self._problems.append(
                    Problem(
                        shown(path).strip("'"), "path", "The file lies where nothing is read.", remedy, level="advice"
                    )
                )
            elif entry.mode not in REGULAR:
                self._problems.append(
                    Problem(path, "not-a-file", "This is a link or a submodule.", "Only regular files are read.")
                )
                self._broken.add(path)
            else:
                regular[path] = entry
        return regular

    def _fetch(self, blobs: Iterable[str]) -> None:
        missing = [blob for blob in set(blobs) if blob not in self._cache.sources]
        self._cache.sources.update(self._snapshot.read(missing))

    def _read(self, path: str, where: Place, blob: str) -> Reading:
        key = (path, blob)
        if key not in self._cache.readings:
            source = self._cache.sources.get(blob, b"")
            self._cache.readings[key] = read(where.kind, path, source)
        return self._cache.readings[key]

    def _entries(
        self, files: list[tuple[str, Place]], kind: type[ModelT], check: Callable[[str, ModelT], list[Problem]]
    ) -> dict[str, Entry[ModelT]]:
        entries = {}
        for path, where in files:
            entry = self._entry(path, where, kind, check)
            if entry:
                entries[where.id] = entry
            else:
                self._broken.add(path)
        return entries

    def _entry(
        self, path: str, where: Place, kind: type[ModelT], check: Callable[[str, ModelT], list[Problem]]
    ) -> Entry[ModelT] | None:
        blob = self._snapshot.entries[path].blob
        value, problems = self._checked(path, where, blob, kind, check)
        self._problems += problems
        if value is not None:
            return Entry(where.id, path, value, blob, self._cache.sources[blob], tuple(problems))
        # Fail closed: yesterday's data role may hold a grant that today's file meant to take away.
        if where.kind == "data role" or self._snapshot.history is None:
            return None
        oldest_bad = Version(self._snapshot.revision, self._snapshot.time, blob)
        for version in self._snapshot.history(path):
            if version.blob is None:
                return None
            if version.blob != blob:
                self._fetch([version.blob])
                value, _ = self._checked(path, where, version.blob, kind, check)
                if value is not None:
                    source = self._cache.sources[version.blob]
                    return Entry(where.id, path, value, version.blob, source, tuple(problems), oldest_bad)
            oldest_bad = version
        return None

    def _checked(
        self, path: str, where: Place, blob: str, kind: type[ModelT], check: Callable[[str, ModelT], list[Problem]]
    ) -> tuple[ModelT | None, list[Problem]]:
        reading = self._read(path, where, blob)
        if not isinstance(reading.value, kind):
            return None, list(reading.problems)
        problems = check(where.id, reading.value)
        if problems:
            places = Places(self._cache.sources[blob][:MAXIMUM_BYTES])
            problems = [_placed(problem, places) for problem in problems]
        failed = any(problem.blocks and not self._is_denial(problem, reading.value) for problem in problems)
        return (None if failed else reading.value), problems

    def _is_denial(self, problem: Problem, value: Model) -> bool:
        """Tell whether access was taken away from a profile that is right in itself.

        Such a profile is refused at its start and says why; an earlier version in its place would hide that.
        """
        if problem.code == "grant-missing":
            return True
        if problem.code != "data-role-unknown" or not isinstance(value, Profile):
            return False
        path = data_role_path(value.data_roles[int(problem.field.rpartition(".")[2])])
        return path in self._snapshot.entries or bool(self._snapshot.history and self._snapshot.history(path))


def _placed(problem: Problem, places: Places) -> Problem:
    line, column = places.of_field(problem.field)
    return dataclasses.replace(problem, line=line, column=column)
