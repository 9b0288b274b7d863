"""The routes of the panel: a closed list of calls, nothing else reaches the service."""

from __future__ import annotations

import json
import os
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from allotment_session.errors import Exit, SessionError, usage
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from jupyterlab_allotment.kernels import Kernels
from jupyterlab_allotment.proposals import PROPOSAL_ID, Proposals
from jupyterlab_allotment.running import Running
from jupyterlab_allotment.service import Service
from jupyterlab_allotment.trials import Trials

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from jupyter_server.serverapp import ServerApp

PREFIX = "jupyterlab-allotment"
LARGEST_BODY = 1024 * 1024

_STATUS = {
    Exit.PROBLEMS: HTTPStatus.UNPROCESSABLE_ENTITY,
    Exit.USAGE: HTTPStatus.BAD_REQUEST,
    Exit.REFUSED: HTTPStatus.CONFLICT,
    Exit.UNREACHABLE: HTTPStatus.BAD_GATEWAY,
}
"""Never 401 or 403, which mean in JupyterLab that the user is not signed in to this server."""


class _Handler(APIHandler):
    auth_resource = "allotment"
    _track_activity = False
    """The panel asks by itself. That keeps no session from being idle."""

    def initialize(self, running: Running, service: Service, proposals: Proposals, trials: Trials) -> None:
        """Receive what the server has once."""
        self.running = running
        self.service = service
        self.proposals = proposals
        self.trials = trials

    async def answer(self, call: Awaitable[Any]) -> None:
        """Answer with the result of a call, or with what the service or its absence says."""
        try:
            document = await call
        except SessionError as error:
            self.set_status(_STATUS.get(error.status, HTTPStatus.BAD_GATEWAY))
            document = error.as_dict()
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(document))

    def body(self) -> dict[str, Any]:
        """Return the JSON object in the request. Raise `SessionError`."""
        if len(self.request.body) > LARGEST_BODY:
            raise usage("The request is too large.", f"A profile's file has at most {LARGEST_BODY // 1024} KiB here.")
        try:
            document = json.loads(self.request.body or b"{}")
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise usage("The request is not a JSON object.")
        return document


class SessionHandler(_Handler):
    """What runs here."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return the profile that runs; where Allotment did not start this server, only that."""
        await self.answer(self._described())

    async def _described(self) -> dict[str, Any]:
        return await self.running.details() if self.running.inside else self.running.described()


class ProposalsHandler(_Handler):
    """The proposals of the user."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """List the newest ones."""
        await self.answer(self._listed())

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Propose a change of one profile."""
        await self.answer(self._proposed())

    async def _listed(self) -> dict[str, Any]:
        return {"proposals": await self.proposals.own()}

    async def _proposed(self) -> Any:
        return await self.proposals.propose(self.body())


class WithdrawalHandler(_Handler):
    """The withdrawal of a proposal."""

    @web.authenticated
    @authorized
    async def post(self, proposal: str) -> None:
        """Withdraw a proposal of the user."""
        await self.answer(self.proposals.withdraw(proposal))


class TrialHandler(_Handler):
    """The trial of a proposal."""

    @web.authenticated
    @authorized
    async def post(self, proposal: str) -> None:
        """Start it."""
        await self.answer(self._started(proposal))

    async def _started(self, proposal: str) -> Any:
        return await self.trials.start(proposal, self.body())


class TrialsHandler(_Handler):
    """The trial of anything: a user has one at a time."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return the one that runs, or the last one."""
        await self.answer(self.trials.current())

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Try a profile before it is proposed."""
        await self.answer(self._started())

    @web.authenticated
    @authorized
    async def delete(self) -> None:
        """End the one that runs."""
        await self.answer(self.trials.end())

    async def _started(self) -> Any:
        return await self.trials.start_draft(self.body())


class UseHandler(_Handler):
    """What the session uses."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return memory and CPU."""
        await self.answer(self.running.use())


class CaptureHandler(_Handler):
    """A draft for what runs, and the evidence for it."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return the draft. Nothing is sent."""
        await self.answer(self.running.captured())


class SchemaHandler(_Handler):
    """The schema of a profile."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return the schema with the limits of the user's teams."""
        await self.answer(self.service.get("schema"))


class ChecksHandler(_Handler):
    """Dry runs."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Check a change of one profile."""
        await self.answer(self._checked())

    async def _checked(self) -> Any:
        return await self.proposals.check(self.body())


ROUTES: dict[str, type[_Handler]] = {
    "session": SessionHandler,
    "proposals": ProposalsHandler,
    rf"proposals/({PROPOSAL_ID})/withdrawal": WithdrawalHandler,
    rf"proposals/({PROPOSAL_ID})/trial": TrialHandler,
    "trials": TrialsHandler,
    "use": UseHandler,
    "capture": CaptureHandler,
    "schema": SchemaHandler,
    "checks": ChecksHandler,
}


def add_routes(server: ServerApp) -> None:
    """Add the routes to a Jupyter server."""
    environment = dict(os.environ)
    service = Service(environment)
    running = Running(environment, service, Kernels(server.kernel_manager))
    proposals, trials = Proposals(running, service), Trials(service)
    shared = {"running": running, "service": service, "proposals": proposals, "trials": trials}
    base = server.web_app.settings["base_url"]
    routes = [(url_path_join(base, PREFIX, path), handler, shared) for path, handler in ROUTES.items()]
    server.web_app.add_handlers(".*$", routes)  # type: ignore[no-untyped-call]
