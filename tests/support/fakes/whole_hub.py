"""JupyterHub itself in this process, with its pages and database. Its proxy routes nothing, its sessions are none."""

import asyncio
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import httpx
from jupyterhub.app import JupyterHub
from jupyterhub.auth import DummyAuthenticator
from jupyterhub.httpclient import JupyterHubHTTPClient
from jupyterhub.proxy import Proxy
from support.connections import PLAIN
from support.fakes.small_hub import NothingFromProfiles
from support.repositories import ProfilesRepository
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from traitlets.config import Config

from allotment_hub.hub_rights import HUB_HANDLERS

PAGES = [each for each in HUB_HANDLERS if ".pages." in each[1]]
"""The pages that users open. The others need scopes, which JupyterHub keeps for the whole process."""


class RoutesNothing(Proxy):
    """Knows its routes, and nobody comes through it."""

    should_start = False

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.routes: dict[str, dict[str, Any]] = {}

    async def add_route(self, routespec: str, target: str, data: Mapping[str, Any]) -> None:
        """Note a route."""
        self.routes[routespec] = {"routespec": routespec, "target": target, "data": dict(data)}

    async def delete_route(self, routespec: str) -> None:
        """Forget a route."""
        self.routes.pop(routespec, None)

    async def get_all_routes(self) -> dict[str, dict[str, Any]]:
        """Return the routes."""
        return self.routes


class Doubtful(DummyAuthenticator):
    """Confirms everybody at once, until it is told otherwise."""

    confirms = True
    asked = 0

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.answers = asyncio.Event()
        self.answers.set()

    async def refresh_user(self, user: Any, handler: Any = None, **_: Any) -> bool:
        """Return whether the user is confirmed."""
        self.asked += 1
        await self.answers.wait()
        return self.confirms


class AnsweredByTheHub(NothingFromProfiles):
    """A session that the hub finds to be up, because the hub itself answers at its address."""

    async def start(self) -> Any:
        await super().start()
        return "127.0.0.1", self.user.settings["port"]


class WholeHub:
    """Every user is in the group /red."""

    def __init__(self, profiles: ProfilesRepository, *users: str) -> None:
        config = Config(
            JupyterHub={
                "allow_named_servers": True, "authenticator_class": Doubtful, "cookie_secret": b"c" * 32,
                "db_url": "sqlite:///:memory:", "extra_handlers": PAGES, "proxy_class": RoutesNothing,
                "load_groups": {"/red": {"users": list(users)}}, "spawner_class": AnsweredByTheHub,
                "template_paths": [str(files("allotment_spawner") / "templates")],
            },
            Authenticator={"allowed_users": set(users), "refresh_pre_spawn": True},
            ProfileSpawnerMixin={"repository": str(profiles.path), "service_url": "/service/"},
        )  # fmt: skip
        self.app = JupyterHub(config=config)
        self._browsers: list[httpx.AsyncClient] = []

    async def open(self) -> None:
        """Make the hub, and listen."""
        await self.app.initialize([])
        self.settings: dict[str, Any] = self.app.tornado_application.settings
        sockets = bind_sockets(0, "127.0.0.1")
        self._server = HTTPServer(self.app.tornado_application)
        self._server.add_sockets(sockets)
        port = self.app.users.settings["port"] = sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"

    def spawner(self, user: str, server: str = "") -> Any:
        """Return a user's spawner."""
        return self.app.users[user].get_or_create_spawner(server, "")

    async def sign_in(self, name: str) -> httpx.AsyncClient:
        """Return the browser of somebody who has signed in."""
        browser = httpx.AsyncClient(base_url=self.url, trust_env=False, verify=PLAIN)
        self._browsers.append(browser)
        await browser.get("hub/login")
        form = {"_xsrf": browser.cookies["_xsrf"], "username": name, "password": ""}
        answer = await browser.post("hub/login", data=form)
        assert answer.is_redirect, answer.text
        return browser

    async def close(self) -> None:
        """End what was begun."""
        for browser in self._browsers:
            await browser.aclose()
        self._server.stop()
        await self._server.close_all_connections()
        for user in self.app.users.values():
            for spawner in user.spawners.values():
                spawner.stop_polling()
        for shared in self.app.users.settings.get("allotment", {}).values():
            await shared.watcher.stop()
            shared.event_writer.close()
        await JupyterHubHTTPClient.loop_instance().close()
        self.app.db.close()
