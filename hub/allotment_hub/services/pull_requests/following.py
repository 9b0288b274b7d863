"""One look at all pull requests: each proposal and its pull request are brought together, in both directions.

Every step can be made again: after a crash, a lost file or a forge that was away, the next look does what is missing.
"""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from allotment_hub.errors import ServiceError, UnavailableError
from allotment_hub.forges.pull_requests.adapter import MAIN
from allotment_hub.forges.pull_requests.errors import (
    ForgeError,
    ForgeLimitedError,
    ForgeMissingError,
    ForgeRefusedError,
    ForgeTooLargeError,
)
from allotment_hub.forges.pull_requests.forge import Forge
from allotment_hub.forges.pull_requests.markdown import Markdown
from allotment_hub.forges.pull_requests.values import ActKind, ForgeAccount, PullRequest, PullRequestState
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.identities import Identities
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.proposing import Submissions, written
from allotment_hub.services.proposals.reviewing import Reviews
from allotment_hub.services.pull_requests.acts import Acts
from allotment_hub.services.pull_requests.adopting import Adopting, Adoption
from allotment_hub.services.pull_requests.adoptions import SECONDS, Adoptions
from allotment_hub.services.pull_requests.merged_there import MergedThere
from allotment_hub.services.pull_requests.people import ForgePeople
from allotment_hub.services.pull_requests.showing import ForgePlace, Showing, said_elsewhere
from allotment_hub.services.pull_requests.shown import NEVER, Shown, ShownPullRequests
from allotment_hub.services.pull_requests.waiting_heads import WaitingHeads
from allotment_profiles.git.process import GitError
from allotment_profiles.model.problems import AllotmentError

log = logging.getLogger(__name__)

SETTLED_SECONDS = 5.0
"""The times of a forge are to the second: one that was looked at so soon after its last change is looked at again."""
NOTICE = dt.timedelta(seconds=30)
"""How long a forge has to notice by itself that a pull request was merged; then the service closes it."""
SHOW_AGAIN_SECONDS = 600.0
"""How often what a pull request shows is compared with the people of the moment, whatever else changed."""
OVERLAP = dt.timedelta(minutes=5)
"""How far before the last look acts are read again: a forge is asked for one list after the other."""
MAXIMUM_FAILURES = 3
"""How many pull requests, one after the other, cannot be looked at before it is the forge that is taken to be away.

After so many failures, those that could not be looked at before wait for the next look.
"""
_TOO_LONG = (
    "There are too many comments on it, or too long ones, so what people do there is not read, and it does not show"
    " what changes here. Decide in Allotment."
)


@dataclass(frozen=True)
class Windows:
    """What carries records out to pull requests, and what people do there in."""

    showing: Showing
    acts: Acts
    adopting: Adopting
    waiting: WaitingHeads
    merged_there: MergedThere
    people: ForgePeople
    shown: ShownPullRequests
    host: str
    """The forge's, as the records of adopted pull requests have it."""

    @classmethod
    def built(
        cls,
        forge: Forge,
        proposals: Proposals,
        submissions: Submissions,
        reviews: Reviews,
        identities: Identities,
        place: ForgePlace,
        state: Path | None,
    ) -> Self:
        """Build it on the services, with the file that keeps what was shown."""
        kind, host = place.kind, place.host
        adopting = Adopting(proposals, submissions, identities, kind, host)
        return cls(
            showing=Showing(forge, proposals, identities, place),
            acts=Acts(proposals, submissions, reviews, identities, kind, host),
            adopting=adopting,
            waiting=WaitingHeads(forge, adopting, proposals, submissions),
            merged_there=MergedThere(proposals, kind, identities),
            people=ForgePeople(identities, kind, host),
            shown=ShownPullRequests(state, f"{kind} {host} {place.repository}"),
            host=host,
        )


