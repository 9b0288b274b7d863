"""The API for sessions: the one that asks, and stopping those of others."""

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import ClassVar, Literal

from allotment_hub.api.handler import ApiHandler, operation
from allotment_hub.api.requests import StopBody, stop_target
from allotment_hub.api.responses import Answer
from allotment_hub.api.serializers import answer_from
from allotment_hub.services.browse.own_session import OwnSession
from allotment_profiles.model.base import attributes
from allotment_profiles.stops import RESULTS

_TARGET = {
    "user": "The name of a user.",
    "profile": "The id of a profile, TEAM/NAME.",
    "image": "An image: its digest, or its reference as written in the profile.",
    "data_role": "The name of a data role.",
}


class SessionAnswer(Answer):
    """A session that starts or runs."""

    user: str
    server: str
    """The session's name; empty for the default one."""
    profile: str
    """Empty where the caller may not see the profile."""
    started: dt.datetime | None


class SessionDataAnswer(Answer):
    """A data role that a session has."""

    name: str
    title: str
    until: dt.date | None
    """The last day of the team's grant; null where it has none."""
    review_by: dt.date | None
    state: str
    """Why the grant does not hold now, such as `ended`; empty if it does."""


class SessionEndAnswer(Answer):
    """A moment at which a session is stopped."""

    kind: Literal["total", "access-ended"]
    at: dt.datetime
    text: str


class LargerSizeAnswer(Answer):
    """A size with more memory that the caller could start instead."""

    profile: str
    title: str
    options: dict[str, str]
    memory: int
    """Bytes."""
    cpu: float
    """CPUs."""
    url: str
    """The page that asks, stops the session that runs, and starts this."""


class LastSessionAnswer(Answer):
    """How an earlier session of the caller from the same profile ended."""

    at: dt.datetime
    reason: str
    """`stopped`, `stop-order`, `idle`, `total`, `access-ended`, `deleted`, `evicted`, `exited` or `out-of-memory`."""
    memory: int | None
    """The limit of its memory, in bytes; null where it was not written down."""


class OwnSessionAnswer(Answer):
    """The session that asks."""

    user: str
    server: str
    """The session's name; empty for the default one."""
    profile: str
    title: str
    """Empty where the profile is gone."""
    team: str
    revision: str
    """The commit of main that it was started from."""
    newer: bool
    """Whether the profile's file is another one now."""
    options: dict[str, str]
    app: str
    image: str
    """As written in the profile; empty where images are not used, as on a laptop."""
    digest: str
    """The digest of the image that runs; empty where it is not known."""
    data_roles: list[SessionDataAnswer]
    cpu: float
    """The limit, in CPUs."""
    cpu_guarantee: float
    memory: int
    """The limit, in bytes."""
    memory_guarantee: int
    gpu: int
    started: dt.datetime
    idle: int
    """Seconds without activity after which it is stopped."""
    ends: list[SessionEndAnswer]
    """When it is stopped whatever happens in it, the soonest first."""
    larger: list[LargerSizeAnswer]
    """What has more memory and can be started: of this profile first."""
    last: LastSessionAnswer | None
    """How the last session of the caller from this profile ended; null where none has, or it is not known."""
    url: str
    """The page of the profile."""
    restart: str
    """The page that asks, stops this session, and starts its profile again as it is now."""


class StoppedSessionAnswer(SessionAnswer):
    """What became of a session."""

    why: str
    """Why it was not stopped by this call; empty if it was."""


class StopAnswer(Answer):
    """What became of all sessions of a user, a profile, an image or a data role."""

    order: str
    """The id of this call in the table of events."""
    stopped: list[StoppedSessionAnswer]
    ended: list[StoppedSessionAnswer]
    """Those that had ended already."""
    stopping: list[StoppedSessionAnswer]
    """Those that have not ended yet. The hub goes on stopping them."""
    failed: list[StoppedSessionAnswer]
    """Those that could not be stopped. The hub tries again."""
    undecided: int
    """For an image: the sessions that were not stopped since the digest of their image is not known."""


class SessionHandler(ApiHandler):
    """The session whose token asks."""

    @operation(OwnSessionAnswer)
    async def get(self) -> None:
        """Return the session that asks: what it was started from, what it has, when it ends, and larger sizes."""
        session = await self.services.own_sessions.of(self.actor.user, self.actor.server)
        self.answer(_own_session_answer(session, self.address))


def _own_session_answer(session: OwnSession, address: Callable[[str], str]) -> OwnSessionAnswer:
    """Return the answer for the session that asks."""
    size = session.size
    return answer_from(
        OwnSessionAnswer,
        session,
        team=session.profile.partition("/")[0],
        revision=session.commit,
        options=dict(session.options),
        data_roles=[
            {
                **attributes(each, "name", "title", "state"),
                "until": each.grant and each.grant.until,
                "review_by": each.grant and each.grant.review_by,
            }
            for each in session.data
        ],
        **{name: size[name] / 1000 for name in ("cpu", "cpu_guarantee")},
        **{name: size[name] for name in ("memory", "memory_guarantee", "gpu")},
        larger=[
            {
                **attributes(each, "profile", "title", "memory"),
                "options": dict(each.options),
                "cpu": each.cpu / 1000,
                "url": address(each.link),
            }
            for each in session.larger
        ],
        url=address(f"profiles/{session.profile}"),
        restart=address(session.restart_link),
    )


class StopsHandler(ApiHandler):
    """Stops of all sessions of a user, a profile, an image or a data role."""

    decides: ClassVar[bool] = True

    @operation(SessionAnswer, listed="sessions", query=_TARGET)
    async def get(self) -> None:
        """List the sessions that a stop would end. Give exactly one of the parameters."""
        target = stop_target({name: self.get_query_argument(name, "") for name in _TARGET})
        preview = await self.services.stops.preview(self.actor.user, target)
        await self.answer_list(partial(answer_from, SessionAnswer), preview.sessions)

    @operation(StopAnswer)
    async def post(self, body: StopBody) -> None:
        """Stop all sessions of a user, a profile, an image or a data role. Their users are told by whom and why."""
        outcome = await self.services.stops.stop(self.actor, body.target, body.reason)
        await self.answer_made(
            lambda: answer_from(StopAnswer, outcome, **{result: outcome.having(result) for result in RESULTS})
        )
