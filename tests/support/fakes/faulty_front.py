"""Stands before any web server and spoils what goes through: the faults of a network, of proxies and of busy forges."""

import asyncio
import datetime as dt
import json
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Literal

import httpx
from support.connections import PLAIN
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

FaultKind = Literal[
    "answer lost", "connection cut", "no answer", "garbage", "huge", "compressed", "error", "limited",
    "limited with 403", "exhausted", "moved", "revoked", "spoiled",
]  # fmt: skip
PASSED_ON = ("Authorization", "Content-Type", "If-None-Match", "Accept")


@dataclass
class Fault:
    kind: FaultKind
    method: str = ".*"
    path: str = ".*"
    times: int = 1
    location: str = ""
    retry_after: str = "120"
    skipped: int = 0
    """How many requests go through before."""
    leaf: int = 0
    junk: Any = None
    """What stands in the place of this value of the answer."""
    then: Callable[[], object] = object
    """What happens meanwhile."""


def spoiled(value: Any, leaf: int, junk: Any) -> Any:
    """Put junk in the place of one value, which may hold others."""
    places: list[tuple[Any, Any]] = []

    def walk(part: Any) -> None:
        for key in part if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ():
            places.append((part, key))
            walk(part[key])

    walk(value)
    if not places:
        return junk
    container, key = places[leaf % len(places)]
    container[key] = junk
    return value


class FaultyFront:
    """Passes requests on to `upstream`. Use within a running event loop, and close it."""

    def __init__(self, upstream: str, certificate: Path | None = None) -> None:
        self.upstream = upstream
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.hanging = asyncio.Event()
        self.clock_ahead = 0.0
        """Seconds that the clock of the forge is ahead."""
        self.client = httpx.AsyncClient(timeout=30, trust_env=False, verify=PLAIN)
        socket, port = bind_unused_port()
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{port}"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if context and certificate:
            context.load_cert_chain(certificate)
        self._server = HTTPServer(Application([(r"/.*", _Handler, {"front": self})]), ssl_options=context)
        self._server.add_socket(socket)

    async def close(self) -> None:
        self.hanging.set()
        self._server.stop()
        await self._server.close_all_connections()
        await self.client.aclose()

    def fault(self, kind: FaultKind, method: str = ".*", path: str = ".*", times: int = 1, **details: Any) -> None:
        self.faults.append(Fault(kind, method, path, times, **details))

    def made(self, method: str, path: str = ".*") -> int:
        return sum(each == method and re.search(path, where) is not None for each, where in self.requests)

    def next_fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and re.fullmatch(fault.method, method) and re.search(fault.path, path):
                if fault.skipped:
                    fault.skipped -= 1
                    continue
                fault.times -= 1
                return fault
        return None


class _Handler(RequestHandler):
    def initialize(self, front: FaultyFront) -> None:
        self.front = front

    def compute_etag(self) -> None:
        """Pass on the tags of the other server only."""

    async def prepare(self) -> None:
        front, method, uri = self.front, str(self.request.method), str(self.request.uri)
        front.requests.append((method, uri))
        front.headers.append(dict(self.request.headers))
        fault = front.next_fault(method, uri)
        if fault and fault.kind not in ("answer lost", "spoiled"):
            await self.spoil(fault)
            return
        passed_on = PASSED_ON if fault is None else [name for name in PASSED_ON if name != "If-None-Match"]
        headers = {name: self.request.headers[name] for name in passed_on if name in self.request.headers}
        answer = await front.client.request(method, front.upstream + uri, headers=headers, content=self.request.body)
        if fault and fault.kind == "spoiled":
            self.finish(json.dumps(spoiled(answer.json(), fault.leaf, fault.junk)))
            return
        if fault:
            self.cut()
            return
        self.set_status(answer.status_code)
        now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=front.clock_ahead)
        self.set_header("Date", format_datetime(now, usegmt=True))
        for name in ("ETag", "Link", "Content-Type"):
            if name in answer.headers:
                self.set_header(name, answer.headers[name])
        self.finish(answer.content if answer.status_code not in (204, 304) else None)

    def cut(self) -> None:
        self.request.connection.stream.close()  # type: ignore[attr-defined]  # a connection of a server
        self.detach()

    async def spoil(self, fault: Fault) -> None:
        now = dt.datetime.now(dt.UTC)
        fault.then()
        match fault.kind:
            case "connection cut":
                self.cut()
                return
            case "no answer":
                await self.front.hanging.wait()
            case "garbage":
                self.write("<!DOCTYPE html><p>" + "[" * 100_000)
            case "huge":
                for _ in range(40):
                    self.write(b" " * (1 << 20))
                    await self.flush()
            case "compressed":
                self.set_header("Content-Encoding", "gzip")
                self.write(b"\x1f\x8b" + b"\0" * 100)
            case "error":
                self.set_status(500)
            case "limited":
                self.set_status(429)
                self.set_header("Retry-After", fault.retry_after)
            case "limited with 403":
                self.set_status(403)
                self.write({"message": "You have exceeded a secondary rate limit. Please wait a few minutes."})
            case "exhausted":
                # The clock of this forge is a day ahead: only the difference to its own `Date` says how long.
                self.set_status(403)
                self.set_header("Date", format_datetime(now + dt.timedelta(days=1), usegmt=True))
                self.set_header("X-RateLimit-Remaining", "0")
                self.set_header("X-RateLimit-Reset", str(int(now.timestamp()) + 86400 + 300))
            case "moved":
                self.set_status(301)
                self.set_header("Location", fault.location)
            case "revoked":
                self.set_status(401)
                self.write({"message": f"Bad credentials: {self.request.headers['Authorization']}"})
        self.finish()
