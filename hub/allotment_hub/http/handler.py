"""What all handlers share: who asks, from where, and how a refusal is answered."""

import json
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import httpx
from jupyterhub.services.auth import HubOAuthenticated, UserNotAllowed
from pydantic import BaseModel, ValidationError
from tornado.web import HTTPError, RequestHandler

from allotment_hub.configuration import ServiceConfiguration
from allotment_hub.errors import ServiceError, UnavailableError, refused, unavailable
from allotment_hub.http.problem import ProblemDetails, parsed, problems
from allotment_hub.services.browse.listing import Listing
from allotment_hub.services.hub_api.directory import Directory
from allotment_hub.services.images import ImagePuller
from allotment_hub.services.proposals.checking import ChangeChecker
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.proposing import Submissions
from allotment_hub.services.proposals.reviewing import Reviews
from allotment_hub.services.proposals.rights import Actor
from allotment_hub.services.quarantine import Quarantine
from allotment_profiles.git.process import GitError
from allotment_profiles.git.remotes import RemoteError
from allotment_profiles.model.problems import Problem, Refusal, RefusedError
from allotment_profiles.scopes import REVIEW_SCOPE
from allotment_profiles.store.watcher import CatalogWatcher

BodyT = TypeVar("BodyT", bound=BaseModel)


@dataclass(frozen=True)
class Services:
    """Everything that handlers call; built once, in `app`."""

    configuration: ServiceConfiguration
    watcher: CatalogWatcher
    directory: Directory
    listing: Listing
    checking: ChangeChecker
    proposals: Proposals
    proposing: Submissions
    reviewing: Reviews
    holding: Quarantine
    pulling: ImagePuller | None


