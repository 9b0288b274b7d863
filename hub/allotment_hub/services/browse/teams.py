"""Teams, as one user may see them."""

import asyncio
import datetime as dt
from dataclasses import dataclass

from allotment_hub.errors import refused
from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.services.browse.data_roles import grant_state
from allotment_hub.services.browse.told_entries import ToldEntries
from allotment_hub.services.visibility import told_of_newest
from allotment_profiles.access.people import User, answers_for, belongs, leads
from allotment_profiles.access.visibility import profile_is_listed, team_is_listed
from allotment_profiles.catalog.catalog import Catalog, Entry, QuarantinedChange
from allotment_profiles.model import Grant, Team
from allotment_profiles.model.paths import team_path
from allotment_profiles.model.problems import Problem
from allotment_profiles.store.provenance import HistoryEntry, Provenance
from allotment_profiles.store.watcher import CatalogWatcher


@dataclass(frozen=True)
class TeamDetails:
    """One team: its people, its limits, its profiles and its data."""

    name: str
    entry: Entry[Team]
    profiles: tuple[tuple[str, str], ...]
    """Id and title of each profile that the caller may know of."""
    grants: tuple[tuple[str, str, Grant, str], ...]
    """Name and title of each data role that it may use, the grant, and its state."""
    owns: tuple[tuple[str, str], ...]
    """Name and title of each data role that it owns."""
    mine: bool
    role: str
    """The caller's role in it, in words; empty for everybody else."""
    last_change: HistoryEntry | None
    problems: tuple[Problem, ...]
    quarantined: tuple[QuarantinedChange, ...]


class Teams:
    """Reads the teams of the catalog that applies."""

    def __init__(self, watcher: CatalogWatcher, forge: PlainGitForge) -> None:
        self._watcher = watcher
        self._told = ToldEntries(watcher, forge)

    async def page(self, user: User, name: str) -> TeamDetails:
        """Return one team. Raise ServiceError if there is none that the user may know of."""
        catalog, provenance, now = self._watcher.catalog, self._watcher.provenance, dt.datetime.now(dt.UTC)
        entry = catalog.teams.get(name)
        if entry is None or not team_is_listed(catalog, user, name):
            raise refused(404, "team-unknown", "There is no such team.", "", "Look at the list of profiles.")
        return await asyncio.to_thread(self._details, catalog, provenance, now, user, name, entry)

    def _details(
        self, catalog: Catalog, provenance: Provenance, now: dt.datetime, user: User, name: str, entry: Entry[Team]
    ) -> TeamDetails:
        team, path = entry.value, team_path(name)
        roles = [(role, found.value) for role, found in sorted(catalog.data_roles.items())]
        last = provenance.last(path)
        told = self._told.told(user, [last])
        position = "a lead" if leads(user, team) else "a deputy" if answers_for(user, team) else ""
        mine = belongs(user, team)
        return TeamDetails(
            name=name,
            entry=entry,
            profiles=tuple(
                (profile_id, catalog.profiles[profile_id].value.title)
                for profile_id in catalog.profiles_of(name)
                if profile_is_listed(catalog, user, profile_id)
            ),
            grants=tuple(
                (name_of_role, role.title, grant, grant_state(grant, now))
                for name_of_role, role in roles
                if (grant := role.granted_to.get(name))
            ),
            owns=tuple((name_of_role, role.title) for name_of_role, role in roles if role.owner == name),
            mine=mine,
            role=position or ("a member" if mine else ""),
            last_change=told.get(last.commit) if last else None,
            problems=told_of_newest(catalog.problems_of(path), user, path, catalog),
            quarantined=tuple(change for change in catalog.quarantined if change.path == path),
        )
