"""The hub's API for the service to start, list and end trials: `<hub>/api/allotment/trials`."""

import asyncio
import datetime as dt
import logging
import secrets
from collections.abc import Iterator
from typing import Any

from jupyterhub import orm
from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope
from jupyterhub.spawner import SpawnException
from tornado.web import HTTPError

from allotment_profiles.model.problems import Refusal
from allotment_profiles.scopes import TRIAL_SCOPE
from allotment_profiles.trials.request import SERVER, TrialRequest
from allotment_spawner.hub.mixin import ProfileSpawnerMixin
from allotment_spawner.hub.stops import carry_out
from allotment_spawner.session.stop_order import StopOrder
from allotment_spawner.session.trial_status import TrialStatus

log = logging.getLogger(__name__)

RUNNING = Refusal(
    "trial-running",
    "The trial was not started.",
    "You have one that runs.",
    "End it under Home first, or on the page of its proposal.",
    status=409,
)
_FAILED = Refusal(
    "trial-failed",
    "The trial did not start.",
    "The hub's log says why.",
    "Try it again; if that does not help, tell an administrator of the platform.",
    status=409,
)
_MAXIMUM = 500
_NEWEST = (orm.Spawner.server_id.is_(None), orm.Spawner.last_activity.desc())
"""Those that run come first."""


class TrialsHandler(APIHandler):
    """The trials of all users: of each the one that runs, or the last one."""

    @needs_scope(TRIAL_SCOPE)
    def get(self) -> None:
        """GET allotment/trials."""
        self.finish({"trials": list(self._trials())})

    @needs_scope(TRIAL_SCOPE)
    async def post(self) -> None:
        """POST allotment/trials: start the trial of a user. What is refused is answered with its refusal."""
        body = self.get_json_body()
        asked = TrialRequest.parse(body)
        user = self.find_user(str(body.get("user"))) if asked else None
        if asked is None or user is None:
            raise HTTPError(400, "There is no such user, or this is no trial.")
        name = f"{SERVER} of {asked.trial.name}"
        user.get_or_create_spawner(SERVER, name, replace_failed=True)
        spawner = user.spawners[SERVER]  # JupyterHub returns one that it does not keep where the last start failed
        if not isinstance(spawner, ProfileSpawnerMixin) or spawner.active or spawner.trial_request:
            self._refuse(RUNNING)
            return
        spawner.ask_trial(asked)
        spawner.orm_spawner.display_name = name
        try:
            await self.spawn_single_user(user, SERVER, options={})
        except Exception as error:  # noqa: BLE001  (whatever it is, the user learns that it did not start)
            spawner.trial_request = None
            refusal = _failed(spawner, error)
            self._refuse(refusal)
            return
        if spawner.pending == "spawn" and spawner._spawn_future:
            spawner._spawn_future.add_done_callback(lambda future: _started(spawner, asked, future))
        self.set_status(202)
        self.finish({})

    @needs_scope(TRIAL_SCOPE)
    async def delete(self) -> None:
        """DELETE allotment/trials?user=NAME&by=NAME&why=SENTENCE: end the trial of a user."""
        user = self.find_user(self.get_query_argument("user", ""))
        spawner = user.spawners.get(SERVER) if user else None
        if isinstance(spawner, ProfileSpawnerMixin) and (spawner.active or spawner.session):
            by, why = (self.get_query_argument(name, "")[:2000] for name in ("by", "why"))
            profile = spawner.session.profile if spawner.session else ""
            order = spawner.stop_order  # one that somebody else has given stays
            if order is None:
                order = StopOrder(secrets.token_hex(8), by, why, dt.datetime.now(dt.UTC), "", profile)
                spawner.order_stop(order)
                spawner._store_state()
            await carry_out([spawner], order)
        self.set_status(204)
        self.finish()

    def _refuse(self, refusal: Refusal) -> None:
        self.set_status(refusal.status)
        self.finish({"refusal": {**refusal.as_dict(), "status": refusal.status}})

    def _trials(self) -> Iterator[dict[str, Any]]:
        # Not from the users in memory: those who are not active are in the database alone.
        stored = self.db.query(orm.Spawner).filter_by(name=SERVER).order_by(*_NEWEST).limit(_MAXIMUM)
        for each in stored:
            user = self.users[each.user] if each.user in self.users else None  # noqa: SIM401  (`get` loads users)
            spawner = user.spawners[SERVER] if user and SERVER in user.spawners else None
            outcome = (
                spawner.last_trial
                if isinstance(spawner, ProfileSpawnerMixin)
                else TrialStatus.from_state(((each.state or {}).get("allotment") or {}).get("last_trial"))
            )
            if outcome:
                runs = bool(spawner and (spawner.active or spawner.pending))
                ready = bool(spawner and spawner.ready)
                yield {
                    **outcome.as_state(),
                    "user": each.user.name,
                    "state": "running" if ready else "starting" if runs else "ended",
                    "url": user.server_url(SERVER) if user and ready else "",
                }


def _started(spawner: ProfileSpawnerMixin, asked: TrialRequest, future: "asyncio.Future[Any]") -> None:
    """Remember why a trial did not start of which the service was told that it is starting."""
    spawner.trial_request = None
    if not future.cancelled() and (error := future.exception()):
        _failed(spawner, error, asked)


def _failed(spawner: ProfileSpawnerMixin, error: BaseException, asked: TrialRequest | None = None) -> Refusal:
    """Remember that a trial did not start, and return why."""
    refusal: Refusal | None = getattr(error, "refusal", None)
    if refusal is None:
        log.warning("the trial %s did not start: %r", spawner._log_name, error)
        refusal = _FAILED
        if isinstance(error, HTTPError) and error.status_code < 500 and error.log_message:
            why = error.log_message % error.args if error.args else error.log_message
            refusal = Refusal("trial-failed", _FAILED.what, why, "Try again later.", status=409)
        elif isinstance(error, TimeoutError):
            refusal = Refusal("trial-failed", _FAILED.what, "It did not answer in time.", _FAILED.remedy, status=409)
    elif not isinstance(error, SpawnException):
        log.warning("the trial %s was refused: %s", spawner._log_name, refusal.sentence)
    spawner.trial_failed(refusal, asked)
    spawner._store_state()
    return refusal
