"""The base of all handlers: it identifies the user, parses bodies and answers errors."""

import asyncio
import json
import urllib.parse
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from jupyterhub.services.auth import HubOAuthenticated, UserNotAllowed
from pydantic import BaseModel, ValidationError

from allotment_hub.configuration import ServiceConfiguration
from allotment_hub.errors import ServiceError, refused
from allotment_hub.http.hub_auth import hub_unavailable
from allotment_hub.http.one_time import OneTimeTokens
from allotment_hub.http.request_limit import RequestLimit
from allotment_hub.http.secured import SecuredHandler
from allotment_hub.services.browse.data_roles import DataRoles
from allotment_hub.services.browse.history import History
from allotment_hub.services.browse.own_session import OwnSessions
from allotment_hub.services.browse.profiles import Profiles
from allotment_hub.services.browse.teams import Teams
from allotment_hub.services.drafts.assistant_drafts import AssistantDrafts
from allotment_hub.services.hub_api import Directory
from allotment_hub.services.identities import Identities
from allotment_hub.services.image_puller import ImagePuller
from allotment_hub.services.judging.judges import Judges
from allotment_hub.services.notifications.choices import Choices
from allotment_hub.services.notifications.notifier import Notifier
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.proposing import Submissions
from allotment_hub.services.proposals.reviewing import Reviews
from allotment_hub.services.proposals.rights import Actor
from allotment_hub.services.pull_requests.mirroring import PullRequests
from allotment_hub.services.quarantine import Quarantine
from allotment_hub.services.sign_ins import SignIns
from allotment_hub.services.stops import Stops
from allotment_hub.services.trials.trying import Trials
from allotment_hub.services.waiting import WaitingNumbers
from allotment_hub.sign_ins import COOKIE as SIGN_IN_COOKIE
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.problems import Problem, Refusal
from allotment_profiles.scopes import REVIEW_SCOPE
from allotment_profiles.store.watcher import CatalogWatcher

_NO_SIGN_IN = "none"
"""In a browser without the cookie, such as one that signed in before there was one: no sign-in has this secret."""
MAXIMUM_MISTAKES = 1000
"""How many mistakes a body may have of which the first are described."""
BodyT = TypeVar("BodyT", bound=BaseModel)


@dataclass(frozen=True)
class Services:
    """Everything that handlers call. Built once, in `app`."""

    configuration: ServiceConfiguration
    watcher: CatalogWatcher
    judges: Judges
    directory: Directory
    identities: Identities
    profiles: Profiles
    teams: Teams
    data_roles: DataRoles
    own_sessions: OwnSessions
    history: History
    proposals: Proposals
    submissions: Submissions
    assistant_drafts: AssistantDrafts
    reviews: Reviews
    quarantine: Quarantine
    stops: Stops
    trials: Trials
    waiting: WaitingNumbers
    choices: Choices
    notifier: Notifier | None
    """None where nobody is told of anything outside the pages."""
    sign_ins: SignIns
    image_puller: ImagePuller | None
    """None where no images are pulled ahead."""
    pull_requests: PullRequests | None
    """None without a forge."""
    one_time_tokens: OneTimeTokens
    request_limit: RequestLimit

    @property
    def catalog(self) -> Catalog:
        """The catalog that applies."""
        return self.watcher.catalog


