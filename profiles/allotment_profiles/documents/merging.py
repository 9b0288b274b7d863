"""Merge two versions of a file by its keys, not by its lines. Pure.

Two people may change different keys of one file. Merged line by line, the change of one could land in a key that the
other has put in its place. Here every value is found by its keys, and what both have changed is a collision.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from allotment_profiles.documents.parsing import parse_yaml
from allotment_profiles.documents.rewriting import rewrite
from allotment_profiles.documents.writing import write
from allotment_profiles.model.paths import Kind

_ORDERED = re.compile(r"options|options\.[^.]+\.choices")
"""The mappings whose order matters: later options override earlier ones."""


@dataclass(frozen=True, slots=True)
class Collision:
    """A key that two versions of a file have changed differently."""

    field: str
    """The key, with dots; empty for the whole file."""
    ours: Any
    """The value that applies; None where it was removed."""
    theirs: Any
    """The value that is proposed; None where it was removed."""


def merged_file(
    kind: Kind, base: bytes | None, ours: bytes | None, theirs: bytes | None
) -> tuple[bytes | None, tuple[Collision, ...]]:
    """Carry the changes from `base` to `theirs` over to `ours`, whose comments and layout are kept.

    Return the file (None: removed) and the keys that collide. The file has their values of these keys. Without keys,
    and where the merged file would not read, as one that is too large, the whole file collides.
    """
    if ours in (base, theirs):
        return theirs, ()
    whole = (Collision("", None, None),)
    if ours is None or theirs is None:
        return theirs, whole
    try:
        was, now, wanted = (parse_yaml(source) if source is not None else {} for source in (base, ours, theirs))
    except ValueError:
        return theirs, whole
    if _same(was, wanted):  # only comments or the layout are proposed, and they have no keys
        return theirs, whole
    merge = _Merge()
    merged = merge.value(was, now, wanted, "")
    written = rewrite(kind, ours, merged)
    try:
        if not _same(parse_yaml(written).get("options"), merged.get("options")):
            written = write(kind, merged)  # an edit in place keeps the order that the options had
        parse_yaml(written)
    except ValueError:
        return theirs, whole
    return written, tuple(merge.collisions)


class _Missing:
    """The value of a key that is not there."""


_MISSING = _Missing()


class _Merge:
    def __init__(self) -> None:
        self.collisions: list[Collision] = []

    def value(self, base: Any, ours: Any, theirs: Any, field: str) -> Any:
        """Return the merged value of one key; `_MISSING` where it is removed."""
        if _same(ours, theirs) or _same(base, theirs):
            return ours
        if _same(base, ours):
            return theirs
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            before = base if isinstance(base, Mapping) else {}
            keys = _keys(before, ours, theirs, ordered=_ORDERED.fullmatch(field) is not None)
            if keys is not None:
                return self._mapping(before, ours, theirs, field, keys)
        if _is_set(ours) and _is_set(theirs) and (base is _MISSING or _is_set(base)):
            before = [] if base is _MISSING else base
            was, wanted = set(before), set(theirs)
            kept = [item for item in ours if item in wanted or item not in was]
            here = set(kept)
            return kept + [item for item in theirs if item not in was and item not in here]
        self.collisions.append(Collision(field, *(None if each is _MISSING else each for each in (ours, theirs))))
        return theirs

    def _mapping(
        self, base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any], field: str, keys: list[str]
    ) -> dict[str, Any]:
        merged = {}
        for key in keys:
            was, now, wanted = (each.get(key, _MISSING) for each in (base, ours, theirs))
            value = self.value(was, now, wanted, f"{field}.{key}" if field else str(key))
            if value is not _MISSING:
                merged[key] = value
        return merged


def _keys(
    base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any], *, ordered: bool
) -> list[str] | None:
    """Return the keys of both in our order; None where the order matters and both have changed it."""
    if not ordered or list(theirs) in (list(base), list(ours)):
        return list(dict.fromkeys([*ours, *theirs]))
    return list(dict.fromkeys([*theirs, *ours])) if list(ours) == list(base) else None


def _is_set(value: Any) -> bool:
    """Return whether a value is a list of names, whose items come and go one by one."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are the same, in the same order of keys: `1` is not `true`."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)
