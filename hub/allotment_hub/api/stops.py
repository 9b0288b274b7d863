"""The API for stopping sessions."""

from typing import ClassVar

from allotment_hub.api.handler import ApiHandler, operation
from allotment_hub.api.requests import StopBody, stop_target
from allotment_hub.api.responses import SessionAnswer, StopAnswer
from allotment_hub.api.serializers import answer_from
from allotment_profiles.stops import RESULTS

_TARGET = {
    "user": "The name of a user.",
    "profile": "The id of a profile, TEAM/NAME.",
    "image": "An image: its digest, or its reference as written in the profile.",
    "data_role": "The name of a data role.",
}


class StopsHandler(ApiHandler):
    """Stops of all sessions of a user, a profile, an image or a data role."""

    decides: ClassVar[bool] = True

    @operation(SessionAnswer, listed="sessions", query=_TARGET)
    async def get(self) -> None:
        """List the sessions that a stop would end. Give exactly one of the parameters."""
        target = stop_target({name: self.get_query_argument(name, "") for name in _TARGET})
        preview = await self.services.stops.preview(self.actor.user, target)
        await self.answer_list([answer_from(SessionAnswer, session) for session in preview.sessions])

    @operation(StopAnswer)
    async def post(self, body: StopBody) -> None:
        """Stop all sessions of a user, a profile, an image or a data role. Their users are told by whom and why."""
        outcome = await self.services.stops.stop(self.actor, body.target, body.reason)
        becomes = {result: outcome.having(result) for result in RESULTS}
        self.answer(answer_from(StopAnswer, outcome, **becomes))
