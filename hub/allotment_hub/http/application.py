"""The web application: what is refused before any handler sees the request."""

from collections.abc import Awaitable
from typing import Any

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest, RequestStartLine, ResponseStartLine
from tornado.web import Application

from allotment_hub.http.secured import RefusingHandler
from allotment_profiles.model.problems import Refusal

MAXIMUM_BODY = 1024 * 1024
# A larger body is read to its end and thrown away, so that the refusal arrives through every proxy. Beyond this size
# the connection is closed.
MAXIMUM_DISCARDED = 1024 * MAXIMUM_BODY

_WORKER = Refusal(
    "service-worker",
    "This is no service worker.",
    "A service worker could rewrite the pages of this site, and the service has none.",
    "Open the address in a tab.",
)
_TOO_LARGE = Refusal(
    "too-large",
    "The request is too large.",
    "Its body has more than 1 MiB.",
    "Send fewer or smaller files.",
    status=413,
)
_NOT_FOUND = Refusal(
    "not-found", "There is nothing at this address.", "It lies outside the service.", "Open the start page.", status=404
)


class ServiceApplication(Application):
    """Answers requests, and refuses scripts of service workers, bodies that are too large, and foreign paths."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(
            *args,
            default_handler_class=RefusingHandler,
            default_handler_args={"refusal": _NOT_FOUND},
            **settings,
        )

    def find_handler(  # type: ignore[override]  # Tornado's own router returns any delegate, too
        self, request: HTTPServerRequest, **kwargs: Any
    ) -> HTTPMessageDelegate:
        """Return what receives the request."""
        # Browsers send this header when they load the script of a service worker. Pages cannot send or remove it.
        if "Service-Worker" in request.headers:
            receiver: HTTPMessageDelegate = self._refusing(request, _WORKER)
        else:
            receiver = super().find_handler(request, **kwargs)
        return _BoundedBody(request, receiver, self._refusing(request, _TOO_LARGE))

    def _refusing(self, request: HTTPServerRequest, refusal: Refusal) -> HTTPMessageDelegate:
        return self.get_handler_delegate(request, RefusingHandler, {"refusal": refusal})


class _BoundedBody(HTTPMessageDelegate):
    """Passes a request on if its body has at most MAXIMUM_BODY bytes; otherwise to the refusal, without the body."""

    def __init__(
        self, request: HTTPServerRequest, receiver: HTTPMessageDelegate, refusing: HTTPMessageDelegate
    ) -> None:
        self._request = request
        self._receiver = receiver
        self._refusing = refusing
        self._size = 0

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        return self._receiver.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self._size += len(chunk)
        if self._size <= MAXIMUM_BODY:
            return self._receiver.data_received(chunk)
        if self._receiver is not self._refusing:
            self._receiver.on_connection_close()  # frees what it has received
            self._receiver = self._refusing
            self._request.headers.pop("Content-Type", None)  # the body is not parsed
        return None

    def finish(self) -> None:
        self._receiver.finish()

    def on_connection_close(self) -> None:
        self._receiver.on_connection_close()
