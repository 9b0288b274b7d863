"""Reviewing: approve, reject and merge. Each is decided from main, the exact head and the people of the moment."""

import asyncio
import dataclasses
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from allotment_hub.errors import ServiceError, UnavailableError, refused
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.identities import Identities
from allotment_hub.services.proposals.case import Case
from allotment_hub.services.proposals.judgements import NOBODY
from allotment_hub.services.proposals.proposals import AUTOMATIC, Proposals
from allotment_hub.services.proposals.proposing import checked_text, moved_error, written
from allotment_hub.services.proposals.rights import Action, Actor, may_reject, refusal_of, refusal_to_redact
from allotment_hub.services.sign_ins import SignIns
from allotment_profiles.access.people import User
from allotment_profiles.git.process import GitError
from allotment_profiles.records.record import Record, Source
from allotment_profiles.store.history import CONFIRMS_PUSH, CONFIRMS_REMOVAL
from allotment_profiles.store.provenance import MERGE
from allotment_profiles.store.watcher import CatalogWatcher

log = logging.getLogger(__name__)

LookT = TypeVar("LookT")
_ROUNDS = 5
"""How often a decision is looked at anew, since main or the proposal has changed in between."""


class Reviews:
    """The actions that a session's token may never take."""

    def __init__(
        self, proposals: Proposals, watcher: CatalogWatcher, sign_ins: SignIns, identities: Identities
    ) -> None:
        self._proposals = proposals
        self._identities = identities
        self._sign_ins = sign_ins
        self._watcher = watcher
        self._forge = proposals.forge
        # Only for writing: others wait for it.
        self._lock = asyncio.Lock()

    async def approve(
        self, actor: Actor, proposal: str, head: str, digest: str | None = None, source: Source | None = None, *,
        text: str = "",
    ) -> StoredProposal:  # fmt: skip
        """Approve exactly what was looked at: a digest. With None, what the head is judged to be now."""
        actor = await self._confirmed(actor, proposal)

        async def record(case: Case) -> StoredProposal:
            judgement, by = case.judgement, actor.user.name
            record = partial(self._forge.record, candidate=judgement.candidate, digest=judgement.digest)
            return await written(record, case.stored, "approved", by=by, text=text, source=source)

        approved = await self._decide(proposal, lambda: self._allowed("approve", actor, proposal, head, digest), record)
        return await self.merge_when_approved(approved)

    async def _decide(
        self, proposal: str, look: Callable[[], Awaitable[LookT]], write: Callable[[LookT], Awaitable[StoredProposal]]
    ) -> StoredProposal:
        """Look whether something is allowed, then write it if nothing has changed since; otherwise look again.

        Looking may take long, as it judges in the turn of whoever decides: nobody else waits for it.
        """
        for _ in range(_ROUNDS):
            state = await self._state(proposal)
            looked = await look()
            async with self._lock:
                if await self._state(proposal) == state:
                    return await write(looked)
        raise moved_error()

    async def _state(self, proposal: str) -> tuple[str, StoredProposal]:
        main = await self._proposals.main()
        return main, await self._proposals.stored(proposal)

    async def sign_in_due(self, case: Case, actor: Actor) -> ServiceError | None:
        """Return why an actor has to sign in anew before they approve or merge, for its page; None if they need not."""
        if case.stored.ending or not case.check.needs_sign_in:
            return None
        page = f"proposals/{case.stored.id}"
        return await self._sign_ins.announced(actor.user.name, actor.sign_in, case.main, page)

    async def reject(self, actor: Actor, proposal: str, reason: str, source: Source | None = None) -> StoredProposal:
        """End a proposal with a reason."""
        reason = checked_text(reason, "reason")
        actor = await self._confirmed(actor, proposal)

        async def record(stored: StoredProposal) -> StoredProposal:
            by = actor.user.name
            return await written(self._forge.record, stored, "rejected", by=by, text=reason, source=source)

        return await self._decide(proposal, lambda: self._rejectable(actor, proposal), record)

    async def dismiss(
        self, actor: Actor, proposal: str, approval: str, text: str = "", source: Source | None = None
    ) -> StoredProposal:
        """Dismiss an approval, named by its commit: who gave it may do so, and who may reject the proposal."""
        actor = await self._confirmed(actor, proposal)

        async def record(stored: StoredProposal) -> StoredProposal:
            write = partial(self._forge.record, dismisses=approval, text=text, source=source)
            return await written(write, stored, "dismissed", by=actor.user.name)

        return await self._decide(proposal, lambda: self._dismissable(actor, proposal, approval), record)

    async def _dismissable(self, actor: Actor, proposal: str, approval: str) -> StoredProposal:
        stored = await self._proposals.visible(proposal, actor.user)
        given = (each for each in stored.records if each.kind == "approved" and each.commit not in stored.dismissed)
        by = next((each.by for each in given if each.commit == approval), None)
        if by is None:
            why = "There is no such approval, or it was dismissed already."
            raise refused(409, "approval-unknown", "Nothing was dismissed.", why, link=f"proposals/{proposal}")
        if stored.open and actor.may_review and actor.user.name == by:
            return stored
        return await self._rejectable(actor, proposal)

    async def redact(self, actor: Actor, proposal: str, record: str, reason: str) -> StoredProposal:
        """Redact the text of a record, named by its commit, and the same text in other records of the proposal."""
        stored = await self._proposals.visible(proposal, actor.user)
        refusal = refusal_to_redact(actor)
        if refusal:
            raise ServiceError(refusal)
        reason = checked_text(reason, "reason")
        actor = await self._confirmed(actor, proposal)
        worded = (each for each in stored.records if each.text or each.has_evidence)
        found = next((each for each in worded if each.commit == record), None)
        what, page = "Nothing was redacted.", f"proposals/{proposal}"
        if found is None:
            why = "There is no such record, or it has neither text nor evidence."
            raise refused(404, "record-unknown", what, why, link=page)
        if found.redacted:
            raise refused(409, "redacted-already", what, "The text is redacted already.", link=page)
        same = [each.commit for each in stored.records if not each.redacted and _says_the_same(each, found)]
        for commit in same:
            write = partial(self._forge.record, redacts=commit, text=reason)
            stored = await written(write, stored, "redacted", by=actor.user.name)
        return stored

    async def _rejectable(self, actor: Actor, proposal: str) -> StoredProposal:
        """Return a proposal that an actor may reject. It is judged only where that depends on the judgement."""
        stored = await self._proposals.visible(proposal, actor.user)
        paths = (await self._proposals.touched([stored]))[stored.id]
        if may_reject(stored, paths, self._proposals.catalog, actor):
            return stored
        return (await self._allowed("reject", actor, proposal, None)).stored

    async def merge(
        self,
        actor: Actor,
        proposal: str,
        head: str,
        digest: str | None = None,
        *,
        confirm_removal: bool = False,
        source: Source | None = None,
    ) -> StoredProposal:
        """Merge what was looked at into main: a digest. With None, what the head is judged to be now.

        The judgement that its page was made from is used while main, the head and the day are the same; otherwise the
        proposal is judged again. The forge merges exactly the tree that was judged, and only if main has not moved.
        A merge that removes so many files that the catalog would quarantine the removal has to be confirmed.
        """
        actor = await self._confirmed(actor, proposal)
        without = await self._unconfirmed(actor, proposal)
        look = partial(self._allowed, "merge", actor, proposal, head, digest, without)
        return await self._merge(actor, proposal, look, confirm_removal=confirm_removal, source=source)

    async def _merge(
        self,
        actor: Actor,
        proposal: str,
        look: Callable[[], Awaitable[Case]],
        *,
        confirm_removal: bool = False,
        source: Source | None = None,
    ) -> StoredProposal:
        async def write(case: Case) -> StoredProposal:
            judgement = case.judgement
            if judgement.candidate is None:
                raise moved_error()
            if judgement.removals and not confirm_removal:
                raise _unconfirmed(judgement.removals, proposal)
            if source and not case.requirements:  # a comment on a forge is not known to be a person's own
                what, why = "It is not merged yet.", "Nobody has to approve it, so whoever merges it decides alone."
                raise refused(409, "merge-on-page", what, why, "Merge it on its page.", link=f"proposals/{proposal}")
            by = actor.user.name
            message = merge_message(case, by)
            merge = partial(self._forge.merge, digest=judgement.digest, source=source)
            return await written(merge, case.stored, judgement.candidate, message, by=by)

        merged = await self._decide(proposal, look, write)
        await self._watcher.refresh()
        return merged

    async def merge_when_approved(self, stored: StoredProposal) -> StoredProposal:
        """Merge a proposal that has every approval, where its teams want that; otherwise return it as it is.

        It is merged by whose approval completed it, as if they had pressed the button. What keeps it from being merged
        now is said on its page; whoever calls this tries again later.
        """
        nobody = User(NOBODY, frozenset())
        try:
            stored = await self._proposals.stored(stored.id)
            case = await self._proposals.case(stored, nobody) if stored.open else None
            if case is None or not case.merges_when_approved or case.completed_by is None:
                return stored
            without = await self._identities.unconfirmed({record.by for record in case.approvals})
            people = {
                name: user for name, user in (await self._proposals.people([stored])).items() if name not in without
            }
            person = (await self._proposals.case(stored, nobody, case.judgement, people)).completed_by
            if person is None:
                return stored
            actor = await self._confirmed(Actor(person, may_review=True), stored.id)

            async def look() -> Case:
                digest = case.judgement.sealed
                found = await self._allowed("merge", actor, stored.id, stored.head, digest, without)
                if not found.merges_when_approved or found.completed_by != actor.user:
                    raise moved_error()
                return found

            return await self._merge(actor, stored.id, look)
        except (ServiceError, UnavailableError, GitError) as error:
            log.info("the proposal %s is not merged by itself now: %s", stored.id, error)
            return stored

    async def merge_if_automatic(self, actor: Actor, stored: StoredProposal) -> StoredProposal:
        """Merge what needs nobody's approval, if a person proposed it. What a session proposed waits for the person."""
        if not actor.may_review:
            return stored
        try:
            case = await self._proposals.case(stored, actor.user)
            if not case.merges_itself or refusal_of("merge", case, actor):
                return stored
            return await self.merge(actor, stored.id, stored.head, case.judgement.sealed)
        except (ServiceError, UnavailableError):
            return stored  # the proposal's page shows why, and what helps

    async def _confirmed(self, actor: Actor, proposal: str) -> Actor:
        """Return an actor with the groups that the identity provider tells now. One who may not review is refused."""
        if not actor.may_review:
            return actor
        user = await self._identities.confirmed(actor.user, f"proposals/{proposal}")
        return dataclasses.replace(actor, user=user)

    async def _unconfirmed(self, actor: Actor, proposal: str) -> frozenset[str]:
        """Ask about those who approved, so that their groups count as they are now. Return those who do not count."""
        stored = await self._proposals.visible(proposal, actor.user)
        approved = {record.by for record in stored.records if record.kind == "approved"} if actor.may_review else set()
        return await self._identities.unconfirmed(approved - {actor.user.name})

    async def _allowed(
        self,
        action: Action,
        actor: Actor,
        proposal: str,
        head: str | None,
        digest: str | None = None,
        without: frozenset[str] = frozenset(),
    ) -> Case:
        """Check an action now, as if those in `without` had not approved."""
        # A merge ends a proposal and moves main at once: one that is open after main was read was open on that main.
        main = await self._proposals.main()
        stored = await self._proposals.visible(proposal, actor.user)
        judgement = await self._proposals.judgement(stored, main, actor.user) if stored.open else None
        people = {name: user for name, user in (await self._proposals.people([stored])).items() if name not in without}
        case = await self._proposals.case(stored, actor.user, judgement, people)
        # Who is not told of problems elsewhere may approve: nothing is merged before somebody who is told has, too.
        refusal = refusal_of(
            action, await self._proposals.told(case, actor.user) if action == "approve" else case, actor
        )
        if refusal:
            problems = (await self._proposals.seen_check(case, actor.user)).errors if refusal.code == "problems" else ()
            raise ServiceError(refusal, problems)
        if head is not None and head != case.stored.head:
            what, why = "Nothing was decided.", "The proposal has changed since you looked at it."
            raise refused(409, "head-moved", what, why, "Look at it again, then decide.", link=f"proposals/{proposal}")
        if digest == "":
            why, remedy = "It does not say which digest was looked at.", "Look at it, then send the digest that it has."
            raise refused(400, "digest-missing", "Nothing was decided.", why, remedy, link=f"proposals/{proposal}")
        if digest is not None and digest != case.judgement.sealed:
            why = "Main has moved, and what the proposal does is not what you looked at any more."
            remedy = "Look at it again, then decide."
            raise refused(409, "digest-changed", "Nothing was decided.", why, remedy, link=f"proposals/{proposal}")
        if action != "reject" and case.check.needs_sign_in:
            await self._sign_ins.check_fresh(actor.user.name, actor.sign_in, case.main, f"proposals/{proposal}")
        return case


