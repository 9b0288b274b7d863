"""The page that stops a session and starts it again: `<hub>/allotment/restart/USER`, or `…/USER/SERVER`.

A session's token may do neither, so the session only links to this page.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from jupyterhub.handlers.pages import SpawnHandler
from jupyterhub.scopes import needs_scope
from tornado.web import HTTPError, authenticated

from allotment_profiles.access.budgets import over_budget
from allotment_profiles.access.launch import Launch, parse_request, resolve
from allotment_profiles.access.people import ADMINISTRATORS
from allotment_profiles.model.problems import Refusal, RefusedError
from allotment_spawner.hub.identity import check_identity
from allotment_spawner.hub.mixin import ProfileSpawnerMixin
from allotment_spawner.session.session import usage
from allotment_spawner.start_page.form import PROFILE, option_field, request_of
from allotment_spawner.text import size_text

_NOT_RESTARTED = "The session was not restarted."
_STILL_RUNS = Refusal(
    "session-not-stopped",
    _NOT_RESTARTED,
    "It could not be stopped, and goes on running.",
    "Try it again; if that does not help, tell an administrator of the platform.",
    status=409,
)


class RestartHandler(SpawnHandler):
    """Asks, stops the session, and starts it again: from the same profile, or from what a link has chosen."""

    _token_authenticated = False  # JupyterHub sets it for tokens alone, which no page takes, but reads it always

    @authenticated
    @needs_scope("servers")
    async def get(self, user_name: str, server_name: str = "") -> None:
        """GET allotment/restart/USER/SERVER?opt-profile=…: what runs, what would run, and what is lost."""
        spawner = self._spawner(user_name, server_name)
        if spawner is None:
            return
        query = {name: [value.decode(errors="replace") for value in each] for name, each in self._query().items()}
        await self._show(spawner, request_of(self._get_user_options(query)))

    @authenticated
    @needs_scope("servers")
    async def post(self, user_name: str, server_name: str = "") -> None:
        """POST the choice that was shown. It is decided before anything is stopped, and at the start again."""
        spawner = self._spawner(user_name, server_name)
        if spawner is None:
            return
        choice = request_of({name: self.get_body_arguments(name) for name in self.request.body_arguments})
        try:
            await self._check_user()
            await would_run(spawner, choice)
            if self._spawner(user_name, server_name) is None:
                return  # it was stopped, or restarted by another press, while this one waited
            self._check_room()
            await self._stop(spawner)
        except RefusedError as error:
            await self._show(spawner, choice, error.refusal)
            return
        user, pending = self.current_user, self._get_pending_url(self.current_user, server_name)
        shown = spawner.orm_spawner.display_name or server_name
        again = user.get_or_create_spawner(server_name, shown, replace_failed=True)
        again.handler = self
        await self._wrap_spawn_single_user(user, server_name, shown, again, pending, choice)

    def _query(self) -> Mapping[str, list[bytes]]:
        return {name: each for name, each in self.request.query_arguments.items() if name.startswith("opt-")}

    def _spawner(self, user_name: str, server_name: str) -> ProfileSpawnerMixin | None:
        """Return the spawner of the user's own session that runs; None where another page has to answer."""
        user = self.current_user
        if user_name != user.name:
            raise HTTPError(404, "Only your own sessions are restarted here.")
        spawner = user.spawners.get(server_name)
        if isinstance(spawner, ProfileSpawnerMixin) and spawner.ready and spawner.session:
            if spawner.session.trial:
                raise HTTPError(409, "A trial is not restarted. End it, and try the proposal again.")
            return spawner
        # Nothing is lost there: what runs is opened, what starts is waited for, and the start page shows the choice.
        place = "/".join(quote(each, safe="") for each in ("spawn", user_name, server_name) if each)
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(f"{self.hub.base_url}{place}{query}")
        return None

    async def _check_user(self) -> None:
        """Ask the identity provider, as JupyterHub does at the start, which does not ask again within this request.

        What has changed there counts for what would run. Raise RefusedError if nothing is started without a sign-in.
        """
        if self.authenticator.refresh_pre_spawn and await self.refresh_auth(self.current_user, force=True) is None:
            why, remedy = "Your identity provider does not confirm who you are any more.", "Sign out and in again."
            raise _refusal("identity-refused", why, remedy, status=403)

    def _check_room(self) -> None:
        """Check the limits of JupyterHub that would refuse the start. Raise RefusedError."""
        counts = self.users.count_active_users()
        starting, running = counts["spawn_pending"] + counts["proxy_pending"], counts["active"]
        if self.concurrent_spawn_limit and starting >= self.concurrent_spawn_limit:
            why = f"{starting} sessions start just now, as many as the hub starts at the same time."
            raise _refusal("hub-busy", why, "Try again in a few minutes.", status=429)
        if self.active_server_limit and running > self.active_server_limit:  # its own place is free by then
            why = f"{running} sessions run; the hub allows {self.active_server_limit}."
            raise _refusal("hub-full", why, "Keep the session, or try again when others have ended.", status=429)

    async def _stop(self, spawner: ProfileSpawnerMixin) -> None:
        """Stop a session, however long that takes. Raise RefusedError if it still runs then."""
        await (await self.stop_single_user(self.current_user, spawner.name))
        if spawner.active:
            raise RefusedError(_STILL_RUNS)

    async def _show(
        self, spawner: ProfileSpawnerMixin, choice: Mapping[str, Any], refusal: Refusal | None = None
    ) -> None:
        session, launch = spawner.session, None
        choice = choice or {PROFILE: session.profile, "options": dict(session.options)} if session else choice
        try:
            launch = None if refusal else await would_run(spawner, choice)
        except RefusedError as error:
            refusal = error.refusal
        if refusal:
            self.set_status(refusal.status)
        page = await self.render_template(
            "restart.html",
            session=session,
            server=spawner.name,
            server_url=self.current_user.server_url(spawner.name),
            now=size_text(session.size) if session else "",
            then=size_text(launch.size, launch.gpu) if launch else "",
            launch=launch,
            fields=_fields(launch) if launch else (),
            refusal=refusal,
        )
        self.finish(page)


async def would_run(spawner: ProfileSpawnerMixin, choice: Mapping[str, Any]) -> Launch:
    """Return what would run in place of a session, by the rules of every start. Raise RefusedError."""
    catalog, now = await spawner._shared.watcher.ready(), dt.datetime.now(dt.UTC)
    check_identity(spawner.authenticator, spawner.user)
    launch = resolve(catalog, spawner._user(), parse_request(choice), now, spawner.capabilities())
    running = list(usage(spawner.user.settings.get("users")))
    own = spawner.budget_usage
    if own in running:
        running.remove(own)  # its share is free by then
    refusal = over_budget(catalog, spawner._user(), launch.team, launch.size, running)
    if refusal:
        raise RefusedError(refusal)
    return launch


def _refusal(code: str, why: str, remedy: str, *, status: int) -> RefusedError:
    return RefusedError(Refusal(code, _NOT_RESTARTED, why, remedy, ADMINISTRATORS, status))


def _fields(launch: Launch) -> list[tuple[str, str]]:
    """Return the fields of the form, as on the start page."""
    options = [(option_field(launch.profile_id, name), choice) for name, choice in launch.request.options.items()]
    return [(PROFILE, launch.profile_id), *options]
