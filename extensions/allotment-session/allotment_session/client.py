"""The client of the service's API: the only module that opens connections and has the token."""

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
from allotment_session.output import field_of, items_of

if TYPE_CHECKING:
    from allotment_session.terminal import Terminal

QUIET_SECONDS = 30.0
"""The timeout for each read."""
WHOLE_SECONDS = 120.0
"""The timeout for a whole answer."""
LARGEST_ANSWER = 16 * 1024 * 1024


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, which would send the token to another address."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Return None, so that the redirect is handled as an error."""


class ServiceClient:
    """Calls the service at one address with one user's token."""

    def __init__(self, url: str, token: str, terminal: Terminal) -> None:
        self.url = _checked_address(url)
        if not token or not (token.isascii() and token.isprintable()):
            raise usage(
                "There is no token of this session (JUPYTERHUB_API_TOKEN).",
                "Run the command in a terminal of a session that Allotment started.",
            )
        self._token = token
        self._terminal = terminal
        host = urllib.parse.urlsplit(self.url).hostname or ""
        # A token for a service on this machine must not go to a proxy, even if the environment names one.
        proxies = urllib.request.ProxyHandler({} if _is_loopback(host) else None)
        # Not build_opener, which would also open file:, ftp: and data: addresses.
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            proxies,
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.HTTPDefaultErrorHandler(),
            _NoRedirects(),
        ):
            self._opener.add_handler(handler)

    def get(self, *parts: str, **query: str) -> Any:
        """Send GET to the path with these parts. Raise `SessionError`."""
        return self._call("GET", parts, None, {key: value for key, value in query.items() if value})

    def post(self, *parts: str, body: dict[str, Any]) -> Any:
        """Send POST with a JSON body to the path with these parts. Raise `SessionError`."""
        return self._call("POST", parts, body, {})

    def delete(self, *parts: str) -> Any:
        """Send DELETE to the path with these parts. Raise `SessionError`."""
        return self._call("DELETE", parts, None, {})

    def address(self, url: object) -> str:
        """Return the full address for one from an answer."""
        return urllib.parse.urljoin(self.url, str(url)) if url else ""

    def _call(self, method: str, parts: tuple[str, ...], body: dict[str, Any] | None, query: dict[str, str]) -> Any:
        address = self.url + "/" + "/".join(urllib.parse.quote(part, safe="") for part in parts)
        if query:
            address += "?" + urllib.parse.urlencode(query)
        request = urllib.request.Request(address, method=method)  # noqa: S310 - the scheme is checked in the constructor
        request.add_header("Accept", "application/json, application/problem+json")
        # Unredirected: the standard library does not send it along with a redirect.
        request.add_unredirected_header("Authorization", f"token {self._token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        deadline = time.monotonic() + WHOLE_SECONDS
        with self._terminal.waiting("waiting for the service"):
            try:
                with self._opener.open(request, timeout=QUIET_SECONDS) as response:
                    text = _read(response, deadline)
            except urllib.error.HTTPError as error:
                with error:
                    raise self._error_of(error, deadline) from None
            except (OSError, http.client.HTTPException, UnicodeError) as error:
                raise _unreachable(self.url, error, sent=method == "POST") from error
        answer = _parsed(text)
        if answer is None:
            raise SessionError(
                f"{self.url} sent an answer that is not JSON.",
                remedy="Is ALLOTMENT_URL the address of Allotment's API?",
                status=Exit.UNREACHABLE,
            )
        return answer

    def _error_of(self, error: urllib.error.HTTPError, deadline: float) -> SessionError:
        try:
            answer = _parsed(_read(error, deadline))
        except (OSError, http.client.HTTPException):
            answer = None
        details = answer if isinstance(answer, dict) else {}
        if 300 <= error.code < 400:
            return _redirected(self.url, error)
        if error.code == 401 or field_of(details, "code") == "not-signed-in":
            return _signed_out()
        refused = SessionError(
            field_of(details, "title") or f"The service answered {error.code} {error.reason}.",
            why=field_of(details, "detail") or field_of(details, "message"),  # JupyterHub itself sends a message
            remedy=_remedy(details, error),
            status=Exit.REFUSED if error.code < 500 else Exit.UNREACHABLE,
        )
        refused.code = field_of(details, "code")
        refused.address = self.address(field_of(details, "link"))
        refused.problems = [*items_of(details, "problems")]
        if refused.problems:
            refused.status = Exit.PROBLEMS
        return refused


def _remedy(details: dict[str, Any], error: urllib.error.HTTPError) -> str:
    remedy, decides = field_of(details, "remedy"), field_of(details, "decides")
    if decides:
        remedy = f"{remedy} Who decides: {decides}.".strip()
    wait = error.headers.get("Retry-After", "")
    if not remedy and wait.isdecimal():
        return f"Try again in {wait} s."
    return remedy or ("Try again in a moment." if error.code >= 500 else "")


def _signed_out() -> SessionError:
    return SessionError(
        "The service does not accept this session's token.",
        why="It is no longer valid, or the hub did not start this session.",
        remedy="Stop the session and start it again from the hub's page.",
        status=Exit.REFUSED,
    )


def _redirected(url: str, error: urllib.error.HTTPError) -> SessionError:
    target = urllib.parse.urlsplit(urllib.parse.urljoin(url, error.headers.get("Location", "")))
    if target.path.endswith(("/hub/api/oauth2/authorize", "/hub/login")):
        return _signed_out()
    return SessionError(
        f"{url} redirects to {target.hostname or 'another address'}, and redirects are not followed.",
        why="The redirect would send this session's token there.",
        remedy="Ask an administrator to correct ALLOTMENT_URL.",
        status=Exit.UNREACHABLE,
    )


def _unreachable(url: str, error: Exception, *, sent: bool) -> SessionError:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    remedy = "Try again in a moment; sessions keep running while the service is away."
    if sent:
        remedy += " Sending it again is safe: it updates the proposal if the first one arrived."
    return SessionError(
        f"The service at {url} cannot be reached.",
        why=str(reason) or type(reason).__name__,
        remedy=remedy,
        status=Exit.UNREACHABLE,
    )


def _checked_address(url: str) -> str:
    """Return the address without a trailing slash. Raise `SessionError` if no token may be sent to it."""
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
    """Read an answer within the limits of size and time. Raise OSError."""
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
    """Return the JSON object or list in an answer, or None."""
    try:
        answer = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, (dict, list)) else None
