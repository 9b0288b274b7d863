"""Who people are: users as the hub knows them now, asked with the service's own token, never taken from a session."""

import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from allotment_hub.errors import unavailable
from allotment_profiles.access.people import User


class Directory:
    """The hub's users. Nothing is kept: a decision asks anew."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        """Take a client whose base is the hub's API and whose token may read users and groups."""
        self._client = client

    async def user(self, name: str) -> User | None:
        """Give one user with the groups of now, or None where the hub has none of that name."""
        if name in ("", ".", ".."):
            return None  # a client would resolve these to another address
        answer = await self._get(f"users/{urllib.parse.quote(name, safe='')}")
        return _user(answer) if answer is not None and answer.get("name") == name else None

    async def users(self, names: Iterable[str]) -> list[User]:
        """Give those of the named users that the hub knows."""
        found = [await self.user(name) for name in dict.fromkeys(names)]
        return [user for user in found if user]

    async def everyone(self) -> list[User]:
        """Give all users that the hub has seen."""
        users: list[User] = []
        while True:
            page = await self._get(f"users?offset={len(users)}&limit=200")
            users += [_user(model) for model in page or []]
            if not page or len(page) < 200:
                return users

    async def close(self) -> None:
        """Give up the connections."""
        await self._client.aclose()

    async def _get(self, path: str) -> Any:
        try:
            response = await self._client.get(path)
            if response.status_code == httpx.codes.NOT_FOUND:
                return None
            response.raise_for_status()
            return response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise unavailable("hub-unavailable", "The hub did not answer who the people are.") from error


def _user(model: Mapping[str, Any]) -> User:
    return User(str(model["name"]), frozenset(map(str, model.get("groups", []))), bool(model.get("admin")))
