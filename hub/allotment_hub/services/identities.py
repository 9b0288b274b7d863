"""Asks the identity provider, through the hub, who people are: before each decision, and for an explanation."""

import asyncio
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from allotment_hub.errors import ServiceError, UnavailableError, refused, unavailable
from allotment_profiles.access.people import User
from allotment_profiles.model.values.quantities import format_duration

_ANSWER_SECONDS = 30
"""The hub itself waits for the provider for `CheckedIdentity.answer_seconds`."""


@dataclass(frozen=True)
class ProviderAccount:
    """A user's account at the identity provider, which may be a forge, too."""

    provider: str
    """Its kind: `github`, `gitlab`, `gitea`, `azuread`, `google`, `oidc`."""
    host: str
    id: str
    """The provider's own id: a number at GitHub and GitLab, `sub` elsewhere. It is never given to somebody else."""
    login: str
    """The account's name when the provider last answered. It may belong to somebody else since."""


@dataclass(frozen=True)
class Identity:
    """Who a user is, as the identity provider said last."""

    user: User
    answer: str
    """What became of asking it last: `confirmed`, `refused`, `no-answer`, `not-asked`."""
    seconds: float | None
    """How long ago it last said who the user is; None if it never did."""
    maximum: int
    """How old that may be where it cannot be asked, in seconds."""
    reason: str
    """Why it cannot be asked between two sign-ins; empty if it can."""
    unusable: tuple[str, ...]
    """Groups that it sent and that no file can name, with the reason."""
    account: ProviderAccount | None

    @property
    def answered(self) -> dt.datetime | None:
        """When it last said who the user is."""
        return None if self.seconds is None else dt.datetime.now(dt.UTC) - dt.timedelta(seconds=self.seconds)

    @property
    def recent(self) -> bool:
        """Whether it said who the user is within the maximum age."""
        return self.seconds is not None and self.seconds <= self.maximum


class Identities:
    """Asks the hub. Nothing is cached."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        """Use a client for the hub's API whose token may ask for identities."""
        self._client = client

    async def confirmed(self, user: User, page: str) -> User:
        """Return a user as the identity provider knows them now, for a decision on a page.

        Raise UnavailableError without an answer, and ServiceError where the provider does not know the user any more
        or its last answer is too old.
        """
        identity = await self._asked(user.name)
        if identity.answer == "confirmed" or (identity.answer == "not-asked" and identity.recent):
            return identity.user
        remedy = "Sign out and in again, then decide."
        if identity.answer == "refused":
            why = "Your identity provider does not confirm who you are any more."
            raise _refused("identity-refused", why, remedy, page)
        why = f"What your identity provider said about you is older than {format_duration(identity.maximum)}."
        raise _refused("identity-too-old", why, remedy, page)

    async def unconfirmed(self, names: Iterable[str]) -> frozenset[str]:
        """Ask about people who decided earlier. Return those of whom nothing recent is known.

        What the provider says now is in the hub afterwards. Raise UnavailableError without an answer.
        """
        asked = await asyncio.gather(*(self._asked(name) for name in sorted(set(names))), return_exceptions=True)
        for error in asked:
            if isinstance(error, BaseException) and not isinstance(error, ServiceError):
                raise error
        found = [identity for identity in asked if isinstance(identity, Identity)]
        known = {each.user.name for each in found if each.answer == "confirmed" or each.recent}
        return frozenset(names) - known

    async def shown(self, caller: User, name: str) -> Identity | None:
        """Return what is known of a user without asking the provider, for the user and for administrators.

        None for others, and where it cannot be told now.
        """
        if name != caller.name and not caller.admin:
            return None
        try:
            return await self.known(name)
        except UnavailableError:
            return None  # an explanation helps without it, too

    async def known(self, name: str) -> Identity | None:
        """Return what is known of a user, with their account, without asking the provider; None for nobody."""
        answer = await self._post({"user": name, "ask": False})
        return None if answer is None else _identity(answer)

    async def users_of(self, account: ProviderAccount) -> tuple[str, ...]:
        """Return the hub's users who signed in with an account, by its id. Its login decides nothing."""
        where = {"provider": account.provider, "host": account.host, "id": account.id}
        answer = await self._request("GET", "allotment/accounts", params=where)
        if answer is None or not isinstance(answer.get("users"), list):
            raise unavailable("hub-unavailable", "The hub's answer does not say whose account it is.")
        return tuple(map(str, answer["users"]))

    async def place(self) -> tuple[str, str] | None:
        """Return the kind and the host of the provider with which people sign in; None where the hub tells none."""
        answer = await self._request("GET", "allotment/accounts", params={"provider": "", "host": "", "id": ""})
        found = answer.get("place") if answer else None
        return (str(found[0]), str(found[1])) if isinstance(found, list) and len(found) == 2 else None

    async def user_token(self, name: str, provider: str, host: str) -> str:
        """Return a user's own token at a provider; empty where the hub gives none, or does not answer.

        Whoever has it acts as the user there, so it is kept nowhere.
        """
        try:
            body = {"user": name, "provider": provider, "host": host}
            answer = await self._request("POST", "allotment/user-tokens", json=body)
        except UnavailableError:
            return ""
        token = answer.get("token") if answer else None
        return token if isinstance(token, str) and token.isascii() and token.isprintable() else ""

    async def _asked(self, name: str) -> Identity:
        answer = await self._post({"user": name})
        if answer is None:
            raise refused(403, "identity-refused", "Nothing was decided.", f"The hub has no user {name} any more.")
        identity = _identity(answer)
        if identity.answer == "no-answer":
            raise unavailable("identity-unavailable", "The identity provider did not answer, so nothing was decided.")
        return identity

    async def _post(self, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return await self._request("POST", "allotment/identities", json=body)

    async def _request(self, method: str, path: str, **options: Any) -> Mapping[str, Any] | None:
        """Return the hub's answer; None if it has no such user."""
        try:
            response = await self._client.request(method, path, timeout=_ANSWER_SECONDS, **options)
            if response.status_code == httpx.codes.NOT_IMPLEMENTED:
                why = "The hub's authenticator was set past Allotment's configuration: see “Sign-in” in its documents."
                raise unavailable("identity-unchecked", why)
            if response.status_code == httpx.codes.NOT_FOUND and "user" in str(response.json()["message"]):
                return None
            response.raise_for_status()
            return dict(response.json())
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise unavailable("hub-unavailable", "The hub did not answer who somebody is now.") from error


def _refused(code: str, why: str, remedy: str, page: str) -> ServiceError:
    return refused(403, code, "Nothing was decided.", why, remedy, link=f"/hub/allotment/sign-in?page={page}")


def _identity(model: Mapping[str, Any]) -> Identity:
    try:
        seconds = model["seconds"]
        return Identity(
            user=User(str(model["name"]), frozenset(map(str, model["groups"])), bool(model["admin"])),
            answer=str(model["answer"]),
            seconds=None if seconds is None else float(seconds),
            maximum=int(model["maximum"]),
            reason=str(model["reason"]),
            unusable=tuple(map(str, model["unusable"])),
            account=ProviderAccount(**{key: str(value) for key, value in model["account"].items()})
            if model["account"]
            else None,
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise unavailable("hub-unavailable", "The hub's answer does not say who somebody is.") from error
