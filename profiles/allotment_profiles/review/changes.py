"""What differs between two catalogs, by meaning: `memory limit 4 GiB → 8 GiB`, not by lines. Pure functions."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.model import Model, Policy, Profile
from allotment_profiles.model.base import attributes
from allotment_profiles.model.paths import POLICY, file_ref
from allotment_profiles.model.problems import quoted
from allotment_profiles.review.change_types import ChangeType, change_types, type_of_new_field
from allotment_profiles.review.flatten import flatten, value_text
from allotment_profiles.review.labels import label_of
from allotment_profiles.review.renames import differing, renamed
from allotment_profiles.review.team_limits import binding_envelope, further_outside

ChangeKind = Literal["added", "changed", "removed", "renamed", "rewritten", "unreadable"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference in one file."""

    kind: ChangeKind
    path: str
    subject: str
    """`profile housing/notebook`, `team housing`, `data role rail`, `the policy`."""
    field: str
    """Dotted; empty where the whole file is added, removed or renamed."""
    label: str
    before: str | None
    """The value before; for a renamed file, its former id."""
    after: str | None
    category: ChangeType
    """The type of the change; the API calls it `category`."""
    moved_from: str = ""
    """The former path of a renamed file; set for its changed fields as well."""

    @property
    def text(self) -> str:
        """The change as a phrase."""
        if self.kind == "unreadable":
            return f"{self.subject}: it is not valid, so what it would change is unknown"
        if self.category == "path":
            return f"{self.subject}: it changes, and Allotment does not read it"
        if self.kind == "rewritten":
            return f"{self.subject}: comments or layout change, the meaning stays the same"
        if self.kind == "renamed":
            return f"{self.subject} {'moves from' if self.category == 'moved' else 'was called'} {self.before}"
        if not self.field:
            return f"{self.subject} {self.kind}"
        return f"{self.label}: {self.after}" if self.kind == "added" else f"{self.label} {self._values}"

    @property
    def sentence(self) -> str:
        """The change as a phrase that says of what it is."""
        return f"{self.subject}: {self.text}" if self.field else self.text

    @property
    def _values(self) -> str:
        if self.before is None:
            return f"{self.after} added"
        return f"{self.before} removed" if self.after is None else f"{self.before} → {self.after}"

    def as_dict(self) -> dict[str, str | None]:
        """Return the change as the API and `allotment compare` send it."""
        names = ("kind", "category", "path", "moved_from", "subject", "field", "label", "before", "after", "text")
        return attributes(self, *names) | {"moved_from": self.moved_from or None}


def subject_of(path: str) -> str:
    """Return what a path's file is, in words: `profile housing/notebook`."""
    ref = file_ref(path)
    if ref is None:
        return f"the file {quoted(path)}"
    return "the policy" if ref.kind == "policy" else f"{ref.kind} {ref.id}"


def unreadable(path: str) -> Change:
    """Return the change of a file that is not valid, so that nobody knows what it changes."""
    return _whole_file("unreadable", path, "unreadable")


def removed(path: str) -> Change:
    """Return the removal of a file."""
    return _whole_file("removed", path, "removed")


def rewritten(path: str) -> Change:
    """Return the change of a file whose bytes differ but not its meaning, or of a file that Allotment does not read."""
    return _whole_file("rewritten", path, "layout" if file_ref(path) else "path")


def _whole_file(kind: ChangeKind, path: str, category: ChangeType) -> Change:
    return Change(kind, path, subject_of(path), "", "", None, None, category)


def compare(before: Catalog, after: Catalog) -> list[Change]:
    """Return everything that differs between two catalogs, by path; a moved or renamed file is one change."""
    olds, news = _differing(before, after)
    gone = {path: entry for path, entry in olds.items() if path not in news and path not in after.broken}
    added = {path: entry for path, entry in news.items() if path not in olds and path not in before.broken}
    origins = renamed(gone, added)
    former = set(origins.values())
    changes: list[Change] = []
    for path in sorted({*olds, *news, *(after.broken - before.broken)}):
        if path in after.broken:
            if path not in before.broken:
                changes.append(unreadable(path))
        elif path not in former:
            changes += _compared(path, olds.get(origins.get(path, path)), news.get(path), before, after)
    return changes


