"""What exists, why, who has it: the catalog and its history as one user may see them."""

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from allotment_hub.errors import ServiceError, refused
from allotment_hub.services.browse.search import ProfileIndex, matching
from allotment_hub.services.browse.teams import TeamPage, days_of, team_page
from allotment_hub.services.hub_api.directory import Directory
from allotment_profiles.access.cost import Cost, dearest, usual
from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.offers import Offer, may_know, offer
from allotment_profiles.access.people import ADMINISTRATORS, User, answers_for, belongs, leads_of
from allotment_profiles.access.subjects import people_of
from allotment_profiles.access.succession import is_retired
from allotment_profiles.catalog.catalog import Catalog, Entry, QuarantinedChange
from allotment_profiles.documents.reading import read
from allotment_profiles.git.repository import Repository
from allotment_profiles.model import DataRole, Grant, Profile, Team
from allotment_profiles.model.paths import data_role_path, file_ref, profile_path
from allotment_profiles.model.problems import Problem
from allotment_profiles.review.changes import Change, compare_values
from allotment_profiles.store.provenance import HistoryEntry, Provenance, fold_reviews
from allotment_profiles.store.watcher import CatalogWatcher


@dataclass(frozen=True)
class ProfileRow:
    """One profile as a line of the table."""

    id: str
    entry: Entry[Profile] | None
    """None where its file never read."""
    profile: Profile | None
    """What the file says, read once: ask the entry again and it may be read again."""
    team: str
    team_title: str
    owners: str
    """Who answers for it, in words."""
    members: str
    """Who may use it, in words."""
    cost: Cost | None
    """At the default choices."""
    dearest: Cost | None
    """At its dearest choices."""
    landing: HistoryEntry | None
    """The commit that last changed the file."""
    offer: Offer
    """As the reader sees it."""
    successors: tuple[str, ...]
    """What takes its place, and what takes the place of that: the chain as far as the reader may see it."""
    retired: bool
    held: tuple[QuarantinedChange, ...]
    """What main says of it and does not apply yet."""
    problems: tuple[Problem, ...]
    full: bool
    """Whether the reader may see values of variables and bindings."""


@dataclass(frozen=True)
class HistoryRow:
    """One landing of a file, by its meaning."""

    landing: HistoryEntry
    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]
    """Why that version does not read, where it does not."""


@dataclass(frozen=True)
class GrantRow:
    """One team's way to a data role."""

    team: str
    team_title: str
    people: tuple[str, ...]
    """The groups and users of the team."""
    seen: tuple[str, ...]
    """Users that the hub has seen and that belong to the team; filled for readers alone."""
    profiles: tuple[str, ...]
    grant: Grant
    days: int
    """Days that remain until its end or its review; negative where it holds no longer."""


@dataclass(frozen=True)
class DataRoleRow:
    """One data role, and who reaches it."""

    name: str
    entry: Entry[DataRole] | None
    owner_title: str
    owners: str
    grants: tuple[GrantRow, ...]
    landing: HistoryEntry | None
    problems: tuple[Problem, ...]
    full: bool
    """Whether the reader may see the binding."""
    readable_by: bool
    """Whether the reader may ask for the names of those who reach it."""
    held: tuple[QuarantinedChange, ...] = ()


