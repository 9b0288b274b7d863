"""Which proposals there are, and which of them a reader may know of."""

import asyncio
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from allotment_hub.errors import ServiceError, refused, unknown_evenly
from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.forges.record_log import RecordsLoadingError
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.forges.touched import Touched
from allotment_hub.services.judging.checking import OtherProposal
from allotment_hub.services.proposals.sights import all_known
from allotment_profiles.access.people import User
from allotment_profiles.access.visibility import profile_is_listed
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.records.evidence import RecordedEvidence, read_evidence
from allotment_profiles.records.record import Record
from allotment_profiles.store.watcher import CatalogWatcher

MAXIMUM_LOOKED_THROUGH = 1000
"""How many proposals are looked through for one part of the list, where the reader may not see most of them."""

MAXIMUM_TRIALS = 10
"""Of how many trials of a proposal the outcomes are shown."""


@dataclass(frozen=True, slots=True)
class Readable:
    """A part of the list of proposals that a user may see."""

    proposals: tuple[StoredProposal, ...]
    before: int
    """Where the next part begins; 0 where there is none."""


class ReadableProposals:
    """Reads proposals for those who may know of them. None is judged."""

    def __init__(self, forge: PlainGitForge, watcher: CatalogWatcher) -> None:
        self.forge = forge
        self._watcher = watcher

    @property
    def catalog(self) -> Catalog:
        """The catalog that applies."""
        return self._watcher.catalog

    async def stored(self, proposal: str) -> StoredProposal:
        """Return a proposal as the forge keeps it, whoever asks. What a user asks for comes from `visible`."""
        stored = await asyncio.to_thread(self.forge.get, proposal) if _is_id(proposal) else None
        if stored is None:
            raise _unknown()
        return stored

    async def evidence(self, records: Iterable[Record], reader: User) -> tuple[RecordedEvidence, ...]:
        """Return the evidence of records that a reader may see, the newest first, and of trials only the last ones."""
        newest = [record for record in reversed(tuple(records)) if record.has_evidence]
        trials = [record for record in newest if record.kind == "tried"][:MAXIMUM_TRIALS]
        said = [record for record in newest if record.kind != "tried"][:1]
        wanted = [record for record in newest if record in (*trials, *said)]
        found = await asyncio.to_thread(read_evidence, self.forge.repository, wanted)
        return tuple(_told(each, reader, self.catalog) for each in found)

    async def visible(self, proposal: str, user: User) -> StoredProposal:
        """Return a proposal. Raise a refusal where there is none, and where this user may not know of it."""
        async with unknown_evenly():
            stored = await self.stored(proposal)
            if not await self.listed(stored, user):
                raise _unknown()
        return stored

    async def open_ones(self) -> list[StoredProposal]:
        """List the open proposals, those with the newest record first."""
        return list(await asyncio.to_thread(self.forge.open_ones))

    async def readable(
        self, user: User, *, state: str = "", proposer: str = "", before: int = 0, limit: int = 50
    ) -> Readable:
        """List proposals that a user may see, those with the newest record first.

        `state` and `proposer` are as the forge has them; `before` is the number of the last one of the part before.
        """
        found: list[StoredProposal] = []
        looked = 0
        while True:
            some = await asyncio.to_thread(
                self.forge.newest, state=state, proposer=proposer, before=before, limit=limit + 1
            )
            found += await self._listed(some, user)
            looked += len(some)
            if len(found) > limit:
                return Readable(tuple(found[:limit]), found[limit - 1].number)
            if len(some) <= limit:
                return Readable(tuple(found), 0)
            before = some[-1].number
            if looked >= MAXIMUM_LOOKED_THROUGH:
                return Readable(tuple(found), before)

    async def undoing(self, stored: StoredProposal, user: User) -> tuple[StoredProposal, ...]:
        """List the open and merged proposals that undo one and that a user may know of, the newest first."""
        found = await asyncio.to_thread(self.forge.undoing, stored.id)
        return tuple(await self._listed([each for each in found if each.open or each.merged], user))

    async def to_undo(self, stored: StoredProposal, user: User) -> StoredProposal | None:
        """Return the merged proposal that one undoes, where a user may know of it."""
        found = await asyncio.to_thread(self.forge.get, stored.undoes) if stored.undoes else None
        return found if found and await self.listed(found, user) else None

    async def touched(self, proposals: Sequence[StoredProposal]) -> dict[str, Mapping[str, object]]:
        """Return the paths that proposals change, by the ids of the proposals."""
        touched = await asyncio.to_thread(self._touched, proposals)
        return {id_: each.files for id_, each in touched.items()}

    def _touched(self, proposals: Sequence[StoredProposal]) -> dict[str, Touched]:
        return self.forge.touched.of(proposals, self.forge.main()) if proposals else {}

    async def listed(self, stored: StoredProposal, user: User) -> bool:
        """Return whether a user may know of a proposal.

        They may see every file of it, before and after; or they made it, or they decide about a file of it.
        """
        return bool(await self._listed([stored], user))

    async def _listed(self, proposals: Sequence[StoredProposal], user: User) -> list[StoredProposal]:
        catalog = self._watcher.catalog
        others = [stored for stored in proposals if not user.admin and user.name != stored.proposer]

        def known() -> set[str]:
            touched = self._touched(others)
            return {id_ for id_, each in touched.items() if all_known(user, catalog, each.files)}

        hidden = {stored.id for stored in others}
        if others:
            hidden -= await asyncio.to_thread(known)
        return [stored for stored in proposals if stored.id not in hidden]

    async def others(self, files: Iterable[str], user: User, but: str = "") -> tuple[OtherProposal, ...]:
        """List the open proposals for some of these files that a user may know of: other people's, or all `but` one."""
        paths = frozenset(files)
        others = [
            stored
            for stored in (await self._open_now() if paths else ())
            if (stored.id != but if but else stored.proposer != user.name)
        ]
        touched = await self.touched(others)
        same = [stored for stored in others if not paths.isdisjoint(touched[stored.id])]
        found = await self._listed(same, user)
        return tuple(OtherProposal(stored.id, stored.current.title, stored.proposer) for stored in found)

    async def _open_now(self) -> list[StoredProposal]:
        """List the open proposals. While the log of records is being read, there is none to tell of."""
        try:
            return await self.open_ones()
        except RecordsLoadingError:
            return []


def _told(found: RecordedEvidence, reader: User, catalog: Catalog) -> RecordedEvidence:
    """Return evidence as a reader is told of it: a session may be of a profile that they may not know of."""
    said = found.session
    if said is None or found.record.by == reader.name:
        return found
    # One that was removed may have been hidden.
    if said.profile in catalog.profiles and profile_is_listed(catalog, reader, said.profile):
        return found
    return dataclasses.replace(found, session=said.without_profile())


def _unknown() -> ServiceError:
    return refused(404, "proposal-unknown", "There is no such proposal.", "", "Look at the list of proposals.")


def _is_id(text: str) -> bool:
    return len(text) < 150 and all(part.isalnum() for part in text.split("-") if part) and text.isascii()
