"""Load the catalog that applies from the files of one moment, starting from the catalog of an earlier moment.

An invalid file affects nothing else. A profile, team or policy that cannot be read, or that fails its checks, keeps
its last good version for a bounded time and is flagged; a data role that cannot be read gives no access. Files that a
change cannot affect are not evaluated again: they are shared with the catalog before.
"""

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from allotment_profiles.catalog.catalog import Catalog, ModelCache
from allotment_profiles.catalog.credentials import FormerRole
from allotment_profiles.catalog.lookalikes import Key, collision_problem, find_collisions, key_of, lookalike_of
from allotment_profiles.model import DataRole, Policy, Profile, Team
from allotment_profiles.model.paths import POLICY, FileRef, file_ref, is_stray, meant_path, profile_path
from allotment_profiles.model.problems import Problem, quoted
from allotment_profiles.store.history import File, quarantined_changes
from allotment_profiles.store.resolver import CachedResolution, Context, Resolution, Resolver
from allotment_profiles.store.snapshot import Snapshot
from allotment_profiles.threads import in_small_steps

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")
_BATCH_SIZE = 1000
"""How many files are evaluated while the next ones are read."""


@dataclass(frozen=True)
class Loaded:
    """A catalog, with what is needed to load the next one from it."""

    catalog: Catalog
    snapshot: Snapshot
    problems: Mapping[str, tuple[Problem, ...]]
    names: Mapping[Key, tuple[str, ...]]
    """Files by the key that no two of them may share."""
    collisions: Mapping[str, str]
    """Each file that is rejected because of its name → the file that stays."""
    successors: Mapping[str, str]
    """The successor of each profile whose newest version can be read and names one."""
    broken_roles: Mapping[str, DataRole]
    """By path, what each broken data role was last."""


def load(snapshot: Snapshot) -> Catalog:
    """Load a snapshot. Raise GitError where objects cannot be read; errors in files are problems of the catalog."""
    return renew(snapshot, None, ModelCache()).catalog


def renew(
    snapshot: Snapshot, before: Loaded | None, models: ModelCache, cached: Mapping[str, CachedResolution] | None = None
) -> Loaded:
    """Load a snapshot. `before` and `cached` (resolutions for this snapshot) save time, and change no result."""
    # Files of a folder have no ids that would show whether they changed.
    known = before if before and snapshot.revision and before.snapshot.revision else None
    with in_small_steps():
        return _Loader(snapshot, known, models, cached or {}).run()


class _ProfileIds:
    def __init__(self, files: Mapping[str, File]) -> None:
        self._files = files

    def __contains__(self, profile_id: object) -> bool:
        return _applies(self._files, profile_path(str(profile_id)))