class Handler(HubOAuthenticated, SecuredHandler):
    """A request from a user of the hub."""

    SUPPORTED_METHODS: tuple[str, ...] = ("GET", "HEAD", "POST")
    open_to_all: ClassVar[bool] = False
    """Whether requests without a user are answered, as for health and metrics."""
    actor: Actor
    """The user, set by `prepare`."""
    _counted: tuple[str, bool] | None = None
    """Whose request it counts as, while it runs."""

    def initialize(self, services: Services) -> None:
        """Keep the services."""
        self.services = services
        self.hub_auth = self.settings["hub_auth"]

    @property
    def prefix(self) -> str:
        """The service's path, with a trailing slash."""
        return str(self.hub_auth.oauth_redirect_uri).removesuffix("oauth_callback")

    def address(self, path: str) -> str:
        """Return the full address of a path below the service's prefix, or with a `/` first, below the hub's."""
        if path.startswith("/"):
            return self.services.configuration.public_url.rstrip("/") + path
        root = urllib.parse.urlsplit(self.services.configuration.public_url)
        return f"{root.scheme}://{root.netloc}{self.prefix}{path}"

    async def prepare(self) -> None:
        """Identify the user. Refuse other origins, missing XSRF tokens, and tokens that belong to no user."""
        self.current_user = None  # JupyterHub would ask the hub for it, and block the event loop
        if self.open_to_all:
            return
        reading = self.request.method in ("GET", "HEAD")
        self._require_same_origin(reading)
        model = await self.hub_auth.get_user(self, sync=False)
        if model and not reading:
            # A change must not be decided by the cached answer about a token.
            model = await self._user_now()
        if not model:
            self._unknown(reading)
            return
        try:
            self.current_user = self.check_hub_user(model)
        except UserNotAllowed as error:
            remedy = "Sign in, or use a token with the scope access:services!service=allotment."
            what, why = "You have no access to this service.", "The token may not use this service."
            raise refused(403, "not-allowed", what, why, remedy) from error
        if model.get("kind") != "user":
            what = "Only users may use this service."
            raise refused(403, "not-a-user", what, "The token belongs to a service.", "Sign in.")
        if not reading:
            self.check_xsrf_cookie()
        # What runs in a session keeps nobody's browser waiting, not even that of the same person.
        who = (model["name"], REVIEW_SCOPE in model.get("scopes", ()))
        await self.services.request_limit.begin(who)
        self._counted = who
        user = await self.services.directory.user(model["name"])
        if user is None:
            # The answer about the token was cached, or the hub contradicts itself, as while it starts.
            if await self._user_now():
                raise hub_unavailable("The hub does not know the user of a token that it knows.")
            self._unknown(reading)
            return
        sign_in = "" if "Authorization" in self.request.headers else self.get_cookie(SIGN_IN_COOKIE) or _NO_SIGN_IN
        scopes = model.get("scopes", ())
        self.actor = Actor(user, REVIEW_SCOPE in scopes, sign_in, server_of(user.name, scopes))

    def on_finish(self) -> None:
        """Let the next request of the user run."""
        if self._counted:
            self.services.request_limit.end(self._counted)
            self._counted = None

    async def _user_now(self) -> Any:
        """Return the hub's model of the token's user, without the cache; None if the hub does not know the token."""
        token = self.hub_auth.get_token(self)
        return await self.hub_auth.user_for_token(token, use_cache=False, sync=False)

    def _require_same_origin(self, reading: bool) -> None:
        """Refuse requests of other origins. A change has to come from a page of this very origin, if from a browser."""
        origin = self.request.headers.get("Origin")
        site = "same-origin" if reading else self.request.headers.get("Sec-Fetch-Site", "same-origin")
        if (origin and host_of(origin) != self.request.host) or site != "same-origin":
            what, why = "The request comes from another site.", "Only pages of this site may send requests."
            raise refused(403, "other-origin", what, why, "Open the page on this site.")

    def _unknown(self, reading: bool) -> None:
        """Refuse a request without a known user. Pages redirect to the sign-in instead."""
        if not reading:
            self.check_xsrf_cookie()
        why = "The request has no token, or one that the hub does not know."
        remedy = "Sign in, or send a token of the hub: `Authorization: token …`."
        raise refused(403, "not-signed-in", "You are not signed in.", why, remedy)

    async def body(self, kind: type[BodyT]) -> BodyT:
        """Return the request's JSON body as a model. It is read in a thread: a large one would stop the event loop."""
        return await asyncio.to_thread(_read, kind, self.request.body)


def server_of(user: str, scopes: Collection[str]) -> str | None:
    """Return the name of the session whose token has some scopes; None for a token that is of no session."""
    if REVIEW_SCOPE in scopes:
        return None
    prefix = f"access:servers!server={user}/"
    names = [scope.removeprefix(prefix) for scope in scopes if scope.startswith(prefix)]
    return names[0] if len(names) == 1 else None


def _read(kind: type[BodyT], body: bytes) -> BodyT:
    try:
        return kind.model_validate(json.loads(body))
    except ValidationError as error:
        raise _not_valid(error) from error
    except (ValueError, RecursionError) as error:
        raise refused(400, "not-json", "The request is invalid.", "Its body is not valid JSON.") from error


def _not_valid(error: ValidationError) -> ServiceError:
    """Return the refusal of a body with its first problems, without the values that were sent."""
    what, remedy, problems, count = "The request is invalid.", "Look at openapi.json.", [], error.error_count()
    why = f"Its body has {count} mistakes."
    if count <= MAXIMUM_MISTAKES:  # pydantic describes all or none
        details = error.errors(include_url=False, include_input=False, include_context=False)[:20]
        problems = [Problem("", "request", detail["msg"], remedy, field=_field(detail["loc"])) for detail in details]
        why = "; ".join(f"{problem.field}: {problem.message}" for problem in problems[:3])
    return ServiceError(Refusal("request", what, why, remedy, status=422), problems)


def _field(place: tuple[int | str, ...]) -> str:
    return ".".join(str(key)[:60] for key in place[:8])


def host_of(address: str) -> str:
    """Return host and port of an address; empty if it is invalid."""
    try:
        return urllib.parse.urlsplit(address).netloc
    except ValueError:
        return ""
