"""What every spawner of profiles shares: the start page, the decision at each start, the session's lifetime.

A subclass for one kind of deployment states its `capabilities` and translates a Launch, in `prepare` and JupyterHub's
own methods. It makes no decisions.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from jupyterhub.spawner import Spawner
from traitlets import default

from allotment_profiles.access.budgets import Usage, over_budget
from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.launch import Launch, parse_request, resolve
from allotment_profiles.access.lost_access import left_team, lost_access, time_left
from allotment_profiles.access.people import User
from allotment_profiles.model.paths import file_ref, profile_path
from allotment_profiles.model.problems import Refusal, RefusedError
from allotment_spawner.hub.identity import check_identity
from allotment_spawner.hub.stopping import StopOrderMixin
from allotment_spawner.hub.traits import ProfileSpawnerTraits
from allotment_spawner.hub.trials import TrialMixin
from allotment_spawner.session.access_expiry import (
    AccessExpiry,
    access_events,
    access_expiries,
    lost_since_as_state,
    lost_since_from_state,
)
from allotment_spawner.session.errors import (
    NO_CATALOG,
    NOTHING_CHOSEN,
    LinkedChoiceError,
    WithoutTraceback,
    spawn_exception,
)
from allotment_spawner.session.session import EndReason, Session, parse_choice, usage
from allotment_spawner.start_page.cards import Viewer
from allotment_spawner.start_page.form import request_of
from allotment_spawner.start_page.offers import start_page
from allotment_spawner.start_page.rendering import render
from allotment_spawner.text import app_title, size_text

_STATE = "allotment"
_WITHOUT_TRACEBACK = WithoutTraceback()


class ProfileSpawnerMixin(StopOrderMixin, TrialMixin, ProfileSpawnerTraits, Spawner):
    """Starts a session from a profile of the repository. Every start is decided anew.

    The last good choice is in the spawner's state, which the hub keeps when a session ends. The options that the hub
    stores by itself are those of the last request, even if it was refused.
    """

    notice = ""
    """What the start page says about this kind of deployment; may be empty."""

    # Variables of JupyterHub that a profile may override.
    _overridable = frozenset({"LANG", "LC_ALL", "TZ"})

    _choice: Mapping[str, Any] | None = None
    _linked: Mapping[str, Any] | None = None
    """What the link of the current request has chosen."""
    _session: Session | None = None
    _launch: Launch | None = None
    _end_reason: EndReason | None = None
    _lost_since: Mapping[str, dt.datetime] = MappingProxyType({})
    _unready = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.messages: list[dict[str, Any]] = []
        """The messages of the current start, for the page that waits for it."""
        self._new_message = asyncio.Event()
        # Activity while the hub was down is unknown, so idle time counts from now.
        self._watched_since = dt.datetime.now(dt.UTC)
        self.log.addFilter(_WITHOUT_TRACEBACK)  # always the same object, so the logger adds it once

    # -- what a subclass provides

    def capabilities(self) -> Capabilities:
        """Return what this kind of deployment can do for a session."""
        raise NotImplementedError

    async def prepare(self, launch: Launch) -> None:
        """Prepare what the launch needs. Raise RefusedError if this deployment cannot do it."""

    def escape_variable(self, value: str) -> str:
        """Escape a variable's value for a deployment that would interpret it."""
        return value

    # -- the start page

    @default("options_form")
    def _options_form_default(self) -> str:
        # Any text will do: without a form JupyterHub starts a session instead of showing the page.
        return "made for each request"

    @default("options_from_form")
    def _options_from_form_default(self) -> Any:
        return request_of

    async def options_from_query(self, query_data: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Have the start page show what a link has chosen. A link of any site would start a session otherwise."""
        self._linked = request_of(query_data)
        catalog, now = await self._shared.watcher.ready(), dt.datetime.now(dt.UTC)
        try:
            resolve(catalog, self._user(), parse_request(self._linked), now, self.capabilities())
        except RefusedError as error:
            raise spawn_exception(error.refusal) from None
        raise LinkedChoiceError

    @default("apply_user_options")
    def _apply_user_options_default(self) -> Any:
        # JupyterHub logs a traceback for exceptions raised here, so start() decides everything.
        return lambda _spawner, _options: None

    async def get_options_form(self) -> str:
        """Render the start page from the current catalog."""
        watcher = self._shared.watcher
        catalog = await watcher.ready()
        viewer = Viewer(
            self._user(), self.service_url, self.notice, watcher.last_error, watcher.failed_fetch, watcher.standstill
        )
        now = dt.datetime.now(dt.UTC)
        running = tuple(self._running())
        linked, self._linked = self._linked, None
        choice, able = linked or self._choice, self.capabilities()
        page = await asyncio.to_thread(start_page, catalog, viewer, choice, now, able, running, linked=bool(linked))
        return await asyncio.to_thread(render, page)

    # -- the decision

    async def start(self) -> Any:
        """Decide the request and start the session. Raise SpawnException if it is refused."""
        self._launch = self._session = self._end_reason = None
        self.messages, self._lost_since = [], {}
        try:
            self._require_no_order()
            launch, session = await self._decide()
            self.report(20, f"Starting {launch.title}: {size_text(launch.size, launch.gpu)}")
            if launch.bindings:
                self.report(30, f"Data: {', '.join(launch.bindings)}")
            await self.prepare(launch)
        except BaseException as error:
            self._session = None  # releases its share of the budgets
            if isinstance(error, RefusedError):
                self._record_refusal(error.refusal)
                raise spawn_exception(error.refusal) from None
            raise
        if launch.trial is None:
            self._store_choice(launch.request.as_dict())
        self._launch, self.last_stop = launch, None
        # If the hub is killed from here on, the session goes on running and the next hub has to recognise it.
        self._store_state()
        self.report(50, f"Waiting for {app_title(launch.app, launch.tool)} to answer")
        self._record("start", session, options=dict(launch.request.options), server=self.name)
        return await self._unless_stopped(super().start())

    async def _decide(self) -> tuple[Launch, Session]:
        """Decide the request and reserve its share of the budgets."""
        trial = self._take_trial()
        catalog = await self._shared.watcher.ready()
        if not catalog.revision:
            raise RefusedError(NO_CATALOG)
        # An empty request means the last good choice. (For an empty body JupyterHub passes the options that it stored.
        # They are the last good choice as well, because every refusal restores them.)
        requested = self.user_options or self._choice
        if not requested and trial is None:
            raise RefusedError(NOTHING_CHOSEN)
        check_identity(self.authenticator, self.user)
        user, able = self._user(), self.capabilities()
        if trial:
            launch = await self._resolve_trial(catalog, user, trial, able)
        else:
            launch = resolve(catalog, user, parse_request(requested), dt.datetime.now(dt.UTC), able)
        # No await between counting and reserving: concurrent starts must see each other.
        refusal = over_budget(catalog, user, launch.team, launch.size, self._running())
        if refusal:
            raise RefusedError(refusal)
        self._session = Session.of(launch, dt.datetime.now(dt.UTC), reviewing=bool(trial and trial.reviewing))
        self._trial_begins(self._session)
        self._unready = True
        return launch, self._session

    def _running(self) -> Iterator[Usage]:
        return usage(self.user.settings.get("users"))

    def _record_refusal(self, refusal: Refusal) -> None:
        requested = self.user_options.get("profile") if self.user_options else None
        profile = requested if isinstance(requested, str) and file_ref(profile_path(requested)) else ""
        revision = self._shared.watcher.catalog.revision
        self._shared.event_writer.record(
            "refusal", user=self.user.name, profile=profile, revision=revision, code=refusal.code, server=self.name
        )
        self._store_choice(self._choice)

    def _store_choice(self, choice: Mapping[str, Any] | None) -> None:
        """Store the last good choice, also over the undecided options that the hub has stored."""
        self._choice = choice
        self.user_options = dict(choice or {})
        if self.orm_spawner.user_options != self.user_options:
            self.orm_spawner.user_options = dict(self.user_options)
            self.user.db.commit()

    def _user(self) -> User:
        groups = frozenset(group.name for group in self.user.groups)
        return User(self.user.name, groups, bool(self.user.admin))

    # -- the session

    def get_env(self) -> dict[str, str]:
        """Return the environment: JupyterHub's, then the profile's, then the session's own description."""
        env: dict[str, str] = super().get_env()
        if self._launch and self._session:
            for name, value in self._launch.environment.items():
                # The profile's value replaces the deployment's, but none that the hub sets itself.
                if name not in env or name in self.environment or name in self._overridable:
                    env[name] = self.escape_variable(value)
            env.update(self._session.environment())
            if not self._session.trial:  # its token may not call the service
                env["ALLOTMENT_URL"] = self.api_url or f"{self.service_url}api/v1"
        return env

    def report(self, percent: int, message: str) -> None:
        """Show a message on the page of the pending start."""
        self.messages.append({"progress": percent, "message": message})
        event, self._new_message = self._new_message, asyncio.Event()
        event.set()

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the messages of the start. JupyterHub stops the iteration when the session is ready."""
        yield {"progress": 5, "message": "Checking that the profile may be started"}
        shown = 0
        while True:
            event = self._new_message
            for message in self.messages[shown:]:
                shown += 1
                yield message
            await event.wait()

    def add_poll_callback(self, callback: Any, *args: Any, **kwargs: Any) -> None:
        """Record that the session is ready. JupyterHub calls this once a session answers and has its route."""
        super().add_poll_callback(callback, *args, **kwargs)
        if self._session and self._unready:
            self._unready = False
            seconds = self._age(self._session)
            self._trial_answers(seconds)
            self._record("ready", self._session, seconds=seconds, server=self.name)

    async def poll(self) -> int | None:
        """Return None while the session runs. A session whose time is over is stopped."""
        status: int | None = await super().poll()
        if self._end_reason is None and not self._unready:
            if status is not None:
                self._forget_order(ended_by_it=False)  # it had ended by itself
            elif reason := self._reason_to_end(dt.datetime.now(dt.UTC)):
                return await self._end(reason)
        return status

    def _reason_to_end(self, now: dt.datetime) -> EndReason | None:
        if self.stop_order:
            return "stop-order"
        if self._session is None:
            return None
        return self._session.overdue(now, self._watched_since, self.orm_spawner.last_activity) or self.access_ended(now)

    async def _end(self, reason: EndReason) -> int | None:
        self.log.info("stopping the session %s: %s", self._log_name, reason)
        self._end_reason = reason
        status: int | None = None
        try:
            await self.stop()
            status = await super().poll()
        finally:
            if status is None:
                self._end_reason = None  # it still runs; the next poll tries again
        return status

    def access_ended(self, now: dt.datetime) -> EndReason | None:
        """Record data access that the session has lost, and check whether it has to end for that."""
        session = self._session
        expiries = self._access_expiries(session, now) if session else None
        if session is None or expiries is None:
            return None
        lost_since = {expiry.data_role: expiry.since for expiry in expiries}
        if lost_since != self._lost_since:
            self._record_access(session, lost_since, expiries)
        return "access-ended" if expiries and expiries[0].ends_at <= now else None

    def _record_access(
        self, session: Session, lost_since: Mapping[str, dt.datetime], expiries: Sequence[AccessExpiry]
    ) -> None:
        events = access_events(self._lost_since, expiries)
        self._lost_since = lost_since
        self._store_state()  # a restarted hub must go on counting
        for kind, details in events:
            self.log.warning("%s of the session %s: %s", kind, self._log_name, details)
            self._record(kind, session, server=self.name, **details)

    def _access_expiries(self, session: Session, now: dt.datetime) -> tuple[AccessExpiry, ...] | None:
        """Check access with the current catalog; None if none was ever read, so that nothing is known."""
        catalog = self._shared.watcher.catalog
        if not catalog.revision:
            return None
        if session.trial and not session.data_roles:
            # Who reviews need not be in the team. The service knows whether they still do, and ends their trial.
            lost = () if session.reviewing else left_team(catalog, self._user(), session.profile, now)
        else:
            lost = lost_access(catalog, self._user(), session.profile, session.data_roles, now)
        return access_expiries(
            lost, self._lost_since, now, time_left(catalog), session.profile, server=self.name, service=self.service_url
        )

    @property
    def access_expiries(self) -> tuple[AccessExpiry, ...]:
        """The data access that the running session has lost, for the hub's pages."""
        session = None if self._unready else self._session
        return (self._access_expiries(session, dt.datetime.now(dt.UTC)) or ()) if session else ()

    async def stop(self, now: bool = False) -> None:
        """Stop the session. JupyterHub requires this method in a class that defines `start`."""
        await super().stop(now)

    @property
    def images(self) -> frozenset[str]:
        """The image of the session, as written. Empty if a version stored the session that did not store images."""
        return frozenset([self._session.image]) - {""} if self._session else frozenset()

    @property
    def session(self) -> Session | None:
        """The current session."""
        return self._session

    @property
    def budget_usage(self) -> Usage | None:
        """What this spawner uses of the budgets, from the decision until the end of its session."""
        session = self._session
        return Usage(self.user.name, session.team, session.size) if session else None

    @property
    def data_roles(self) -> tuple[str, ...]:
        """The data roles of the current session."""
        return self._session.data_roles if self._session else ()

    def _age(self, session: Session) -> float:
        return round((dt.datetime.now(dt.UTC) - session.started).total_seconds(), 1)

    def _record(self, kind: str, session: Session, **details: Any) -> None:
        kind, about = session.event(kind)
        self._shared.event_writer.record(kind, user=self.user.name, **about, **details)

    # -- the state in the hub's database

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore the last good choice, and the session that may still run."""
        super().load_state(state)
        stored = state.get(_STATE)
        if isinstance(stored, Mapping):
            self._choice = parse_choice(stored.get("choice"))
            self._lost_since = lost_since_from_state(stored.get("access_lost"))
            self._session = Session.from_state(stored.get("session"))
            self._load_orders(stored)
            self._load_trial(stored)

    def get_state(self) -> dict[str, Any]:
        """Return what the hub needs after a restart."""
        state: dict[str, Any] = super().get_state()
        stored = {**self._orders_as_state(), **self._trial_as_state()}
        if self._choice:
            stored["choice"] = dict(self._choice)
        if self._session:
            stored["session"] = self._session.as_state()
            if self._lost_since:
                stored["access_lost"] = lost_since_as_state(self._lost_since)
        return {**state, _STATE: stored} if stored else state

    def _store_state(self) -> None:
        """Write the state into the hub's database now, without waiting for JupyterHub to do it."""
        self.orm_spawner.state = self.get_state()
        self.user.db.commit()

    def clear_state(self) -> None:
        """Forget the session, but not the user's last good choice. JupyterHub calls this at every end of a session."""
        super().clear_state()
        session, self._session = self._session, None
        order = self.stop_order if self._end_reason in (None, "stop-order") else None
        if session:
            reason: EndReason = "stop-order" if order else self._end_reason or "stopped"
            self._trial_ended(reason, order.reason if order and not order.target else "")
            details: dict[str, Any] = {"memory": session.size.memory, **({"order": order.id} if order else {})}
            self._record("end", session, seconds=self._age(session), reason=reason, server=self.name, **details)
        self._session_ended(by_order=order is not None)
        self._launch = self._end_reason = None
        self._lost_since = {}
