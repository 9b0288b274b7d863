"""Calls of the service's API: the only module that opens a connection or holds the token."""

from __future__ import annotations

import http.client
import ipaddress
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

from allotment_session.errors import Exit, SessionError, usage

if TYPE_CHECKING:
    from allotment_session.screen import Screen

QUIET_SECONDS = 30.0
"""How long the service may stay silent."""
WHOLE_SECONDS = 120.0
"""How long one answer may take altogether."""
LARGEST_ANSWER = 16 * 1024 * 1024


class _Staying(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the token would go along, and an API has no reason to send one."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Leave the answer as it is."""


class Service:
    """The service at one address, as the user that the token stands for."""

    def __init__(self, url: str, token: str, screen: Screen) -> None:
        self.url = _checked_address(url)
        if not token or not (token.isascii() and token.isprintable()):
            raise usage(
                "There is no token of this session (JUPYTERHUB_API_TOKEN).",
                "Run the command in a terminal of a session that Allotment started.",
            )
        self._token = token
        self._screen = screen
        host = urllib.parse.urlsplit(self.url).hostname or ""
        # A token for this machine has no business at a proxy, whatever the environment says.
        proxies = urllib.request.ProxyHandler({} if _is_loopback(host) else None)
        # Not build_opener's whole set: it would open file:, ftp: and data: addresses, too.
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            proxies,
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.HTTPDefaultErrorHandler(),
            _Staying(),
        ):
            self._opener.add_handler(handler)

    def get(self, *parts: str, **query: str) -> Any:
        """Ask for what lies at these parts of the path; raises SessionError."""
        return self._call("GET", parts, None, {key: value for key, value in query.items() if value})

    def post(self, *parts: str, body: dict[str, Any]) -> Any:
        """Send a JSON object to these parts of the path; raises SessionError."""
        return self._call("POST", parts, body, {})

    def address(self, url: object) -> str:
        """Give an address that the service named as a whole one."""
        return urllib.parse.urljoin(self.url, str(url)) if url else ""

    def _call(self, method: str, parts: tuple[str, ...], body: dict[str, Any] | None, query: dict[str, str]) -> Any:
        address = self.url + "/" + "/".join(urllib.parse.quote(part, safe="") for part in parts)
        if query:
            address += "?" + urllib.parse.urlencode(query)
        request = urllib.request.Request(address, method=method)  # noqa: S310 - the scheme is checked in the constructor
        request.add_header("Accept", "application/json, application/problem+json")
        # Unredirected: not even the standard library's redirects would carry it.
        request.add_unredirected_header("Authorization", f"token {self._token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        deadline = time.monotonic() + WHOLE_SECONDS
        with self._screen.waiting("waiting for the service"):
            try:
                with self._opener.open(request, timeout=QUIET_SECONDS) as response:
                    text = _read(response, deadline)
            except urllib.error.HTTPError as error:
                with error:
                    raise self._told(error, deadline) from None
            except (OSError, http.client.HTTPException, UnicodeError) as error:
                raise _unreachable(self.url, error, sent=method == "POST") from error
        answer = _parsed(text)
        if answer is None:
            raise SessionError(
                f"{self.url} answered with something that is not JSON.",
                remedy="Is ALLOTMENT_URL the address of Allotment's API?",
                status=Exit.UNREACHABLE,
            )
        return answer

    def _told(self, error: urllib.error.HTTPError, deadline: float) -> SessionError:
        """Turn an answer that is not a success into what the user is told."""
        try:
            told = _parsed(_read(error, deadline))
        except (OSError, http.client.HTTPException):
            told = None
        problem = told if isinstance(told, dict) else {}
        if 300 <= error.code < 400:
            return _redirected(self.url, error)
        if error.code == 401:
            return _signed_out()
        what = _first(problem, "what", "title", "message") or f"The service answered {error.code} {error.reason}."
        why = _first(problem, "why", "detail")
        refused = SessionError(
            what,
            why="" if why == what else why,
            remedy=_remedy(problem, error),
            status=Exit.REFUSED if error.code < 500 else Exit.UNREACHABLE,
        )
        refused.code = _first(problem, "code")
        refused.address = self.address(_first(problem, "url", "link", "address"))
        if isinstance(problem.get("problems"), list) and problem["problems"]:
            refused.problems = problem["problems"]
            refused.status = Exit.PROBLEMS
        return refused


def _first(document: dict[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := document.get(name), str) and value), "")


def _remedy(problem: dict[str, Any], error: urllib.error.HTTPError) -> str:
    remedy = _first(problem, "remedy")
    decides = _first(problem, "decides")
    if decides:
        remedy = f"{remedy} Who decides: {decides}.".strip()
    wait = error.headers.get("Retry-After", "")
    if not remedy and wait.isdecimal():
        return f"Try again in {wait} s."
    return remedy or ("Try again in a moment." if error.code >= 500 else "")


def _signed_out() -> SessionError:
    return SessionError(
        "The service does not accept this session's token.",
        why="It is not valid any more, or this session was not started by the hub.",
        remedy="Stop the session and start it again from the hub's page.",
        status=Exit.REFUSED,
    )


def _redirected(url: str, error: urllib.error.HTTPError) -> SessionError:
    target = urllib.parse.urlsplit(urllib.parse.urljoin(url, error.headers.get("Location", "")))
    if target.path.endswith(("/hub/api/oauth2/authorize", "/hub/login")):
        return _signed_out()
    return SessionError(
        f"{url} sends on to {target.hostname or 'another address'}; that is not followed.",
        why="This session's token would be sent along.",
        remedy="Ask an administrator to correct ALLOTMENT_URL.",
        status=Exit.UNREACHABLE,
    )


def _unreachable(url: str, error: Exception, *, sent: bool) -> SessionError:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    remedy = "Try again in a moment; sessions keep running while the service is away."
    if sent:
        remedy += " Sending the same again is safe: it updates what may have arrived."
    return SessionError(
        f"The service at {url} can not be reached.",
        why=str(reason) or type(reason).__name__,
        remedy=remedy,
        status=Exit.UNREACHABLE,
    )


def _checked_address(url: str) -> str:
    """Give the address without its last slash; raises SessionError where it is none to send a token to."""
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc or parts.query or parts.fragment or not (url.isascii() and url.isprintable()):
        raise usage(
            "There is no usable address of the service (ALLOTMENT_URL).",
            "Run the command in a session that Allotment started; the address starts with http:// or https://.",
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read(response: Any, deadline: float) -> bytes:
    """Read an answer, neither endless nor for ever; raises OSError."""
    chunks = []
    size = 0
    while chunk := response.read1(65536):
        size += len(chunk)
        if size > LARGEST_ANSWER:
            raise OSError("the answer is too large")
        if time.monotonic() > deadline:
            raise TimeoutError("the answer takes too long")
        chunks.append(chunk)
    return b"".join(chunks)


def _parsed(text: bytes) -> Any:
    """Give the JSON object or list in an answer, or None."""
    try:
        answer = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, (dict, list)) else None
