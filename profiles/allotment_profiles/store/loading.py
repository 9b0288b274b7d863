"""From the files of one moment to the catalog that applies, from what is known of an earlier moment.

A bad file harms only itself: a profile, team or policy that does not read, or fails its checks, keeps its last good
version for a bounded time, flagged; a data role that does not read gives no access. What a change cannot have
affected is not looked at again, and is shared with the catalog before.
"""

import contextlib
import gc
import itertools
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from allotment_profiles.catalog.catalog import Catalog, ModelCache
from allotment_profiles.catalog.lookalikes import Key, collision_problem, find_collisions, key_of, lookalike_of
from allotment_profiles.model import DataRole, Policy, Profile, Team
from allotment_profiles.model.paths import POLICY, FileRef, file_ref, is_stray, profile_path
from allotment_profiles.model.problems import Problem, quoted
from allotment_profiles.store.history import File, quarantined_changes
from allotment_profiles.store.resolver import CachedResolution, Context, Resolution, Resolver
from allotment_profiles.store.snapshot import Snapshot

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")
_MANY_OBJECTS = 20_000
_TURN = 0.001
"""Seconds after which a thread that waits has its turn."""
_AT_ONCE = 1000
"""So many files are read before the next ones are fetched."""


@dataclass(frozen=True)
class Loaded:
    """A catalog with what the next one can be made from."""

    catalog: Catalog
    snapshot: Snapshot
    problems: Mapping[str, tuple[Problem, ...]]
    """Of each file that has some."""
    names: Mapping[Key, tuple[str, ...]]
    """Files by what no two of them may share."""
    collisions: Mapping[str, str]
    """Files that are refused for their name, with the one that stays."""
    successors: Mapping[str, str]
    """Of each profile whose newest version reads and names one."""


@dataclass
class ReadingCache:
    """What was loaded last, so that only what changed since is read again."""

    loaded: Loaded | None = None
    models: ModelCache = field(default_factory=ModelCache)


def load(snapshot: Snapshot, cache: ReadingCache | None = None) -> Catalog:
    """Read and check a snapshot; raises nothing for what files say, GitError where objects cannot be read."""
    cache = cache or ReadingCache()
    cache.loaded = renew(snapshot, cache.loaded, cache.models)
    return cache.loaded.catalog


def renew(
    snapshot: Snapshot, before: Loaded | None, models: ModelCache, settled: Mapping[str, CachedResolution] | None = None
) -> Loaded:
    """Load a snapshot from what is known of another one; the result is the same as without.

    `settled` are outcomes of profiles that are known to be those of this very snapshot.
    """
    # The files of a folder have no ids that would tell whether they changed.
    known = before if before and snapshot.revision and before.snapshot.revision else None
    with in_small_steps():
        return _Loading(snapshot, known, models, settled or {}).run()


@contextlib.contextmanager
def in_small_steps() -> Iterator[None]:
    """Keep other threads, an event loop above all, from waiting long for their turn.

    The collector stops every thread. A catalog has no cycles and goes when nothing refers to it, but looking through
    a large one takes 40 ms each time: so there are no collections meanwhile, and after much was made all that exists
    is left out of later ones.
    """
    enabled, interval = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(min(interval, _TURN))
    try:
        yield
    finally:
        if enabled:  # whoever came second, in another thread, leaves it to the first
            sys.setswitchinterval(interval)
            if gc.get_count()[0] > _MANY_OBJECTS:
                gc.freeze()
            gc.enable()


class _Known:
    """The ids of all profiles that have a file."""

    def __init__(self, files: Mapping[str, File]) -> None:
        self._files = files

    def __contains__(self, profile_id: object) -> bool:
        return _there(self._files, profile_path(str(profile_id)))


