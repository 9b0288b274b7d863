"""The base of everything that answers a request: the security headers of every answer, and errors as problem+json."""

import json
import logging
import secrets
from functools import cached_property
from typing import Any

from tornado.web import RequestHandler, StaticFileHandler

from allotment_hub.errors import UnavailableError
from allotment_hub.http.problem import details_of, status_of
from allotment_profiles.model.problems import Refusal, RefusedError

log = logging.getLogger("allotment")

# A session may be served from the same origin. Nothing of ours may be framed there, or be taken for a script.
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Answers that are no page: opened in a tab they are a document without scripts and of an origin of its own.
_NO_PAGE = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
RETRY_SECONDS = 5


class SecuredHandler(RequestHandler):
    """A handler whose every answer has the security headers."""

    def set_default_headers(self) -> None:
        """Forbid caching, content sniffing, framing, and everything that a document could load."""
        for name, value in _HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", self.content_security_policy)

    @property
    def content_security_policy(self) -> str:
        """The Content-Security-Policy of the answer."""
        return _NO_PAGE

    def address(self, path: str) -> str:
        """Return the full address of a path below the service's prefix."""
        return path

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error as problem+json."""
        details = details_of(status_code, error_in(kwargs), self.address)
        self.set_error_status(details.status)
        self.set_header("Content-Type", "application/problem+json")
        self.finish(json.dumps(details.model_dump(mode="json", exclude_none=True)))

    def set_error_status(self, status: int) -> None:
        """Set the status of an error, and for one that passes, when to try again."""
        self.set_status(status)
        if status == 503:
            self.set_header("Retry-After", str(RETRY_SECONDS))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log exceptions, except refusals, which are ordinary answers."""
        if isinstance(value, UnavailableError):
            log.warning("%s", value, exc_info=value.__cause__)
        elif not isinstance(value, RefusedError):
            super().log_exception(typ, value, tb)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Answer an error with its own status."""
        super().send_error(status_of(error_in(kwargs), status_code), **kwargs)


class SecuredPage(SecuredHandler):
    """A handler that answers with pages of HTML."""

    @cached_property
    def nonce(self) -> str:
        """The value that the scripts and styles of this page have, and those of no other."""
        return secrets.token_urlsafe(18)

    @property
    def content_security_policy(self) -> str:
        """Allow scripts and styles by nonce alone: a session on the same origin can serve both."""
        nonce = f"'nonce-{self.nonce}'"
        return (
            # Bootstrap's icons are data: images.
            f"default-src 'none'; script-src {nonce}; style-src {nonce}; img-src 'self' data:; font-src 'self'; "
            "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )


class SecuredStatic(SecuredHandler, StaticFileHandler):
    """The static files."""


class RefusingHandler(SecuredHandler):
    """Refuses every request."""

    def initialize(self, refusal: Refusal) -> None:
        """Keep the refusal."""
        self.refusal = refusal

    def prepare(self) -> None:
        """Refuse the request."""
        raise RefusedError(self.refusal)


def error_in(kwargs: dict[str, Any]) -> BaseException | None:
    """Return the exception that Tornado passes on."""
    error = kwargs.get("exc_info", (None, None, None))[1]
    return error if isinstance(error, BaseException) else None
