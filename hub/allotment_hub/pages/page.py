"""The base of all pages: the sign-in, the frame, the pages of long lists and the error page."""

import asyncio
import dataclasses
import urllib.parse
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from jupyterhub.services.auth import HubOAuthCallbackHandler
from tornado.web import HTTPError

from allotment_hub.errors import refused
from allotment_hub.http.handler import Handler, host_of
from allotment_hub.http.hub_auth import hub_unavailable
from allotment_hub.http.problem import details_of
from allotment_hub.http.secured import SecuredPage, error_in
from allotment_hub.pages.rendering import rendered, static_version
from allotment_hub.services.waiting import Waiting
from allotment_profiles.store.standstill import Standstill

PAGE_SIZE = 200


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
    user: str
    admin: bool
    xsrf: str
    nonce: str
    """The nonce of this page's scripts and styles."""
    shared_origin: bool
    """Whether sessions share the origin of this page."""
    waiting: Waiting | None = None
    """How much waits for the user; None where it is not known yet."""
    standstill: Standstill | None = None
    """Why main does not move. What the policy stops is told where it matters."""


@dataclass(frozen=True, slots=True)
class Pages:
    """One page of a list."""

    number: int
    total: int
    size: int = PAGE_SIZE
    """How many items are on a page."""

    @classmethod
    def of(cls, requested: str, total: int, size: int = PAGE_SIZE) -> Self:
        """Return the requested page. An invalid number means the first; one out of range, the nearest page."""
        wanted = int(requested) if requested.isascii() and requested.isdecimal() and len(requested) < 7 else 1
        last = cls(1, total, size).count
        return cls(max(1, min(wanted, last)), total, size)

    @property
    def count(self) -> int:
        """The number of pages."""
        return max(1, -(-self.total // self.size))

    @property
    def slice(self) -> slice:
        """The slice of the list on this page."""
        return slice((self.number - 1) * self.size, self.number * self.size)

    @property
    def first(self) -> int:
        """The number of the first item on this page, from 1; 0 if the list is empty."""
        return (self.number - 1) * self.size + 1 if self.total else 0

    @property
    def last(self) -> int:
        """The number of the last item on this page."""
        return min(self.number * self.size, self.total)


class Page(SecuredPage, Handler):
    """A page for a signed-in person."""

    active: ClassVar[str] = ""

    async def show(self, template: str, **values: Any) -> None:
        """Answer with a page. It is rendered in a thread: a large one would stop the event loop."""
        frame = dataclasses.replace(self._frame(), waiting=await self.services.waiting.of(self.actor))
        self.finish_page(await asyncio.to_thread(rendered, template, frame=frame, **values))

    def finish_page(self, page: bytes) -> None:
        """Answer with a rendered page."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(page)

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
        user = self.actor.user if hasattr(self, "actor") else None
        standstill = self.services.watcher.standstill if user else None
        return Frame(
            prefix=self.prefix,
            hub=str(self.hub_auth.hub_prefix).rstrip("/") + "/",
            active=self.active,
            version=static_version(),
            user=user.name if user else "",
            admin=bool(user and user.admin),
            xsrf=self.xsrf_token.decode() if user else "",
            nonce=self.nonce,
            standstill=standstill if standstill and not standstill.code.startswith("policy") else None,
            shared_origin=self.services.configuration.shared_origin,
        )

    def one_time(self, action: str, *subject: str) -> str:
        """Return the token for a button of this page that decides something.

        Browsers say whether somebody opened the page. A script that fetches it gets no token, and no program that has
        one of the hub's.
        """
        if self._by_program or self.request.headers.get("Sec-Fetch-Dest", "document") != "document":
            return ""
        return self.services.one_time_tokens.make(self.actor.user.name, action, *subject)

    def deciding(self, action: str, *subject: str) -> AbstractContextManager[None]:
        """Use up the form's token while something is decided. Raises ServiceError if it is not valid."""
        tokens, token = self.services.one_time_tokens, self.field("one_time")
        return tokens.used(token, self.actor.user.name, action, *subject)

    def may_decide(self, action: str, *subject: str) -> bool:
        """Return whether the form has a token with which something can be decided. It is not used up."""
        tokens, token = self.services.one_time_tokens, self.field("one_time")
        return tokens.is_valid(token, self.actor.user.name, action, *subject)

    @property
    def is_person(self) -> bool:
        """Whether somebody is signed in with a browser: neither a session nor another program with a token."""
        return self.actor.may_review and not self._by_program

    def require_person(self, link: str) -> None:
        """Refuse what only a person may do, on the page that `link` leads to."""
        if not self.is_person:
            what, why = "A session can ask, but not decide.", "This was sent with a token, and not from the page."
            remedy = "Open the page in a browser in which you are signed in."
            raise refused(403, "page-needed", what, why, remedy, self.actor.user.name, link=link)

    @property
    def _by_program(self) -> bool:
        """Whether the request has a token of the hub, and not the cookie of a sign-in."""
        return bool(self.hub_auth.get_token(self, in_cookie=False))

    def _unknown(self, reading: bool) -> None:
        """Redirect to the sign-in if a page was requested. Refuse everything else."""
        if reading and "Authorization" not in self.request.headers:
            self.redirect(self.get_login_url())
            return
        super()._unknown(reading)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error as a page."""
        details = details_of(status_code, error_in(kwargs), self.address)
        self.set_error_status(details.status)
        referer = self.request.headers.get("Referer", "")
        back = urllib.parse.urlsplit(referer).path if host_of(referer) == self.request.host else ""
        back = back if back.startswith(self.prefix) else ""
        self.finish_page(rendered("error.html", frame=self._frame(), details=details, back=back))


class SignInCallback(Page, HubOAuthCallbackHandler):
    """Where the hub sends the browser after the sign-in."""

    async def prepare(self) -> None:
        """Ask the hub who is signed in already, if anybody is."""
        self.current_user = await self.hub_auth.get_user(self, sync=False)

    async def get(self) -> None:
        """GET oauth_callback."""
        try:
            await HubOAuthCallbackHandler.get(self)
        except (HTTPError, LookupError, TypeError) as error:
            if isinstance(error, HTTPError) and error.status_code < 500:
                raise
            raise hub_unavailable("The hub did not answer who has signed in.") from error


class UnknownPage(Page):
    """Every other address."""

    def get(self, path: str) -> None:
        """Answer 404."""
        raise HTTPError(404, "There is no page at this address.")
