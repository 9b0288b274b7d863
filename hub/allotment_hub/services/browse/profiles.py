"""Profiles, as one user may see them."""

import asyncio
import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from allotment_hub.errors import ServiceError, refused, unknown_evenly
from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.services.browse.search import IndexedProfile, ProfileIndex, matching, words_in, words_of
from allotment_hub.services.browse.told_entries import ToldEntries
from allotment_hub.services.hub_api import Directory
from allotment_hub.services.visibility import told_of_newest
from allotment_profiles.access.cost import Cost, dearest, usual
from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.offers import Offer, offer, offers
from allotment_profiles.access.people import User, answers_for, leads_of
from allotment_profiles.access.rules import is_retired
from allotment_profiles.access.subjects import people_of
from allotment_profiles.access.visibility import Sight, may_know, profile_is_listed, team_is_listed, visible
from allotment_profiles.catalog.catalog import Catalog, Entry, QuarantinedChange
from allotment_profiles.model import Profile
from allotment_profiles.model.paths import file_ref, profile_path
from allotment_profiles.model.problems import Problem
from allotment_profiles.store.provenance import HistoryEntry, Provenance
from allotment_profiles.store.watcher import CatalogWatcher


@dataclass(frozen=True)
class ProfileRow:
    """One profile as a row of the table."""

    id: str
    entry: Entry[Profile] | None
    """None if no version of its file is valid."""
    profile: Profile | None
    """The value of `entry`, kept because an entry may read its file again each time it is asked."""
    team: str
    team_title: str
    owners: str
    """Who decides about it, in words."""
    members: str
    """Who may use it, in words."""
    cost: Cost | None
    """The cost with the default choices."""
    dearest: Cost | None
    """The cost with the dearest choices."""
    last_change: HistoryEntry | None
    offer: Offer
    """Whether the caller can start it, and why not."""
    successors: tuple[str, ...]
    """The profile that replaces it, the one that replaces that, and so on, as far as the caller may know of them."""
    retired: bool
    quarantined: tuple[QuarantinedChange, ...]
    problems: tuple[Problem, ...]
    full: bool
    """Whether the caller may see the values of variables and bindings."""

    @property
    def words(self) -> str:
        """The text in which the filter of the page looks for words."""
        approvers = self.last_change.approved_by if self.last_change else ()
        return words_of(self.id, self.profile, self.team_title, self.members, approvers)


class Profiles:
    """Reads the profiles of the catalog that applies."""

    def __init__(
        self,
        watcher: CatalogWatcher,
        directory: Directory,
        forge: PlainGitForge,
        capabilities: Callable[[], Capabilities],
    ) -> None:
        self._watcher = watcher
        self._directory = directory
        self._capabilities = capabilities
        self._index = ProfileIndex()
        self._told = ToldEntries(watcher, forge)
        self._indexing = asyncio.Lock()

    @property
    def has_service_accounts(self) -> bool:
        """Whether sessions have service accounts, whose names the person who sets up the cloud needs."""
        return "aws_role" in self._capabilities().bindings

    async def search(self, user: User, query: str = "") -> list[str]:
        """Return the ids of the profiles that the user may know of and that have all words of a query.

        Raise a refusal where the query is too long.
        """
        words, catalog = words_in(query), self._watcher.catalog
        async with self._indexing:  # not during the search: others wait for it
            index = await asyncio.to_thread(self._index.updated, catalog, self._watcher.provenance)
        return await asyncio.to_thread(_search, index, catalog, user, words)

    async def startable(self, user: User) -> frozenset[str]:
        """Return the ids of the profiles that the user can start now."""
        catalog, now = self._watcher.catalog, dt.datetime.now(dt.UTC)
        found = await asyncio.to_thread(offers, catalog, user, now, self._capabilities())
        return frozenset(each.profile_id for each in found if each.startable)

    async def rows(self, user: User, ids: Sequence[str] | None = None) -> list[ProfileRow]:
        """Return the rows of profiles that the user may know of, by default of all."""
        ids = await self.search(user) if ids is None else ids
        catalog, provenance = self._watcher.catalog, self._watcher.provenance
        return await asyncio.to_thread(self._rows, catalog, provenance, user, ids)

    async def row(self, user: User, profile_id: str) -> ProfileRow:
        """Return one profile. Raise ServiceError if there is none that the user may know of."""
        catalog = self._watcher.catalog
        async with unknown_evenly():
            valid = profile_id in catalog.profiles
            exists = valid or profile_path(profile_id) in catalog.broken
            if not exists or not profile_is_listed(catalog, user, profile_id):
                # One that the user may not know of is answered like one that never existed, also after its removal.
                removed = not exists and await asyncio.to_thread(self._knows_removed, user, profile_id)
                provenance = self._watcher.provenance if removed else Provenance()
                last = provenance.last(profile_path(profile_id)) if file_ref(profile_path(profile_id)) else None
                told = await asyncio.to_thread(self._told.told, user, [last])
                raise _unknown(told.get(last.commit) if last else None)
        return (await asyncio.to_thread(self._rows, catalog, self._watcher.provenance, user, [profile_id]))[0]

    def _knows_removed(self, user: User, profile_id: str) -> bool:
        path = profile_path(profile_id)
        versions = (self._watcher.repository.file(entry.commit, path) for entry in self._watcher.provenance.of(path))
        last = next((data for data in versions if data is not None), None)
        return last is not None and visible(user, path, self._watcher.catalog, last) > Sight.NOTHING

    async def explain(self, caller: User, name: str, profile_id: str) -> Offer:
        """Explain rule by rule whether a user can start a profile."""
        catalog = self._watcher.catalog
        team = profile_id.partition("/")[0]
        user: User | None = caller
        if name != caller.name and profile_is_listed(catalog, caller, profile_id):
            entry = catalog.teams.get(team)
            if not (caller.admin or (entry and answers_for(caller, entry.value))):
                what, remedy = "You cannot ask about other users.", "Ask about yourself."
                why = "Only the team's leads and deputies, and administrators, may ask about others."
                raise refused(403, "explain-others", what, why, remedy, leads_of(catalog, team))
            user = await self._directory.user(name)
        if user is None:
            raise refused(404, "user-unknown", "There is no such user.", "The hub has no user of this name.")
        return offer(catalog, user, profile_id, dt.datetime.now(dt.UTC), self._capabilities())

    def _rows(self, catalog: Catalog, provenance: Provenance, user: User, ids: Sequence[str]) -> list[ProfileRow]:
        capabilities, now = self._capabilities(), dt.datetime.now(dt.UTC)
        teams = {profile_id.partition("/")[0] for profile_id in ids}
        members = {team: ", ".join(sorted(people_of(team, catalog))) for team in teams}
        last = {profile_id: provenance.last(profile_path(profile_id)) for profile_id in ids}
        told = self._told.told(user, last.values())
        return [
            _row(
                catalog,
                told.get(entry.commit) if entry else None,
                user,
                offer(catalog, user, profile_id, now, capabilities),
                members,
                now,
            )
            for profile_id, entry in last.items()
        ]


