"""Who may see what. Pure.

Values of variables and bindings are for the team, the owners of the data, administrators, and their reviewers. Hidden
profiles (those with the visibility `draft`) are for the people who work on them.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from allotment_profiles.access.offers import may_know
from allotment_profiles.access.people import User, belongs, works_on
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.documents.reading import read
from allotment_profiles.model import Profile
from allotment_profiles.model.paths import file_ref
from allotment_profiles.review.changes import Change

HIDDEN = "(hidden)"


def may_see(user: User, path: str, catalog: Catalog) -> bool:
    """Whether a user may see all of a file, as an administrator or as somebody it belongs to."""
    if user.admin:
        return True
    ref = file_ref(path)
    if ref is None or ref.kind in ("policy", "team"):
        return True
    name = ref.id.partition("/")[0]
    if ref.kind == "data role":
        role = catalog.data_roles.get(ref.id)
        name = role.value.owner if role else ""
    team = catalog.teams.get(name)
    return team is not None and belongs(user, team.value)


def team_is_listed(catalog: Catalog, user: User, team: str) -> bool:
    """Whether the policy lists a team for a user."""
    if catalog.policy is None or catalog.policy.value.listing == "all" or user.admin:
        return True
    entry = catalog.teams.get(team)
    return entry is not None and belongs(user, entry.value)


def profile_is_listed(catalog: Catalog, user: User, profile_id: str) -> bool:
    """Whether a user may know of a profile: its team is listed, and the profile is not hidden from them."""
    visible = profile_id not in catalog.profiles or may_know(catalog, user, profile_id)
    return visible and team_is_listed(catalog, user, profile_id.partition("/")[0])


def hides_a_profile(user: User, files: Mapping[str, bytes | None], catalog: Catalog) -> bool:
    """Whether proposed files have a hidden profile that a user may not know of. A removed one is taken from main."""
    for path, data in files.items():
        ref = file_ref(path)
        if ref is None or ref.kind != "profile":
            continue
        on_main = catalog.profiles.get(ref.id)
        profile = _profile(path, data) if data is not None else on_main.value if on_main else None
        team = catalog.teams.get(ref.id.partition("/")[0])
        if profile and profile.visibility == "draft" and not works_on(user, profile, team):
            return True
    return False


@lru_cache(maxsize=2048)
def _profile(path: str, data: bytes) -> Profile | None:
    value = read("profile", path, data).value
    return value if isinstance(value, Profile) else None


def is_new(path: str, catalog: Catalog) -> bool:
    """Whether no version of a file applies, so that its content comes from the proposal alone."""
    ref = file_ref(path)
    known = {"profile": catalog.profiles, "data role": catalog.data_roles, "team": catalog.teams}
    return ref is not None and ref.id not in known.get(ref.kind, {}) and path not in catalog.broken


def is_private(change: Change) -> bool:
    """Whether a change contains the value of a variable or of a binding."""
    parts = change.field.split(".")
    return "environment" in parts or parts[0] == "binding"


def redacted(changes: Iterable[Change], seen: Callable[[str], bool]) -> tuple[Change, ...]:
    """Return the changes with private values hidden where the path may not be seen."""
    return tuple(
        dataclasses.replace(
            change,
            before=None if change.before is None else HIDDEN,
            after=None if change.after is None else HIDDEN,
        )
        if is_private(change) and not (seen(change.path) and seen(change.moved_from or change.path))
        else change
        for change in changes
    )