class Following:
    """Looks at all pull requests of a repository, and keeps what need not be looked at again."""

    def __init__(self, forge: Forge, proposals: Proposals, windows: Windows, adopting_seconds: float = SECONDS) -> None:
        """A look waits `adopting_seconds` for all that it adopts."""
        self.forge = forge
        self.adoptions = Adoptions(windows.adopting, adopting_seconds)
        self._proposals = proposals
        self._windows = windows
        self.shown = windows.shown
        self.waiting = windows.waiting
        self.waits = False
        """Whether something is expected to happen on the forge in a moment."""
        self.open_count = 0
        """How many pull requests into main were open at the last look."""
        self.elsewhere: dict[str, str] = {}
        """What is said of the pull requests of open proposals on which nothing is decided, by proposal."""
        self._late: AllotmentError | None = None
        """What was wrong with one of them, to be raised once all have been looked at."""
        self._failures = 0
        self._failed: dict[str, float] = {}
        """Those whose last step failed, and when that was. Whatever is on a pull request, it stops no other."""
        self._postponed: dict[str, Callable[[], Awaitable[None]]] = {}
        """Their steps of this look, which come last."""
        self._settled: dict[int, tuple[dt.datetime, float]] = {}
        """When each pull request was last changed, by the forge, and when that was seen here first."""
        self._compared: dict[str, tuple[object, float]] = {}
        """What each proposal stood on when it was last compared with its pull request, and when that was."""
        self._said: dict[int, tuple[str, str]] = {}
        """What was written on each pull request that is no proposal: its head, and why it is none."""

    def changed(self, number: int) -> None:
        """Note that something happened on a pull request."""
        self._settled.pop(number, None)

    async def close(self) -> None:
        """Close the connections and the file."""
        await self.adoptions.close()
        await self.forge.aclose()
        self.shown.close()

    async def look(self) -> None:
        """Bring every pull request and its proposal together.

        Raise ForgeError where the forge cannot be asked, UnavailableError where somebody could not be asked, once
        everything else was looked at, and GitError.
        """
        self.waits, self._late, self._failures, self._postponed = False, None, 0, {}
        began = time.monotonic()
        self.adoptions.begin()
        me = await self.forge.me()
        there = await self.forge.open_pull_requests()
        self.open_count = len(there)
        numbers = {each.number for each in there}
        self.waiting.keep_only(numbers)
        self.adoptions.keep_only(numbers)
        still_open = await self._proposals.open_ones()
        for stored in still_open:
            await self._apart(stored.id, partial(self._together, stored, there, me))
        ids = {stored.id for stored in still_open}
        await self._find_forgotten(there, ids)
        kept = self.shown.all()
        known = {shown.number for shown in kept}
        for shown in kept:
            if shown.proposal not in ids:
                await self._apart(shown.proposal, partial(self._end, shown, me))
        await self._remove_branches()
        await self._adopt([each for each in there if each.number not in known])
        for kept_by_proposal in (self._compared, self.elsewhere):
            for gone in kept_by_proposal.keys() - ids:
                del kept_by_proposal[gone]
        await self._try_again()
        self._failed = {what: at for what, at in self._failed.items() if at >= began or what in self._postponed}
        if self._late:
            raise self._late

    async def _apart(self, proposal: str, step: Callable[[], Awaitable[None]]) -> None:
        """Await or postpone a step for one proposal. What is wrong with this one alone stops no other."""
        if proposal in self._failed:
            self._postponed[proposal] = step
        else:
            await self._taken(proposal, step)

    async def _try_again(self) -> None:
        """Await the steps that failed before, those first that have waited longest, until too many fail again."""
        self._failures = failed = 0
        for proposal in sorted(self._postponed, key=self._failed.__getitem__):
            await self._taken(proposal, self._postponed[proposal])
            failed += proposal in self._failed
            if failed == MAXIMUM_FAILURES:
                break

    async def _taken(self, proposal: str, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
            self._failures = 0
            self._failed.pop(proposal, None)
        except ForgeLimitedError:
            raise
        except ForgeTooLargeError as error:  # the forge is well, and answers too much
            log.warning("the pull request of the proposal %s is not followed: %s", proposal, error)
            self._failed[proposal] = time.monotonic()
            self.elsewhere[proposal] = _TOO_LONG
        except (ForgeRefusedError, ForgeMissingError, ServiceError) as error:
            log.warning("the pull request of the proposal %s is not up to date: %s", proposal, error.refusal.sentence)
        except (ForgeError, UnavailableError, GitError) as error:
            log.warning("the pull request of the proposal %s cannot be looked at: %s", proposal, error)
            self._late = self._late or error
            if not isinstance(error, ForgeError):
                return
            self._failed[proposal] = time.monotonic()
            self._failures += 1
            if self._failures == MAXIMUM_FAILURES:
                raise

    # -- an open proposal

    async def _together(self, stored: StoredProposal, there: Sequence[PullRequest], me: ForgeAccount) -> None:
        pull_request = await self._pull_request(stored, there)
        shown = self.shown.of(stored.id)
        if shown is None or shown.number != pull_request.number:
            shown = Shown(stored.id, pull_request.number, address=pull_request.address)
            self.shown.keep(shown)
        if not self._is_settled(pull_request):
            shown = await self._verified(stored, pull_request, shown)
        adoption = Adoption(stored, "")
        try:
            stored, adoption = await self._take(stored, pull_request, shown, me)
        except UnavailableError as error:  # what was done there waits, and what it is now is shown all the same
            self._late = self._late or error
        if stored.open and pull_request.state is PullRequestState.MERGED:
            stored = await self._merged(stored, pull_request)
        self.elsewhere.pop(stored.id, None)
        here = "" if adoption.waits else adoption.why_not
        if stored.open and (said := said_elsewhere(pull_request) or here):
            self.elsewhere[stored.id] = said
        if stored.open and not adoption.later:
            await self._show(stored, pull_request, self.shown.of(stored.id) or shown, adoption)

    async def _verified(self, stored: StoredProposal, pull_request: PullRequest, shown: Shown) -> Shown:
        """Return what a pull request shows: nothing that could be approved, where somebody has changed what it says."""
        if not await self._windows.showing.is_as_written(stored, pull_request, shown):
            log.warning("somebody has edited what the pull request %d says; it is written again", pull_request.number)
            shown = dataclasses.replace(shown, digest="", text="", written="")
            self.shown.keep(shown)
        self._compared.pop(stored.id, None)
        return shown

    async def _pull_request(self, stored: StoredProposal, there: Sequence[PullRequest]) -> PullRequest:
        """Return the pull request of a proposal; open one where it has none."""
        source, shown = stored.records[0].source, self.shown.of(stored.id)
        number = source.pull_request if source else shown.number if shown else 0
        known = source is not None and (source.server == self._windows.host or (shown and shown.number == number))
        is_own = partial(_is_of, stored, known=bool(known))
        found = next((each for each in there if each.number == number and is_own(each)), None)
        if found is None and number:
            with contextlib.suppress(ForgeMissingError):
                found = await self.forge.get(number)
        if found and is_own(found):
            return found
        found = next((each for each in there if each.branch == f"propose/{stored.id}" and not each.foreign), None)
        return found or await self._windows.showing.open(stored)

    async def _take(
        self, stored: StoredProposal, pull_request: PullRequest, shown: Shown, me: ForgeAccount
    ) -> tuple[StoredProposal, Adoption]:
        """Record what people did there since the last look. Return also what became of what was pushed there."""
        began, since = self.forge.clock, shown.looked - OVERLAP if shown.looked > NEVER else None
        acts = () if self._is_settled(pull_request) else await self.forge.acts(pull_request, since)
        stored = await self._windows.acts.take(stored, pull_request, acts, shown, me)
        adoption = Adoption(stored, "")
        as_proposed = stored.head == stored.branch == pull_request.head
        if stored.open and not as_proposed and stored.records[0].kind == "adopted":
            adoption = await self.adoptions.of(pull_request) or Adoption(stored, "", later=True)
            if adoption.stored:  # of a while ago, perhaps
                stored = await self._proposals.stored(stored.id)
        else:
            self.adoptions.forget(pull_request.number)
        if not adoption.later:
            self.waiting.note(pull_request, waits=adoption.waits)
        if acts:
            self.shown.keep(dataclasses.replace(shown, looked=began))
        seen = self._settled.get(pull_request.number)
        if not seen or seen[0] != pull_request.updated:
            self._settled[pull_request.number] = pull_request.updated, time.monotonic()
        return stored, adoption

    def _is_settled(self, pull_request: PullRequest) -> bool:
        """Return whether nothing can have happened on a pull request since it was looked at."""
        updated, since = self._settled.get(pull_request.number, (None, 0.0))
        return updated == pull_request.updated and time.monotonic() - since > SETTLED_SECONDS

    async def _merged(self, stored: StoredProposal, pull_request: PullRequest) -> StoredProposal:
        acts = await self.forge.acts(pull_request)
        merge = next((act for act in reversed(acts) if act.kind is ActKind.MERGED), None)
        user = await self._windows.people.user(merge.account) if merge else None
        merged = await self._windows.merged_there.look(
            stored, pull_request, user.name if user else "",
            login=merge.account.login if merge and merge.account else "", time=merge.time if merge else None,
        )  # fmt: skip
        # Main may not be here yet. What was merged into another branch, or long ago, is not waited for.
        soon = pull_request.base == MAIN and self.forge.clock - pull_request.updated < NOTICE
        self.waits = self.waits or (merged.open and soon)
        return merged

    async def _show(self, stored: StoredProposal, pull_request: PullRequest, shown: Shown, adoption: Adoption) -> None:
        main, today = await self._proposals.main(), dt.datetime.now(dt.UTC).date()
        state = stored.tip, stored.branch, (pull_request.head, pull_request.base, adoption.why_not), main, today
        compared = self._compared.get(stored.id)
        if compared and compared[0] == state and time.monotonic() - compared[1] < SHOW_AGAIN_SECONDS:
            return
        self.shown.keep(await self._windows.showing.show(stored, pull_request, shown, adoption))
        self._compared[stored.id] = state, time.monotonic()

    # -- one that is no proposal

    async def _adopt(self, there: Sequence[PullRequest]) -> None:
        """Adopt the pull requests that somebody opened by hand, or let them say why they are not adopted."""
        for each in self.adoptions.due(there):
            await self._apart(f"of the pull request {each.number}", partial(self._adopt_one, each))
        self.waits = self.waits or self.adoptions.more
        for gone in self._said.keys() - {each.number for each in there}:
            del self._said[gone]

    async def _adopt_one(self, pull_request: PullRequest) -> None:
        adoption = await self.adoptions.of(pull_request, self.forge.is_as_opened)
        if adoption is None:
            return
        self.waiting.note(pull_request, waits=adoption.waits)
        said = pull_request.head, adoption.why_not
        if adoption.stored:  # the next look shows what it means; what has ended says so already
            self.waits = self.waits or adoption.stored.open
        elif adoption.why_not and self._said.get(pull_request.number) != said:
            await self._windows.showing.say(pull_request, adoption)
            self._said[pull_request.number] = said

    # -- a proposal that has ended

    async def _end(self, shown: Shown, me: ForgeAccount) -> None:
        """Let the pull request of a proposal that has ended say so, and close it where the forge did not."""
        try:
            stored = await self._proposals.stored(shown.proposal)
            pull_request = await self.forge.get(shown.number)
        except (ServiceError, ForgeMissingError):
            self.shown.forget(shown.proposal)
            return
        ending = stored.ending
        if ending is None:
            return
        _, adoption = await self._take(stored, pull_request, shown, me)
        await self._windows.showing.show(stored, pull_request, shown, adoption)
        ended = dt.datetime.now(dt.UTC) - ending.time
        noticed = not ending.merge or not pull_request.is_open
        if not noticed and not await self.forge.mark_merged(shown.number, ending.merge) and ended < NOTICE:
            self.waits = True  # the forge closes it by itself, when it has seen main
            return
        what = f"It was merged as {ending.merge}." if ending.merge else f"It was {ending.kind} in Allotment."
        await self.forge.close(shown.number, Markdown(what))
        self.shown.forget(shown.proposal)
        self._settled.pop(shown.number, None)

    async def _remove_branches(self) -> None:
        """Remove the branches of merged proposals whose pull requests say so."""
        ended = await asyncio.to_thread(self._proposals.forge.ended_branches)
        for stored in ended.values():
            if self.shown.of(stored.id) is None:
                await self._apart(stored.id, partial(written, self._proposals.forge.remove_branch, stored))

    async def _find_forgotten(self, there: Sequence[PullRequest], still_open: set[str]) -> None:
        """Find open pull requests of proposals that have ended, where it was forgotten that they are shown."""
        for each in there:
            proposal = each.branch.removeprefix("propose/")
            if each.foreign or proposal == each.branch or proposal in still_open or self.shown.of(proposal):
                continue
            with contextlib.suppress(ServiceError):
                if (await self._proposals.stored(proposal)).ending:
                    self.shown.keep(Shown(proposal, each.number, address=each.address))


def _is_of(stored: StoredProposal, pull_request: PullRequest, *, known: bool) -> bool:
    """Return whether a pull request is that of a proposal: on another server, its number is that of another one.

    That of an adopted one is, where it is `known` to be of this server, or has a head of it.
    """
    if pull_request.branch == f"propose/{stored.id}" and not pull_request.foreign:
        return True
    heads = {stored.branch, *(record.head for record in stored.records)}
    return stored.records[0].source is not None and (known or pull_request.head in heads)