class _Loading:
    """The state of one load, in the order policy, teams, data roles, profiles: each is checked against those before."""

    def __init__(
        self, snapshot: Snapshot, before: Loaded | None, models: ModelCache, settled: Mapping[str, CachedResolution]
    ) -> None:
        self._snapshot, self._files, self._before = snapshot, snapshot.files, before
        self._old: Mapping[str, File] = before.snapshot.files if before else {}
        self._settled = settled
        old = before.catalog if before else None
        self._policy = old.policy if old else None
        self._teams = dict(old.teams) if old else {}
        self._roles = dict(old.data_roles) if old else {}
        self._profiles = dict(old.profiles) if old else {}
        self._broken = set(old.broken) if old else set()
        self._problems = dict(before.problems) if before else {}
        self._successors = dict(before.successors) if before else {}
        self._names = dict(before.names) if before else {}
        self._collisions = dict(before.collisions) if before else {}
        self._evaluating = Resolver(snapshot, models)

    def run(self) -> Loaded:
        changed = self._changed()
        changed |= self._collide(changed)
        by_kind = self._sorted_out(changed)
        self._load_policy(by_kind["policy"])
        changed_teams = self._load_teams(by_kind["team"], bool(by_kind["policy"]))
        changed_roles = self._load_roles(by_kind["data role"], bool(changed_teams))
        others = bool(by_kind["policy"] or by_kind["team"] or by_kind["data role"])
        self._load_profiles(by_kind["profile"], changed_teams, changed_roles, others)
        return Loaded(self._catalog(), self._snapshot, self._problems, self._names, self._collisions, self._successors)

    # -- what changed

    def _changed(self) -> set[str]:
        """Give the paths whose files are not what they were, those that are gone among them."""
        old = self._old
        changed = {path for path, file in self._files.items() if old.get(path) is not file and old.get(path) != file}
        if len(self._files) != len(old) or changed:
            changed |= old.keys() - self._files.keys()
        if self._before:
            changed |= self._snapshot.gone ^ self._before.snapshot.gone
        return changed

    def _collide(self, changed: Collection[str]) -> set[str]:
        """Find out anew whose names collide; give the files for which the answer changed."""
        touched: dict[Key, set[str]] = {}
        for path in changed:
            key = key_of(path)
            if key is not None:
                paths = touched.setdefault(key, set(self._names.get(key, ())))
                file = self._files.get(path)
                (paths.add if file and file.entry else paths.discard)(path)
        collisions = dict(self._collisions)
        for key, paths in touched.items():
            for path in (*self._names.get(key, ()), *paths):
                collisions.pop(path, None)
            if len(paths) > 1:
                collisions.update(find_collisions(paths, lambda path: self._files[path].order))
            self._names[key] = tuple(sorted(paths))
            if not paths:
                del self._names[key]
        differing = {path for path, _ in collisions.items() ^ self._collisions.items()}
        self._collisions = collisions
        return differing

    def _sorted_out(self, changed: Iterable[str]) -> dict[str, dict[str, FileRef]]:
        """Forget what was known of changed files, and give those that changed by kind."""
        by_kind: dict[str, dict[str, FileRef]] = {"policy": {}, "team": {}, "data role": {}, "profile": {}}
        strays = {path for path in self._problems if is_stray(path)}
        for path in changed:
            where = file_ref(path)
            self._problems.pop(path, None)
            self._broken.discard(path)
            if where is None:
                strays.add(path)
            else:
                by_kind[where.kind][path] = where
        for path in strays:  # whether their names collide may have changed with other files
            file = self._files.get(path)
            self._problems.pop(path, None)
            if file and file.entry:
                self._problems[path] = tuple(_stray(path, self._names))
        return {kind: {path: paths[path] for path in sorted(paths)} for kind, paths in by_kind.items()}

    # -- kind by kind

    def _settle(self, path: str, outcome: Resolution) -> None:
        self._problems.pop(path, None)
        self._broken.discard(path)
        if outcome.problems:
            self._problems[path] = outcome.problems
        if outcome.broken:
            self._broken.add(path)

    def _refused(self, path: str) -> Resolution | None:
        """Settle what needs no reading: a file that is gone or held, a name that collides."""
        file = self._files.get(path)
        if file is None or file.entry is None:
            return Resolution(None)
        if path in self._collisions:
            return Resolution(None, (collision_problem(path, self._collisions[path]),), broken=True)
        return None

    def _outcome(self, path: str, where: FileRef, context: Context) -> Resolution:
        outcome = self._refused(path) or self._evaluating.outcome(path, where, self._files[path], context)
        self._settle(path, outcome)
        return outcome

    def _load_policy(self, paths: Mapping[str, FileRef]) -> None:
        if paths:
            self._evaluating.fetch(self._files, paths)
            self._policy = self._outcome(POLICY, paths[POLICY], Context()).entry_of(Policy)

    def _load_teams(self, paths: dict[str, FileRef], policy_touched: bool) -> set[str]:
        """Give the names of the teams that are not what they were."""
        if self._policy_changed:
            paths = {entry.path: FileRef("team", name) for name, entry in self._teams.items()} | paths
        if policy_touched:
            paths = self._again("team", paths)
        self._evaluating.fetch(self._files, paths)
        context, changed = Context(self._policy_value), set()
        for path, where in paths.items():
            entry = self._outcome(path, where, context).entry_of(Team)
            if entry != self._teams.get(where.id):
                changed.add(where.id)
            _put(self._teams, where.id, entry)
        return changed

    def _load_roles(self, paths: dict[str, FileRef], teams_changed: bool) -> set[str]:
        """Give the names of the data roles that are not what they were."""
        if teams_changed:
            again = {entry.path: FileRef("data role", name) for name, entry in self._roles.items()}
            paths = again | self._again("data role", paths)
        self._evaluating.fetch(self._files, paths)
        context = Context(self._policy_value, {name: entry.value for name, entry in self._teams.items()})
        changed = set()
        for path, where in paths.items():
            entry = self._outcome(path, where, context).entry_of(DataRole)
            if entry != self._roles.get(where.id) or self._files.get(path) != self._old.get(path):
                changed.add(where.id)
            _put(self._roles, where.id, entry)
        return changed

    def _again(self, kind: str, paths: dict[str, FileRef]) -> dict[str, FileRef]:
        """Add the files of a kind whose last outcome was a problem, which any other file may have been part of."""
        flagged = {path for path in (*self._problems, *self._broken) if path not in self._collisions}
        found = {path: where for path in flagged if (where := file_ref(path)) and where.kind == kind}
        return {**found, **paths}

    @property
    def _policy_value(self) -> Policy | None:
        return self._policy.value if self._policy else None

    @property
    def _policy_changed(self) -> bool:
        """Whether another version of the policy applies than before."""
        if self._before is None:
            return False
        old = self._before.catalog.policy
        return (self._policy.blob if self._policy else None) != (old.blob if old else None)

    # -- profiles

    def _load_profiles(
        self, changed: dict[str, FileRef], teams: Collection[str], roles: Collection[str], others: bool
    ) -> None:
        paths = dict(changed)
        if teams or roles or self._policy_changed:
            for profile_id, entry in self._profiles.items():
                of_team = profile_id.partition("/")[0] in teams
                if self._policy_changed or of_team or not set(entry.data_roles).isdisjoint(roles):
                    paths.setdefault(entry.path, FileRef("profile", profile_id))
        if others:
            paths = self._again("profile", paths)
        context = Context(
            self._policy_value,
            {name: entry.value for name, entry in self._teams.items()},
            {name: entry.value for name, entry in self._roles.items()},
            self._successors, _Known(self._files),
        )  # fmt: skip
        successors = dict(self._successors)
        deferred = self._first_pass(paths, context)
        came_or_went = any(_there(self._files, path) != _there(self._old, path) for path in changed)
        if self._before and (self._successors != successors or came_or_went):
            chained = {*successors, *self._successors}
            deferred |= {profile_path(each): FileRef("profile", each) for each in chained}
            deferred = self._again("profile", deferred)
        self._evaluating.fetch(self._files, deferred)
        self._evaluating.fetch_fallbacks(self._files, deferred)
        for path, where in deferred.items():
            _put(self._profiles, where.id, self._outcome(path, where, context).entry_of(Profile))

    def _first_pass(self, paths: Mapping[str, FileRef], context: Context) -> dict[str, FileRef]:
        """Settle what can be settled without knowing all successors; give the rest."""
        deferred = {}
        for some in self._read_ahead(list(_batches(sorted(paths)))):
            for path in some:
                where = paths[path]
                outcome = self._refused(path) or self._restored(path, where)
                if outcome is None:
                    value = self._evaluating.newest(path, where, self._files[path])
                    successor = value.successor if isinstance(value, Profile) else None
                    if isinstance(value, Profile) and successor is None:
                        outcome = self._evaluating.checked(path, where, self._files[path], value, context)
                else:
                    successor = outcome.successor
                _put(self._successors, where.id, successor)
                if outcome is None:
                    deferred[path] = where
                else:
                    self._settle(path, outcome)
                    _put(self._profiles, where.id, outcome.entry_of(Profile))
            self._evaluating.forget()
        return deferred

    def _read_ahead(self, batches: Sequence[Sequence[str]]) -> Iterator[Sequence[str]]:
        """Give one batch after the other with its contents, while git reads the next."""
        with ThreadPoolExecutor(1) as reader:

            def read(some: Sequence[str]) -> Future[dict[str, bytes]]:
                return reader.submit(self._evaluating.contents, self._files, some, self._settled)

            coming = read(batches[0]) if batches else None
            for number, some in enumerate(batches, 1):
                assert coming is not None  # noqa: S101  (each batch is asked for before the one in front of it is given)
                self._evaluating.take(coming.result())
                coming = read(batches[number]) if number < len(batches) else None
                yield some

    def _restored(self, path: str, where: FileRef) -> Resolution | None:
        settled = self._settled.get(path)
        return self._evaluating.restored(path, where, settled) if settled else None

    # -- the end

    def _catalog(self) -> Catalog:
        problems = list(itertools.chain.from_iterable(self._problems.values()))
        if self._policy is None:
            message = "There is no readable policy: nothing can be started or merged."
            problems.append(Problem(POLICY, "policy-missing", message, "Add or correct policy.yaml."))
        problems.sort(key=lambda each: (each.path, each.line or 0, each.code, each.field, each.message))
        return Catalog(
            revision=self._snapshot.revision,
            time=self._snapshot.time,
            policy=self._policy,
            teams=_in_order(self._teams),
            profiles=_in_order(self._profiles),
            data_roles=_in_order(self._roles),
            problems=tuple(problems),
            broken=frozenset(self._broken),
            quarantined=quarantined_changes(self._files),
        )


def _there(files: Mapping[str, File], path: str) -> bool:
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


def _batches(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(paths), _AT_ONCE):
        yield paths[start : start + _AT_ONCE]


def _stray(path: str, names: Mapping[Key, tuple[str, ...]]) -> Iterator[Problem]:
    readable = quoted(path).strip("'")
    other = lookalike_of(path, names)
    if other:
        yield collision_problem(readable, other)
    remedy = "Allowed: policy.yaml, teams/NAME/team.yaml, teams/NAME/profiles/NAME.yaml, data-roles/NAME.yaml."
    yield Problem(readable, "path", "The file lies where nothing is read.", remedy, level="advice")
