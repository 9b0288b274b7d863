"""Notifies JupyterHub of a new catalog, so that the hub loads it at once instead of at its next poll."""

import asyncio
import logging

import httpx

from allotment_profiles.catalog.catalog import Catalog

log = logging.getLogger(__name__)


class HubNotifier:
    """Sends notifications to the hub, one at a time."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        """Use a client for the hub's API whose token may request a refresh."""
        self._client = client
        self._task: asyncio.Task[None] | None = None

    def notify(self, catalog: Catalog) -> None:
        """Notify the hub in the background that this catalog applies."""
        # The hub always loads the newest revision, so a later notification replaces an earlier one.
        if self._task:
            self._task.cancel()
        self._task = asyncio.get_running_loop().create_task(self._notify(catalog.revision))

    async def _notify(self, revision: str) -> None:
        try:
            answer = await self._client.post("allotment/refresh", json={"revision": revision})
            answer.raise_for_status()
        except httpx.HTTPError as error:
            log.warning("the hub could not be notified of revision %s: %s", revision[:10], error)
