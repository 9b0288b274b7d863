"""Data roles and their grants, as one user may see them."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from allotment_hub.errors import refused
from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.services.browse.told_entries import ToldEntries
from allotment_hub.services.hub_api import Directory
from allotment_hub.services.visibility import told_of_newest
from allotment_profiles.access.people import ADMINISTRATORS, User, answers_for, belongs, leads_of
from allotment_profiles.access.subjects import people_of
from allotment_profiles.access.visibility import Sight, profile_is_listed, team_is_listed, visible
from allotment_profiles.catalog.catalog import Catalog, Entry, QuarantinedChange
from allotment_profiles.model import DataRole, Grant
from allotment_profiles.model.paths import data_role_path, file_ref
from allotment_profiles.model.problems import Problem
from allotment_profiles.model.values.dates import days_left
from allotment_profiles.store.provenance import HistoryEntry
from allotment_profiles.store.watcher import CatalogWatcher


@dataclass(frozen=True)
class GrantRow:
    """One grant of a data role to a team."""

    team: str
    team_title: str
    people: tuple[str, ...]
    seen: tuple[str, ...]
    """The users of the hub who belong to the team; empty unless the caller asked for the readers."""
    profiles: tuple[str, ...]
    """The team's profiles with the data role, as far as the caller may know of them."""
    grant: Grant
    state: str
    """`ended`, `review overdue`, or empty while the grant gives access."""


@dataclass(frozen=True)
class DataRoleRow:
    """One data role and its grants."""

    name: str
    entry: Entry[DataRole] | None
    """None if no version of its file is valid."""
    owner_title: str
    owners: str
    """Who decides about it, in words."""
    grants: tuple[GrantRow, ...]
    last_change: HistoryEntry | None
    problems: tuple[Problem, ...]
    full: bool
    """Whether the caller may see the binding."""
    readable_by: bool
    """Whether the caller may ask for the names of the readers."""
    quarantined: tuple[QuarantinedChange, ...] = ()
    also_through: tuple[str, ...] = ()
    """The other data roles that reach the same data; empty unless the caller may see the binding."""


class DataRoles:
    """Reads the data roles of the catalog that applies."""

    def __init__(self, watcher: CatalogWatcher, directory: Directory, forge: PlainGitForge) -> None:
        self._watcher = watcher
        self._directory = directory
        self._told = ToldEntries(watcher, forge)

    async def rows(self, user: User) -> list[DataRoleRow]:
        """List all data roles."""
        catalog, provenance = self._watcher.catalog, self._watcher.provenance
        broken = [where.id for path in catalog.broken if (where := file_ref(path)) and where.kind == "data role"]
        names = sorted({*catalog.data_roles, *broken})
        last = {name: provenance.last(data_role_path(name)) for name in names}

        def rows() -> list[DataRoleRow]:
            told = self._told.told(user, last.values())
            return [
                _row(catalog, told.get(entry.commit) if entry else None, user, name) for name, entry in last.items()
            ]

        return await asyncio.to_thread(rows)

    async def row(self, user: User, name: str) -> DataRoleRow:
        """Return one data role. Raise ServiceError if there is none."""
        catalog = self._watcher.catalog
        if name not in catalog.data_roles and data_role_path(name) not in catalog.broken:
            remedy = "Look at the list of data roles."
            raise refused(404, "data-role-unknown", "There is no such data role.", "", remedy)
        return await asyncio.to_thread(_row, catalog, await self._last_change(user, name), user, name)

    async def _last_change(self, user: User, name: str) -> HistoryEntry | None:
        entry = self._watcher.provenance.last(data_role_path(name))
        return (await asyncio.to_thread(self._told.told, user, [entry]))[entry.commit] if entry else None

    async def readers(self, user: User, name: str) -> DataRoleRow:
        """Return one data role with the users who can reach it. Only its owner's leads and administrators may ask."""
        row = await self.row(user, name)
        if not row.readable_by:
            what = "You may not see the names of those who can reach this data."
            why = "Only the leads and deputies of its owner, and administrators, see them."
            remedy = "The page of the data role shows the groups."
            raise refused(403, "readers-private", what, why, remedy, row.owners)
        everyone = await self._directory.everyone()
        return await asyncio.to_thread(_row, self._watcher.catalog, row.last_change, user, name, everyone)


def _row(
    catalog: Catalog, last_change: HistoryEntry | None, user: User, name: str, everyone: Sequence[User] = ()
) -> DataRoleRow:
    entry = catalog.data_roles.get(name)
    path = data_role_path(name)
    owner = catalog.teams.get(entry.value.owner) if entry else None
    grants = entry.value.granted_to.items() if entry else ()
    full = entry is not None and visible(user, path, catalog) == Sight.ALL
    return DataRoleRow(
        name=name,
        entry=entry,
        owner_title=owner.value.title if owner else "",
        owners=leads_of(catalog, entry.value.owner) if entry else ADMINISTRATORS,
        grants=tuple(_grant_row(catalog, user, name, team, grant, everyone) for team, grant in grants),
        last_change=last_change,
        problems=told_of_newest(catalog.problems_of(path), user, path, catalog),
        full=full,
        readable_by=user.admin or (owner is not None and answers_for(user, owner.value)),
        quarantined=tuple(change for change in catalog.quarantined if change.path == path),
        also_through=catalog.also_through(name) if full else (),
    )


def _grant_row(catalog: Catalog, user: User, role: str, team: str, grant: Grant, everyone: Sequence[User]) -> GrantRow:
    entry = catalog.teams.get(team)
    # Those who give the data know to whom.
    listed = team_is_listed(catalog, user, team) or visible(user, data_role_path(role), catalog) == Sight.ALL
    return GrantRow(
        team=team,
        team_title=entry.value.title if entry and listed else team,
        people=tuple(sorted(people_of(team, catalog))) if listed else (),
        seen=tuple(user.name for user in everyone if entry and belongs(user, entry.value)),
        profiles=tuple(
            profile_id
            for profile_id in catalog.profiles_reaching(role)
            if profile_id.partition("/")[0] == team and profile_is_listed(catalog, user, profile_id)
        ),
        grant=grant,
        state=grant_state(grant, dt.datetime.now(dt.UTC)),
    )


def grant_state(grant: Grant, now: dt.datetime) -> str:
    """Return why a grant gives no access: `ended` or `review overdue`; empty while it gives access."""
    if days_left(grant.until, now) < 0:
        return "ended"
    return "review overdue" if days_left(grant.last_day, now) < 0 else ""
