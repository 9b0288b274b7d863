"""Having the images of profiles pulled before somebody waits for them.

A convenience: whatever goes wrong here is logged, tried again, and harms nothing else.
"""

import asyncio
import datetime as dt
import logging
from dataclasses import dataclass
from typing import Protocol

from allotment_hub.nodes.images import DesiredImages, ImageInventory
from allotment_profiles.backoff import retry_delay
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.store.loading import in_small_steps
from allotment_profiles.store.watcher import empty_catalog

log = logging.getLogger(__name__)

_ATTEMPT_SECONDS = 60
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0
"""Seconds until an attempt that failed is made again: twice as long each time, up to the longest."""
_NAMED = 20
"""So many of the images that are left out are named in the log."""


class Nodes(Protocol):
    """The nodes of a cluster."""

    async def apply(self, wanted: DesiredImages) -> None:
        """Have images pulled, and no others; asked again for the same ones it changes nothing."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """How the last attempt went."""

    time: dt.datetime
    wanted: DesiredImages
    error: str | None = None
    """Why the cluster does not know what is wanted; None where it does."""
    since: dt.datetime | None = None
    """When the first of the failures in a row was; None where it did not fail."""


class ImagePuller:
    """Keeps the nodes in step with the catalog that applies."""

    def __init__(self, nodes: Nodes, maximum: int, look_seconds: float = 600) -> None:
        """Take the nodes, how many images there may be, and how often to look without another catalog.

        Meanwhile a profile may have been retired, or somebody may have changed what is there.
        """
        self.last: Pulled | None = None
        """The last attempt; None before the first."""
        self._nodes = nodes
        self._inventory = ImageInventory(maximum)
        self._look_seconds = look_seconds
        self._catalog = empty_catalog()
        self._told: DesiredImages | None = None
        """What the cluster knows; None where that is not certain."""
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def follow(self, catalog: Catalog) -> None:
        """Take the catalog that applies from now on."""
        self._catalog = catalog
        self._changed.set()

    def start(self) -> None:
        """Begin; call it once inside the running loop."""
        self._task = self._task or asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; what was asked of the cluster stays."""
        if self._task:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        failures = 0
        await self._changed.wait()
        while True:
            self._changed.clear()
            if await self._tell():
                failures = 0
                if not await self._changes():
                    self._told = None
            else:
                # Catalogs that come meanwhile wait, too: a cluster in trouble is not asked more often for them.
                failures += 1
                await asyncio.sleep(retry_delay(failures, first=_FIRST_WAIT, longest=_LONGEST_WAIT))

    async def _changes(self) -> bool:
        """Wait for another catalog; False where none came for so long that a look is due."""
        try:
            async with asyncio.timeout(self._look_seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def _tell(self) -> bool:
        """Tell the cluster what is wanted, if it was not told; False where that failed."""
        moment, wanted = dt.datetime.now(dt.UTC), self.last.wanted if self.last else DesiredImages()
        try:
            wanted = await asyncio.to_thread(self._wanted, moment)
            if wanted == self._told:
                return True
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                await self._nodes.apply(wanted)
        except Exception as error:  # noqa: BLE001  whatever it was: the service does without, and tries again
            self._failed(moment, wanted, f"{type(error).__name__}: {error}")
            return False
        self._succeeded(moment, wanted)
        return True

    def _wanted(self, moment: dt.datetime) -> DesiredImages:
        with in_small_steps():  # at first all profiles are read
            return self._inventory.desired(self._catalog, moment)

    def _failed(self, moment: dt.datetime, wanted: DesiredImages, error: str) -> None:
        before = self.last
        if before is None or before.error != error:
            log.warning("images are not pulled ahead: %s", error)
        self._told = None
        self.last = Pulled(moment, wanted, error, before.since if before and before.since else moment)

    def _succeeded(self, moment: dt.datetime, wanted: DesiredImages) -> None:
        before = self.last
        if before and before.error:
            log.warning("images are pulled ahead again")
        if before is None or before.error or before.wanted != wanted:
            log.info("%d images are pulled ahead", len(wanted.images))
            if wanted.left_out:
                more = ", ".join(wanted.left_out[:_NAMED]) + (" ..." if len(wanted.left_out) > _NAMED else "")
                log.warning("%d images more than the %d that may be pulled ahead are not: %s",
                            len(wanted.left_out), len(wanted.images), more)  # fmt: skip
        self._told = wanted
        self.last = Pulled(moment, wanted)
