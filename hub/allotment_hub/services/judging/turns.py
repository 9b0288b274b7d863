"""Whose turn it is to have something judged: nobody waits for more than one piece of work of anybody else."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Literal

from allotment_hub.errors import refused

MAXIMUM_WAITING = 2
"""How many checks of one user may wait while another one runs."""
MAXIMUM_PAGES_WAITING = 10
"""How many judgements for pages and decisions of one user may wait. A browser asks for six pages at once."""
Purpose = Literal["check", "page"]
_MAXIMUM: Mapping[Purpose, int] = {"check": MAXIMUM_WAITING, "page": MAXIMUM_PAGES_WAITING}


class Turns:
    """Lends the judges: to one piece of work of each user at a time, and to users in the order that they asked."""

    def __init__(self, judges: int) -> None:
        self._free = asyncio.Semaphore(judges)
        self._running: dict[str, asyncio.Lock] = {}
        self._unfinished: Counter[tuple[str, Purpose]] = Counter()

    def waiting(self, by: str, purpose: Purpose) -> int:
        """Return how much of a user's work waits or runs."""
        return self._unfinished[by, purpose]

    @contextlib.asynccontextmanager
    async def of(self, by: str, purpose: Purpose) -> AsyncIterator[None]:
        """Wait for the turn of a user. Raise a refusal where too much of theirs waits already."""
        if self.waiting(by, purpose) > _MAXIMUM[purpose]:
            why = f"{_MAXIMUM[purpose]} of your checks wait already while another one runs."
            raise refused(429, "checks-many", "This is not checked yet.", why, "Wait until they are done.")
        self._unfinished[by, purpose] += 1
        try:
            async with self._running.setdefault(by, asyncio.Lock()), self._free:
                yield
        finally:
            self._unfinished[by, purpose] -= 1
            if not self._unfinished[by, purpose]:
                del self._unfinished[by, purpose]
            if not any(self._unfinished[by, each] for each in _MAXIMUM):
                self._running.pop(by, None)