def _differing(before: Catalog, after: Catalog) -> tuple[dict[str, Entry[Any]], dict[str, Entry[Any]]]:
    olds: dict[str, Entry[Any]] = {}
    news: dict[str, Entry[Any]] = {}
    kinds: tuple[tuple[Mapping[str, Entry[Any]], Mapping[str, Entry[Any]]], ...] = (
        ({POLICY: before.policy} if before.policy else {}, {POLICY: after.policy} if after.policy else {}),
        (before.teams, after.teams),
        (before.data_roles, after.data_roles),
        (before.profiles, after.profiles),
    )
    for old, new in kinds:
        for name in differing(old, new):
            if name in old:
                olds[old[name].path] = old[name]
            if name in new:
                news[new[name].path] = new[name]
    return olds, news


def _compared(
    path: str, was: Entry[Any] | None, now: Entry[Any] | None, before: Catalog, after: Catalog
) -> list[Change]:
    """Compare one file with its former version, which may have another path."""
    old, new = was.value if was else None, now.value if now else None
    moved_from = was.path if was and was.path != path else ""
    outside: frozenset[str] = frozenset()
    if isinstance(new, Profile) and now:
        team = now.id.partition("/")[0]
        # To the envelope of another team, everything is new.
        known = old if was and was.id.partition("/")[0] == team else None
        outside = frozenset(further_outside(known, new, binding_envelope(before, after, team)))
    changes = compare_values(path, old, new, outside=outside, moved_from=moved_from)
    if not moved_from or not was or not now:
        return changes
    moved = "/" in was.id and was.id.partition("/")[0] != now.id.partition("/")[0]
    whole = _whole_file("renamed", path, "moved" if moved else "renamed")
    return [dataclasses.replace(whole, before=was.id, after=now.id, moved_from=moved_from), *changes]


def compare_values(
    path: str, before: Model | None, after: Model | None, *, outside: frozenset[str] = frozenset(), moved_from: str = ""
) -> list[Change]:
    """Compare two valid versions of one file; `outside` are amounts further beyond the envelope than before."""
    if before is None and after is None:
        return []
    if after is None:
        return [removed(path)]
    if before is None:
        return [_whole_file("added", path, "new"), *_fields(path, after, outside)]
    return list(_changed(path, before, after, outside, moved_from))


def _changed(path: str, before: Model, after: Model, outside: frozenset[str], moved_from: str) -> Iterator[Change]:
    subject = subject_of(path)
    category_of = change_types(before, after, outside)
    old, new = dict(flatten(before)), dict(flatten(after))
    for field in [*old, *(field for field in new if field not in old)]:
        was, now = old.get(field), new.get(field)
        if was == now:
            continue
        for one, other in _item_changes(was, now):
            old_text = None if one is None else value_text(field, one, _currency(before))
            new_text = None if other is None else value_text(field, other, _currency(after))
            category = category_of(field, one, other)
            yield Change("changed", path, subject, field, label_of(field), old_text, new_text, category, moved_from)
    if isinstance(before, Profile) and isinstance(after, Profile):
        for field, one, other in _orders(before, after):
            category = category_of(field, one, other)
            yield Change("changed", path, subject, field, label_of(field), one, other, category, moved_from)


def _item_changes(was: Any, now: Any) -> Iterator[tuple[Any, Any]]:
    """Return the single changes from one value to another; of a list, each item that goes and each that comes."""
    if not isinstance(was if was is not None else now, tuple):
        yield was, now
        return
    yield from ((item, None) for item in was or () if item not in (now or ()))
    yield from ((None, item) for item in now or () if item not in (was or ()))


def _orders(before: Profile, after: Profile) -> Iterator[tuple[str, str, str]]:
    """Return options and choices that are reordered; the order matters, since later options override earlier ones."""
    pairs = [("options", list(before.options), list(after.options))]
    pairs += [
        (f"options.{name}.choices", list(before.options[name].choices), list(option.choices))
        for name, option in after.options.items()
        if name in before.options
    ]
    for field, was, now in pairs:
        old, new = [name for name in was if name in now], [name for name in now if name in was]
        if old != new:
            yield field, ", ".join(old), ", ".join(new)


def _currency(value: Model) -> str:
    return value.prices.currency if isinstance(value, Policy) else ""


def _fields(path: str, value: Model, outside: frozenset[str]) -> Iterator[Change]:
    subject, currency = subject_of(path), _currency(value)
    for field, content in flatten(value, explicit_only=True):
        for item in content if isinstance(content, tuple) else (content,):
            text = value_text(field, item, currency)
            yield Change("added", path, subject, field, label_of(field), None, text, type_of_new_field(field, outside))


def owner_before(path: str, before: Catalog, after: Catalog) -> str | None:
    """Return the team that owns a data role: by main, or else by the proposal."""
    ref = file_ref(path)
    for catalog in (before, after):
        entry = catalog.data_roles.get(ref.id) if ref and ref.kind == "data role" else None
        if entry is not None:
            return entry.value.owner
    return None
