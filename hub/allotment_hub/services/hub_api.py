"""Calls the API of JupyterHub with the service's own token. Nothing is taken from a session."""

import asyncio
import logging
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from allotment_hub.errors import unavailable
from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog

log = logging.getLogger(__name__)

# How often a connection is tried again, after 0, 0.5, 1 and 2 seconds. Requests that were sent are not sent again.
CONNECT_RETRIES = 4

# Users in one answer. With 2,000 groups each, 200 of them held the hub for seven seconds.
_PAGE = 50


def hub_api_client(api_url: str, token: str) -> httpx.AsyncClient:
    """Return a client for the hub's API with the service's token."""
    return httpx.AsyncClient(
        base_url=api_url.rstrip("/") + "/",
        headers={"Authorization": f"token {token}"},
        timeout=10,
        # A connection of its own for each request: one that led elsewhere while the hub was away would be used again.
        transport=httpx.AsyncHTTPTransport(retries=CONNECT_RETRIES, limits=httpx.Limits(max_keepalive_connections=0)),
    )


class Directory:
    """The hub's users. Nothing is cached: every decision asks the hub."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        """Use a client for the hub's API whose token may read users and groups."""
        self._client = client

    async def user(self, name: str) -> User | None:
        """Return a user with their current groups; None if the hub has no such user."""
        if name in ("", ".", ".."):
            return None  # the HTTP client would resolve these to another path
        model = await self._get(f"users/{urllib.parse.quote(name, safe='')}")
        if model is None:
            return None
        if not isinstance(model, dict) or model.get("name") != name:
            raise _no_answer()
        return _user(model)

    async def users(self, names: Iterable[str]) -> list[User]:
        """Return those of the named users that the hub has."""
        users = [await self.user(name) for name in dict.fromkeys(names)]
        return [user for user in users if user]

    async def everyone(self) -> list[User]:
        """Return all users of the hub."""
        users: list[User] = []
        while True:
            page = await self._get(f"users?offset={len(users)}&limit={_PAGE}")
            if not isinstance(page, list):
                raise _no_answer()
            users += [_user(model) for model in page]
            if len(page) < _PAGE:
                return users

    async def close(self) -> None:
        """Close the HTTP client."""
        await self._client.aclose()

    async def _get(self, path: str) -> Any:
        """Return the hub's answer; None if it says that there is no such thing."""
        try:
            response = await self._client.get(path)
            if response.status_code == httpx.codes.NOT_FOUND and response.json()["status"] == httpx.codes.NOT_FOUND:
                return None  # a proxy, or another program at this address, answers 404 in other words
            response.raise_for_status()
            return response.json()
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise _no_answer() from error


def _no_answer() -> Exception:
    return unavailable("hub-unavailable", "The hub did not answer the request for its users.")


def _user(model: Mapping[str, Any]) -> User:
    return User(str(model["name"]), frozenset(map(str, model.get("groups", []))), bool(model.get("admin")))


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
