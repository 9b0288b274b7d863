"""The forge's own merge button: what it put on main is confirmed where it was judged and approved here, exactly so.

The service cannot take back what is on main. Where main got exactly what was judged, and every approval that it needed
was recorded before, and whoever pressed it is a user who could have merged it on its page, the service says so with a
signed commit on main, and the merge counts as reviewed. That is one commit: of several, nobody has judged each.
Everything else ends the proposal as *not reviewed here*; the policy says whether it applies before it is confirmed.
"""

import asyncio
import dataclasses
import datetime as dt
from dataclasses import dataclass

from allotment_hub.errors import UnavailableError
from allotment_hub.forges.heads import MergeConflictError
from allotment_hub.forges.landing import Landing, is_exactly, landings
from allotment_hub.forges.pull_requests.values import PullRequest, PullRequestState
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.forges.webhooks import ForgeKind
from allotment_hub.services.identities import Identities
from allotment_hub.services.proposals.case import Case
from allotment_hub.services.proposals.judgements import NOBODY
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.reviewing import merge_message
from allotment_hub.services.proposals.rights import Actor, refusal_of
from allotment_profiles.access.people import User
from allotment_profiles.git.repository import RefMovedError
from allotment_profiles.model.problems import Refusal
from allotment_profiles.records.record import FORGES, Source

MERGED = "merged"
"""The act of the source of a record of a merge there."""
_ROUNDS = 5
_OTHER = ", and main has got something else than what was judged here"
_PROBLEMS = ", although it has problems"
_SEVERAL = " as several commits on main, and each alone was not judged: only their sum was"
_SIGN_IN = ", and the policy asks for a fresh sign-in, which only the page knows"


@dataclass(frozen=True, slots=True)
class _Found:
    """What the forge has put on main."""

    time: dt.datetime
    """When, as far as the commit tells."""
    landing: Landing | None
    """None where it is not exactly what the proposal proposes."""


class MergedThere:
    """Records the merges that people make with the forge's own button."""

    def __init__(self, proposals: Proposals, kind: ForgeKind, identities: Identities | None = None) -> None:
        """With `identities`, ask who those are now who have approved, as before a merge on the page."""
        self._proposals = proposals
        self._kind = kind
        self._identities = identities
        self._forge = proposals.forge
        self._lock = asyncio.Lock()

    async def look(
        self,
        stored: StoredProposal,
        pull_request: PullRequest,
        by: str,
        *,
        login: str = "",
        time: dt.datetime | None = None,
    ) -> StoredProposal:
        """Record that an open proposal was merged with the forge's own button.

        Confirm it where it is exactly what was judged and approved. `by` is the user who pressed the button, empty
        where the hub knows nobody, `login` the account, and `time` when that was, by the forge. A merge that is not
        here yet is found by a later look. Raise UnavailableError, GitError.
        """
        async with self._lock:
            for _ in range(_ROUNDS):
                main = await self._proposals.main()
                stored = await self._proposals.stored(stored.id)
                merge = pull_request.merge_commit
                if not stored.open or pull_request.state is not PullRequestState.MERGED or not merge:
                    return stored
                found = await asyncio.to_thread(self._find, stored, merge, main)
                if found is None:
                    return stored
                case, why = await self._judged(stored, found, time or pull_request.merged_at or found.time, by)
                source = Source(self._kind, pull_request.number, MERGED, login)
                try:
                    return await asyncio.to_thread(self._record, stored, found, case, why, (merge, main, by), source)
                except RefMovedError:
                    continue  # another change was faster: look at everything again
            raise RefMovedError(f"main, or the proposal {stored.id}, has moved too often")

    def _find(self, stored: StoredProposal, merge: str, main: str) -> _Found | None:
        """Look what came to main. Return None while it is not here."""
        repository = self._forge.repository
        if not repository.sizes([merge]) or not repository.is_ancestor(merge, main):
            return None
        (commit,) = repository.commits([merge])
        found = _Found(commit.time, None)
        if merge not in repository.first_parents(main, until=stored.current.base):
            return found
        for landing in landings(repository, merge, stored.current.base, stored.head):
            try:
                candidate = self._forge.candidate(stored, landing.before)
            except MergeConflictError:
                continue
            if is_exactly(repository, landing, candidate):
                return dataclasses.replace(found, landing=landing)
        return found

    async def _judged(
        self, stored: StoredProposal, found: _Found, time: dt.datetime, by: str
    ) -> tuple[Case | None, str]:
        """Judge what came to main by what was so before, and return why it does not count as reviewed."""
        if found.landing is None:
            return None, _OTHER
        if len(found.landing.commits) > 1:
            return None, _SEVERAL
        approved = {record.by for record in stored.records if record.kind == "approved"}
        asked = approved | ({by} if by else set())
        without = await self._identities.unconfirmed(asked) if self._identities else frozenset()
        # What was approved later, or by somebody of whom nothing is known now, is no approval of this merge.
        counting = tuple(
            record
            for record in stored.records
            if record.kind != "approved" or (record.time <= time and record.by not in without)
        )
        # The branch may be gone by now: forges remove what was merged.
        then = dataclasses.replace(stored, records=counting, branch=stored.head)
        judgement = await self._proposals.judgements.at(then, found.landing.before, time.date(), by or NOBODY)
        if judgement.check and not judgement.check.lasting:
            raise _interrupted(judgement.check.errors[0].message)
        identity = await self._identities.known(by) if self._identities and by else None
        user = identity.user if identity else User(by, frozenset())
        case = await self._proposals.case(then, user, judgement)
        why = _why_not_reviewed(case, user, is_confirmed=by not in without)
        return (None, why) if why else (case, "")

    def _record(
        self,
        stored: StoredProposal,
        found: _Found,
        case: Case | None,
        why: str,
        what: tuple[str, str, str],
        source: Source,
    ) -> StoredProposal:
        (merge, main, by), landing = what, found.landing
        before = landing.before if landing else ""
        if case is None or landing is None:
            text = f"It was merged with {FORGES[self._kind]}'s own button{why}."
            return self._forge.merged_there(stored, merge, by=by, source=source, main=before, text=text)
        message, digest = merge_message(case, by, landing.commits), case.judgement.digest
        return self._forge.merged_there(
            stored, merge, by=by, source=source, main=before, digest=digest, confirmation=message, on=main
        )


def _why_not_reviewed(case: Case, user: User, *, is_confirmed: bool) -> str:
    """Return why what a user has merged there does not count as reviewed, or nothing.

    A user without a name is somebody whom the hub does not know: perhaps the proposer, with another account.
    What the page asks for before a merge is asked for here.
    """
    if case.judgement.conflicts:
        return _OTHER
    if case.check.errors:
        return _PROBLEMS
    if case.unmet:
        return f" before {' and '.join(requirement.who for requirement in case.unmet)} had approved"
    if case.needs_fresh_sign_in:
        return _SIGN_IN
    refusal = refusal_of("merge", case, Actor(user, may_review=True))
    if user.name and refusal is None and is_confirmed:
        return ""
    is_own = refusal is not None and refusal.code == "own-proposal"
    known = f"{user.name}, who {'proposed it' if is_own else 'may not merge it on its page'}"
    return f" by {known if user.name else 'somebody whom the hub does not know'}"


def _interrupted(why: str) -> UnavailableError:
    what, remedy = "The merge is not recorded yet.", "It is looked at again."
    return UnavailableError(Refusal("check-interrupted", what, why, remedy, status=503))
