"""A door in front of another server, which a test closes, slows down or breaks: what a provider's bad day is like."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import httpx

State = Literal["open", "broken", "limited", "slow", "nonsense"]


class Door(ThreadingHTTPServer):
    """Passes requests on while it is open."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.behind = behind
        self.state: State = "open"
        self.asked: list[str] = []
        """The paths that were asked for."""
        self.closing = threading.Event()
        self.client = httpx.Client(trust_env=False, timeout=30)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"

    @classmethod
    @contextmanager
    def opened(cls, behind: str) -> Iterator["Door"]:
        """Serve until the end of the block."""
        with cls(behind) as door:
            threading.Thread(target=door.serve_forever, daemon=True).start()
            yield door
            door.closing.set()
            door.shutdown()
            door.client.close()

    @contextmanager
    def being(self, state: State) -> Iterator[None]:
        """Be in a state until the end of the block."""
        self.state = state
        try:
            yield
        finally:
            self.state = "open"


class _Passing(BaseHTTPRequestHandler):
    server: Door

    def _pass(self) -> None:
        door = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        door.asked.append(self.path)
        if door.state == "slow":
            door.closing.wait(20)
        if door.state == "open":
            kept = {name: value for name, value in self.headers.items() if name in ("Authorization", "Content-Type")}
            answer = door.client.request(self.command, door.behind + self.path, content=body, headers=kept)
            self._answer(answer.status_code, answer.content)
        elif door.state == "nonsense":
            self._answer(200, b"<html>Sign in to the hotel's network</html>")
        else:
            self._answer(429 if door.state == "limited" else 500, b"{}")

    do_GET = do_POST = _pass  # noqa: N815  the names that the standard library calls

    def _answer(self, status: int, body: bytes) -> None:
        with suppress(ConnectionError):  # nobody waits any more
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
