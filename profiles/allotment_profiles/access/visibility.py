"""May this reader see these bytes? One question, for pages, differences, checks, search, exports and messages. Pure.

Who the people of a team are, and whether profiles of other teams are listed, is decided by the catalog that applies
now. Whom bytes belong to, and whether they are hidden, is read from the bytes themselves and from the version that
applies now: the stricter answer counts. So a file that was removed or opened since is still judged as it was.
"""

import enum
from dataclasses import dataclass
from functools import lru_cache

from allotment_profiles.access.people import User, answers_for, belongs
from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.documents.reading import read
from allotment_profiles.model import DataRole, Model, People, Profile, Team
from allotment_profiles.model.paths import FileRef, Kind, file_ref, profile_path


class Sight(enum.IntEnum):
    """How much of a file a reader may see."""

    NOTHING = 0
    """Not even that it exists."""
    OUTLINE = 1
    """What it says, without its text and without the values of variables and bindings."""
    ALL = 2
    """Its text."""


@dataclass(frozen=True, slots=True)
class Audience:
    """What a version of a file says about who may see it."""

    owner: str = ""
    """Of a data role: the team that owns it."""
    hidden: bool = False
    """Of a profile: whether only those who work on it may know of it."""
    maintainers: People | None = None
    """Of a profile."""


def audience_of(path: str, data: bytes) -> Audience | None:
    """Return for whom a version of a file is; None where nobody can tell, since it does not read."""
    ref = file_ref(path)
    return _read_audience(ref.kind, data) if ref else None


def visible(reader: User, path: str, catalog: Catalog, *versions: bytes | Audience | None) -> Sight:
    """Return how much a reader may see of versions of a file, and of the version that applies now."""
    ref = file_ref(path)
    if reader.admin or (ref and ref.kind == "policy"):
        return Sight.ALL
    if ref is None:
        return _stray(reader, path, catalog)
    entry = catalog.entry_at(path)
    audiences = [_read_audience(ref.kind, each) if isinstance(each, bytes) else each for each in versions]
    if entry:
        audiences.append(_audience(entry.value))
    # Nobody can tell whether bytes that do not read are hidden, or whose they are.
    return min((_sight(reader, ref, audience, catalog) for audience in audiences or [None]), default=Sight.NOTHING)


def may_know(catalog: Catalog, user: User, profile_id: str) -> bool:
    """Return whether a user may see a profile: a hidden one is for those who work on it and for administrators."""
    audience = _audience(catalog.profiles[profile_id].value)
    return user.admin or not _hidden(user, audience, catalog.teams.get(profile_id.partition("/")[0]))


def team_is_listed(catalog: Catalog, user: User, team: str) -> bool:
    """Return whether a user may know of a team and its profiles. Without a policy, only of their own."""
    entry = catalog.teams.get(team)
    return user.admin or _lists_all(catalog) or (entry is not None and belongs(user, entry.value))


def profile_is_listed(catalog: Catalog, user: User, profile_id: str) -> bool:
    """Return whether a user may know of a profile. Of one that has never been valid, only its name is known."""
    if profile_id in catalog.profiles:
        return visible(user, profile_path(profile_id), catalog) > Sight.NOTHING
    return team_is_listed(catalog, user, profile_id.partition("/")[0])


def decides_about(user: User, path: str, catalog: Catalog) -> bool:
    """Return whether a user decides about a file, as a lead or deputy of its team or of the owner of the data.

    The owner of a data role whose file is not valid is that of its last valid version.
    """
    ref = file_ref(path)
    if ref is None or ref.kind == "policy":
        return user.admin
    team = catalog.teams.get(_owner_of(ref.id, path, catalog) if ref.kind == "data role" else _team_of(ref))
    return user.admin or (team is not None and answers_for(user, team.value))


def _owner_of(role: str, path: str, catalog: Catalog) -> str:
    entry = catalog.data_roles.get(role)
    if entry or path not in catalog.broken:
        return entry.value.owner if entry else ""
    return next((former.owner for former in catalog.former_roles if former.name == role), "")


def _sight(reader: User, ref: FileRef, audience: Audience | None, catalog: Catalog) -> Sight:
    team = catalog.teams.get(audience.owner if audience and ref.kind == "data role" else _team_of(ref))
    if audience is None:
        return Sight.ALL if team and answers_for(reader, team.value) else Sight.NOTHING
    member = team is not None and belongs(reader, team.value)
    if ref.kind == "data role":
        return Sight.ALL if member else Sight.OUTLINE
    if ref.kind == "profile":
        if _hidden(reader, audience, team):
            return Sight.NOTHING
        known = _lists_all(catalog) or _maintains(reader, audience)
        return Sight.ALL if member else Sight.OUTLINE if known else Sight.NOTHING
    return Sight.ALL if member or _lists_all(catalog) else Sight.NOTHING


def _stray(reader: User, path: str, catalog: Catalog) -> Sight:
    """Judge a file that the catalog does not read: below a team's folder it is the team's."""
    parts = path.split("/")
    team = catalog.teams.get(parts[1]) if parts[0] == "teams" and len(parts) > 2 else None
    return Sight.ALL if team and answers_for(reader, team.value) else Sight.NOTHING


def _hidden(user: User, audience: Audience, team: Entry[Team] | None) -> bool:
    works_on = _maintains(user, audience) or (team is not None and answers_for(user, team.value))
    return audience.hidden and not works_on


def _maintains(user: User, audience: Audience) -> bool:
    return audience.maintainers is not None and audience.maintainers.include(user.name, user.groups)


def _lists_all(catalog: Catalog) -> bool:
    return catalog.policy is not None and catalog.policy.value.listing == "all"


def _team_of(ref: FileRef) -> str:
    return "" if ref.kind == "data role" else ref.id.partition("/")[0]


def _audience(model: Model) -> Audience:
    if isinstance(model, DataRole):
        return Audience(owner=model.owner)
    if isinstance(model, Profile):
        return Audience(hidden=model.visibility == "draft", maintainers=model.maintainers)
    return Audience()


@lru_cache(maxsize=2048)
def _read_audience(kind: Kind, data: bytes) -> Audience | None:
    model = read(kind, "", data).value
    return None if model is None else _audience(model)
