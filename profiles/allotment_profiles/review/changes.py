"""What differs between two catalogs, in the language of people: `memory limit 4 GiB → 8 GiB`, never lines. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from allotment_profiles.access.subjects import people_of
from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.model import DataRole, Model, Policy, Profile
from allotment_profiles.model.paths import POLICY, file_ref
from allotment_profiles.model.problems import quoted
from allotment_profiles.review.access_diff import AccessChange, StartChange, compare_access, compare_starts
from allotment_profiles.review.change_types import Category, change_types, types_of_new
from allotment_profiles.review.flatten import flatten, written
from allotment_profiles.review.labels import label_of
from allotment_profiles.review.renames import differing, renamed
from allotment_profiles.review.team_limits import binding_envelope, further_outside

__all__ = [
    "AccessChange", "Category", "Change", "ChangeKind", "StartChange", "compare", "compare_access", "compare_starts",
    "compare_values", "label_of", "owner_before", "people_of", "rewritten", "subject_of",
]  # fmt: skip

ChangeKind = Literal["added", "changed", "removed", "renamed", "rewritten", "unreadable"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference in one file."""

    kind: ChangeKind
    path: str
    """Where the file is now; where it is removed, where it was."""
    subject: str
    """`profile housing/notebook`, `team housing`, `data role rail`, `the policy`."""
    field: str
    """Dotted; empty where the file as a whole is added, removed or renamed."""
    label: str
    """The field in words."""
    before: str | None
    """The value before; for a renamed file its id."""
    after: str | None
    category: Category
    """What kind of thing it is, for machines."""
    moved_from: str = ""
    """Where a renamed file was; with its changed fields, too."""

    @property
    def text(self) -> str:
        """The change as half a sentence."""
        if self.kind == "unreadable":
            return f"{self.subject}: it has problems, so what it would change cannot be said"
        if self.kind == "rewritten":
            return f"{self.subject}: other words or layout, the same meaning"
        if self.kind == "renamed":
            return f"{self.subject} {'comes from' if self.category == 'moved' else 'was called'} {self.before}"
        if not self.field:
            return f"{self.subject} {self.kind}"
        return f"{self.label}: {self.after}" if self.kind == "added" else f"{self.label} {self._step}"

    @property
    def _step(self) -> str:
        if self.before is None:
            return f"{self.after} added"
        return f"{self.before} removed" if self.after is None else f"{self.before} → {self.after}"

    def as_dict(self) -> dict[str, str | None]:
        """Give the form that JSON answers carry."""
        return {
            "kind": self.kind, "category": self.category, "path": self.path, "moved_from": self.moved_from or None,
            "subject": self.subject, "field": self.field, "label": self.label, "before": self.before,
            "after": self.after, "text": self.text,
        }  # fmt: skip


def subject_of(path: str) -> str:
    """Say what a path is about, in words."""
    where = file_ref(path)
    if where is None:
        return f"the file {quoted(path)}"
    return "the policy" if where.kind == "policy" else f"{where.kind} {where.id}"


def rewritten(path: str) -> Change:
    """Give the change of a file whose bytes differ and whose meaning does not; or that nobody reads."""
    category: Category = "layout" if file_ref(path) else "path"
    return Change("rewritten", path, subject_of(path), "", "", None, None, category)


def compare(before: Catalog, after: Catalog) -> list[Change]:
    """List everything that differs between two catalogs, by path; a moved or renamed file is one change.

    Only files whose blobs differ are looked at.
    """
    olds, news = _differing(before, after)
    removed = {path: entry for path, entry in olds.items() if path not in news and path not in after.broken}
    added = {path: entry for path, entry in news.items() if path not in olds and path not in before.broken}
    origins = renamed(removed, added)
    gone = set(origins.values())
    changes: list[Change] = []
    for path in sorted({*olds, *news, *(after.broken - before.broken)}):
        if path in after.broken:
            if path not in before.broken:
                changes.append(Change("unreadable", path, subject_of(path), "", "", None, None, "unreadable"))
        elif path not in gone:
            one, other = olds.get(origins.get(path, path)), news.get(path)
            changes += _compared(path, one, other, before, after)
    return changes


