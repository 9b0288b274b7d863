"""A stand-in for the service as a session sees it: a real HTTP server with state, at the edge of the process."""

import copy
import json
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOKEN = "0123456789abcdef"
PREFIX = "/base/services/allotment/api/v1"

NOTEBOOK_FILE = """\
title: Notebook in Python
purpose: Producing the quarterly house price statistics
app: jupyterlab
image: quay.io/jupyter/scipy-notebook:2025-12-31
resources:
  cpu: {guarantee: 0.5, limit: 2}
  memory: {guarantee: 1 GiB, limit: 4 GiB}
data_roles: [housing-open]
"""
NOTEBOOK: dict[str, Any] = {
    "title": "Notebook in Python",
    "purpose": "Producing the quarterly house price statistics",
    "app": "jupyterlab",
    "image": "quay.io/jupyter/scipy-notebook:2025-12-31",
    "resources": {"cpu": {"guarantee": 0.5, "limit": 2}, "memory": {"guarantee": "1 GiB", "limit": "4 GiB"}},
    "environment": {"TZ": "Europe/London"},
    "data_roles": ["housing-open"],
}

Reply = tuple[int, dict[str, str], bytes]


def problem(status: int, **fields: object) -> Reply:
    """Build an answer as RFC 9457 has it."""
    return status, {"Content-Type": "application/problem+json"}, json.dumps({"status": status, **fields}).encode()


def answer(status: int, document: object) -> Reply:
    """Build a JSON answer."""
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


def _without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


_TRIAL = {"head": "a" * 40, "profile": "housing-statistics/notebook", "began": "2027-01-01T00:00:00Z"}
_RUNNING = {"state": "running", "started_in": 41.0, "url": "https://hub.example.org/user/analyst/trial/"}


