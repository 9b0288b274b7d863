"""Telling the hub that main has moved, so that it looks at once; where that fails, the hub looks by itself."""

import asyncio
import logging

import httpx

from allotment_profiles.catalog.catalog import Catalog

log = logging.getLogger(__name__)


class HubNotifier:
    """Tells the hub, one message at a time."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        """Take a client whose base is the hub's API and whose token may ask for a refresh."""
        self._client = client
        self._task: asyncio.Task[None] | None = None

    def tell(self, catalog: Catalog) -> None:
        """Say in the background that another catalog applies."""
        # The hub looks at what is newest, so of two messages the later one says everything.
        if self._task:
            self._task.cancel()
        self._task = asyncio.get_running_loop().create_task(self._tell(catalog.revision))

    async def _tell(self, revision: str) -> None:
        try:
            answer = await self._client.post("allotment/refresh", json={"revision": revision})
            answer.raise_for_status()
        except httpx.HTTPError as error:
            log.warning("the hub was not told that main has moved: %s", error)
