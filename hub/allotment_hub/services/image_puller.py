"""Pulls the images of profiles to the nodes of a cluster before somebody starts a session.

A convenience: errors are logged and the attempt is repeated. Nothing else depends on it.
"""

import asyncio
import datetime as dt
import logging
from dataclasses import dataclass
from typing import Protocol

from allotment_hub.nodes.images import DesiredImages, ImageInventory
from allotment_profiles.backoff import retry_delay
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.store.watcher import empty_catalog
from allotment_profiles.threads import in_small_steps

log = logging.getLogger(__name__)

_ATTEMPT_SECONDS = 60
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0
"""Seconds before a failed attempt is repeated. The wait doubles with each failure, from the first to the longest."""
_MAXIMUM_LOGGED = 20
"""How many of the images that are left out the log names."""


class Nodes(Protocol):
    """The nodes of a cluster."""

    async def apply(self, desired: DesiredImages) -> None:
        """Pull these images and no others. Idempotent."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """The result of the last attempt."""

    time: dt.datetime
    desired: DesiredImages
    error: str | None = None
    """Why the attempt failed; None if it succeeded."""
    since: dt.datetime | None = None
    """The time of the first of the consecutive failures; None if the attempt succeeded."""


class ImagePuller:
    """Keeps the images on the nodes up to date with the catalog."""

    def __init__(self, nodes: Nodes, maximum: int, look_seconds: float = 600) -> None:
        """Pull at most `maximum` images.

        Every `look_seconds` without a new catalog the images are determined and requested again: a profile may have
        been retired, or somebody may have changed the cluster.
        """
        self.last: Pulled | None = None
        self._nodes = nodes
        self._inventory = ImageInventory(maximum)
        self._look_seconds = look_seconds
        self._catalog = empty_catalog()
        self._requested: DesiredImages | None = None
        """What the cluster was last asked for; None if that is uncertain."""
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def follow(self, catalog: Catalog) -> None:
        """Pull the images of this catalog from now on."""
        self._catalog = catalog
        self._changed.set()

    def start(self) -> None:
        """Start pulling. Call once, inside the running event loop."""
        self._task = self._task or asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop. The images stay on the nodes."""
        if self._task:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        failures = 0
        await self._changed.wait()
        while True:
            self._changed.clear()
            if await self._pull():
                failures = 0
                if not await self._wait_for_change():
                    self._requested = None
            else:
                # New catalogs wait, too, so that they do not add requests to a cluster in trouble.
                failures += 1
                await asyncio.sleep(retry_delay(failures, first=_FIRST_WAIT, longest=_LONGEST_WAIT))

    async def _wait_for_change(self) -> bool:
        """Wait for another catalog. Return False after `look_seconds` without one."""
        try:
            async with asyncio.timeout(self._look_seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def _pull(self) -> bool:
        """Request the desired images unless they are already requested. Return whether that succeeded."""
        now, desired = dt.datetime.now(dt.UTC), self.last.desired if self.last else DesiredImages()
        try:
            desired = await asyncio.to_thread(self._desired, now)
            if desired == self._requested:
                return True
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                await self._nodes.apply(desired)
        except Exception as error:  # noqa: BLE001  no error here may stop the service; the attempt is repeated
            self._failed(now, desired, f"{type(error).__name__}: {error}")
            return False
        self._succeeded(now, desired)
        return True

    def _desired(self, now: dt.datetime) -> DesiredImages:
        with in_small_steps():  # the first call reads all profiles
            return self._inventory.desired(self._catalog, now)

    def _failed(self, now: dt.datetime, desired: DesiredImages, error: str) -> None:
        before = self.last
        if before is None or before.error != error:
            log.warning("images are not pulled ahead: %s", error)
        self._requested = None
        self.last = Pulled(now, desired, error, before.since if before and before.since else now)

    def _succeeded(self, now: dt.datetime, desired: DesiredImages) -> None:
        before = self.last
        if before and before.error:
            log.warning("images are pulled ahead again")
        if before is None or before.error or before.desired != desired:
            log.info("%d images are pulled ahead", len(desired.images))
            if desired.left_out:
                names = ", ".join(desired.left_out[:_MAXIMUM_LOGGED])
                more = " ..." if len(desired.left_out) > _MAXIMUM_LOGGED else ""
                log.warning("%d images beyond the maximum are not pulled: %s%s", len(desired.left_out), names, more)
        self._requested = desired
        self.last = Pulled(now, desired)
