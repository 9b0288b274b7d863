"""Identifies users with the hub's help, and tells "nobody" from "the hub did not answer"."""

import asyncio
import time
from typing import Any

from aiohttp import ClientConnectorError
from jupyterhub.services.auth import HubOAuth
from tornado.web import HTTPError

from allotment_hub.errors import unavailable
from allotment_profiles.backoff import retry_delay

ANSWER_SECONDS = 10

# How long a hub that accepts no connection is tried again. After an upgrade of the chart the pods are ready a second
# or two before the network policies let them reach each other.
CONNECT_SECONDS = 4


class ServiceAuth(HubOAuth):
    """JupyterHub's own, except that a hub without an answer is an UnavailableError, and no "nobody" is cached.

    JupyterHub raises HTTP errors of the service itself in this case. It also remembers for a while that the hub did
    not know a token, which may have been true for a moment only, while the hub was starting.
    """

    async def _api_request(self, method: str, url: str, /, **kwargs: Any) -> Any:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._once_connected(method, url, **kwargs)
        except (HTTPError, TimeoutError, ValueError) as error:
            raise hub_unavailable("The hub did not answer who is signed in.") from error

    async def _once_connected(self, method: str, url: str, /, **kwargs: Any) -> Any:
        """Send a request. Try again for a while if no connection could be made: the hub has received nothing."""
        last = time.monotonic() + CONNECT_SECONDS
        failures = 0
        while True:
            try:
                return await super()._api_request(method, url, **dict(kwargs))
            except HTTPError as error:
                failures += 1
                delay = retry_delay(failures, first=0.1, longest=1)
                if not isinstance(error.__context__, ClientConnectorError) or time.monotonic() + delay > last:
                    raise
            await asyncio.sleep(delay)

    async def _check_hub_authorization(
        self, url: str, api_token: str, cache_key: str | None = None, use_cache: bool = True
    ) -> Any:
        model = await super()._check_hub_authorization(url, api_token, cache_key, use_cache)
        if model is None and cache_key is not None:
            self.cache.pop(cache_key, None)
        if model is not None and not (isinstance(model, dict) and isinstance(model.get("name"), str)):
            raise hub_unavailable("The hub's answer who is signed in names nobody.")
        return model


def hub_unavailable(why: str) -> Exception:
    """Build the error for a hub that does not answer."""
    return unavailable("hub-unavailable", why)