def _unconfirmed(removed: tuple[str, ...], proposal: str) -> ServiceError:
    number = f"{len(removed)} file{'' if len(removed) == 1 else 's'}"
    why = f"It removes {number} at once: {', '.join(removed[:20])}{' …' if len(removed) > 20 else ''}."
    remedy = "Look at what is removed. Then merge with `confirm_removal: true`, or tick the box on its page."
    return refused(409, "removal-unconfirmed", "It is not merged yet.", why, remedy, link=f"proposals/{proposal}")


def _says_the_same(record: Record, other: Record) -> bool:
    """Return whether two records are one, have one text, or one title that somebody wrote."""
    same = record.commit == other.commit or (bool(record.text) and record.text == other.text)
    return same or (record.own_title and other.own_title and record.title == other.title)


def merge_message(case: Case, by: str, confirmed: Sequence[str] = ()) -> str:
    """Format the message of the merge commit: the title, the reason, and trailers that say who did what.

    With `confirmed` commits of main, that of an empty commit that confirms them as this merge.
    """

    def line(text: str) -> str:
        return " ".join(text.split())

    stored, current = case.stored, case.stored.current
    types = sorted({"text" if change.category == "layout" else change.category for change in case.check.changes})
    automatic = [] if case.requirements or not types else [f"Approved-by: {AUTOMATIC}{', '.join(types)})"]
    trailers = [
        f"Proposal: {stored.id}",
        f"Proposed-by: {line(stored.proposer)}",
        *(f"Approved-by: {line(record.by)}" for record in case.approvals),
        *automatic,
        # The catalog applies the removals of a merge that names its own head.
        *([f"{CONFIRMS_REMOVAL}: {stored.head}"] if case.judgement.removals and not confirmed else []),
        *(f"{CONFIRMS_PUSH}: {commit}" for commit in confirmed),
        f"Merged-by: {line(by)}",
        f"Reason: {line(current.text)}",
    ]
    return f"{MERGE}{line(current.title)[:100]}\n\n{current.text}\n\n" + "\n".join(trailers) + "\n"
