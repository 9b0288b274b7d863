"""The type of a change: a closed set of stable names, for programs and for the policy. Pure functions."""

import functools
import re
from collections.abc import Callable
from typing import Any, Literal

from allotment_profiles.model import DataRole, Model, Policy, Profile
from allotment_profiles.review.team_limits import larger_dimensions, pinned, reach_of, same_image

ChangeType = Literal[
    "new", "removed", "renamed", "moved", "layout", "unreadable", "path",
    "image-version", "image-unpinned", "image", "image-source",
    "smaller", "larger-inside", "larger-outside", "hardware",
    "storage", "data-role-added", "data-role-removed", "options", "audience", "environment", "checkout", "app", "text",
    "visibility", "retirement", "review-date", "acceptance", "people", "envelope", "budget", "owner", "binding",
    "classification", "grant-added", "grant-removed", "grant-longer", "grant-shorter", "merging", "policy",
]  # fmt: skip
"""Not every name explains itself: `layout` keeps the meaning, `path` is not a file that is read, `moved` is to another
team, `hardware` is the kind of GPU or the node pool, `storage` the shared folder, `audience` the key `only`, `people`
also the maintainers of a profile, `merging` who merges what is approved, and `larger-…` is inside or outside the
team's envelope.
"""

_CHOICE = re.compile(r"options\.([^.]+)\.choices\.([^.]+)\.(.+)")
_OPTION = re.compile(r"options\.([^.]+)\.(title|description)")
_TEXTS = ("title", "description", "purpose")
_SIZES = {
    "resources.cpu.guarantee": "cpu_guarantee",
    "resources.cpu.limit": "cpu",
    "resources.memory.guarantee": "memory_guarantee",
    "resources.memory.limit": "memory",
    "resources.gpu": "gpu",
}
_OWN_TYPES: tuple[ChangeType, ...] = (
    "app", "storage", "options", "checkout", "environment", "visibility", "envelope", "budget", "owner", "binding",
)  # fmt: skip
_BY_FIRST: dict[str, ChangeType] = {
    **{name: name for name in _OWN_TYPES},
    "image_source": "image-source",
    "resources": "hardware",
    "node_pool": "hardware",
    "only": "audience",
    "maintainers": "people",
    "successor": "retirement",
    "retired_from": "retirement",
    "accepted": "acceptance",
    "review_by": "review-date",
    "members": "people",
    "leads": "people",
    "deputies": "people",
    "channel": "text",
    "user_budget": "budget",
    "cost_centre": "budget",
    "merge": "merging",
    "sensitivity": "classification",
    "paperwork": "classification",
}


ChangeTypes = Callable[[str, Any, Any], ChangeType]
"""Returns the type of a change, by the field and its values before and after, or one item of a list in them."""


def change_types(before: Model, after: Model, outside: frozenset[str] = frozenset()) -> ChangeTypes:
    """Return the function for two versions; `outside` are amounts that exceed the envelope further than before."""
    if isinstance(before, Profile) and isinstance(after, Profile):
        return _ProfileChangeTypes(before, after, outside)
    if isinstance(before, DataRole) and isinstance(after, DataRole):
        return functools.partial(_of_data_role, before, after)
    if isinstance(after, Policy):
        return lambda field, was, now: "policy"
    return lambda field, was, now: _by_field(field)


def _by_field(field: str) -> ChangeType:
    first = field.partition(".")[0]
    return "text" if first in _TEXTS else _BY_FIRST[first]


class _ProfileChangeTypes:
    def __init__(self, before: Profile, after: Profile, outside: frozenset[str]) -> None:
        self._before = before
        self._after = after
        self._outside = outside
        self._larger: frozenset[str] | None = None
        self._reach: tuple[dict[str, int], dict[str, int]] | None = None
        self._special: dict[str, Callable[[Any, Any], ChangeType]] = {
            "image": _of_image,
            "data_roles": lambda was, _: "data-role-added" if was is None else "data-role-removed",
            "storage.home": self._of_home,
            "lifetime.idle": lambda was, now: "smaller" if now < was else "larger-inside",
            "lifetime.total": lambda was, now: "smaller" if now < was else "larger-inside",
        }

    def __call__(self, field: str, was: Any, now: Any) -> ChangeType:
        choice = _CHOICE.fullmatch(field)
        rest = choice.group(3) if choice else field
        if rest in _SIZES:
            return self._of_amount(field, _SIZES[rest], was, now)
        if rest in self._special:
            return self._special[rest](was, now)
        if choice or _OPTION.fullmatch(field):
            text = rest.rpartition(".")[2] in _TEXTS and not rest.startswith("environment.")
            return _by_field(rest) if not text else "text" if self._in_both_versions(field) else "options"
        return _by_field(field)

    def _in_both_versions(self, field: str) -> bool:
        """Return whether both versions have an option, or a choice; the title of a new one is not just text."""
        _, option, *rest = field.split(".")
        both = [profile.options.get(option) for profile in (self._before, self._after)]
        return all(found is not None and (rest[0] != "choices" or rest[1] in found.choices) for found in both)

    def _of_amount(self, field: str, dimension: str, was: int | None, now: int | None) -> ChangeType:
        if field.startswith("options.") and not self._in_both_versions(field):
            # A new or removed choice makes the profile larger only if it exceeds the largest amount so far.
            if self._reach is None:
                self._reach = reach_of(self._before), reach_of(self._after)
            was_reach, reach = self._reach
            if reach.get(dimension, 0) <= was_reach.get(dimension, 0):
                return "options"
            return "larger-outside" if dimension in self._outside else "larger-inside"
        if was is not None and now is not None:
            smaller = now < was
        else:
            # A choice that starts or stops setting an amount is compared with the amount that it had by inheritance.
            if self._larger is None:
                self._larger = larger_dimensions(self._before, self._after)
            smaller = dimension not in self._larger
        if smaller:
            return "smaller"
        return "larger-outside" if dimension in self._outside else "larger-inside"

    def _of_home(self, was: int | None, now: int | None) -> ChangeType:
        # Without a size the platform's default applies, which is not known here.
        if was is not None and now is not None and now < was:
            return "smaller"
        return "larger-outside" if "home" in self._outside else "larger-inside"


def _of_image(was: str | None, now: str | None) -> ChangeType:
    if was is None or now is None or not same_image(was, now):
        return "image"
    return "image-unpinned" if pinned(was) and not pinned(now) else "image-version"


def _of_data_role(before: DataRole, after: DataRole, field: str, was: Any, now: Any) -> ChangeType:
    if not field.startswith("granted_to."):
        return _by_field(field)
    _, team, what = field.split(".", 2)
    if team not in before.granted_to:
        return "grant-added"
    if team not in after.granted_to:
        return "grant-removed"
    if what == "reason":
        return "text"
    # Without a review date, the grant is not limited by one.
    return "grant-longer" if was is not None and (now is None or now > was) else "grant-shorter"


def type_of_new_field(field: str, outside: frozenset[str] = frozenset()) -> ChangeType:
    """Return the type of a field of a new file; most of them are simply new."""
    if field == "data_roles":
        return "data-role-added"
    if field.startswith("granted_to."):
        return "grant-added"
    if field.startswith("accepted."):
        return "acceptance"
    choice = _CHOICE.fullmatch(field)
    dimension = _SIZES.get(choice.group(3) if choice else field, "home" if field == "storage.home" else "")
    return "larger-outside" if dimension in outside else "new"