@dataclass
class SessionService:
    """What the service knows, and what it was asked."""

    url: str = ""
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    proposals: dict[str, dict[str, Any]] = field(default_factory=dict)
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What each proposal was proposed with."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    session: dict[str, Any] = field(default_factory=dict)
    """What the session that asks is; empty: it is none."""
    tried: dict[str, Any] = field(default_factory=lambda: {"state": "none"})
    """The trial."""
    becomes: dict[str, Any] = field(default_factory=lambda: dict(_RUNNING))
    """What the trial becomes once it has started."""
    instead: Callable[[str, str], Reply | None] = lambda method, path: None
    """Answers before the service does: how a test makes it misbehave."""

    def reply(self, method: str, path: str, body: dict[str, Any]) -> Reply:
        """Answer one authenticated call."""
        match [urllib.parse.unquote(part) for part in path.removeprefix(PREFIX + "/").split("/")]:
            case ["profiles"]:
                reply = answer(
                    200, {"profiles": [_without(one, "settings", "content") for one in self.profiles.values()]}
                )
            case ["profiles", team, name] if f"{team}/{name}" in self.profiles:
                reply = answer(200, self.profiles[f"{team}/{name}"])
            case ["profiles", team, name]:
                reply = problem(404, code="profile-unknown", title=f"There is no profile {team}/{name}.")
            case ["session"]:
                none = problem(404, code="not-a-session", title="This is no session.")
                reply = answer(200, self.session) if self.session else none
            case ["schema"]:
                reply = answer(200, {"schema": {"type": "object", "properties": {}}, "teams": {}})
            case ["checks"]:
                reply = answer(200, self.checked(body))
            case ["proposals"] if method == "GET":
                reply = answer(200, {"proposals": [_without(one, "reason") for one in self.proposals.values()]})
            case ["proposals"]:
                reply = self.propose(body)
            case ["proposals", proposal] if proposal in self.proposals:
                ended = self.proposals[proposal]["state"] in ("withdrawn", "rejected", "live")
                reply = answer(
                    200, {**self.proposals[proposal], "actions": {"withdraw": {"code": "ended"} if ended else None}}
                )
            case ["trials"] | ["proposals", _, "trial"]:
                reply = self.trial(method, path, body)
            case ["proposals", proposal, "withdrawal"] if proposal in self.proposals:
                self.proposals[proposal]["state"] = "withdrawn"
                reply = answer(200, self.proposals[proposal])
            case _:
                reply = problem(404, code="not-found", title="There is nothing here.")
        return reply

    def trial(self, method: str, path: str, body: dict[str, Any]) -> Reply:
        """Start, look at or end the one trial that there is: it answers at the first look."""
        if method == "POST":
            proposal = "" if path.endswith("trials") else path.split("/")[-2]
            self.tried = {**_TRIAL, "state": "starting", "proposal": proposal}
            self.bodies["trial"] = body
        elif method == "DELETE":
            self.tried = {**self.tried, "state": "ended", "why": "Its user has ended it."}
        elif self.tried.get("state") == "starting":
            self.tried |= self.becomes
        return answer(202 if method == "POST" else 200, self.tried)

    def checked(self, body: dict[str, Any]) -> dict[str, Any]:
        """Do a dry run with one rule: the word `GB` is no unit."""
        profile_id = f"{body['team']}/{body['name']}"
        wanted = body.get("content") or json.dumps(body["profile"])
        before = self.profiles.get(profile_id, {})
        problems = []
        if "GB" in wanted:
            problems.append(
                {
                    "path": f"teams/{body['team']}/profiles/{body['name']}.yaml",
                    "line": 7,
                    "column": 12,
                    "code": "memory-unit",
                    "level": "hard",
                    "field": "resources.memory.limit",
                    "message": "'16 GB' has the unit 'GB', which is not known here.",
                    "remedy": "Did you mean GiB?",
                }
            )
        same = (
            body.get("content") == before.get("content")
            if "content" in body
            else body["profile"] == before.get("settings")
        )
        changes = (
            []
            if same
            else [
                {"path": "x", "text": f"profile {profile_id}: memory limit 4 GiB → 16 GiB"},
                {"path": "y", "text": "data role rail-open: grant housing-statistics added"},
            ]
        )
        return {
            "problems": problems,
            "changes": [] if problems else changes,
            "requirements": [{"kind": "lead", "text": "a lead of Housing statistics: it is their profile"}],
            "access": [{"gains": True, "text": "Housing statistics gains housing-open until 2029-12-31"}],
            "cost": {"hour": 0.1, "text": "£0.076 → £0.124 an hour"},
        }

    def propose(self, body: dict[str, Any]) -> Reply:
        """Store a proposal, as the one user that there is."""
        name = body["name"]
        if self.proposals.get(name, {}).get("proposer") == "somebody-else":
            return problem(
                409,
                code="proposal-exists",
                title="Somebody else has proposed a change of this profile.",
                detail="Two proposals for one file would overwrite each other.",
                remedy="Comment there.",
                link="/base/services/allotment/proposals/1",
            )
        created = name not in self.proposals
        self.proposals[name] = {
            "id": name,
            "url": f"/base/services/allotment/proposals/{name}",
            "state": "checked",
            "proposer": "analyst",
            "reason": body["reason"],
        }
        self.bodies[name] = body
        return answer(201 if created else 200, self.proposals[name])


class _Server(ThreadingHTTPServer):
    service: SessionService


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def handle(self) -> None:
        """Serve a connection; a client that does not trust the certificate hangs up, and that is no error here."""
        with suppress(ssl.SSLError, ConnectionError):
            super().handle()

    def log_message(self, *_: object) -> None:
        """Stay quiet: the tests read what matters from the service."""

    def _serve(self, method: str) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        path = urllib.parse.urlsplit(self.path).path
        self.server.service.requests.append((method, self.path.removeprefix(PREFIX)))
        self.server.service.tokens.append(self.headers.get("Authorization", ""))
        reply = self.server.service.instead(method, path)
        if reply is None and self.headers.get("Authorization") != f"token {TOKEN}":
            reply = problem(403, code="not-signed-in", title="You are not signed in.")
        status, headers, content = reply or self.server.service.reply(method, path, body)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def running_service(certificate: Path | None = None) -> Iterator[SessionService]:
    """Run a service with one profile on a free port, until the block ends; over TLS with a certificate and its key."""
    service = SessionService()
    service.profiles["housing-statistics/notebook"] = {
        "id": "housing-statistics/notebook",
        **{name: NOTEBOOK[name] for name in ("title", "purpose", "app", "image", "data_roles")},
        "settings": copy.deepcopy(NOTEBOOK),
        "content": NOTEBOOK_FILE,
        "path": "teams/housing-statistics/profiles/notebook.yaml",
        "startable": True,
        "refusal": None,
        "approved_by": ["lead"],
    }
    server = _Server(("127.0.0.1", 0), _Handler)
    server.service = service
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    service.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}{PREFIX}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
