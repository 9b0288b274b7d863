"""Which removed file became which added file, so that a move or a rename is one change. Pure functions."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.model.paths import FileRef, file_ref
from allotment_profiles.review.flatten import flatten

SIMILAR = 0.6
"""The share of equal fields from which two files count as the same file."""
MAXIMUM_CANDIDATES = 64
"""At most this many removed and added files of one kind are compared by their fields; others must be equal."""


def renamed(removed: Mapping[str, Entry[Any]], added: Mapping[str, Entry[Any]]) -> dict[str, str]:
    """Return for added paths the removed paths that they come from, each path once.

    Files with equal content are paired first, however many there are: preferably those of the same name, then of the
    same team, then in the order of the paths. The rest is compared by fields, files of the same kind and name first,
    and the most similar pairs first. The result is deterministic.
    """
    pairs = _equal(removed, added)
    for group in (_kind_and_name, lambda path: _ref(path).kind):
        taken = set(pairs.values())
        olds = _grouped((path for path in removed if path not in taken), group)
        news = _grouped((path for path in added if path not in pairs), group)
        for key in sorted(olds.keys() & news.keys()):
            pairs.update(
                _similar({path: removed[path] for path in olds[key]}, {path: added[path] for path in news[key]})
            )
    return pairs


def _kind_and_name(path: str) -> str:
    """Return what a profile keeps when it moves to another team."""
    ref = _ref(path)
    return f"{ref.kind} {ref.id.rpartition('/')[2]}"


def _grouped(paths: Iterable[str], group: Callable[[str], str]) -> dict[str, list[str]]:
    """Group the paths that may belong together, at most `MAXIMUM_CANDIDATES` in a group."""
    groups: dict[str, list[str]] = {}
    for path in sorted(paths):
        candidates = groups.setdefault(group(path), [])
        if len(candidates) < MAXIMUM_CANDIDATES:
            candidates.append(path)
    return groups


def _ref(path: str) -> FileRef:
    return cast("FileRef", file_ref(path))


def _equal(removed: Mapping[str, Entry[Any]], added: Mapping[str, Entry[Any]]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    taken: set[str] = set()
    for part in (2, 1, None):
        olds: dict[tuple[str, str, str], list[str]] = {}
        for path in sorted(removed, reverse=True):
            if path not in taken:
                olds.setdefault(_identity(path, removed[path], part), []).append(path)
        for path in sorted(added):
            candidates = olds.get(_identity(path, added[path], part)) if path not in pairs else None
            if candidates:
                pairs[path] = candidates.pop()
                taken.add(pairs[path])
    return pairs


def _identity(path: str, entry: Entry[Any], part: int | None) -> tuple[str, str, str]:
    """Return what must be equal: kind and blob, and the profile's name (2), its team (1) or neither (None)."""
    ref = _ref(path)
    team, _, name = ref.id.partition("/")
    return ref.kind, entry.blob, "" if part is None or not name else (team, name)[part - 1]


def _similar(removed: Mapping[str, Entry[Any]], added: Mapping[str, Entry[Any]]) -> dict[str, str]:
    olds = {path: _fields(entry) for path, entry in removed.items()}
    news = {path: _fields(entry) for path, entry in added.items()}
    candidates = sorted(
        (-share, _distance(old, new), old, new)
        for old, was in olds.items()
        for new, now in news.items()
        if (share := len(was & now) / max(len(was), len(now), 1)) >= SIMILAR
    )
    pairs: dict[str, str] = {}
    taken = set()
    for *_, old, new in candidates:
        if old not in taken and new not in pairs:
            pairs[new] = old
            taken.add(old)
    return pairs


def _distance(old: str, new: str) -> int:
    """Return 0 if two ids share the name, 1 if they share the team, or else 2."""
    (team, _, name), (other, _, another) = _ref(old).id.partition("/"), _ref(new).id.partition("/")
    return 0 if name and name == another else 1 if team == other else 2


def _fields(entry: Entry[Any]) -> frozenset[tuple[str, object]]:
    fields: Iterable[tuple[str, Any]] = flatten(entry.value, explicit_only=True)
    return frozenset(
        (field, str(item)) for field, value in fields for item in (value if isinstance(value, tuple) else (value,))
    )


def differing(before: Mapping[str, Entry[Any]], after: Mapping[str, Entry[Any]]) -> list[str]:
    """Return the ids whose entries differ between two catalogs, in order; entries with the same blob are not parsed."""
    if before is after:
        return []
    changed = {name for name, entry in after.items() if _differ(before.get(name), entry)}
    return sorted(changed | (before.keys() - after.keys()))


def _differ(before: Entry[Any] | None, after: Entry[Any]) -> bool:
    if before is after:
        return False
    if before is None or before.blob != after.blob:
        return True
    # Revocations in an invalid newest version may have changed the earlier version that applies.
    return bool(before.outdated_since or after.outdated_since) and before.value != after.value


def same_team_origins(before: Catalog, after: Catalog) -> dict[str, str]:
    """Return the profiles that are renamed within their team, new id → old id."""
    ids = differing(before.profiles, after.profiles)
    removed = {before.profiles[name].path: before.profiles[name] for name in ids if name not in after.profiles}
    added = {after.profiles[name].path: after.profiles[name] for name in ids if name not in before.profiles}
    if not removed or not added:
        return {}
    pairs = renamed(
        {path: entry for path, entry in removed.items() if path not in after.broken},
        {path: entry for path, entry in added.items() if path not in before.broken},
    )
    origins = {added[new].id: removed[old].id for new, old in pairs.items()}
    return {new: old for new, old in origins.items() if new.partition("/")[0] == old.partition("/")[0]}
