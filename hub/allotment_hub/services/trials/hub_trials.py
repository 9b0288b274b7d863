"""Asks the hub to start, list and end trials. The hub decides each start by the rules, and can refuse it."""

import datetime as dt
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import httpx

from allotment_hub.errors import ServiceError, unavailable
from allotment_profiles.access.people import ADMINISTRATORS
from allotment_profiles.model.problems import Refusal
from allotment_profiles.trials.request import TrialRequest

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 60
"""The hub waits some seconds for a start, and longer for an end."""
TrialState = Literal["starting", "running", "ended"]


@dataclass(frozen=True, slots=True)
class RunningTrial:
    """The trial of a user that runs, or the last one."""

    user: str
    proposal: str
    """Empty for a draft."""
    head: str
    profile: str
    state: TrialState
    began: dt.datetime
    started_in: float | None
    """After how many seconds it answered; None while it has not."""
    why: str
    """Why it ended, or has not started."""
    code: str
    """The code of why it has not started."""
    url: str
    """Where it is, for its user."""

    @classmethod
    def parse(cls, model: Mapping[str, Any]) -> Self:
        """Return a trial as the hub names it. Raise LookupError, TypeError or ValueError."""
        state, seconds = model["state"], model["seconds"]
        if state not in ("starting", "running", "ended"):
            raise ValueError("an unknown state")
        texts = {name: str(model[name]) for name in ("user", "profile", "why", "code", "url")}
        trial = {name: str(model["trial"][name]) for name in ("proposal", "head")}
        began = dt.datetime.fromisoformat(model["began"]).astimezone(dt.UTC)
        return cls(**texts, **trial, state=state, began=began, started_in=None if seconds is None else float(seconds))

    @property
    def live(self) -> bool:
        """Whether it starts or runs."""
        return self.state != "ended"


class HubTrials:
    """The hub's trials."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        """Use a client for the hub's API whose token may start and end trials."""
        self._client = client

    async def all(self) -> list[RunningTrial]:
        """Return the trials of all users, of each the one that runs or the last one. Raise UnavailableError."""
        answer = await self._ask("GET")
        try:
            return [RunningTrial.parse(model) for model in answer.get("trials", ())]
        except (LookupError, TypeError, ValueError) as error:
            raise unavailable("hub-unavailable", "The hub's answer names no trials.") from error

    async def start(self, user: str, asked: TrialRequest) -> None:
        """Have a trial start. Raise ServiceError where the hub refuses it."""
        answer = await self._ask("POST", json={**asked.as_dict(), "user": user})
        refusal = answer.get("refusal")
        if isinstance(refusal, Mapping):
            texts = {name: str(refusal.get(name, "")) for name in ("code", "what", "why", "remedy", "decides")}
            status = refusal.get("status")
            code = status if isinstance(status, int) and 400 <= status < 500 else 409
            raise ServiceError(Refusal(**texts, status=code))

    async def end(self, user: str, by: str, why: str) -> None:
        """Have the trial of a user end, if there is one."""
        await self._ask("DELETE", params={"user": user, "by": by, "why": why})

    async def _ask(self, method: str, **options: Any) -> Mapping[str, Any]:
        try:
            answer = await self._client.request(method, "allotment/trials", timeout=_ANSWER_SECONDS, **options)
            content = answer.json() if answer.content else {}
            if isinstance(content, Mapping) and "refusal" in content:
                return content
            if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.FORBIDDEN):
                why = "The hub starts no trials: it has another version than this service."
                remedy = "Bring both to one version."
                raise unavailable("hub-cannot-try", why, remedy, ADMINISTRATORS)
            answer.raise_for_status()
            return dict(content)
        except (httpx.HTTPError, ValueError, TypeError) as error:
            raise unavailable("hub-unavailable", "The hub did not answer about trials.") from error
