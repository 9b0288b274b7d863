"""What every spawner of profiles shares: the start page, the decision at each start, the stamp, the lifetime.

A class for one kind of deployment says what it can do (`capabilities`), and translates a Launch (`prepare`, and
JupyterHub's own methods). It decides nothing.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jupyterhub.spawner import Spawner
from traitlets import Bool, Float, Unicode, default

from allotment_profiles.access.budgets import Usage, over_budget
from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.launch import Launch, parse_request, resolve
from allotment_profiles.access.lost_access import lost_access, time_left
from allotment_profiles.access.people import User
from allotment_profiles.git.remotes import Remote
from allotment_profiles.model.paths import file_ref, profile_path
from allotment_profiles.model.problems import Refusal, RefusedError
from allotment_spawner.hub.shared import Shared, shared
from allotment_spawner.session.access_expiry import (
    AccessExpiry,
    access_expiries,
    observations,
    seen_as_state,
    seen_from_state,
)
from allotment_spawner.session.errors import NO_CATALOG, NOTHING_CHOSEN, WithoutTraceback, spawn_exception
from allotment_spawner.session.session import EndReason, Session
from allotment_spawner.session.usage import usage
from allotment_spawner.start_page.cards import Viewer
from allotment_spawner.start_page.form import request_of
from allotment_spawner.start_page.offers import start_page
from allotment_spawner.start_page.rendering import render
from allotment_spawner.text import app_title, size_text

_STATE = "allotment"
_WITHOUT_TRACEBACK = WithoutTraceback()


class ProfileSpawnerMixin(Spawner):
    """Starts a session from a profile of the repository, decided anew at every start.

    The last good choice lies in the spawner's state, which the hub keeps when a session ends; the options that the
    hub stores by itself hold whatever was asked last, refused or not.
    """

    repository = Unicode(config=True, help="The path of the bare repository of profiles, which is only read.")
    allowed_signers = Unicode(config=True, help="The path of the allowed-signers file with the service's key.")
    events_url = Unicode(config=True, help="SQLAlchemy's URL of the table of events; empty: none is kept.")
    poll_seconds = Float(0.5, config=True, help="How often the repository is looked at.")
    cache = Unicode(config=True, help="A file that keeps what was read across restarts; empty: none is kept.")
    remote_url = Unicode(config=True, help="The repository on a git server; empty: `repository` is all there is.")
    remote_user = Unicode("allotment", config=True, help="The account's name for HTTPS.")
    remote_token_file = Unicode(config=True, help="The file with the token for HTTPS, which needs to read only.")
    remote_ssh_key_file = Unicode(config=True, help="The file with the private key for SSH, which needs to read only.")
    remote_known_hosts_file = Unicode(config=True, help="The file with the git server's SSH keys.")
    remote_ca_file = Unicode(config=True, help="The certificates that the git server is checked against.")
    remote_plain_http = Bool(False, config=True, help="Whether the address may be http://, which everyone can read.")
    fetch_seconds = Float(30, config=True, help="How often the git server is asked, beside being told.")
    service_url = Unicode(config=True, help="The public address of the service, `…/services/allotment/`.")
    api_url = Unicode(config=True, help="Its API as sessions reach it, `…/api/v1`; empty: below `service_url`.")

    notice = ""
    """What the start page says about this kind of deployment; empty: nothing."""

    # Variables of the hub's own that a profile may set to something else.
    _yielding = frozenset({"LANG", "LC_ALL", "TZ"})

    _choice: Mapping[str, Any] | None = None
    _session: Session | None = None
    _launch: Launch | None = None
    _end_reason: EndReason | None = None
    _lost_since: Mapping[str, dt.datetime] = MappingProxyType({})
    _unready = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._told: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        # Activity that happened while the hub was away is not known: what is idle is counted from here on.
        self._watched_since = dt.datetime.now(dt.UTC)
        self.log.addFilter(_WITHOUT_TRACEBACK)  # the same object each time, so it is there once

    # -- what a kind of deployment says

    def capabilities(self) -> Capabilities:
        """Say what this kind of deployment can do for a session."""
        raise NotImplementedError

    async def prepare(self, launch: Launch) -> None:
        """Make ready what the launch needs; raises RefusedError where this deployment cannot do it."""

    # -- what is asked

    @default("options_form")
    def _options_form_default(self) -> str:
        # Only its being there counts: without a form JupyterHub starts a session instead of showing the page.
        return "made for each request"

    @default("options_from_form")
    def _options_from_form_default(self) -> Any:
        return request_of

    @default("apply_user_options")
    def _apply_user_options_default(self) -> Any:
        # JupyterHub logs a traceback for what is raised here, so everything is decided in start().
        return _leave_alone

    async def get_options_form(self) -> str:
        """Render the start page, from the catalog as it is now."""
        watcher = self._shared.watcher
        catalog = await watcher.first()
        viewer = Viewer(self._person(), self.service_url, self.notice, watcher.last_error, watcher.unreachable_since)
        now = dt.datetime.now(dt.UTC)
        runs = tuple(self._running())
        page = await asyncio.to_thread(start_page, catalog, viewer, self._choice, now, self.capabilities(), runs)
        return await asyncio.to_thread(render, page)

    # -- the decision

    async def start(self) -> Any:
        """Decide what was asked and start it; raises SpawnException where it is refused."""
        self._launch = self._session = self._end_reason = None
        self._told, self._lost_since = [], {}
        try:
            launch, session = await self._decide()
            self._tell_launch(launch)
            await self.prepare(launch)
        except BaseException as error:
            self._session = None  # its share of the budgets is free again
            if isinstance(error, RefusedError):
                self._refused(error.refusal)
                raise spawn_exception(error.refusal) from None
            raise
        self._store(launch.request.as_dict())
        self._launch = launch
        # A hub that is killed from here on leaves a session behind; the next one has to know what it is.
        self._keep_state()
        self.tell(50, f"Waiting for {app_title(launch.app, launch.tool)} to answer")
        self._record("start", session, options=dict(launch.request.options), server=self.name)
        return await super().start()

    async def _decide(self) -> tuple[Launch, Session]:
        """Decide what was asked, and hold its share of the budgets."""
        watcher = self._shared.watcher
        catalog = await watcher.first()
        if not catalog.revision:
            raise RefusedError(NO_CATALOG)
        # Nothing sent means the last good choice. (An empty body gives the options that the hub stored; those are
        # the last good choice as well, because a refusal puts them back.)
        asked = self.user_options or self._choice
        if not asked:
            raise RefusedError(NOTHING_CHOSEN)
        now = dt.datetime.now(dt.UTC)
        person = self._person()
        launch = resolve(catalog, person, parse_request(asked), now, self.capabilities())
        # From here to the stamp nothing is awaited: of many starts at one time each sees the ones before it.
        refusal = over_budget(catalog, person, launch.team, launch.size, self._running())
        if refusal:
            raise RefusedError(refusal)
        self._session = Session.of(launch, now)
        self._unready = True
        return launch, self._session

    def _running(self) -> Iterator[Usage]:
        return usage(self.user.settings.get("users"))

    def _refused(self, refusal: Refusal) -> None:
        asked = self.user_options.get("profile") if self.user_options else None
        named = asked if isinstance(asked, str) and file_ref(profile_path(asked)) else ""
        revision = self._shared.watcher.catalog.revision
        self._shared.recorder.record(
            "refusal", user=self.user.name, profile=named, revision=revision, code=refusal.code, server=self.name
        )
        self._store(self._choice)

    def _store(self, choice: Mapping[str, Any] | None) -> None:
        """Make a choice the one that holds when nothing is sent, in place of what the hub stored before deciding."""
        self._choice = choice
        self.user_options = dict(choice or {})
        if self.orm_spawner.user_options != self.user_options:
            self.orm_spawner.user_options = dict(self.user_options)
            self.user.db.commit()

    def _person(self) -> User:
        groups = frozenset(group.name for group in self.user.groups)
        return User(self.user.name, groups, bool(self.user.admin))

    @property
    def _shared(self) -> Shared:
        return shared(
            self.user.settings,
            repository=self.repository,
            allowed_signers=self.allowed_signers,
            events_url=self.events_url,
            poll_seconds=self.poll_seconds,
            log=self.log,
            cache=self.cache,
            remote=self._remote(),
            fetch_seconds=self.fetch_seconds,
        )

    def _remote(self) -> Remote | None:
        if not self.remote_url:
            return None
        files = {
            name: Path(path) if path else None
            for name, path in (
                ("token_file", self.remote_token_file),
                ("ssh_key_file", self.remote_ssh_key_file),
                ("known_hosts_file", self.remote_known_hosts_file),
                ("ca_file", self.remote_ca_file),
            )
        }
        return Remote(self.remote_url, self.remote_user, plain_http=self.remote_plain_http, **files)

    # -- the session

    def get_env(self) -> dict[str, str]:
        """Give the session's environment: JupyterHub's own, what the profile adds, and the stamp over both."""
        env: dict[str, str] = super().get_env()
        if self._launch and self._session:
            for name, value in self._launch.environment.items():
                if name not in env or name in self._yielding:
                    env[name] = value
            env.update(self._session.environment())
            env["ALLOTMENT_URL"] = self.api_url or f"{self.service_url}api/v1"
        return env

    def tell(self, percent: int, message: str) -> None:
        """Say on the page of a pending start what is being done."""
        self._told.append({"progress": percent, "message": message})
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _tell_launch(self, launch: Launch) -> None:
        self.tell(20, f"Starting {launch.title}: {size_text(launch.size, launch.gpu)}")
        if launch.bindings:
            self.tell(30, f"Data: {', '.join(launch.bindings)}")

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Tell what is being started; whoever asks ends it when the session is there."""
        yield {"progress": 5, "message": "Checking that the profile may be started"}
        shown = 0
        while True:
            news = self._news
            for told in self._told[shown:]:
                shown += 1
                yield told
            await news.wait()

    def add_poll_callback(self, callback: Any, *args: Any, **kwargs: Any) -> None:
        """Watch the session; JupyterHub asks for it once a session answers and has its route: it is ready."""
        super().add_poll_callback(callback, *args, **kwargs)
        if self._session and self._unready:
            self._unready = False
            self._record("ready", self._session, seconds=self._age(self._session), server=self.name)

    async def poll(self) -> int | None:
        """Tell whether the session runs; ends one that is past its time."""
        status: int | None = await super().poll()
        if status is None and self._session and self._end_reason is None and not self._unready:
            now = dt.datetime.now(dt.UTC)
            reason = self._session.overdue(now, self._active(self._session)) or self._access_ended(self._session, now)
            if reason:
                return await self._end(reason)
        return status

    async def _end(self, reason: EndReason) -> int | None:
        self.log.info("ending the session %s: %s", self._log_name, reason)
        self._end_reason = reason
        status: int | None = None
        try:
            await self.stop()
            status = await super().poll()
        finally:
            if status is None:
                self._end_reason = None  # it did not end: the next look tries again
        return status

    def _access_ended(self, session: Session, now: dt.datetime) -> EndReason | None:
        """Note what the session has lost of its data, and tell whether its time is over for that."""
        found = self._endings(session, now)
        if found is None:
            return None
        seen = {each.data_role: each.since for each in found}
        if seen != self._lost_since:
            self._note_losses(session, seen, found)
        return "access-ended" if found and found[0].at <= now else None

    def _note_losses(self, session: Session, seen: Mapping[str, dt.datetime], found: Sequence[AccessExpiry]) -> None:
        changes = observations(self._lost_since, found)
        self._lost_since = seen
        self._keep_state()  # a hub that is started anew must not begin to count again
        for kind, details in changes:
            self.log.warning("%s of the session %s: %s", kind, self._log_name, details)
            self._record(kind, session, server=self.name, **details)

    def _endings(self, session: Session, now: dt.datetime) -> tuple[AccessExpiry, ...] | None:
        """Judge by the catalog that applies; None while none was ever read: nobody knows, so nothing changes."""
        catalog = self._shared.watcher.catalog if session.data_roles else None
        if catalog is None or not catalog.revision:
            return None
        lost = lost_access(catalog, self._person(), session.profile, session.data_roles, now)
        return access_expiries(
            lost, self._lost_since, now, time_left(catalog), session.profile, server=self.name, service=self.service_url
        )

    @property
    def endings(self) -> tuple[AccessExpiry, ...]:
        """What the running session has lost of its data, and when it ends for that: the hub's pages say it."""
        session = None if self._unready else self._session
        return (self._endings(session, dt.datetime.now(dt.UTC)) or ()) if session else ()

    async def stop(self, now: bool = False) -> None:
        """End the session; JupyterHub wants a class that starts to say how it stops."""
        await super().stop(now)

    @property
    def budget_usage(self) -> Usage | None:
        """What this spawner holds of the budgets, from the decision until the end of its session."""
        session = self._session
        return Usage(self.user.name, session.team, session.size) if session else None

    @property
    def stamped_roles(self) -> tuple[str, ...]:
        """The data roles of the session that runs."""
        return self._session.data_roles if self._session else ()

    def _active(self, session: Session) -> dt.datetime:
        known = [session.started, self._watched_since]
        if self.orm_spawner.last_activity:
            known.append(self.orm_spawner.last_activity.replace(tzinfo=dt.UTC))
        return max(known)

    def _age(self, session: Session) -> float:
        return round((dt.datetime.now(dt.UTC) - session.started).total_seconds(), 1)

    def _record(self, kind: str, session: Session, **details: Any) -> None:
        self._shared.recorder.record(
            kind, user=self.user.name, profile=session.profile, revision=session.commit, **details
        )

    # -- what outlives the process

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up the last good choice, and the stamp of a session that may still run."""
        super().load_state(state)
        ours = state.get(_STATE)
        if isinstance(ours, Mapping):
            self._choice = _choice_of(ours.get("choice"))
            self._lost_since = seen_from_state(ours.get("access_lost"))
            self._session = Session.from_state(ours.get("session"))

    def get_state(self) -> dict[str, Any]:
        """Give what has to be known after a restart of the hub."""
        state: dict[str, Any] = super().get_state()
        ours: dict[str, Any] = {}
        if self._choice:
            ours["choice"] = dict(self._choice)
        if self._session:
            ours["session"] = self._session.as_state()
            if self._lost_since:
                ours["access_lost"] = seen_as_state(self._lost_since)
        return {**state, _STATE: ours} if ours else state

    def _keep_state(self) -> None:
        """Write the state into the hub's database now; JupyterHub does so at moments of its own."""
        self.orm_spawner.state = self.get_state()
        self.user.db.commit()

    def clear_state(self) -> None:
        """Forget the session. Every end comes by here: asked for, by time, by itself, or found after a restart.

        The last good choice stays: it belongs to the user, not to one session.
        """
        super().clear_state()
        session, self._session = self._session, None
        if session:
            reason = self._end_reason or "stopped"
            self._record("end", session, seconds=self._age(session), reason=reason, server=self.name)
        self._launch = self._end_reason = None
        self._lost_since = {}


def _leave_alone(_spawner: Spawner, _options: object) -> None:
    """Do nothing with the options that a start was asked with."""


def _choice_of(state: object) -> Mapping[str, Any] | None:
    """Read a choice from the hub's database; None for anything that is none."""
    try:
        return parse_request(state).as_dict()
    except RefusedError:
        return None
