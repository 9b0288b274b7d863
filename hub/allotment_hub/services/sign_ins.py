"""Refuses decisions of people who signed in too long ago, where the policy asks for a fresh sign-in."""

import asyncio
import logging
import time

import httpx

from allotment_hub.errors import ServiceError, UnavailableError, refused, unavailable
from allotment_profiles.access.people import ADMINISTRATORS
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.values.quantities import format_duration

log = logging.getLogger(__name__)

_WHAT = "Nothing was decided."
_LOOK_SECONDS = 60.0


class SignIns:
    """Asks the hub when somebody signed in. Nothing that is decided by is cached."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        """Use a client for the hub's API whose token may ask for sign-ins."""
        self._client = client
        self._recorded: bool | None = None
        self._look_at = float("-inf")
        self._looking: asyncio.Task[None] | None = None

    @property
    def recorded(self) -> bool | None:
        """Whether the hub writes sign-ins down, by its last answer; None if it has given none. It is asked again."""
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK_SECONDS
            self._looking = asyncio.create_task(self._look())
        return self._recorded

    async def check_fresh(self, user: str, session: str, main: Catalog, page: str) -> None:
        """Check that a sign-in is as young as main's policy wants it for a decision that gives data.

        `session` is the secret of the browser's sign-in, empty where there is no browser; `page` is where the user
        decides. Raise ServiceError.
        """
        error = await self._refusal(user, session, main, page)
        if error:
            raise error

    async def announced(self, user: str, session: str, main: Catalog, page: str) -> ServiceError | None:
        """Return what `check_fresh` would raise, for a page that says so first; None where the hub does not answer."""
        try:
            return await self._refusal(user, session, main, page)
        except UnavailableError:
            return None

    async def _refusal(self, user: str, session: str, main: Catalog, page: str) -> ServiceError | None:
        within = main.policy.value.fresh_sign_in if main.policy else None
        if within is None:
            return None
        why = f"The policy asks for a sign-in within the last {format_duration(within)}."
        if not session:
            remedy = "Decide on the page, in a browser: a token has no sign-in."
            return refused(403, "sign-in-unknown", _WHAT, why, remedy, link=page)
        age = await self._age(user, session)
        if age is None and self._recorded is False:
            why += " The hub does not write sign-ins down, since something has taken the place of its post_auth_hook."
            remedy = (
                "Tell an administrator. Signing in again does not help: the new hook has to call the one before it."
            )
            return refused(403, "sign-in-unknown", _WHAT, why, remedy, ADMINISTRATORS, link=page)
        if age is None or not 0 <= age <= within:
            remedy = "Sign out and in again, then decide."
            return refused(403, "sign-in-too-old", _WHAT, why, remedy, link=f"/hub/allotment/sign-in?page={page}")
        return None

    async def _look(self) -> None:
        try:
            await self._age("", "")
        except UnavailableError:
            return  # the last answer stays: who does not answer has changed nothing

    async def _age(self, user: str, session: str) -> float | None:
        """Return the seconds since a sign-in; None if the hub knows none."""
        try:
            response = await self._client.post("allotment/sign-ins", json={"user": user, "session": session})
            response.raise_for_status()
            answer = response.json()
            seconds, recorded = answer["seconds"], answer.get("recorded")
            age = None if seconds is None else float(seconds)
        except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise unavailable("hub-unavailable", "The hub did not answer when you signed in.") from error
        # A hub of an older version does not say it.
        now = bool(recorded) if isinstance(recorded, bool) else None
        if now is False and self._recorded is not False:
            log.error("the hub does not write sign-ins down: something has taken the place of its post_auth_hook")
        self._recorded = now
        return age
