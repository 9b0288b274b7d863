"""The web server of a stand-in for a forge: accounts by token, pages, entity tags. The API is the subclass's.

What does not follow the published description is in `violations`; a test that uses the stand-in looks there at its end.
"""

import hashlib
import json
import re
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import format_datetime
from typing import Any, TypeVar

from support.fakes.forge_state import ForgeState, User
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, HTTPError, RequestHandler


@dataclass
class Request:
    """A request, read and checked for who sends it."""

    user: User
    query: dict[str, str]
    body: Any
    match: re.Match[str]

    def part(self, name: str) -> str:
        return urllib.parse.unquote(self.match[name])


@dataclass
class Reply:
    status: int
    body: Any = None


@dataclass
class Route:
    method: str
    path: re.Pattern[str]
    answer: Callable[[Request], Any]
    asked: Any = None
    """What the body of the request has to be."""
    answered: Any = None
    """What the answer has to be."""


_Answer = TypeVar("_Answer", bound=Callable[..., Any])


def route(method: str, path: str, asked: Any = None, answered: Any = None) -> Callable[[_Answer], _Answer]:
    """Let a method of a server answer the requests to a path, in which `{name}` stands for one part."""
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))

    def mark(answer: _Answer) -> _Answer:
        answer.route = Route(method, pattern, answer, asked, answered)  # type: ignore[attr-defined]
        return answer

    return mark


class ForgeServer:
    """Serves a state: each `route` is a method of the subclass. Use within a running event loop, and close it."""

    prefix = ""
    page_parameter = "per_page"

    def __init__(self) -> None:
        self.state = ForgeState()
        own = ((name, each.route) for name, each in vars(type(self)).items() if hasattr(each, "route"))
        self.routes: list[Route] = [replace(route, answer=getattr(self, name)) for name, route in own]
        self.requests: list[tuple[str, str]] = []
        self.not_modified = 0
        self.violations: list[str] = []
        self.page_size = 100
        socket, port = bind_unused_port()
        self.url = f"http://127.0.0.1:{port}"
        self._server = HTTPServer(Application([(r"(/.*)", _Handler, {"forge": self})]))
        self._server.add_socket(socket)

    async def close(self) -> None:
        self._server.stop()
        await self._server.close_all_connections()

    def canonical(self, path: str) -> str:
        """Return the path by which the routes know what has two."""
        return path

    def authorize(self, token: str, path: str) -> User | None:
        """Return whose token it is."""
        return self.state.by_token(token)

    def check(self, route: Route, what: str, value: Any, shape: Any) -> None:
        """Note what does not follow the published description."""

    def made(self, method: str, path: str) -> int:
        """Return how many such requests were made."""
        return sum(each == method and re.fullmatch(path, where) is not None for each, where in self.requests)


class _Handler(RequestHandler):
    def initialize(self, forge: ForgeServer) -> None:
        self.forge = forge

    def compute_etag(self) -> None:
        """Have no entity tag but the one that is set here."""

    async def prepare(self) -> None:
        forge, method = self.forge, str(self.request.method)
        path = forge.canonical(self.request.path.removeprefix(forge.prefix))
        forge.requests.append((method, path))
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        user = forge.authorize(token, path) if scheme.lower() in ("bearer", "token") else None
        if user is None:
            self.answer(Reply(401, {"message": "Bad credentials"}))
            return
        for route in forge.routes:
            match = route.path.fullmatch(path)
            if match and route.method == method and self.request.path.startswith(forge.prefix):
                self.serve(route, user, match)
                return
        self.answer(Reply(404, {"message": "Not Found"}))

    def serve(self, route: Route, user: User, match: re.Match[str]) -> None:
        forge = self.forge
        body = json.loads(self.request.body) if self.request.body else None
        if route.asked is not None:
            forge.check(route, "request", body, route.asked)
        query = {name: values[-1].decode() for name, values in self.request.query_arguments.items()}
        try:
            answer = route.answer(Request(user, query, body, match))
        except HTTPError as error:
            self.answer(Reply(error.status_code, {"message": error.log_message or "Not Found"}))
            return
        reply = answer if isinstance(answer, Reply) else Reply(201 if route.method == "POST" else 200, answer)
        if reply.status < 300 and route.answered is not None:
            forge.check(route, "answer", reply.body, route.answered)
        if isinstance(reply.body, list):
            reply.body = self.page(reply.body, query)
        self.answer(reply)

    def page(self, items: list[Any], query: dict[str, str]) -> list[Any]:
        size = min(self.forge.page_size, int(query.get(self.forge.page_parameter, "30")))
        number = int(query.get("page", "1"))
        if number * size < len(items):
            following = urllib.parse.urlencode({**query, "page": number + 1})
            address = f"{self.forge.url}{self.request.path}?{following}"
            self.set_header("Link", f'<{address}>; rel="next", <{address}>; rel="last"')
        return items[(number - 1) * size : number * size]

    def answer(self, reply: Reply) -> None:
        self.set_header("Date", format_datetime(self.forge.state.time, usegmt=True))
        content = b"" if reply.body is None else json.dumps(reply.body).encode()
        tag = f'W/"{hashlib.sha256(content).hexdigest()}"'
        if self.request.method == "GET" and reply.status == 200:
            self.set_header("ETag", tag)
            if self.request.headers.get("If-None-Match") == tag:
                self.forge.not_modified += 1
                self.set_status(304)
                self.finish()
                return
        self.set_status(reply.status)
        self.set_header("Content-Type", "application/json")
        self.finish(content)