def _differing(before: Catalog, after: Catalog) -> tuple[dict[str, Entry[Any]], dict[str, Entry[Any]]]:
    """Give the entries that differ, by path: as they were, and as they are."""
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
    path: str, one: Entry[Any] | None, other: Entry[Any] | None, before: Catalog, after: Catalog
) -> list[Change]:
    """Compare one file, perhaps with where it comes from."""
    old, new = one.value if one else None, other.value if other else None
    moved_from = one.path if one and one.path != path else ""
    outside: frozenset[str] = frozenset()
    if isinstance(new, Profile) and other:
        team = other.id.partition("/")[0]
        # In another team's envelope all of it is new.
        known = old if one and one.id.partition("/")[0] == team else None
        outside = frozenset(further_outside(known, new, binding_envelope(before, after, team)))
    changes = compare_values(path, old, new, outside=outside, moved_from=moved_from)
    if not moved_from or not one or not other:
        return changes
    moved = "/" in one.id and one.id.partition("/")[0] != other.id.partition("/")[0]
    whole = Change(
        "renamed", path, subject_of(path), "", "", one.id, other.id, "moved" if moved else "renamed", moved_from
    )
    return [whole, *changes]


def compare_values(
    path: str,
    before: Model | None,
    after: Model | None,
    *,
    outside: frozenset[str] = frozenset(),
    moved_from: str = "",
) -> list[Change]:
    """Compare two versions of one file; None where there is no readable version.

    `outside` names the amounts of a profile that go further beyond its team's envelope than before.
    """
    subject = subject_of(path)
    if before is None and after is None:
        return []
    if after is None:
        return [Change("removed", path, subject, "", "", None, None, "removed")]
    if before is None:
        return [Change("added", path, subject, "", "", None, None, "new"), *_facts(path, subject, after, outside)]
    return list(_changed(path, before, after, outside, moved_from))


def _changed(path: str, before: Model, after: Model, outside: frozenset[str], moved_from: str) -> Iterator[Change]:
    subject = subject_of(path)
    category_of = change_types(before, after, outside)
    old, new = dict(flatten(before)), dict(flatten(after))
    for field in [*old, *(field for field in new if field not in old)]:
        was, now = old.get(field), new.get(field)
        if was == now:
            continue
        for one, other in _steps(was, now):
            yield Change(
                "changed", path, subject, field, label_of(field),
                None if one is None else written(field, one, _currency(before)),
                None if other is None else written(field, other, _currency(after)),
                category_of(field, one, other), moved_from,
            )  # fmt: skip
    if isinstance(before, Profile) and isinstance(after, Profile):
        for field, one, other in _orders(before, after):
            category = category_of(field, one, other)
            yield Change("changed", path, subject, field, label_of(field), one, other, category, moved_from)


def _steps(was: Any, now: Any) -> Iterator[tuple[Any, Any]]:
    """Give the single steps from one value to another: of a list, what leaves and what comes."""
    if not isinstance(was if was is not None else now, tuple):
        yield was, now
        return
    yield from ((item, None) for item in was or () if item not in (now or ()))
    yield from ((None, item) for item in now or () if item not in (was or ()))


def _orders(before: Profile, after: Profile) -> Iterator[tuple[str, str, str]]:
    """Find what stands in another order, where the order means something: a later option replaces an earlier one."""
    pairs = [("options", list(before.options), list(after.options))]
    pairs += [
        (f"options.{name}.choices", list(before.options[name].choices), list(option.choices))
        for name, option in after.options.items()
        if name in before.options
    ]
    for field, was, now in pairs:
        old, new = [each for each in was if each in now], [each for each in now if each in was]
        if old != new:
            yield field, ", ".join(old), ", ".join(new)


def _currency(value: Model) -> str:
    return value.prices.currency if isinstance(value, Policy) else ""


def _facts(path: str, subject: str, value: Model, outside: frozenset[str]) -> Iterator[Change]:
    """Give what a new file says, without what it leaves at its default."""
    currency = _currency(value)
    for field, fact in flatten(value, told=True):
        for each in fact if isinstance(fact, tuple) else (fact,):
            text = written(field, each, currency)
            yield Change("added", path, subject, field, label_of(field), None, text, types_of_new(field, outside))


def owner_before(path: str, before: Catalog, after: Catalog) -> str | None:
    """Give the team that owns a data role's file: as it stands on main, else as it is proposed."""
    where = file_ref(path)
    for catalog in (before, after):
        entry = catalog.data_roles.get(where.id) if where and where.kind == "data role" else None
        if entry is not None and isinstance(entry.value, DataRole):
            return entry.value.owner
    return None
