"""How many requests of one user are answered at once: others come first."""

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, field

from allotment_hub.errors import refused

AT_ONCE = 2
"""How many requests of one user run. A browser asks for more at once, and waits for the first ones anyway."""
WAITING = 50
"""How many more may wait."""


@dataclass
class _Requests:
    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    unfinished: int = 0


class RequestLimit:
    """Lets the requests of each user run, a few at a time, in the order that they came."""

    def __init__(self) -> None:
        self._requests: dict[Hashable, _Requests] = {}

    async def begin(self, who: Hashable) -> None:
        """Wait until a request may run. Raise a refusal where too many of theirs wait. Call `end` after it."""
        requests = self._requests.setdefault(who, _Requests())
        if requests.unfinished >= AT_ONCE + WAITING:
            why = f"{WAITING} of your requests wait already while others of yours run."
            raise refused(429, "requests-many", "This is not answered yet.", why, "Wait until they are done.")
        requests.unfinished += 1
        try:
            await requests.free.acquire()
        except BaseException:
            self._forget(who, requests)
            raise

    def end(self, who: Hashable) -> None:
        """Let the next request run."""
        requests = self._requests[who]
        requests.free.release()
        self._forget(who, requests)

    def _forget(self, who: Hashable, requests: _Requests) -> None:
        requests.unfinished -= 1
        if not requests.unfinished:
            del self._requests[who]
