"""Refuses decisions of people who signed in too long ago, where the policy asks for a fresh sign-in."""

import httpx

from allotment_hub.errors import refused, unavailable
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.values.quantities import format_duration

_WHAT = "Nothing was decided."


class SignIns:
    """Asks the hub when somebody signed in. Nothing is cached."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        """Use a client for the hub's API whose token may ask for sign-ins."""
        self._client = client

    async def check_fresh(self, user: str, session: str, main: Catalog, page: str) -> None:
        """Check that a sign-in is as young as main's policy wants it for a decision that gives data.

        `session` is the hub's id of the sign-in that the user's token comes from, empty if it comes from none; `page`
        is where the user decides. Raise ServiceError.
        """
        within = main.policy.value.fresh_sign_in if main.policy else None
        if within is None:
            return
        why = f"This gives people data, and the policy asks for a sign-in within the last {format_duration(within)}."
        if not session:
            remedy = "Decide on the page, in a browser: a token has no sign-in."
            raise refused(403, "sign-in-unknown", _WHAT, why, remedy, link=page)
        age = await self._age(user, session)
        if age is None or not 0 <= age <= within:
            remedy = "Sign out and in again, then decide."
            raise refused(403, "sign-in-too-old", _WHAT, why, remedy, link=f"/hub/allotment/sign-in?page={page}")

    async def _age(self, user: str, session: str) -> float | None:
        """Return the seconds since a sign-in; None if the hub knows none."""
        try:
            response = await self._client.post("allotment/sign-ins", json={"user": user, "session": session})
            response.raise_for_status()
            seconds = response.json()["seconds"]
            return None if seconds is None else float(seconds)
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise unavailable("hub-unavailable", "The hub did not answer when you signed in.") from error
