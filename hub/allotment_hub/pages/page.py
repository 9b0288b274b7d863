"""The base of all pages: the sign-in, the frame and the error page."""

import urllib.parse
from dataclasses import dataclass
from typing import Any, ClassVar

from tornado.web import HTTPError

from allotment_hub.http.handler import Handler, error_in, host_of
from allotment_hub.http.problem import details_of
from allotment_hub.pages.rendering import static_version, templates

# Everything is loaded from this site, and pages have no inline scripts or styles. Bootstrap's icons are data: images.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


@dataclass(frozen=True, slots=True)
class Frame:
    """The values of the frame around every page."""

    prefix: str
    """The service's path, with a trailing slash."""
    hub: str
    """The hub's path, with a trailing slash."""
    active: str
    """The highlighted entry of the navigation bar."""
    version: str
    """The version of the static files."""
    user: str
    """The user's name; empty if nobody is signed in."""
    admin: bool
    xsrf: str


class Page(Handler):
    """A page for a signed-in person."""

    active: ClassVar[str] = ""
    """The highlighted entry of the navigation bar."""

    def set_default_headers(self) -> None:
        """Add the Content-Security-Policy."""
        super().set_default_headers()
        self.set_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)

    def show(self, template: str, **values: Any) -> None:
        """Answer with a page."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(templates().get_template(template).render(frame=self._frame(), **values))

    def go(self, path: str) -> None:
        """Redirect to another page of the service."""
        self.redirect(self.prefix + path, status=303)

    def field(self, name: str, default: str = "") -> str:
        """Return a field of the form with line ends as `\\n`."""
        return self.get_body_argument(name, default, strip=False).replace("\r\n", "\n")

    def download(self, name: str, kind: str, content: str) -> None:
        """Answer with a file to be saved."""
        self.set_header("Content-Type", f"{kind}; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.finish(content)

    def _frame(self) -> Frame:
        user = self.reader.user if hasattr(self, "reader") else None
        return Frame(
            prefix=self.prefix,
            hub=str(self.hub_auth.hub_prefix).rstrip("/") + "/",
            active=self.active,
            version=static_version(),
            user=user.name if user else "",
            admin=bool(user and user.admin),
            xsrf=self.xsrf_token.decode() if user else "",
        )

    def _unknown(self, reading: bool) -> None:
        """Redirect to the sign-in if a page was requested. Refuse everything else."""
        if reading and "Authorization" not in self.request.headers:
            self.redirect(self.get_login_url())
            return
        super()._unknown(reading)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error as a page."""
        details = details_of(status_code, error_in(kwargs), self.address)
        self.set_status(details.status)
        referer = self.request.headers.get("Referer", "")
        back = urllib.parse.urlsplit(referer).path if host_of(referer) == self.request.host else ""
        self.show("error.html", details=details, back=back if back.startswith(self.prefix) else "")


class UnknownPage(Page):
    """Every other address."""

    def get(self, path: str) -> None:
        """Answer 404."""
        raise HTTPError(404, "There is no page at this address.")
