"""How much waits for a reader: the number in the bar of every page, of the service and of the hub.

It costs a page next to nothing: the number is found beside, kept while nothing has changed, and missing until then.
"""

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from allotment_hub.errors import UnavailableError
from allotment_hub.forges.heads import drop_oldest
from allotment_hub.services.proposals.overview import waiting
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.rights import Actor
from allotment_hub.services.quarantine import Quarantine
from allotment_profiles.git.process import GitError
from allotment_profiles.model.problems import RefusedError

log = logging.getLogger(__name__)

SECONDS = 15.0
"""How long a number is kept while neither main nor the records change: groups of people change, too."""
_UNFINISHED_SECONDS = 2.0
"""The same where something was still being checked."""
WAIT_SECONDS = 0.25
"""How long a page waits for the number."""
_MAXIMUM_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits for a reader."""

    count: int
    """Proposals that they can bring forward, and quarantined commits that they may confirm."""
    checking: int = 0
    """How many more proposals may wait for them: these are still being checked."""


@dataclass(frozen=True, slots=True)
class _Kept:
    state: tuple[str, ...]
    """The commits of main and of the records, and the revision that applies."""
    until: float
    waiting: Waiting


class WaitingNumbers:
    """Finds the number of each reader, and keeps it."""

    def __init__(
        self,
        proposals: Proposals,
        quarantine: Quarantine,
        clock: Callable[[], float] = time.monotonic,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._proposals = proposals
        self._quarantine = quarantine
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._kept: dict[Actor, _Kept] = {}
        self._tasks: dict[Actor, asyncio.Task[Waiting | None]] = {}

    async def of(self, reader: Actor) -> Waiting | None:
        """Return how much waits for a reader; None where it is not known within a moment."""
        reader = dataclasses.replace(reader, sign_in="")
        try:
            state = await asyncio.to_thread(self._state)
        except GitError:
            return None  # the page itself says what is wrong
        kept = self._kept.get(reader)
        if kept and kept.state == state and self._clock() < kept.until:
            return kept.waiting
        task = self._tasks.get(reader)
        if task is None:
            task = self._tasks[reader] = asyncio.create_task(self._found(reader, state))
            task.add_done_callback(lambda _: self._tasks.pop(reader, None))
        await asyncio.wait([task], timeout=self._wait_seconds)
        return task.result() if task.done() and not task.cancelled() else None

    def _state(self) -> tuple[str, ...]:
        forge = self._proposals.forge
        return forge.main(), forge.log.catch_up(), self._proposals.catalog.revision

    async def _found(self, reader: Actor, state: tuple[str, ...]) -> Waiting | None:
        try:
            count, checking = await waiting(self._proposals, reader)
            held = await self._quarantine.seen_by(reader.user) if reader.user.admin and reader.may_review else []
        except (GitError, UnavailableError, RefusedError) as error:
            log.info("what waits for %s is not known: %s", reader.user.name, error)
            return None
        except Exception:
            log.exception("what waits for %s could not be found", reader.user.name)  # no page fails for that
            return None
        found = Waiting(count + sum(commit.refusal(reader) is None for commit in held), checking)
        self._kept.pop(reader, None)
        self._kept[reader] = _Kept(state, self._clock() + (_UNFINISHED_SECONDS if checking else SECONDS), found)
        drop_oldest(self._kept, _MAXIMUM_KEPT)
        return found
