"""What not everybody may see: values of variables and bindings are for the team, the data's owners, administrators,
and those who review them. Pure.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from allotment_profiles.access.people import User, answers_for, belongs, maintains
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.documents.reading import read
from allotment_profiles.model import Profile
from allotment_profiles.model.paths import file_ref
from allotment_profiles.review.changes import Change

HIDDEN = "(hidden)"


def may_see(user: User, path: str, catalog: Catalog) -> bool:
    """Tell whether a user may see all that a file says, as an administrator or as one of the people behind it."""
    if user.admin:
        return True
    where = file_ref(path)
    if where is None or where.kind in ("policy", "team"):
        return True
    name = where.id.partition("/")[0]
    if where.kind == "data role":
        role = catalog.data_roles.get(where.id)
        name = role.value.owner if role else ""
    team = catalog.teams.get(name)
    return team is not None and belongs(user, team.value)


def hides_a_profile(user: User, files: Mapping[str, bytes | None], catalog: Catalog) -> bool:
    """Tell whether proposed files have a draft that a user may not know of; a removed one is as it is on main."""
    for path, data in files.items():
        where = file_ref(path)
        if where is None or where.kind != "profile":
            continue
        on_main = catalog.profiles.get(where.id)
        draft = _draft(path, data) if data is not None else on_main.value if on_main else None
        if draft and not _may_know_of(user, where.id, draft, catalog):
            return True
    return False


@lru_cache(maxsize=2048)
def _draft(path: str, data: bytes) -> Profile | None:
    """Read a proposed profile; None where it is no draft."""
    value = read("profile", path, data).value
    return value if isinstance(value, Profile) and value.visibility == "draft" else None


def _may_know_of(user: User, profile_id: str, profile: Profile, catalog: Catalog) -> bool:
    """Tell whether a user may know of a profile as somebody proposes it: a draft is for those who work on it."""
    team = catalog.teams.get(profile_id.partition("/")[0])
    works = maintains(user, profile) or (team is not None and answers_for(user, team.value))
    return profile.visibility != "draft" or works


def is_new(path: str, catalog: Catalog) -> bool:
    """Tell whether a path has no version that applies: what it says then comes from the proposal alone."""
    where = file_ref(path)
    known = {"profile": catalog.profiles, "data role": catalog.data_roles, "team": catalog.teams}
    return where is not None and where.id not in known.get(where.kind, {}) and path not in catalog.broken


def is_private(change: Change) -> bool:
    """Tell whether a change holds the value of a variable or of a binding."""
    parts = change.field.split(".")
    return "environment" in parts or parts[0] == "binding"


def redacted(changes: Iterable[Change], seen: Callable[[str], bool]) -> tuple[Change, ...]:
    """Hide private values in the changes of those paths that are not to be seen."""
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
