"""Stops all sessions of a user, a profile, an image or a data role, for those who answer for them."""

import dataclasses
import datetime as dt
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import httpx

from allotment_hub.errors import ServiceError, unavailable
from allotment_hub.services.proposals.proposing import checked_text
from allotment_hub.services.proposals.rights import Actor
from allotment_profiles.access.people import ADMINISTRATORS, User
from allotment_profiles.access.visibility import Sight, decides_about, visible
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.paths import data_role_path, profile_path
from allotment_profiles.model.problems import Refusal
from allotment_profiles.stops import RESULTS, StopResult, StopTarget
from allotment_profiles.store.watcher import CatalogWatcher

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 60
"""The hub waits for sessions to end before it answers."""

WHY: Mapping[StopResult, str] = {
    "stopped": "",
    "ended": "It had ended already, or was being stopped.",
    "stopping": "It has not ended yet. The hub goes on stopping it.",
    "failed": "Stopping it failed; the hub's log says why. The hub tries again every half minute.",
}


@dataclass(frozen=True, slots=True)
class RunningSession:
    """A session that starts or runs."""

    user: str
    server: str
    """The session's name; empty for the default one."""
    profile: str
    """Empty where the reader may not know of the profile, or nobody knows it any more."""
    started: dt.datetime | None


@dataclass(frozen=True, slots=True)
class StoppedSession(RunningSession):
    """What became of a session that was to be stopped."""

    result: StopResult

    @property
    def why(self) -> str:
        """Why it was not stopped by this; empty if it was."""
        return WHY[self.result]


SessionT = TypeVar("SessionT", bound=RunningSession)


@dataclass(frozen=True, slots=True)
class StopPreview:
    """What would be stopped."""

    sessions: tuple[RunningSession, ...]
    undecided: int
    """How many sessions may have the image as well, as the digest of theirs is not known."""
    also_through: tuple[str, ...]
    """The other data roles that reach the same data. Their sessions are not stopped."""


@dataclass(frozen=True, slots=True)
class StopOutcome:
    """What became of the sessions."""

    order: str
    """The order's id in the events."""
    sessions: tuple[StoppedSession, ...]
    undecided: int

    def having(self, result: StopResult) -> tuple[StoppedSession, ...]:
        """Return the sessions with a result."""
        return tuple(session for session in self.sessions if session.result == result)


def refusal_to_stop(catalog: Catalog, user: User, target: StopTarget) -> Refusal | None:
    """Return why a user may not stop the sessions of a target, or None. Pure.

    Who decides about the file decides: the leads and deputies of the profile's team, and those of the owner of the
    data. Sessions of a user and of an image may belong to any team.
    """
    paths = {"profile": profile_path, "data-role": data_role_path}
    path = paths[target.kind](target.name) if target.kind in paths else ""
    if user.admin or (path and decides_about(user, path, catalog)):
        return None
    who = {
        "profile": f"the leads and deputies of its team, or {ADMINISTRATORS}",
        "data-role": f"the leads and deputies of the data's owner, or {ADMINISTRATORS}",
    }.get(target.kind, ADMINISTRATORS)
    return Refusal("not-yours-to-stop", "You may not stop these sessions.", "You do not answer for them.", "", who, 403)


class Stops:
    """Lists and stops sessions through the hub, which knows them and records the order."""

    def __init__(self, watcher: CatalogWatcher, client: httpx.AsyncClient) -> None:
        """Use a client for the hub's API whose token may stop sessions."""
        self._watcher = watcher
        self._client = client

    def may_stop(self, user: User, target: StopTarget) -> bool:
        """Return whether a user may stop the sessions of a target."""
        return refusal_to_stop(self._watcher.catalog, user, target) is None

    async def preview(self, user: User, target: StopTarget) -> StopPreview:
        """Return the sessions that would be stopped. Only those who may stop them may ask."""
        self._require(user, target)
        answer = await self._ask("GET", "allotment/sessions", params={"kind": target.kind, "name": target.name})
        sessions = _parsed(answer, lambda model: RunningSession(**_running(model)))
        catalog, is_role = self._watcher.catalog, target.kind == "data-role"
        also_through = catalog.also_through(target.name) if is_role and target.name in catalog.data_roles else ()
        return StopPreview(self._as_seen(user, sessions), int(answer.get("undecided", 0)), also_through)

    async def stop(self, actor: Actor, target: StopTarget, reason: str) -> StopOutcome:
        """Stop all sessions of a target, and return what became of each."""
        if not actor.may_review:
            what = "A session can ask, but not decide."
            why = "Only a person who is signed in stops sessions. This token is from a session, or lacks the scope."
            raise ServiceError(Refusal("scope-missing", what, why, "Open the page in a browser."))
        self._require(actor.user, target)
        reason = checked_text(reason, "reason")
        body = {"kind": target.kind, "name": target.name, "by": actor.user.name, "reason": reason}
        log.warning("%s stops all sessions of %s", actor.user.name, target)
        answer = await self._ask("POST", "allotment/stops", json=body)
        stopped = _parsed(answer, lambda model: StoppedSession(**_running(model), result=_result(model)))
        return StopOutcome(
            str(answer.get("order")), self._as_seen(actor.user, stopped), int(answer.get("undecided", 0))
        )

    def _require(self, user: User, target: StopTarget) -> None:
        refusal = refusal_to_stop(self._watcher.catalog, user, target)
        if refusal:
            raise ServiceError(refusal)

    def _as_seen(self, user: User, sessions: Sequence[SessionT]) -> tuple[SessionT, ...]:
        """Return the sessions without the names of profiles that the user may not know of."""
        catalog = self._watcher.catalog
        ids = {session.profile for session in sessions if session.profile}
        seen = {id_ for id_ in ids if visible(user, profile_path(id_), catalog) > Sight.NOTHING}
        return tuple(
            session if session.profile in seen else dataclasses.replace(session, profile="") for session in sessions
        )

    async def _ask(self, method: str, path: str, **options: Any) -> Mapping[str, Any]:
        try:
            answer = await self._client.request(method, path, timeout=_ANSWER_SECONDS, **options)
            if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.FORBIDDEN):
                # A hub of an older version knows neither the call nor the scope.
                why = "The hub does not offer to stop sessions: it has another version than this service."
                remedy = "Bring both to one version. Until then, stop sessions one by one on the hub's own pages."
                raise unavailable("hub-cannot-stop", why, remedy, ADMINISTRATORS)
            answer.raise_for_status()
            return dict(answer.json())
        except (httpx.HTTPError, ValueError, TypeError) as error:
            why = "The hub did not answer. It may have begun to stop them: look again which sessions run."
            raise unavailable("hub-unavailable", why) from error


def _parsed(answer: Mapping[str, Any], parse: Callable[[Mapping[str, Any]], SessionT]) -> list[SessionT]:
    try:
        return [parse(model) for model in answer["sessions"]]
    except (LookupError, TypeError, ValueError) as error:
        raise unavailable("hub-unavailable", "The hub's answer names no sessions.") from error


def _running(model: Mapping[str, Any]) -> dict[str, Any]:
    started = model["started"] and dt.datetime.fromisoformat(model["started"])
    return {
        "user": str(model["user"]),
        "server": str(model["server"]),
        "profile": str(model["profile"]),
        "started": started,
    }


def _result(model: Mapping[str, Any]) -> StopResult:
    if model["result"] not in RESULTS:
        raise ValueError("an unknown result")
    return cast("StopResult", model["result"])