class _Loader:
    """The state of one load: policy, teams, data roles, profiles. Each kind is checked against those before it."""

    def __init__(
        self, snapshot: Snapshot, before: Loaded | None, models: ModelCache, cached: Mapping[str, CachedResolution]
    ) -> None:
        self._snapshot, self._files, self._before = snapshot, snapshot.files, before
        self._old: Mapping[str, File] = before.snapshot.files if before else {}
        self._cached = cached
        old = before.catalog if before else None
        self._policy = old.policy if old else None
        self._teams = dict(old.teams) if old else {}
        self._roles = dict(old.data_roles) if old else {}
        self._profiles = dict(old.profiles) if old else {}
        self._broken = set(old.broken) if old else set()
        self._former = dict(before.broken_roles) if before else {}
        self._problems = dict(before.problems) if before else {}
        self._successors = dict(before.successors) if before else {}
        self._names = dict(before.names) if before else {}
        self._collisions = dict(before.collisions) if before else {}
        self._resolver = Resolver(snapshot, models)

    def run(self) -> Loaded:
        changed = self._changed_paths()
        changed |= self._update_collisions(changed)
        by_kind = self._changed_by_kind(changed)
        self._resolver.fetch(self._files, {**by_kind["policy"], **by_kind["team"], **by_kind["data role"]})
        self._load_policy(by_kind["policy"])
        teams = self._load_teams(by_kind["team"], bool(by_kind["policy"]))
        roles = self._load_roles(by_kind["data role"], bool(teams))
        affected = by_kind["profile"] | self._affected_profiles(teams, roles)
        if by_kind["policy"] or by_kind["team"] or by_kind["data role"]:
            affected = self._with_flagged("profile", affected)
        self._load_profiles(by_kind["profile"], affected)
        return Loaded(
            catalog=self._catalog(),
            snapshot=self._snapshot,
            problems=self._problems,
            names=self._names,
            collisions=self._collisions,
            successors=self._successors,
            broken_roles=self._former,
        )

    # -- what changed

    def _changed_paths(self) -> set[str]:
        old = self._old
        changed = {path for path, file in self._files.items() if old.get(path) is not file and old.get(path) != file}
        if len(self._files) != len(old) or changed:
            changed |= old.keys() - self._files.keys()
        if self._before:
            changed |= self._snapshot.gone ^ self._before.snapshot.gone
        return changed

    def _update_collisions(self, changed: Iterable[str]) -> set[str]:
        """Update which names collide. Return the files for which this changed."""
        by_key: dict[Key, set[str]] = {}
        for path in changed:
            key = key_of(path)
            if key is not None:
                paths = by_key.setdefault(key, set(self._names.get(key, ())))
                (paths.add if _applies(self._files, path) else paths.discard)(path)
        collisions = dict(self._collisions)
        for key, paths in by_key.items():
            for path in (*self._names.get(key, ()), *paths):
                collisions.pop(path, None)
            if len(paths) > 1:
                collisions.update(find_collisions(paths, lambda path: self._files[path].order))
            _put(self._names, key, tuple(sorted(paths)) or None)
        differing = {path for path, _ in collisions.items() ^ self._collisions.items()}
        self._collisions = collisions
        return differing

    def _changed_by_kind(self, changed: Iterable[str]) -> dict[str, dict[str, FileRef]]:
        """Forget the problems of changed files, and return these files by kind."""
        by_kind: dict[str, dict[str, FileRef]] = {"policy": {}, "team": {}, "data role": {}, "profile": {}}
        strays = {path for path in self._problems if is_stray(path)}
        for path in sorted(changed):
            ref = file_ref(path)
            self._problems.pop(path, None)
            self._broken.discard(path)
            self._former.pop(path, None)
            if ref is None:
                strays.add(path)
            else:
                by_kind[ref.kind][path] = ref
        for path in strays:  # a changed file may have a name that looks like theirs
            self._problems.pop(path, None)
            if _applies(self._files, path):
                self._problems[path] = tuple(_stray_problems(path, self._names))
        return by_kind

    # -- kind by kind

    def _record(self, path: str, resolution: Resolution) -> None:
        self._problems.pop(path, None)
        self._broken.discard(path)
        _put(self._former, path, resolution.former)
        if resolution.problems:
            self._problems[path] = resolution.problems
        if resolution.broken:
            self._broken.add(path)

    def _resolve_unread(self, path: str) -> Resolution | None:
        """Resolve a file without its content: it is gone or quarantined, or its name collides."""
        if not _applies(self._files, path):
            return Resolution(None)
        if path in self._collisions:
            return Resolution(None, (collision_problem(path, self._collisions[path]),), broken=True)
        return None

    def _resolve(self, path: str, ref: FileRef, context: Context) -> Resolution:
        resolution = self._resolve_unread(path) or self._resolver.resolve(path, ref, self._files[path], context)
        self._record(path, resolution)
        return resolution

    def _load_policy(self, paths: Mapping[str, FileRef]) -> None:
        if paths:
            self._policy = self._resolve(POLICY, paths[POLICY], Context()).entry_of(Policy)

    def _load_teams(self, paths: dict[str, FileRef], policy_file_changed: bool) -> set[str]:
        if self._policy_changed:
            paths = {entry.path: FileRef("team", name) for name, entry in self._teams.items()} | paths
        if policy_file_changed:
            paths = self._with_flagged("team", paths)
        self._resolver.fetch(self._files, paths)
        context, changed = Context(self._policy_value), set()
        for path, ref in paths.items():
            entry = self._resolve(path, ref, context).entry_of(Team)
            if entry != self._teams.get(ref.id):
                changed.add(ref.id)
            _put(self._teams, ref.id, entry)
        return changed

    def _load_roles(self, paths: dict[str, FileRef], teams_changed: bool) -> set[str]:
        if teams_changed:
            roles = {entry.path: FileRef("data role", name) for name, entry in self._roles.items()}
            paths = roles | self._with_flagged("data role", paths)
        self._resolver.fetch(self._files, paths)
        context = Context(self._policy_value, {name: entry.value for name, entry in self._teams.items()})
        changed = set()
        for path, ref in paths.items():
            entry = self._resolve(path, ref, context).entry_of(DataRole)
            if entry != self._roles.get(ref.id) or self._files.get(path) != self._old.get(path):
                changed.add(ref.id)
            _put(self._roles, ref.id, entry)
        return changed

    def _with_flagged(self, kind: str, paths: dict[str, FileRef]) -> dict[str, FileRef]:
        """Add the files of a kind that have problems: any other file may be part of the cause."""
        flagged = {path for path in (*self._problems, *self._broken) if path not in self._collisions}
        return {path: ref for path in flagged if (ref := file_ref(path)) and ref.kind == kind} | paths

    @property
    def _policy_value(self) -> Policy | None:
        return self._policy.value if self._policy else None

    @property
    def _policy_changed(self) -> bool:
        if self._before is None:
            return False
        old = self._before.catalog.policy
        return (self._policy.blob if self._policy else None) != (old.blob if old else None)

    # -- profiles

    def _affected_profiles(self, teams: Collection[str], roles: Collection[str]) -> dict[str, FileRef]:
        every = self._policy_changed
        if not (every or teams or roles):
            return {}
        return {
            entry.path: FileRef("profile", profile_id)
            for profile_id, entry in self._profiles.items()
            if every or profile_id.partition("/")[0] in teams or not set(entry.data_roles).isdisjoint(roles)
        }

    def _load_profiles(self, changed: Mapping[str, FileRef], affected: Mapping[str, FileRef]) -> None:
        context = Context(
            self._policy_value,
            {name: entry.value for name, entry in self._teams.items()},
            {name: entry.value for name, entry in self._roles.items()},
            self._successors,
            _ProfileIds(self._files),
        )
        before = dict(self._successors)
        deferred = self._load_without_successors(affected, context)
        added_or_removed = any(_applies(self._files, path) != _applies(self._old, path) for path in changed)
        if self._before and (self._successors != before or added_or_removed):
            deferred |= {profile_path(name): FileRef("profile", name) for name in (*before, *self._successors)}
            deferred = self._with_flagged("profile", deferred)
        self._resolver.fetch(self._files, deferred)
        self._resolver.fetch_fallbacks(self._files, deferred)
        for path, ref in deferred.items():
            _put(self._profiles, ref.id, self._resolve(path, ref, context).entry_of(Profile))

    def _load_without_successors(self, paths: Mapping[str, FileRef], context: Context) -> dict[str, FileRef]:
        """Load the profiles whose check needs no other successors, and collect all successors. Return the others."""
        deferred = {}
        order = sorted(paths)
        for batch in self._read_ahead([order[at : at + _BATCH_SIZE] for at in range(0, len(order), _BATCH_SIZE)]):
            for path in batch:
                ref = paths[path]
                resolution = self._resolve_unread(path)
                if resolution is None and path in self._cached:
                    resolution = self._resolver.resolve_cached(path, ref, self._cached[path])
                if resolution is None:
                    value = self._resolver.newest(path, ref, self._files[path])
                    successor = value.successor if isinstance(value, Profile) else None
                    if isinstance(value, Profile) and successor is None:
                        resolution = self._resolver.resolve_value(path, ref, self._files[path], value, context)
                else:
                    successor = resolution.successor
                _put(self._successors, ref.id, successor)
                if resolution is None:
                    deferred[path] = ref
                else:
                    self._record(path, resolution)
                    _put(self._profiles, ref.id, resolution.entry_of(Profile))
            self._resolver.clear()
        return deferred

    def _read_ahead(self, batches: Sequence[Sequence[str]]) -> Iterator[Sequence[str]]:
        """Yield each batch with its contents read, while git reads the next one."""
        with ThreadPoolExecutor(1) as reader:

            def read(batch: Sequence[str]) -> Future[dict[str, bytes]]:
                return reader.submit(self._resolver.read_contents, self._files, batch, self._cached)

            reading = read(batches[0]) if batches else None
            for number, batch in enumerate(batches, 1):
                assert reading is not None  # noqa: S101  (each batch is requested before the previous one is yielded)
                self._resolver.add_contents(reading.result())
                reading = read(batches[number]) if number < len(batches) else None
                yield batch

    # -- the result

    def _catalog(self) -> Catalog:
        problems = list(itertools.chain.from_iterable(self._problems.values()))
        if self._policy is None:
            message = "There is no readable policy: nothing can be started or merged."
            problems.append(Problem(POLICY, "policy-missing", message, "Add or correct policy.yaml."))
        broken = (
            FormerRole(ref.id, role.owner, role.binding)
            for path, role in self._former.items()
            if (ref := file_ref(path))
        )
        problems.sort(
            key=lambda problem: (problem.path, problem.line or 0, problem.code, problem.field, problem.message)
        )
        return Catalog(
            revision=self._snapshot.revision,
            time=self._snapshot.time,
            policy=self._policy,
            teams=_in_order(self._teams),
            profiles=_in_order(self._profiles),
            data_roles=_in_order(self._roles),
            problems=tuple(problems),
            broken=frozenset(self._broken),
            former_roles=(*broken, *self._snapshot.former_roles.values()),
            quarantined=quarantined_changes(self._files),
        )


def _applies(files: Mapping[str, File], path: str) -> bool:
    file = files.get(path)
    return file is not None and file.entry is not None


def _put(mapping: dict[KeyT, ValueT], key: KeyT, value: ValueT | None) -> None:
    if value is None:
        mapping.pop(key, None)
    else:
        mapping[key] = value


def _in_order(mapping: dict[str, ValueT]) -> dict[str, ValueT]:
    names = sorted(mapping)
    return mapping if list(mapping) == names else {name: mapping[name] for name in names}


def _stray_problems(path: str, names: Mapping[Key, tuple[str, ...]]) -> Iterator[Problem]:
    readable = quoted(path).strip("'")
    other = lookalike_of(path, names)
    if other:
        yield collision_problem(readable, other)
    meant = meant_path(path)
    remedy = f"Rename it to {meant}, if that is what it is." if meant else "Move it, or remove it."
    remedy += " Read are policy.yaml, teams/NAME/team.yaml, teams/NAME/profiles/NAME.yaml and data-roles/NAME.yaml."
    yield Problem(readable, "path", "The file lies where nothing is read.", remedy, level="advice")
