"""Trials in the hub: the one server of a user that starts them, what it may not have, and what became of the last one.

The service asks for a trial, and has decided who may try what. The hub decides everything else at the start, by the
rules of every start, from its own catalog of main.
"""

import asyncio
import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from traitlets.config import LoggingConfigurable

from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.launch import Launch
from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.problems import Refusal, RefusedError
from allotment_profiles.trials.request import SERVER, TrialRequest, resolve_trial
from allotment_spawner.session.session import EndReason, Session
from allotment_spawner.session.trial_status import TrialStatus, end_text

TOKEN_SCOPES = ["access:servers!server", "users:activity!user"]
"""What the token of a trial may do: let its user in, and report activity, which JupyterHub asks of every session."""
_LAST = "last_trial"
RESERVED = Refusal(
    "trial-reserved",
    "No session was started.",
    f"The server {SERVER} is for trials of proposals.",
    "Give your server another name. A trial starts on the page of its proposal.",
    status=409,
)


STOPPED = Refusal("trial-stopped", "The trial did not start.", "It was stopped before it answered.", "", status=409)
"""Why there is no outcome of a trial that was ended while it was starting."""


class TrialMixin(LoggingConfigurable):
    """A server of a reserved name starts trials, and nothing else; all other servers start none."""

    name: str
    environment: Any

    trial_request: TrialRequest | None = None
    """What the next start is to try. Only the service sets it, through the hub's API."""
    last_trial: TrialStatus | None = None
    _trial_began = False
    """Whether the start that was asked for last has begun: `last_trial` is of it then."""

    def ask_trial(self, asked: TrialRequest) -> None:
        """Have the next start try something."""
        self.trial_request, self._trial_began = asked, False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._own_environment = dict(self.environment)
        if self.for_trials:
            # Whatever the deployment gives to other sessions: nobody has approved what runs here.
            self.server_token_scopes = list(TOKEN_SCOPES)
            self.oauth_client_allowed_scopes: Any = []
            self.oauth_roles: Any = []  # deprecated, but without allowed scopes JupyterHub takes these

    @property
    def for_trials(self) -> bool:
        """Whether this server is the one for trials."""
        return self.name == SERVER

    async def run_auth_state_hook(self, auth_state: Any) -> None:
        """Keep what the identity provider gave to the user from a trial."""
        if not self.for_trials:
            await super().run_auth_state_hook(auth_state)  # type: ignore[misc]  # JupyterHub's Spawner has it

    def _take_trial(self) -> TrialRequest | None:
        """Return what this start is to try; each request counts for one start. Raise RefusedError."""
        asked, self.trial_request = self.trial_request, None
        if not self.for_trials:
            return None
        if asked is None:
            raise RefusedError(RESERVED)
        # Neither what a hook has added for this user, nor references to Secrets, nor functions of the user.
        plain = {name: value for name, value in self._own_environment.items() if isinstance(value, str)}
        self.environment = plain
        return asked

    async def _resolve_trial(self, catalog: Catalog, user: User, asked: TrialRequest, able: Capabilities) -> Launch:
        return await asyncio.to_thread(resolve_trial, catalog, user, asked, dt.datetime.now(dt.UTC), able)

    def _trial_begins(self, session: Session) -> None:
        if session.trial:
            self.last_trial = TrialStatus(session.trial, session.profile, session.started)
            self._trial_began = True

    def _trial_answers(self, seconds: float) -> None:
        if self.last_trial and self.for_trials:
            self.last_trial = replace(self.last_trial, seconds=seconds)

    def trial_ends(self, why: str, code: str = STOPPED.code) -> None:
        """Remember why the trial has ended, or with a code why it has not started.

        A failed start ends twice: JupyterHub stops what it has started before the hub learns of the failure.
        """
        last = self.last_trial
        if last and (last.ended is None or (last.seconds is None and code != STOPPED.code)):
            code = "" if last.seconds is not None else code
            self.last_trial = replace(last, ended=dt.datetime.now(dt.UTC), why=why, code=code)

    def trial_failed(self, refusal: Refusal, asked: TrialRequest | None = None) -> None:
        """Remember why a trial has not started. With `asked`, also where it was refused before it began.

        Without, whoever asked is told, and how an earlier one went stays as it is.
        """
        if not self._trial_began and asked:
            self.last_trial = TrialStatus(asked.trial, asked.request.profile, dt.datetime.now(dt.UTC))
        if self._trial_began or asked:
            self.trial_ends(refusal.why, refusal.code)

    def _trial_ended(self, reason: EndReason, ordered: str) -> None:
        """`ordered`: why somebody or the service has ended it."""
        if self.for_trials:
            self.trial_ends(ordered or end_text(reason))

    def _load_trial(self, stored: Mapping[str, Any]) -> None:
        self.last_trial = TrialStatus.from_state(stored.get(_LAST))

    def _trial_as_state(self) -> dict[str, Any]:
        return {_LAST: self.last_trial.as_state()} if self.last_trial else {}
