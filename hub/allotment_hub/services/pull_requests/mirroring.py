"""Keeps pull requests and proposals together: what is recorded goes out, what people do there comes in.

It looks when something changed here, when a webhook says so, and every `poll_seconds`. Every step can be made again:
after a crash, a lost file or a forge that was away, the next look does what is missing. The record decides; a forge
that is away delays what is done there, and nothing else.
"""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import logging
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from allotment_hub.errors import ServiceError, UnavailableError
from allotment_hub.forges.pull_requests.errors import (
    ForgeError,
    ForgeLimitedError,
    ForgeMissingError,
    ForgeRefusedError,
)
from allotment_hub.forges.pull_requests.forge import Forge
from allotment_hub.forges.pull_requests.markdown import Markdown
from allotment_hub.forges.pull_requests.values import Act, ForgeAccount, PullRequest
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.proposing import written
from allotment_hub.services.pull_requests.showing import Showing
from allotment_hub.services.pull_requests.shown import Shown, ShownPullRequests
from allotment_profiles.git.process import GitError
from allotment_profiles.model.problems import Refusal

log = logging.getLogger(__name__)

LOCAL_SECONDS = 0.5
"""How often it is looked whether something changed here; that reads two references."""
AGAIN_SECONDS = 1.0
APART_SECONDS = 0.5
"""How far apart looks begin at least, however many webhooks ask for one."""
SETTLED_SECONDS = 5.0
"""The times of a forge are to the second: one that was looked at so soon after its last change is looked at again."""
NOTICE = dt.timedelta(seconds=30)
"""How long a forge has to notice by itself that a pull request was merged; then the service closes it."""
SHOW_AGAIN_SECONDS = 600.0
"""How often what a pull request shows is compared with the people of the moment, whatever else changed."""


class Recorder(Protocol):
    """Records what people did on pull requests."""

    async def take(
        self, stored: StoredProposal, pull_request: PullRequest, acts: Sequence[Act], shown: Shown, me: ForgeAccount
    ) -> StoredProposal:
        """Record those acts that are not recorded yet. Raise UnavailableError where they have to wait."""


@dataclass(frozen=True, slots=True)
class ForgeStatus:
    """How it went when the forge was asked last."""

    error: Refusal | None
    since: dt.datetime
    """Since when it is so."""
    looked: dt.datetime | None = None
    """When everything was looked at last; None before the first time."""


