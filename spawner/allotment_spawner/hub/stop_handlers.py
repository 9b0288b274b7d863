"""The hub's API for the service to list sessions and to stop them: `<hub>/api/allotment/sessions` and `…/stops`."""

import logging
from collections.abc import Mapping

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope
from tornado.web import HTTPError

from allotment_profiles.scopes import STOP_SCOPE
from allotment_profiles.stops import MAXIMUM_REASON, StopTarget
from allotment_spawner.hub.shared import event_writers
from allotment_spawner.hub.stops import carry_out, described, in_full, matching, record, store, undecided
from allotment_spawner.session.stop_order import StopOrder

log = logging.getLogger(__name__)


class SessionsHandler(APIHandler):
    """The sessions of a user, a profile, an image or a data role."""

    @needs_scope(STOP_SCOPE)
    def get(self) -> None:
        """GET allotment/sessions?kind=KIND&name=NAME: what runs, and what is starting; of one user, all about it."""
        target = _target(self.get_query_argument("kind", ""), self.get_query_argument("name", ""))
        told = in_full if target.kind == "user" else described
        sessions = [told(spawner) for spawner in matching(self.users, target)]
        self.finish({"sessions": sessions, "undecided": undecided(self.users, target)})


class StopsHandler(APIHandler):
    """Orders to stop sessions."""

    @needs_scope(STOP_SCOPE)
    async def post(self) -> None:
        """POST allotment/stops: stop all sessions of a target, and return what became of each."""
        body = self.get_json_body()
        body = body if isinstance(body, Mapping) else {}
        target = _target(body.get("kind"), body.get("name"))
        order = StopOrder.given(target, _text(body, "by", 255), _text(body, "reason", MAXIMUM_REASON))
        sessions = list(matching(self.users, target))
        # No await until here: a start is either among these sessions, or decided after the order.
        for spawner in sessions:
            spawner.order_stop(order.of_profile(spawner.session.profile if spawner.session else ""))
        # Without the reason, which may have lines of its own.
        log.warning("%s stops %d sessions of %s, order %s", order.by, len(sessions), target, order.id)
        record(event_writers(self.users.settings), target, order, len(sessions))
        descriptions = [described(spawner) for spawner in sessions]
        await store(sessions, self.db)
        results = await carry_out(sessions, order)
        answers = [{**description, "result": result} for description, result in zip(descriptions, results, strict=True)]
        self.finish({"order": order.id, "sessions": answers, "undecided": undecided(self.users, target)})


def _target(kind: object, name: object) -> StopTarget:
    target = StopTarget.parse(kind, name)
    if target is None:
        raise HTTPError(400, "There is no such user, profile, image or data role.")
    return target


def _text(body: Mapping[str, object], key: str, maximum: int) -> str:
    text = body.get(key)
    if not isinstance(text, str) or not 1 <= len(text) <= maximum:
        raise HTTPError(400, f"{key} is not a text of 1 to {maximum} characters.")
    return text
