"""Reviewing: approve, reject, merge. Each decides anew from main, the exact head and the people of this moment."""

import asyncio

from allotment_hub.errors import ServiceError, refused
from allotment_hub.forges.records import RecordKind, StoredProposal
from allotment_hub.services.checking import Check, Checking
from allotment_hub.services.proposals import Proposals, ProposalView
from allotment_hub.services.proposing import moved, told
from allotment_hub.services.rights import Action, Case, Reader, State, refusal_of
from allotment_profiles.following import CatalogFollower
from allotment_profiles.git import MergeConflictError, RefMovedError
from allotment_profiles.provenance import MERGE
from allotment_profiles.requirements import missing
from allotment_profiles.rules import User


class Reviewing:
    """The verbs that a session's token never has."""

    def __init__(self, proposals: Proposals, checking: Checking, follower: CatalogFollower) -> None:
        self._proposals = proposals
        self._checking = checking
        self._follower = follower
        self._forge = proposals.forge
        self._lock = asyncio.Lock()

    async def approve(self, reader: Reader, proposal: str, head: str) -> StoredProposal:
        """Approve the exact head that was looked at."""
        async with self._lock:
            view = await self._allowed("approve", reader, proposal, head)
            return await self._recorded(view, "approved", reader, "")

    async def reject(self, reader: Reader, proposal: str, reason: str) -> StoredProposal:
        """End a proposal with a reason."""
        reason = told(reason, "reason")
        async with self._lock:
            view = await self._allowed("reject", reader, proposal, None)
            return await self._recorded(view, "rejected", reader, reason)

    async def merge(self, reader: Reader, proposal: str, head: str) -> StoredProposal:
        """Put a proposal on main; what it needs is computed again on the merged tree."""
        async with self._lock:
            view = await self._allowed("merge", reader, proposal, head)
            stored = view.stored
            main = await asyncio.to_thread(self._forge.main)
            try:
                candidate = await asyncio.to_thread(self._forge.candidate, stored, main)
                await self._decided_again(view, reader, await self._checking.commit(main, candidate))
                merged = await asyncio.to_thread(
                    self._forge.merge, stored, main, _message(view, reader), by=reader.user.name
                )
            except (MergeConflictError, RefMovedError) as error:
                raise moved() from error
        await self._follower.refresh()
        return merged

    async def _allowed(self, action: Action, reader: Reader, proposal: str, head: str | None) -> ProposalView:
        stored = await self._proposals.stored(proposal)
        view = await self._proposals.view(stored, reader)
        refusal = view.actions[action]
        if refusal:
            raise ServiceError(refusal)
        if head is not None and head != stored.head:
            raise refused(
                409, "head-moved", "Nothing was decided.", "The proposal has changed since you looked at it.",
                "Look at it again, then decide.", link=f"proposals/{proposal}",
            )  # fmt: skip
        return view

    async def _decided_again(self, view: ProposalView, reader: Reader, check: Check) -> None:
        """Judge the merged tree itself: main may have moved since the page was made."""
        stored = view.stored
        names = [stored.proposer, *(record.by for record in stored.approvals())]
        people = {user.name: user for user in await self._proposals.directory.users(names)}
        proposer = people.get(stored.proposer, User(stored.proposer, frozenset()))
        approvers = [people[record.by] for record in stored.approvals() if record.by in people]
        needed = check.required_of(proposer)
        unmet = tuple(missing(needed, approvers, check.before, proposer, stored.contributors))
        state: State = "broken" if check.errors else "open" if unmet else "approved"
        refusal = refusal_of("merge", Case(stored, state, needed, unmet, check.before, proposer), reader)
        if refusal:
            raise ServiceError(refusal, check.errors)

    async def _recorded(self, view: ProposalView, kind: RecordKind, reader: Reader, text: str) -> StoredProposal:
        try:
            return await asyncio.to_thread(self._forge.record, view.stored, kind, by=reader.user.name, text=text)
        except RefMovedError as error:
            raise moved() from error


def _message(view: ProposalView, reader: Reader) -> str:
    """Write the merge commit's message: a line, the reason, and who did what as trailers."""

    def line(text: str) -> str:
        return " ".join(text.split())

    trailers = [
        f"Proposal: {view.id}",
        f"Proposed-by: {line(view.stored.proposer)}",
        *(f"Approved-by: {line(record.by)}" for record in view.stored.approvals()),
        f"Merged-by: {line(reader.user.name)}",
        f"Reason: {line(view.reason)}",
    ]
    return f"{MERGE}{line(view.title)[:100]}\n\n{view.reason}\n\n" + "\n".join(trailers) + "\n"