class Listing:
    """Reads; changes nothing."""

    def __init__(
        self,
        repository: Repository,
        watcher: CatalogWatcher,
        directory: Directory,
        capabilities: Callable[[], Capabilities],
    ) -> None:
        self._repository = repository
        self._watcher = watcher
        self._directory = directory
        self._capabilities = capabilities
        self._provenance = Provenance()
        self._index = ProfileIndex()
        self._lock = asyncio.Lock()

    @property
    def catalog(self) -> Catalog:
        """The catalog that applies."""
        return self._watcher.catalog

    @property
    def has_service_accounts(self) -> bool:
        """Whether sessions have service accounts, which whoever sets up a cloud has to know."""
        return "aws_role" in self._capabilities().bindings

    async def provenance(self) -> Provenance:
        """Give the history of the catalog that applies."""
        async with self._lock:
            revision = self.catalog.revision
            if revision and revision != self._provenance.head:
                self._provenance = await asyncio.to_thread(fold_reviews, self._repository, revision, self._provenance)
            return self._provenance

    async def profiles(self, user: User) -> list[ProfileRow]:
        """List every profile that the user may see."""
        catalog, provenance = self.catalog, await self.provenance()
        return await asyncio.to_thread(self._rows, catalog, provenance, user, await self.found(user))

    async def found(self, user: User, words: str = "") -> list[str]:
        """Give the ids of the profiles that the user may see and that have all the words."""
        catalog, provenance = self.catalog, await self.provenance()
        async with self._lock:
            return await asyncio.to_thread(self._found, catalog, provenance, user, words)

    async def rows(self, user: User, ids: Sequence[str]) -> list[ProfileRow]:
        """Give some of the profiles that the user may see."""
        return await asyncio.to_thread(self._rows, self.catalog, await self.provenance(), user, ids)

    async def team(self, user: User, name: str) -> TeamPage:
        """Give one team; raises a refusal where there is none for this user."""
        catalog = self.catalog
        entry = catalog.teams.get(name)
        if entry is None or not self._listed(catalog, user, name):
            raise refused(404, "team-unknown", "There is no such team.", "", "Look at the list of profiles.")
        profiles = [each for each in catalog.profiles_of(name) if self._visible(catalog, user, each)]
        return team_page(catalog, await self.provenance(), user, entry, profiles)

    async def profile(self, user: User, profile_id: str) -> ProfileRow:
        """Give one profile; raises a refusal where there is none for this user."""
        catalog = self.catalog
        where = profile_id if profile_id in catalog.profiles else None
        broken = profile_path(profile_id) in catalog.broken
        if not (where or broken) or not self._visible(catalog, user, profile_id):
            # Nothing is said of what exists and is not shown.
            raise self._gone(Provenance() if where else await self.provenance(), profile_id)
        return self._rows(catalog, await self.provenance(), user, [profile_id])[0]

    async def history(self, path: str, limit: int = 20) -> list[HistoryRow]:
        """Tell a file's history by meaning, newest first."""
        landings = list((await self.provenance()).of(path))
        return await asyncio.to_thread(self._history, path, landings[: limit + 1], limit)

    async def explain(self, reader: User, name: str, profile_id: str) -> Offer:
        """Say rule by rule why a user can or cannot start a profile."""
        catalog = self.catalog
        team = catalog.teams.get(profile_id.partition("/")[0])
        user: User | None = reader
        if name != reader.name:
            if not (reader.admin or (team and answers_for(reader, team.value))):
                raise refused(
                    403,
                    "explain-others",
                    "This is about somebody else.",
                    "Only leads, deputies and administrators ask for others.",
                    "Ask about yourself.",
                    leads_of(catalog, profile_id.partition("/")[0]),
                )
            user = await self._directory.user(name)
        if user is None:
            raise refused(404, "user-unknown", "There is no such user.", "The hub has never seen them.")
        return offer(catalog, user, profile_id, dt.datetime.now(dt.UTC), self._capabilities())

    async def data_roles(self, user: User) -> list[DataRoleRow]:
        """List all data roles with their grants."""
        catalog, provenance = self.catalog, await self.provenance()
        broken = [where.id for path in catalog.broken if (where := file_ref(path)) and where.kind == "data role"]
        names = sorted({*catalog.data_roles, *broken})
        return [self._data_role(catalog, provenance, user, name, ()) for name in names]

    async def data_role(self, user: User, name: str) -> DataRoleRow:
        """Give one data role."""
        catalog = self.catalog
        if name not in catalog.data_roles and data_role_path(name) not in catalog.broken:
            raise refused(
                404, "data-role-unknown", "There is no such data role.", "", "Look at the list of data roles."
            )
        return self._data_role(catalog, await self.provenance(), user, name, ())

    async def readers(self, user: User, name: str) -> DataRoleRow:
        """Say who can reach a data role: the people that the hub has seen, for the owner's leads and administrators."""
        row = await self.data_role(user, name)
        if not row.readable_by:
            raise refused(
                403,
                "readers-private",
                "The names of those who reach the data are not for everyone.",
                "Only those who decide for its owner, and administrators, see them.",
                "The groups are on the page of the data role.",
                row.owners,
            )
        everyone = await self._directory.everyone()
        return self._data_role(self.catalog, await self.provenance(), user, name, everyone)

    # -- parts

    def _gone(self, provenance: Provenance, profile_id: str) -> ServiceError:
        path = profile_path(profile_id)
        landing = provenance.last(path) if file_ref(path) else None
        if landing is None:
            return refused(404, "profile-unknown", "There is no such profile.", "", "Look at the list of profiles.")
        who = f" by {landing.proposed_by}" if landing.proposed_by else ""
        return refused(
            404, "profile-removed", "There is no such profile any more.",
            f"It was removed on {landing.time.date().isoformat()}{who}.", "Its text stays in the history of git.",
            link=f"proposals/{landing.proposal}" if landing.proposal else "",
        )  # fmt: skip

    def _visible(self, catalog: Catalog, user: User, profile_id: str) -> bool:
        known = profile_id not in catalog.profiles or may_know(catalog, user, profile_id)
        return known and self._listed(catalog, user, profile_id.partition("/")[0])

    def _listed(self, catalog: Catalog, user: User, name: str) -> bool:
        if catalog.policy is None or catalog.policy.value.listing == "all" or user.admin:
            return True
        team = catalog.teams.get(name)
        return team is not None and belongs(user, team.value)

    def _found(self, catalog: Catalog, provenance: Provenance, user: User, words: str) -> list[str]:
        index = self._index.renewed(catalog, provenance)
        listed = {name for name in {each.partition("/")[0] for each in index} if self._listed(catalog, user, name)}
        return [
            each
            for each in matching(index, words)
            if each.partition("/")[0] in listed and not (index[each].draft and not may_know(catalog, user, each))
        ]

    def _rows(self, catalog: Catalog, provenance: Provenance, user: User, ids: Sequence[str]) -> list[ProfileRow]:
        able, now = self._capabilities(), dt.datetime.now(dt.UTC)
        members = {name: ", ".join(sorted(people_of(name, catalog))) for name in {i.partition("/")[0] for i in ids}}
        return [self._row(catalog, provenance, user, each, able, members, now) for each in ids]

    def _row(
        self,
        catalog: Catalog,
        provenance: Provenance,
        user: User,
        profile_id: str,
        able: Capabilities,
        members: Mapping[str, str],
        now: dt.datetime,
    ) -> ProfileRow:
        entry = catalog.profiles.get(profile_id)
        profile = entry.value if entry else None
        name = profile_id.partition("/")[0]
        team = catalog.teams.get(name)
        path = profile_path(profile_id)
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
            landing=provenance.last(path),
            offer=offer(catalog, user, profile_id, now, able),
            successors=self._successors(catalog, user, profile) if profile and profile.successor else (),
            retired=profile is not None and is_retired(profile, now),
            held=tuple(hold for hold in catalog.quarantined if hold.path == path),
            problems=tuple(catalog.problems_of(path)),
            full=user.admin or (team is not None and belongs(user, team.value)),
        )

    def _successors(self, catalog: Catalog, user: User, profile: Profile) -> tuple[str, ...]:
        found: list[str] = []
        following = profile.successor
        while following and following not in found and following in catalog.profiles:
            if not self._visible(catalog, user, following):
                break
            found.append(following)
            following = catalog.profiles[following].value.successor
        return tuple(found)

    def _data_role(
        self, catalog: Catalog, provenance: Provenance, user: User, name: str, everyone: Sequence[User]
    ) -> DataRoleRow:
        entry = catalog.data_roles.get(name)
        path = data_role_path(name)
        owner = catalog.teams.get(entry.value.owner) if entry else None
        owns = owner is not None and answers_for(user, owner.value)
        grants = entry.value.granted_to.items() if entry else ()
        return DataRoleRow(
            name=name,
            entry=entry,
            owner_title=owner.value.title if owner else "",
            owners=leads_of(catalog, entry.value.owner) if entry else ADMINISTRATORS,
            grants=tuple(self._grant(catalog, user, name, team, grant, everyone) for team, grant in grants),
            landing=provenance.last(path),
            problems=tuple(catalog.problems_of(path)),
            full=user.admin or (owner is not None and belongs(user, owner.value)),
            readable_by=user.admin or owns,
            held=tuple(hold for hold in catalog.quarantined if hold.path == path),
        )

    def _grant(
        self, catalog: Catalog, user: User, role: str, team: str, grant: Grant, everyone: Sequence[User]
    ) -> GrantRow:
        entry: Entry[Team] | None = catalog.teams.get(team)
        return GrantRow(
            team=team,
            team_title=entry.value.title if entry else team,
            people=tuple(sorted(people_of(team, catalog))),
            seen=tuple(user.name for user in everyone if entry and belongs(user, entry.value)),
            profiles=tuple(
                profile_id
                for profile_id in catalog.profiles_reaching(role)
                if profile_id.partition("/")[0] == team and self._visible(catalog, user, profile_id)
            ),
            grant=grant,
            days=days_of(grant, dt.datetime.now(dt.UTC)),
        )

    def _history(self, path: str, landings: Sequence[HistoryEntry], limit: int) -> list[HistoryRow]:
        where = file_ref(path)
        if where is None:
            raise refused(404, "path", "Nothing is read from this path.", "")
        entries: list[HistoryRow] = []
        before = None
        for landing in reversed(landings):
            data = self._repository.file(landing.commit, path)
            reading = read(where.kind, path, data) if data is not None else None
            after = reading.value if reading else None
            unreadable = reading is not None and after is None
            changes = () if unreadable else compare_values(path, before, after)
            entries.append(HistoryRow(landing, tuple(changes), reading.problems if reading else ()))
            before = before if unreadable else after
        return list(reversed(entries))[:limit]