def _search(index: Mapping[str, IndexedProfile], catalog: Catalog, user: User, words: Collection[str]) -> list[str]:
    teams = {profile_id.partition("/")[0] for profile_id in index}
    listed = {team for team in teams if team_is_listed(catalog, user, team)}
    return [
        profile_id
        for profile_id in matching(index, words)
        if profile_id.partition("/")[0] in listed
        and not (index[profile_id].hidden and not may_know(catalog, user, profile_id))
    ]


def _row(
    catalog: Catalog,
    last_change: HistoryEntry | None,
    user: User,
    offered: Offer,
    members: Mapping[str, str],
    now: dt.datetime,
) -> ProfileRow:
    profile_id, path = offered.profile_id, profile_path(offered.profile_id)
    entry = catalog.profiles.get(profile_id)
    profile = entry.value if entry else None
    name = profile_id.partition("/")[0]
    team = catalog.teams.get(name)
    policy = catalog.policy.value if catalog.policy else None
    return ProfileRow(
        id=profile_id,
        entry=entry,
        profile=profile,
        team=name,
        team_title=team.value.title if team else name,
        owners=leads_of(catalog, name),
        members=members[name],
        cost=usual(profile, policy) if profile and policy else None,
        dearest=dearest(profile, policy) if profile and policy else None,
        last_change=last_change,
        offer=offered,
        successors=_successors(catalog, user, profile) if profile and profile.successor else (),
        retired=profile is not None and is_retired(profile.retired_from, now),
        quarantined=tuple(change for change in catalog.quarantined if change.path == path),
        problems=told_of_newest(catalog.problems_of(path), user, path, catalog),
        full=visible(user, path, catalog) == Sight.ALL,
    )


def _successors(catalog: Catalog, user: User, profile: Profile) -> tuple[str, ...]:
    successors: list[str] = []
    following = profile.successor
    while following and following not in successors and following in catalog.profiles:
        if not profile_is_listed(catalog, user, following):
            break
        successors.append(following)
        following = catalog.profiles[following].value.successor
    return tuple(successors)


def _unknown(entry: HistoryEntry | None) -> ServiceError:
    """Return the refusal for a profile that does not exist; if it was removed, with the date and the proposal."""
    if entry is None:
        return refused(404, "profile-unknown", "There is no such profile.", "", "Look at the list of profiles.")
    who = f" by {entry.proposed_by}" if entry.proposed_by else ""
    why, remedy = f"It was removed on {entry.time.date()}{who}.", "Its file is still in the history of git."
    link = f"proposals/{entry.proposal}" if entry.proposal else ""
    return refused(404, "profile-removed", "There is no such profile any more.", why, remedy, link=link)
