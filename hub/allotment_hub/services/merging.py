"""Merges by itself what has every approval, where the files of its teams say `merge: when-approved`.

An approval tries that at once. This looks again for what was left: after the service was killed, when main has moved,
when the hub or the identity provider did not answer.
"""

import asyncio
import contextlib
import logging

from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.reviewing import Reviews
from allotment_profiles.git.process import GitError
from allotment_profiles.model.problems import AllotmentError

log = logging.getLogger(__name__)

SECONDS = 60.0
"""How often what has approvals is looked at while nothing changes."""
_MOVED_SECONDS = 1.0
"""How often it is looked whether another revision applies; that reads nothing."""


class ApprovedMerges:
    """Looks for open proposals that have approvals and were not merged."""

    def __init__(self, proposals: Proposals, reviews: Reviews, seconds: float = SECONDS) -> None:
        self._proposals = proposals
        self._reviews = reviews
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to look. Call it once inside the running loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop. What is not merged is merged after the next start."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Merge what can be merged now. Raise GitError."""
        if not any(entry.value.merge == "when-approved" for entry in self._proposals.catalog.teams.values()):
            return
        for stored in await self._proposals.open_ones():
            if any(record.kind == "approved" and record.head == stored.head for record in stored.records):
                await self._reviews.merge_when_approved(stored)

    async def _run(self) -> None:
        while True:
            revision = self._proposals.catalog.revision
            try:
                await self.look()
            except (GitError, AllotmentError) as error:
                log.info("what has approvals was not looked at: %s", error)
            except Exception:  # if the task ended, nobody would notice
                log.exception("what has approvals was not looked at")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    while self._proposals.catalog.revision == revision:  # noqa: ASYNC110  (there is no event for it)
                        await asyncio.sleep(_MOVED_SECONDS)
