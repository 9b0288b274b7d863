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
from dataclasses import dataclass

from allotment_hub.errors import ServiceError, UnavailableError
from allotment_hub.forges.pull_requests.errors import ForgeError, ForgeLimitedError
from allotment_hub.forges.webhooks import Deliveries
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.pull_requests.following import Following
from allotment_hub.services.pull_requests.waiting_heads import WaitingHeads
from allotment_profiles.git.process import GitError
from allotment_profiles.model.problems import Refusal

log = logging.getLogger(__name__)

LOCAL_SECONDS = 0.5
"""How often it is looked whether something changed here; that reads two references."""
AGAIN_SECONDS = 1.0
"""How soon it is looked again while something is expected to happen on the forge."""
APART_SECONDS = 0.5
"""How far apart looks begin at least, however many webhooks ask for one."""


@dataclass(frozen=True, slots=True)
class ForgeStatus:
    """How it went when the forge was asked last."""

    error: Refusal | None
    since: dt.datetime
    """Since when it is so."""
    looked: dt.datetime | None = None
    """When everything was looked at last; None before the first time."""


def web_address(address: str) -> str:
    """Return an address that a forge tells, if it may be a link: its word is not trusted. Otherwise nothing."""
    return address if address.startswith(("https://", "http://")) else ""


class PullRequests:
    """Follows the pull requests of one repository."""

    def __init__(self, following: Following, proposals: Proposals, poll_seconds: float = 30) -> None:
        """Look every `poll_seconds`, where nothing happens here and no webhook comes."""
        self.following = following
        self._proposals = proposals
        self._poll_seconds = poll_seconds
        self.status = ForgeStatus(None, dt.datetime.now(dt.UTC))
        self.deliveries = Deliveries()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        following.adoptions.on_late = self._woken.set

    @property
    def open_count(self) -> int:
        """How many pull requests into main were open at the last look."""
        return self.following.open_count

    @property
    def waiting(self) -> WaitingHeads:
        """What was pushed to pull requests, and waits for their authors."""
        return self.following.waiting

    def address(self, proposal: str) -> str:
        """Return the page of a proposal's pull request; empty where it is not known."""
        return web_address(self.following.shown.address(proposal))

    def elsewhere(self, proposal: str) -> str:
        """Return why nothing is decided on a proposal's pull request; empty where that can be."""
        return self.following.elsewhere.get(proposal, "")

    def start(self) -> None:
        """Start to follow. Call it once inside the running loop."""
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop, and close the connections."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.following.close()

    def wake(self, number: int | None = None) -> None:
        """Look at once: a webhook says that something happened, perhaps on the one with a number.

        All are looked at, whatever the number is: which have changed is one call.
        """
        if number is not None:
            self.following.changed(number)
        self._woken.set()

    async def _follow(self) -> None:
        while True:
            self._woken.clear()
            next_begin = time.monotonic() + APART_SECONDS
            before = await self._state()
            # Without a catalog, what is judged would be judged by nothing.
            pause = await self._attempt() if self._proposals.catalog.revision else LOCAL_SECONDS
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
        except Exception as error:  # noqa: BLE001  (if the task ended, nothing would be followed any more)
            log.warning("what changed here cannot be told now: %s", error)
            return None

    async def _attempt(self) -> float:
        """Look at everything. Return after how many seconds to look again, if nothing happens until then."""
        try:
            await self.following.look()
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
        return AGAIN_SECONDS if self.following.waits else self._poll_seconds

    def _failed(self, refusal: Refusal) -> None:
        if self.status.error is None or self.status.error.code != refusal.code:
            log.warning("the pull requests are not up to date: %s", refusal.sentence)
            self.status = dataclasses.replace(self.status, error=refusal, since=dt.datetime.now(dt.UTC))
