"""Adoptions beside the looks: what it costs to fetch and read what strangers push keeps nobody's acts waiting.

A look waits some seconds for all adoptions together, and goes on without those that need longer. When one of these is
done, the next look takes what became of it. Of each author, one pull request at a time is adopted.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence, Set

from allotment_hub.forges.pull_requests.values import PullRequest
from allotment_hub.services.pull_requests.adopting import Adopting, Adoption, IsAsOpened

log = logging.getLogger(__name__)

SECONDS = 5.0
"""For how long one look waits for adoptions, for all of them together."""
STRANGER_SECONDS = 60.0
"""How often a pull request is looked at that is not adopted, and has not changed: its author may have signed in."""
MAXIMUM_STRANGERS = 10
"""How many of them are looked at in one look, after everything else."""
_NEVER: tuple[object, float] = (None, float("-inf"))
_NOTHING = ("", "", None)


class Adoptions:
    """What is adopted now, and which pull requests that are no proposals are looked at next."""

    def __init__(self, adopting: Adopting, seconds: float = SECONDS) -> None:
        self._adopting = adopting
        self._seconds = self._left = seconds
        self._running: dict[int, tuple[str, str, asyncio.Task[Adoption]]] = {}
        """By number: the author, the head, and what adopts it, until a look has taken what became of it."""
        self._looked: dict[int, tuple[object, float]] = {}
        """The pull requests that are no proposals, as they were looked at last, and when that was."""
        self.more = False
        """Whether more of them have to be looked at than one look does."""
        self.on_late: Callable[[], None] = lambda: None
        """Called when one is done for which a look did not wait."""

    def begin(self) -> None:
        """Begin a look, which waits as long as it may."""
        self._left, self.more = self._seconds, False

    def due(self, there: Sequence[PullRequest]) -> Iterator[PullRequest]:
        """Yield those of the open pull requests that are no proposals and have to be looked at now."""
        left = MAXIMUM_STRANGERS
        for each in sorted(there, key=lambda each: self._looked.get(each.number, _NEVER)[1]):
            (last, at), state = self._looked.get(each.number, _NEVER), (each.updated, each.head)
            waits = last == state and time.monotonic() - at < STRANGER_SECONDS
            if (waits and each.number not in self._running) or self._is_busy(each):
                continue
            left -= 1
            if left < 0:
                self.more = True
                break
            yield each
            self._looked[each.number] = state, time.monotonic()
        for gone in self._looked.keys() - {each.number for each in there}:
            del self._looked[gone]

    async def of(self, pull_request: PullRequest, is_as_opened: IsAsOpened | None = None) -> Adoption | None:
        """Return what became of a pull request that somebody opened by hand; None where a later look will know.

        Raise as `Adopting.look` does.
        """
        number, (_, head, task) = pull_request.number, self._running.get(pull_request.number, _NOTHING)
        if task is None or (task.done() and head != pull_request.head):
            if self._is_busy(pull_request):
                return None
            task = asyncio.create_task(self._adopting.look(pull_request, is_as_opened=is_as_opened))
            self._running[number] = _author(pull_request), pull_request.head, task
            began = time.monotonic()
            await asyncio.wait({task}, timeout=self._left)
            self._left = max(0.0, self._left - (time.monotonic() - began))
            if not task.done():
                log.info("the pull request %d takes long to adopt; others go on meanwhile", number)
                task.add_done_callback(lambda _: self.on_late())
        if not task.done():
            return None
        del self._running[number]
        return task.result()

    def keep_only(self, numbers: Set[int]) -> None:
        """Forget what became of pull requests that are not open any more."""
        for number in self._running.keys() - numbers:
            self.forget(number)

    def forget(self, number: int) -> None:
        """Forget what became of a pull request. What runs goes on."""
        *_, task = self._running.get(number, _NOTHING)
        if task is not None and task.done():
            del self._running[number]
            if not task.cancelled() and (error := task.exception()):
                log.info("the pull request %d was not adopted: %s", number, error)

    async def close(self) -> None:
        """End what runs. It is adopted after the next start."""
        tasks = [task for _, _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _is_busy(self, pull_request: PullRequest) -> bool:
        """Return whether another pull request of the same author is being adopted."""
        author, number = _author(pull_request), pull_request.number
        running = ((other, task) for other, (by, _, task) in self._running.items() if by == author)
        return any(other != number and not task.done() for other, task in running)


def _author(pull_request: PullRequest) -> str:
    return pull_request.author.id if pull_request.author else ""
