"""Reviewing: approve, reject, merge. Each decides anew from main, the exact head and the people of this moment."""

import asyncio

from allotment_hub.errors import ServiceError, refused
from allotment_hub.forges.records import RecordKind, StoredProposal
from allotment_hub.services.proposals.checking import ChangeChecker, Check
from allotment_hub.services.proposals.proposals import AUTOMATIC, Proposals, ProposalView
from allotment_hub.services.proposals.proposing import moved, told
from allotment_hub.services.proposals.removals import removed_at_once
from allotment_hub.services.proposals.rights import Action, Actor, Case, State, refusal_of
from allotment_profiles.access.people import User
from allotment_profiles.git.repository import MergeConflictError, RefMovedError
from allotment_profiles.review.requirements import missing
from allotment_profiles.store.history import CONFIRMS_REMOVAL
from allotment_profiles.store.provenance import MERGE
from allotment_profiles.store.watcher import CatalogWatcher


class Reviews:
    """The verbs that a session's token never has."""

    def __init__(self, proposals: Proposals, checking: ChangeChecker, watcher: CatalogWatcher) -> None:
        self._proposals = proposals
        self._checking = checking
        self._watcher = watcher
        self._forge = proposals.forge
        self._lock = asyncio.Lock()

    async def approve(self, reader: Actor, proposal: str, head: str) -> StoredProposal:
        """Approve the exact head that was looked at."""
        async with self._lock:
            view = await self._allowed("approve", reader, proposal, head)
            return await self._recorded(view, "approved", reader, "")

    async def reject(self, reader: Actor, proposal: str, reason: str) -> StoredProposal:
        """End a proposal with a reason."""
        reason = told(reason, "reason")
        async with self._lock:
            view = await self._allowed("reject", reader, proposal, None)
            return await self._recorded(view, "rejected", reader, reason)

    async def merge(self, reader: Actor, proposal: str, head: str, *, confirm_removal: bool = False) -> StoredProposal:
        """Put a proposal on main; what it needs is computed again on the merged tree.

        What removes so many files that the catalog would hold it has to be confirmed; the merge says so itself.
        """
        async with self._lock:
            view = await self._allowed("merge", reader, proposal, head)
            stored = view.stored
            main = await asyncio.to_thread(self._forge.main)
            try:
                candidate = await asyncio.to_thread(self._forge.candidate, stored, main)
                automatic = await self._decided_again(view, reader, await self._checking.commit(main, candidate))
                removed = await asyncio.to_thread(removed_at_once, self._forge.repository, main, candidate)
                if removed and not confirm_removal:
                    raise _unconfirmed(removed, proposal)
                message = _message(view, reader, automatic, confirms_removal=bool(removed))
                merged = await asyncio.to_thread(self._forge.merge, stored, main, message, by=reader.user.name)
            except (MergeConflictError, RefMovedError) as error:
                raise moved() from error
        await self._watcher.refresh()
        return merged

    async def merge_if_automatic(self, reader: Actor, stored: StoredProposal) -> StoredProposal:
        """Put on main what needs nobody's approval, where a person proposed it; a session's proposal waits for them."""
        if not reader.may_review:
            return stored
        view = await self._proposals.view(stored, reader)
        if not view.automatic or view.actions["merge"]:
            return stored
        try:
            return await self.merge(reader, stored.id, stored.head)
        except ServiceError:
            return stored  # its page says what stands in the way, and what helps

    async def _allowed(self, action: Action, reader: Actor, proposal: str, head: str | None) -> ProposalView:
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

    async def _decided_again(self, view: ProposalView, reader: Actor, check: Check) -> str:
        """Judge the merged tree itself: main may have moved since the page was made.

        Gives the kinds of change for which the policy stands in for approvals; empty where people approved.
        """
        stored = view.stored
        names = [stored.proposer, *(record.by for record in stored.approvals())]
        people = {user.name: user for user in await self._proposals.directory.users(names)}
        proposer = people.get(stored.proposer, User(stored.proposer, frozenset()))
        approvers = [people[record.by] for record in stored.approvals() if record.by in people]
        needed, automatic = check.required_of(proposer), check.automatic_for(proposer)
        unmet = tuple(missing(needed, approvers, check.before, proposer, stored.contributors))
        state: State = "broken" if check.errors else "open" if unmet else "approved"
        refusal = refusal_of("merge", Case(stored, state, needed, unmet, check.before, proposer, automatic), reader)
        if refusal:
            raise ServiceError(refusal, check.errors)
        kinds = {"text" if change.category == "layout" else change.category for change in check.changes}
        return "" if needed else ", ".join(sorted(kinds))

    async def _recorded(self, view: ProposalView, kind: RecordKind, reader: Actor, text: str) -> StoredProposal:
        try:
            return await asyncio.to_thread(self._forge.record, view.stored, kind, by=reader.user.name, text=text)
        except RefMovedError as error:
            raise moved() from error


def _unconfirmed(removed: tuple[str, ...], proposal: str) -> ServiceError:
    why = f"It removes {len(removed)} files at once: {', '.join(removed[:20])}{' …' if len(removed) > 20 else ''}."
    return refused(
        409, "removal-unconfirmed", "It is not merged yet.", why,
        "Look at what is removed, then merge with `confirm_removal: true`, or tick the box on its page.",
        link=f"proposals/{proposal}",
    )  # fmt: skip


def _message(view: ProposalView, reader: Actor, automatic: str, *, confirms_removal: bool) -> str:
    """Write the merge commit's message: a line, the reason, and who did what as trailers."""

    def line(text: str) -> str:
        return " ".join(text.split())

    trailers = [
        f"Proposal: {view.id}",
        f"Proposed-by: {line(view.stored.proposer)}",
        *(f"Approved-by: {line(record.by)}" for record in view.stored.approvals()),
        *([f"Approved-by: {AUTOMATIC}{automatic})"] if automatic else []),
        # The merge names the head that it brings: the catalog then takes its removals for meant.
        *([f"{CONFIRMS_REMOVAL}: {view.stored.head}"] if confirms_removal else []),
        f"Merged-by: {line(reader.user.name)}",
        f"Reason: {line(view.reason)}",
    ]
    return f"{MERGE}{line(view.title)[:100]}\n\n{view.reason}\n\n" + "\n".join(trailers) + "\n"