class PullRequests:
    """Follows the pull requests of one repository."""

    def __init__(
        self,
        forge: Forge,
        proposals: Proposals,
        showing: Showing,
        acts: Recorder | None,
        shown: ShownPullRequests,
        poll_seconds: float = 30,
    ) -> None:
        self.forge = forge
        self._proposals = proposals
        self._showing = showing
        self._acts = acts
        self._shown = shown
        self._poll_seconds = poll_seconds
        self.status = ForgeStatus(None, dt.datetime.now(dt.UTC))
        self._waits = False
        """Whether something is expected to happen on the forge in a moment."""
        self.open_count = 0
        """How many pull requests into main were open at the last look."""
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._settled: dict[int, tuple[dt.datetime, float]] = {}
        """When each pull request was last changed, by the forge, and when that was seen here first."""
        self._compared: dict[str, tuple[object, float]] = {}
        """What each proposal stood on when it was last compared with its pull request, and when that was."""

    def start(self) -> None:
        """Start to follow. Call it once inside the running loop."""
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop, and close the connections."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.forge.aclose()
        self._shown.close()

    def wake(self, number: int | None = None) -> None:
        """Look at once: a webhook says that something happened, perhaps on the one with a number.

        All are looked at, whatever the number is: which have changed is one call.
        """
        if number is not None:
            self._settled.pop(number, None)
        self._woken.set()

    async def _follow(self) -> None:
        while True:
            self._woken.clear()
            next_begin = time.monotonic() + APART_SECONDS
            before = await self._state()
            pause = await self._attempt()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    while not self._woken.is_set() and await self._state() == before:
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(self._woken.wait(), LOCAL_SECONDS)
            await asyncio.sleep(max(0.0, next_begin - time.monotonic()))

    async def _state(self) -> object:
        """Return what changes when something is recorded here, or main moves."""
        try:
            return await self._proposals.main(), [stored.tip for stored in await self._proposals.open_ones()]
        except GitError:
            return None

    async def _attempt(self) -> float:
        """Look at everything. Return after how many seconds to look again, if nothing happens until then."""
        try:
            await self.look()
        except ForgeLimitedError as error:
            self._failed(error.refusal)
            return max(1.0, (error.until - dt.datetime.now(dt.UTC)).total_seconds())
        except (ForgeError, UnavailableError, ServiceError) as error:
            self._failed(error.refusal)
        except GitError as error:
            self._failed(Refusal("pull-requests-failed", "The records cannot be read now.", str(error), "", status=503))
        except Exception:  # if the task ended, nobody would notice
            log.exception("the pull requests were not followed")
            self._failed(Refusal("pull-requests-failed", "An error of the service.", "Its log has it.", "", status=500))
        else:
            now = dt.datetime.now(dt.UTC)
            since = now if self.status.error else self.status.since
            if self.status.error:
                log.warning("the forge answers again")
            self.status = ForgeStatus(None, since, now)
        return AGAIN_SECONDS if self._waits else self._poll_seconds

    def _failed(self, refusal: Refusal) -> None:
        if self.status.error is None or self.status.error.code != refusal.code:
            log.warning("the pull requests are not up to date: %s", refusal.sentence)
            self.status = dataclasses.replace(self.status, error=refusal, since=dt.datetime.now(dt.UTC))

    # -- one look

    async def look(self) -> None:
        """Bring every pull request and its proposal together. Raise ForgeError, UnavailableError, GitError."""
        self._waits = False
        me = await self.forge.me()
        there = await self.forge.open_pull_requests()
        self.open_count = len(there)
        still_open = await self._proposals.open_ones()
        for stored in still_open:
            await self._apart(stored.id, self._together(stored, there, me))
        ids = {stored.id for stored in still_open}
        await self._find_forgotten(there, ids)
        for shown in self._shown.all():
            if shown.proposal not in ids:
                await self._apart(shown.proposal, self._end(shown, me))
        await self._remove_branches()
        for gone in self._compared.keys() - ids:
            del self._compared[gone]

    async def _apart(self, proposal: str, step: Awaitable[None]) -> None:
        """Await a step for one proposal. What is wrong with this one alone keeps no other from being looked at."""
        try:
            await step
        except (ForgeRefusedError, ForgeMissingError, ServiceError) as error:
            log.warning("the pull request of the proposal %s is not up to date: %s", proposal, error.refusal.sentence)

    async def _together(self, stored: StoredProposal, there: Sequence[PullRequest], me: ForgeAccount) -> None:
        pull_request = await self._pull_request(stored, there)
        shown = self._shown.of(stored.id)
        if shown is None or shown.number != pull_request.number:
            shown = Shown(stored.id, pull_request.number)
        stored, shown = await self._take(stored, pull_request, shown, me)
        if not stored.open:
            self._shown.keep(shown)
            return
        await self._show(stored, pull_request, shown)

    async def _pull_request(self, stored: StoredProposal, there: Sequence[PullRequest]) -> PullRequest:
        """Return the pull request of a proposal; open one where it has none."""
        source, shown = stored.records[0].source, self._shown.of(stored.id)
        number = source.pull_request if source else shown.number if shown else 0
        branch = f"propose/{stored.id}"
        for each in there:
            if each.number == number or (not number and each.branch == branch and not each.foreign):
                return each
        if number:
            with contextlib.suppress(ForgeMissingError):
                return await self.forge.get(number)
        return await self._showing.open(stored)

    async def _take(
        self, stored: StoredProposal, pull_request: PullRequest, shown: Shown, me: ForgeAccount
    ) -> tuple[StoredProposal, Shown]:
        """Record what people did there since the last look."""
        first_seen = self._settled.get(pull_request.number)
        if self._acts is None:
            return stored, shown
        if first_seen and first_seen[0] == pull_request.updated and time.monotonic() - first_seen[1] > SETTLED_SECONDS:
            return stored, shown
        acts = await self.forge.acts(pull_request, shown.looked)
        stored = await self._acts.take(stored, pull_request, acts, shown, me)
        if acts:
            shown = dataclasses.replace(shown, looked=acts[-1].time)
            self._shown.keep(shown)
        if not first_seen or first_seen[0] != pull_request.updated:
            self._settled[pull_request.number] = pull_request.updated, time.monotonic()
        return stored, shown

    async def _show(self, stored: StoredProposal, pull_request: PullRequest, shown: Shown) -> None:
        state = stored.tip, pull_request.head, await self._proposals.main(), dt.datetime.now(dt.UTC).date()
        compared = self._compared.get(stored.id)
        if compared and compared[0] == state and time.monotonic() - compared[1] < SHOW_AGAIN_SECONDS:
            return
        self._shown.keep(await self._showing.show(stored, pull_request, shown))
        self._compared[stored.id] = state, time.monotonic()

    # -- at the end

    async def _end(self, shown: Shown, me: ForgeAccount) -> None:
        """Let the pull request of a proposal that has ended say so, and close it where the forge did not."""
        try:
            stored = await self._proposals.stored(shown.proposal)
            pull_request = await self.forge.get(shown.number)
        except (ServiceError, ForgeMissingError):
            self._shown.forget(shown.proposal)
            return
        ending = stored.ending
        if ending is None:
            return
        stored, shown = await self._take(stored, pull_request, shown, me)
        await self._showing.show(stored, pull_request, shown)
        ended = dt.datetime.now(dt.UTC) - ending.time
        noticed = not ending.merge or not pull_request.is_open
        if not noticed and not await self.forge.mark_merged(shown.number, ending.merge) and ended < NOTICE:
            self._waits = True  # the forge closes it by itself, when it has seen main
            return
        what = f"It was merged as {ending.merge}." if ending.merge else f"It was {ending.kind} in Allotment."
        await self.forge.close(shown.number, Markdown(what))
        self._shown.forget(shown.proposal)
        self._settled.pop(shown.number, None)

    async def _remove_branches(self) -> None:
        """Remove the branches of merged proposals whose pull requests say so."""
        ended = await asyncio.to_thread(self._proposals.forge.ended_branches)
        for stored in ended.values():
            if self._shown.of(stored.id) is None:
                await self._apart(stored.id, written(self._proposals.forge.remove_branch, stored))

    async def _find_forgotten(self, there: Sequence[PullRequest], still_open: set[str]) -> None:
        """Find open pull requests of proposals that have ended, where it was forgotten that they are shown."""
        for each in there:
            proposal = each.branch.removeprefix("propose/")
            if each.foreign or proposal == each.branch or proposal in still_open or self._shown.of(proposal):
                continue
            with contextlib.suppress(ServiceError):
                if (await self._proposals.stored(proposal)).ending:
                    self._shown.keep(Shown(proposal, each.number))
