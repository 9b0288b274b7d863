"""The service's web server over a platform, beside a stand-in for the hub that can fail in every way.

async with WebService.opened(platform, tmp_path) as service:
    lead = service.browser("lena")
    assert (await lead.get("proposals")).status_code == 200
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, Self

import httpx
from bs4 import BeautifulSoup
from jupyterhub.httpclient import JupyterHubHTTPClient
from support.connections import PLAIN
from support.fakes.platform import JUDGES, People, Platform
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler, create_signed_value

from allotment_hub.app import build_application
from allotment_hub.configuration import ForgeConfiguration, RemoteConfiguration, ServiceConfiguration
from allotment_hub.http.application import MAXIMUM_DISCARDED
from allotment_hub.http.handler import Services
from allotment_hub.http.hub_auth import ServiceAuth
from allotment_hub.http.one_time import OneTimeTokens
from allotment_hub.http.request_limit import RequestLimit
from allotment_hub.services.browse.own_session import OwnSessions
from allotment_hub.services.drafts.assistant_drafts import AssistantDrafts
from allotment_hub.services.drafts.draft_store import DraftStore
from allotment_hub.services.event_reader import EventReader
from allotment_hub.services.hub_api import Directory, hub_api_client
from allotment_hub.services.notifications.choices import Choices
from allotment_hub.services.pull_requests.mirroring import PullRequests
from allotment_hub.services.stops import Stops
from allotment_hub.services.waiting import WaitingNumbers
from allotment_profiles.access import deployments
from allotment_profiles.scopes import REVIEW_SCOPE, SERVICE_ACCESS_SCOPE

PREFIX = "/services/allotment/"
SECRET = secrets.token_hex(16)
Fault = Literal["502", "503", "403", "404", "404 of another program", "no JSON", "another user", "no answer", "away"]


class HubStandIn:
    """Answers who a token belongs to, and who there is."""

    def __init__(self, people: People) -> None:
        self.people = people
        self.tokens: dict[str, str] = {}
        """Token → user."""
        self.faults: dict[str, Fault] = {}
        """Path below the API → what is wrong with it."""
        self.application = Application([(r"/hub/api/(.*)", _HubApi, {"hub": self})])
        self.hanging = asyncio.Event()


class _HubApi(RequestHandler):
    def initialize(self, hub: HubStandIn) -> None:
        self.hub = hub

    async def get(self, path: str) -> None:
        fault = self.hub.faults.get(path.split("/", maxsplit=1)[0])
        match fault:
            case "502" | "503":
                self.refuse(int(fault), "The hub is not ready")
            case "403":
                self.refuse(403, "Missing or invalid credentials.")
            case "404":
                self.refuse(404, "Not Found")
            case "404 of another program":
                self.set_status(404)
                self.finish("404 page not found")
            case "no JSON":
                self.finish("<!DOCTYPE html>")
            case "another user":
                self.finish({"name": "somebody", "kind": "user", "groups": [], "scopes": []})
            case "no answer":
                await self.hub.hanging.wait()
            case "away":
                self.request.connection.stream.close()  # type: ignore[attr-defined]  # a connection of a server
            case _:
                self.answer(path)

    post = delete = get

    def answer(self, path: str) -> None:
        token = self.request.headers.get("Authorization", "").removeprefix("token ")
        if path != "user":
            method, body = str(self.request.method), self.request.body
            address = f"http://hub/hub/api/{path}?{self.request.query}"
            answer = self.hub.people.answer(httpx.Request(method, address, content=body))
            self.set_status(answer.status_code)
            self.finish(answer.content)
        elif token in self.hub.tokens:
            name, of_session = self.hub.tokens[token], token.startswith("session-")
            scopes = [SERVICE_ACCESS_SCOPE, f"access:servers!server={name}/" if of_session else REVIEW_SCOPE]
            self.finish({"name": name, "kind": "user", "scopes": scopes})
        else:
            self.refuse(403, "Missing or invalid credentials.")

    def refuse(self, status: int, message: str) -> None:
        self.set_status(status)
        self.finish({"status": status, "message": message})


class WebService:
    """The web server of a platform."""

    def __init__(
        self, platform: Platform, folder: Path, directory: Directory | None = None, *,
        forge: ForgeConfiguration | None = None, pull_requests: PullRequests | None = None,
    ) -> None:  # fmt: skip
        """Without `directory`, the service asks the stand-in for its users, which may fail, over HTTP."""
        self.hub = HubStandIn(platform.people)
        self.platform = platform
        hub_socket, self._hub_port = bind_unused_port()
        self._socket, port = bind_unused_port()
        self._hub_server = HTTPServer(self.hub.application)
        self._hub_server.add_socket(hub_socket)
        self.url = f"http://127.0.0.1:{port}"
        configuration = ServiceConfiguration(
            repository=folder / "profiles.git", signing_key=folder / "key", allowed_signers=folder / "signers",
            events="sqlite://", port=port, public_url=f"{self.url}/", forge=forge,
            remote=RemoteConfiguration(url=f"{forge.url}/{forge.repository}.git") if forge else None,
        )  # fmt: skip
        self.auth = ServiceAuth(
            api_url=f"http://127.0.0.1:{self._hub_port}/hub/api", api_token=SECRET, base_url=PREFIX, cache_max_age=15,
            oauth_client_id="service-allotment", access_scopes={SERVICE_ACCESS_SCOPE},
        )  # fmt: skip
        self.hub_client = hub_api_client(f"http://127.0.0.1:{self._hub_port}/hub/api", SECRET)
        self.hub_client.timeout = 30
        self.services = Services(
            configuration=configuration, watcher=platform.watcher, profiles=platform.profiles, teams=platform.teams,
            judges=JUDGES,
            data_roles=platform.data_roles,
            own_sessions=OwnSessions(
                platform.watcher, self.hub_client, deployments.cluster, EventReader(platform.events), runs_images=True
            ),
            history=platform.history, proposals=platform.proposals,
            submissions=platform.submissions,
            assistant_drafts=AssistantDrafts(
                DraftStore(configuration.drafts), platform.proposals, platform.submissions, platform.clock
            ),
            reviews=platform.reviews, quarantine=platform.quarantine,
            waiting=WaitingNumbers(platform.proposals, platform.quarantine, wait_seconds=platform.list_seconds),
            choices=Choices(None), notifier=None,
            stops=Stops(platform.watcher, self.hub_client), image_puller=None, pull_requests=pull_requests,
            trials=platform.trials,
            one_time_tokens=OneTimeTokens(),
            directory=Directory(self.hub_client), sign_ins=platform.sign_ins, request_limit=RequestLimit(),
            identities=platform.identities,
        )  # fmt: skip
        self.application = build_application(self.services, self.auth)
        self._server = HTTPServer(self.application, max_body_size=MAXIMUM_DISCARDED)
        self._server.add_socket(self._socket)
        self._clients: list[httpx.AsyncClient] = []

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, platform: Platform, folder: Path, directory: Directory | None = None, **options: Any
    ) -> AsyncIterator[Self]:
        """Serve until the end of the block."""
        service = cls(platform, folder, directory, **options)
        try:
            yield service
        finally:
            await service.close()

    async def close(self) -> None:
        """Close every connection."""
        self.hub.hanging.set()
        self.services.choices.close()
        self.services.assistant_drafts.close()
        for client in self._clients:
            await client.aclose()
        for server in (self._server, self._hub_server):
            server.stop()
            await server.close_all_connections()
        await self.hub_client.aclose()
        await JupyterHubHTTPClient.loop_instance().close()

    async def stop_hub(self) -> None:
        """Let the hub accept no connection any more."""
        self._hub_server.stop()
        await self._hub_server.close_all_connections()

    def start_hub(self) -> None:
        """Let the hub accept connections again, at the same address."""
        self._hub_server = HTTPServer(self.hub.application)
        self._hub_server.listen(self._hub_port, "127.0.0.1")

    def program(self, name: str, *, session: bool = False) -> "Visitor":
        """Return a program that calls with a token of this user."""
        return self._visitor(name, "session-" if session else "", lambda token: {"Authorization": f"token {token}"})

    def browser(self, name: str) -> "Visitor":
        """Return a browser in which this user is signed in."""

        def cookies(token: str) -> dict[str, str]:
            value = create_signed_value(SECRET, "service-allotment", token)
            return {"Cookie": f"service-allotment={value.decode()}; allotment-sign-in=browser-of-{name}"}

        return self._visitor(name, "", cookies)

    def stranger(self) -> "Visitor":
        """Return somebody who is not signed in."""
        return self._opened({})

    def _visitor(self, name: str, kind: str, headers: Any) -> "Visitor":
        token = f"{kind}{name}-{secrets.token_hex(8)}"
        self.hub.tokens[token] = name
        return self._opened(headers(token))

    def _opened(self, headers: dict[str, str]) -> "Visitor":
        client = Visitor(base_url=self.url + PREFIX, trust_env=False, timeout=30, verify=PLAIN)
        client.own_headers = headers
        self._clients.append(client)
        return client


class Visitor(httpx.AsyncClient):
    """A client of the service. `get` and `post` are of a path below the service's prefix."""

    own_headers: dict[str, str]

    async def request(self, method: str, url: Any, **options: Any) -> httpx.Response:  # type: ignore[override]
        """Send a request with the headers of this visitor, and with the cookies that were received."""
        own = dict(self.own_headers)
        if "Cookie" in own and self.cookies:
            own["Cookie"] += "".join(f"; {cookie.name}={cookie.value}" for cookie in self.cookies.jar)
        options["headers"] = {**own, **(options.get("headers") or {})}
        return await super().request(method, url, **options)

    async def press(self, page: httpx.Response, action: str, *, headers: Any = None, **fields: str) -> httpx.Response:
        """Send the form of a page whose address ends with `action`."""
        form = next(
            form
            for form in BeautifulSoup(page.text, "html.parser").find_all("form", method="post")
            if str(form["action"]).endswith(action)
        )
        sent = {str(each["name"]): str(each.get("value", "")) for each in form.find_all("input", type="hidden")}
        return await self.post(page.url.join(str(form["action"])), data={**sent, **fields}, headers=headers)
