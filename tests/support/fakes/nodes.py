"""The nodes of a cluster as the service sees them: told what to pull, away at times, remembering all of it."""

import asyncio

from allotment_hub.nodes.images import DesiredImages


class Nodes:
    """Takes what is wanted; while `trouble` is set it fails with that."""

    def __init__(self) -> None:
        self.told: list[DesiredImages] = []
        self.asked = 0
        self.last_error: Exception | None = None
        self._heard = asyncio.Condition()

    async def apply(self, wanted: DesiredImages) -> None:
        """Take what is wanted, as the API server does."""
        async with self._heard:
            self.asked += 1
            self._heard.notify_all()
            if self.last_error:
                raise self.last_error
            self.told.append(wanted)

    async def until_told(self, count: int) -> DesiredImages:
        """Wait until so many have been taken; gives the last one."""
        async with asyncio.timeout(30), self._heard:
            await self._heard.wait_for(lambda: len(self.told) >= count)
        return self.told[-1]

    async def until_asked(self, count: int) -> None:
        """Wait until somebody has come so often."""
        async with asyncio.timeout(30), self._heard:
            await self._heard.wait_for(lambda: self.asked >= count)
