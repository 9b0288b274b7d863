"""Which removed file became which added one: a move or a rename is one change, not two. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.model.paths import FileRef, file_ref
from allotment_profiles.review.flatten import flatten

SIMILAR = 0.6
"""The share of facts that two files have in common, from which they are taken for the same."""
MAXIMUM_CANDIDATES = 64
"""So many removed and so many added files of one kind are compared by what they say; the others only as a whole."""


def renamed(removed: Mapping[str, Entry[Any]], added: Mapping[str, Entry[Any]]) -> dict[str, str]:
    """Give for added paths the removed ones that they come from, each path once.

    Equal content goes first, whatever the number of files: there the same name in another team is preferred, then the
    same team, then the order of the paths. What remains is compared by its facts, the most similar pairs first, those
    of the same name before all others. The same files always give the same pairs.
    """
    found = _equal(removed, added)
    for group in (_kind_and_name, _kind):
        taken = set(found.values())
        olds = _grouped((path for path in removed if path not in taken), group)
        news = _grouped((path for path in added if path not in found), group)
        for key in sorted(olds.keys() & news.keys()):
            found.update(
                _similar({path: removed[path] for path in olds[key]}, {path: added[path] for path in news[key]})
            )
    return found


def _kind(path: str) -> str:
    return _place(path).kind


def _kind_and_name(path: str) -> str:
    """Give what a profile that moves to another team keeps."""
    where = _place(path)
    return f"{where.kind} {where.id.rpartition('/')[2]}"


def _grouped(paths: Iterable[str], group: Callable[[str], str]) -> dict[str, list[str]]:
    """Put paths that may have become each other together, no more than can be compared."""
    found: dict[str, list[str]] = {}
    for path in sorted(paths):
        candidates = found.setdefault(group(path), [])
        if len(candidates) < MAXIMUM_CANDIDATES:
            candidates.append(path)
    return found


def _place(path: str) -> FileRef:
    return cast("FileRef", file_ref(path))


def _equal(removed: Mapping[str, Entry[Any]], added: Mapping[str, Entry[Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    taken: set[str] = set()
    for part in (2, 1, None):
        olds: dict[tuple[str, str, str], list[str]] = {}
        for path in sorted(removed, reverse=True):
            if path not in taken:
                olds.setdefault(_identity(path, removed[path], part), []).append(path)
        for path in sorted(added):
            candidates = olds.get(_identity(path, added[path], part)) if path not in found else None
            if candidates:
                found[path] = candidates.pop()
                taken.add(found[path])
    return found


def _identity(path: str, entry: Entry[Any], part: int | None) -> tuple[str, str, str]:
    """Give what has to be the same: kind and blob; and the profile's name (2), its team (1) or neither (None)."""
    where = _place(path)
    team, _, name = where.id.partition("/")
    return where.kind, entry.blob, "" if part is None or not name else (team, name)[part - 1]


def _similar(removed: Mapping[str, Entry[Any]], added: Mapping[str, Entry[Any]]) -> dict[str, str]:
    olds = {path: _facts(entry) for path, entry in removed.items()}
    news = {path: _facts(entry) for path, entry in added.items()}
    pairs = sorted(
        (-share, _distance(old, new), old, new)
        for old, was in olds.items()
        for new, now in news.items()
        if (share := _share(was, now)) >= SIMILAR
    )
    found: dict[str, str] = {}
    taken = set()
    for *_, old, new in pairs:
        if old not in taken and new not in found:
            found[new] = old
            taken.add(old)
    return found


def _distance(old: str, new: str) -> int:
    """Rank what two ids share, as among equal files: the name, the team, nothing."""
    (team, _, name), (other, _, another) = _place(old).id.partition("/"), _place(new).id.partition("/")
    return 0 if name and name == another else 1 if team == other else 2


def _share(was: frozenset[tuple[str, object]], now: frozenset[tuple[str, object]]) -> float:
    return len(was & now) / max(len(was), len(now), 1)


def _facts(entry: Entry[Any]) -> frozenset[tuple[str, object]]:
    facts: Iterable[tuple[str, Any]] = flatten(entry.value, told=True)
    return frozenset(
        (field, str(each)) for field, value in facts for each in (value if isinstance(value, tuple) else (value,))
    )


def differing(before: Mapping[str, Entry[Any]], after: Mapping[str, Entry[Any]]) -> list[str]:
    """Give the ids whose entries differ between two catalogs, in order; what has the same blob is not read."""
    if before is after:
        return []
    found = {name for name, entry in after.items() if _differ(before.get(name), entry)}
    return sorted(found | (before.keys() - after.keys()))


def _differ(before: Entry[Any] | None, after: Entry[Any]) -> bool:
    if before is after:
        return False
    if before is None or before.blob != after.blob:
        return True
    # An earlier version that applies may have been narrowed by what its newest version takes away.
    return bool(before.outdated_since or after.outdated_since) and before.value != after.value


def same_team_origins(before: Catalog, after: Catalog) -> dict[str, str]:
    """Give the ids of profiles that are renamed within their team, new → old."""
    ids = differing(before.profiles, after.profiles)
    removed = {before.profiles[each].path: before.profiles[each] for each in ids if each not in after.profiles}
    added = {after.profiles[each].path: after.profiles[each] for each in ids if each not in before.profiles}
    if not removed or not added:
        return {}
    pairs = renamed(
        {path: entry for path, entry in removed.items() if path not in after.broken},
        {path: entry for path, entry in added.items() if path not in before.broken},
    )
    found = {added[new].id: removed[old].id for new, old in pairs.items()}
    return {new: old for new, old in found.items() if new.partition("/")[0] == old.partition("/")[0]}