class Handler(HubOAuthenticated, RequestHandler):
    """A request by somebody whom the hub knows."""

    SUPPORTED_METHODS = ("GET", "HEAD", "POST")
    open_to_all: ClassVar[bool] = False
    """Whether the request is answered without a user (health, metrics)."""
    reader: Actor

    def initialize(self, services: Services) -> None:
        """Take what `app` has built."""
        self.services = services

    @property
    def prefix(self) -> str:
        """The service's path, with a slash at its end."""
        return str(self.hub_auth.oauth_redirect_uri).removesuffix("oauth_callback")

    def address(self, path: str) -> str:
        """Give the full address of a page below the service's prefix."""
        root = urllib.parse.urlsplit(self.services.configuration.public_url)
        return f"{root.scheme}://{root.netloc}{self.prefix}{path}"

    def set_default_headers(self) -> None:
        """Keep answers out of caches, frames and guesses."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("X-Frame-Options", "DENY")
        # Sessions are served from the same origin: what a page there opens must not get a handle on ours.
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")

    async def prepare(self) -> None:
        """Find out who asks; refuse other origins, missing XSRF tokens and those who are no users."""
        if self.open_to_all:
            return
        self._same_origin()
        model = await self.hub_auth.get_user(self, sync=False)
        reading = self.request.method in ("GET", "HEAD")
        if model and not reading:
            # What was known of a token minutes ago does not decide anything.
            token = self.hub_auth.get_token(self)
            model = await self.hub_auth.user_for_token(token, use_cache=False, sync=False)
        if not model:
            self._unknown(reading)
            return
        try:
            self.current_user = self.check_hub_user(model)
        except UserNotAllowed as error:
            raise refused(
                403, "not-allowed", "This is not for you.", "The token may not use this service.",
                "Sign in, or take a token with the scope access:services!service=allotment.",
            ) from error  # fmt: skip
        if model.get("kind") != "user":
            raise refused(403, "not-a-user", "This is for people.", "The token belongs to a service.", "Sign in.")
        if not reading:
            self.check_xsrf_cookie()
        user = await self.services.directory.user(model["name"])
        if user is None:
            raise refused(403, "user-unknown", "This is for people whom the hub knows.", "The hub has no such user.")
        self.reader = Actor(user, REVIEW_SCOPE in model.get("scopes", ()))

    def _same_origin(self) -> None:
        origin = self.request.headers.get("Origin")
        if origin and host_of(origin) != self.request.host:
            raise refused(
                403, "other-origin", "The request comes from another site.", "Only this site's pages may ask.",
                "Open the page here.",
            )  # fmt: skip

    def _unknown(self, reading: bool) -> None:
        """Answer somebody whom the hub does not know; pages send them to the sign-in instead."""
        if not reading:
            self.check_xsrf_cookie()
        raise refused(
            403, "not-signed-in", "You are not signed in.", "The hub does not know this token, or none was sent.",
            "Sign in, or send a token of the hub: `Authorization: token …`.",
        )  # fmt: skip

    def body(self, kind: type[BodyT]) -> BodyT:
        """Read the request's body as JSON of a kind."""
        try:
            content = parsed(self.request.body)
        except ValueError as error:
            raise refused(400, "not-json", "The request was not understood.", "Its body is no JSON.") from error
        try:
            return kind.model_validate(content)
        except ValidationError as error:
            found = [
                Problem(
                    "",
                    "request",
                    detail["msg"],
                    "Look at openapi.json.",
                    field=".".join(str(part)[:60] for part in detail["loc"][:8]),
                )
                for detail in error.errors(include_url=False, include_input=False, include_context=False)[:20]
            ]
            why = "; ".join(f"{problem.field}: {problem.message}" for problem in found[:3])
            refusal = Refusal("request", "The request was not understood.", why, "Look at openapi.json.", status=422)
            raise ServiceError(refusal, found) from error

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error in the form of the handler: problem+json here, a page elsewhere."""
        details = self.details_of(status_code, kwargs.get("exc_info", (None, None, None))[1])
        self.set_status(details.status)
        self.set_header("Content-Type", "application/problem+json")
        self.finish(json.dumps(details.model_dump(mode="json", exclude_none=True)))

    def details_of(self, status: int, error: BaseException | None) -> ProblemDetails:
        """Tell apart what went wrong; unexpected errors say nothing of the inside."""
        if isinstance(error, UnavailableError):
            return _details(error.refusal)
        if isinstance(error, RemoteError):
            why = f"The git server with the repository of profiles does not take part: {error.why}."
            return _details(unavailable("repository-away", why).refusal)
        if isinstance(error, GitError):
            return _details(unavailable("repository-unavailable", "The repository of profiles cannot be used.").refusal)
        if isinstance(error, RefusedError):
            found = error.problems if isinstance(error, ServiceError) else ()
            link = error.link if isinstance(error, ServiceError) else ""
            return _details(error.refusal, found, self.address(link) if link else None)
        if isinstance(error, HTTPError) or error is None:
            reason = str(getattr(error, "log_message", None) or "")
            phrase = httpx.codes.get_reason_phrase(status) or "Error"
            code = "xsrf" if "xsrf" in reason.lower() else phrase.lower().replace(" ", "-")
            why = reason if 400 <= status < 500 else ""
            return ProblemDetails(title=phrase, status=status, detail=why, code=code, remedy="", decides="")
        return ProblemDetails(
            title="Something went wrong on our side.", status=500, code="internal", decides="",
            detail="The service's log has the details.", remedy="Try again; tell an administrator if it stays.",
        )  # fmt: skip

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Keep refusals out of the log's errors: they are answers."""
        if not isinstance(value, RefusedError):
            super().log_exception(typ, value, tb)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Give refusals their own status."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, RefusedError | UnavailableError):
            status_code = error.refusal.status
        elif isinstance(error, GitError):
            status_code = 503
        super().send_error(status_code, **kwargs)


def host_of(address: str) -> str:
    """Give host and port of an address that somebody sent; empty where it is no address."""
    try:
        return urllib.parse.urlsplit(address).netloc
    except ValueError:
        return ""


def _details(refusal: Refusal, found: Sequence[Problem] = (), link: str | None = None) -> ProblemDetails:
    return ProblemDetails(
        title=refusal.what,
        status=refusal.status,
        detail=refusal.why,
        code=refusal.code,
        remedy=refusal.remedy,
        decides=refusal.decides,
        problems=problems(tuple(found)),
        link=link,
    )
