"""What all pages share: the sign-in, the frame around them, and errors that a person can read."""

import urllib.parse
from dataclasses import dataclass
from typing import Any, ClassVar

from tornado.web import HTTPError

from allotment_hub.http.handler import Handler, host_of
from allotment_hub.pages.rendering import static_version, templates

# Everything comes from this site, and no script or style stands in a page. Bootstrap's icons are data: images.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


@dataclass(frozen=True, slots=True)
class Frame:
    """What the frame around every page needs."""

    prefix: str
    """The service's path, with a slash at its end."""
    hub: str
    """The hub's path, with a slash at its end."""
    active: str
    """The page that is marked in the bar."""
    version: str
    user: str
    """Empty where nobody is known."""
    admin: bool
    xsrf: str


class Page(Handler):
    """A page for a signed-in person."""

    active: ClassVar[str] = ""
    """The entry of the bar that is marked."""

    def set_default_headers(self) -> None:
        """Add the policy that keeps foreign scripts out."""
        super().set_default_headers()
        self.set_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)

    def show(self, template: str, **values: Any) -> None:
        """Answer a page."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(templates().get_template(template).render(frame=self._frame(), **values))

    def go(self, path: str) -> None:
        """Send the browser to another page of the service."""
        self.redirect(self.prefix + path, status=303)

    def field(self, name: str, default: str = "") -> str:
        """Give a field of the form as it was typed, with plain line ends."""
        return self.get_body_argument(name, default, strip=False).replace("\r\n", "\n")

    def download(self, name: str, kind: str, content: str) -> None:
        """Answer a file to be saved."""
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
        """Send somebody who opens a page to the sign-in; refuse everybody else."""
        if reading and "Authorization" not in self.request.headers:
            self.redirect(self.get_login_url())
            return
        super()._unknown(reading)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say what, why, what helps and who decides."""
        details = self.details_of(status_code, kwargs.get("exc_info", (None, None, None))[1])
        self.set_status(details.status)
        referer = self.request.headers.get("Referer", "")
        back = urllib.parse.urlsplit(referer).path if host_of(referer) == self.request.host else ""
        self.show("error.html", details=details, back=back if back.startswith(self.prefix) else "")


class UnknownPage(Page):
    """An address that leads nowhere."""

    def get(self, path: str) -> None:
        """GET anything else."""
        raise HTTPError(404, "There is no page at this address.")
