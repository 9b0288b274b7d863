"""The session that asks: what the hub knows of it, when it ends, and which larger sizes its user could start."""

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from allotment_hub.errors import ServiceError, refused, unavailable
from allotment_hub.services.browse.data_roles import grant_state
from allotment_hub.services.event_reader import EventReader
from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.launch import Launch, Request, resolve
from allotment_profiles.access.offers import offers
from allotment_profiles.access.people import User
from allotment_profiles.access.visibility import profile_is_listed
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.events import Event
from allotment_profiles.model import Grant, Profile
from allotment_profiles.model.paths import profile_path
from allotment_profiles.model.problems import RefusedError
from allotment_profiles.store.watcher import CatalogWatcher

MAXIMUM_LARGER = 5
"""How many larger sizes are named."""
_MAXIMUM_TRIED = 200
"""How many choices are looked at for them."""


@dataclass(frozen=True, slots=True)
class SessionData:
    """A data role that the session has."""

    name: str
    title: str
    grant: Grant | None
    state: str
    """Why the grant does not hold now; empty if it does."""


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """A moment at which the session is stopped."""

    kind: str
    """`total` or `access-ended`."""
    at: dt.datetime
    text: str


@dataclass(frozen=True, slots=True)
class LargerSize:
    """A size with more memory that the user could start instead."""

    profile: str
    title: str
    options: Mapping[str, str]
    memory: int
    cpu: int
    link: str
    """The address of the page that restarts the session with this choice, after asking, below the hub's prefix."""


@dataclass(frozen=True, slots=True)
class LastSession:
    """How an earlier session ended."""

    at: dt.datetime
    reason: str
    """As in the events: `stopped`, `out-of-memory`, `idle` …"""
    memory: int | None
    """The limit of its memory, in bytes; None in the events of an earlier version."""


@dataclass(frozen=True, slots=True)
class OwnSession:
    """A session as it is told about itself."""

    user: str
    server: str
    """The session's name; empty for the default one."""
    profile: str
    title: str
    """Empty where the profile is gone."""
    commit: str
    """The commit of main that it was started from."""
    newer: bool
    """Whether the profile's file is another one now."""
    options: Mapping[str, str]
    app: str
    image: str
    digest: str
    """Of the image that runs; empty where it is not known."""
    data: tuple[SessionData, ...]
    size: Mapping[str, Any]
    """CPU in thousandths and memory in bytes, each with its guarantee, and GPUs."""
    started: dt.datetime
    idle: int
    """Seconds without activity after which it is stopped."""
    ends: tuple[SessionEnd, ...]
    """The soonest first."""
    larger: tuple[LargerSize, ...]
    """The smallest first."""
    last: LastSession | None = None
    """How the last session of this user from the profile ended; None where that is not known."""

    @property
    def restart_link(self) -> str:
        """The address of the page that restarts the session, after asking, below the hub's prefix."""
        return restart_link(self.user, self.server)


class OwnSessions:
    """Asks the hub about the session whose token a request has."""

    def __init__(
        self,
        watcher: CatalogWatcher,
        client: httpx.AsyncClient,
        capabilities: Callable[[], Capabilities],
        events: EventReader,
        *,
        runs_images: bool,
    ) -> None:
        """Use a client for the hub's API whose token may list sessions. A laptop runs no images."""
        self._watcher = watcher
        self._client = client
        self._capabilities = capabilities
        self._events = events
        self._runs_images = runs_images

    async def of(self, user: User, server: str | None) -> OwnSession:
        """Return the session of a user with a name. Raise a refusal where there is none."""
        what = "This is no session."
        if server is None:
            why, remedy = "The token belongs to no session.", "Ask from a terminal of a session, with its own token."
            raise refused(404, "not-a-session", what, why, remedy)
        found = next((each for each in await self._asked(user.name) if each.get("server") == server), None)
        if found is None:
            why = "The hub knows no session of yours by this name that Allotment has started."
            raise refused(404, "session-unknown", what, why, "Start a session from a profile.")
        own = await asyncio.to_thread(self._told, user, found)
        event = await self._events.last_end(own.profile, user.name)
        return dataclasses.replace(own, last=_last(event)) if event else own

    async def profiles(self, user: User) -> list[str]:
        """Return the ids of the profiles that a user runs sessions of; none where the hub does not answer."""
        try:
            return [str(each["profile"]) for each in await self._asked(user.name)]
        except ServiceError:
            return []

    async def _asked(self, user: str) -> list[Mapping[str, Any]]:
        try:
            answer = await self._client.get("allotment/sessions", params={"kind": "user", "name": user})
            answer.raise_for_status()
            sessions = answer.json()["sessions"]
            # A hub of an older version says less about them.
            return [each for each in sessions if each.get("profile") and "size" in each]
        except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise unavailable("hub-unavailable", "The hub did not answer what runs.") from error

    def _told(self, user: User, found: Mapping[str, Any]) -> OwnSession:
        catalog, able, now = self._watcher.catalog, self._capabilities(), dt.datetime.now(dt.UTC)
        try:
            request = Request(str(found["profile"]), {str(key): str(value) for key, value in found["options"].items()})
            profile_id, server = request.profile, str(found["server"])
            entry = catalog.profiles.get(profile_id) if profile_is_listed(catalog, user, profile_id) else None
            launch = _launch(catalog, user, request, now, able)
            return OwnSession(
                user=user.name,
                server=server,
                profile=profile_id,
                title=entry.value.title if entry else "",
                commit=str(found["commit"]),
                newer=bool(entry and entry.source != self._at(str(found["commit"]), profile_id)),
                options=request.options,
                app=launch.app if launch else entry.value.app if entry else "",
                image=str(found["image"]) if self._runs_images else "",
                digest=str(found["digest"]) if self._runs_images else "",
                data=tuple(_data(catalog, profile_id, map(str, found["data_roles"]), now)),
                size=found["size"],
                started=dt.datetime.fromisoformat(found["started"]),
                idle=int(found["idle"]),
                ends=_ends(found),
                larger=_larger(catalog, user, request, found["size"]["memory"], server, now, able),
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise unavailable("hub-unavailable", "The hub's answer does not describe the session.") from error

    def _at(self, commit: str, profile_id: str) -> bytes | None:
        repository = self._watcher.repository
        return repository.file(commit, profile_path(profile_id)) if repository.resolve(commit) else None


def _last(event: Event) -> LastSession:
    memory, reason = event.details.get("memory"), event.details.get("reason")
    return LastSession(event.time, str(reason or ""), memory if isinstance(memory, int) else None)


def _data(catalog: Catalog, profile_id: str, roles: Iterable[str], now: dt.datetime) -> Iterator[SessionData]:
    for role in roles:
        entry = catalog.data_roles.get(role)
        grant = entry.value.granted_to.get(profile_id.partition("/")[0]) if entry else None
        state = grant_state(grant, now) if grant else "ended"
        yield SessionData(role, entry.value.title if entry else role, grant, state)


def _ends(found: Mapping[str, Any]) -> tuple[SessionEnd, ...]:
    started = dt.datetime.fromisoformat(found["started"])
    total = SessionEnd("total", started + dt.timedelta(seconds=int(found["total"])), "Its time is over.")
    lost = [
        SessionEnd("access-ended", dt.datetime.fromisoformat(each["ends"]), str(each["why"]))
        for each in found["access_lost"]
    ]
    return tuple(sorted([total, *lost], key=lambda end: end.at))


def _launch(
    catalog: Catalog, user: User, request: Request, now: dt.datetime, capabilities: Capabilities
) -> Launch | None:
    try:
        return resolve(catalog, user, request, now, capabilities)
    except RefusedError:
        return None


def _larger(
    catalog: Catalog,
    user: User,
    running: Request,
    memory: int,
    server: str,
    now: dt.datetime,
    capabilities: Capabilities,
) -> tuple[LargerSize, ...]:
    """Return what has more memory: other choices of the profile first, then other profiles with the same app.

    Of each profile the smallest that is larger. Whether there is room for it is decided at the start.
    """
    profile = catalog.profiles.get(running.profile)
    app = profile.value.app if profile else None
    startable = [each for each in offers(catalog, user, now, capabilities) if each.startable and each.entry]
    ordered = sorted(startable, key=lambda each: each.profile_id != running.profile)
    found, tried = list[LargerSize](), 0
    for each in ordered:
        own = each.profile_id == running.profile
        if each.entry is None or each.entry.value.app != app:
            continue
        requests = list(_requests(each.entry.value, running if own else Request(each.profile_id, {})))
        tried += len(requests)
        if tried > _MAXIMUM_TRIED:
            break
        launches = [_launch(catalog, user, request, now, capabilities) for request in requests]
        larger = [launch for launch in launches if launch and launch.size.memory > memory and launch.app == app]
        if larger:
            found.append(_larger_size(min(larger, key=lambda launch: launch.size.memory), user, server))
    return tuple(sorted(found, key=lambda each: (each.profile != running.profile, each.memory))[:MAXIMUM_LARGER])


def _requests(profile: Profile, base: Request) -> Iterator[Request]:
    """Yield a request, and the same with one other choice."""
    yield base
    for name, option in profile.options.items():
        for key in option.choices:
            options = {each: value for each, value in base.options.items() if each in profile.options}
            yield Request(base.profile, {**options, name: key})


def restart_link(user: str, server: str) -> str:
    """Return the address of the page that restarts a session, below the hub's prefix."""
    return "/".join(["/hub/allotment/restart", *(quote(name, safe="") for name in (user, server) if name)])


def _larger_size(launch: Launch, user: User, server: str) -> LargerSize:
    chosen = {"profile": launch.profile_id, **launch.request.options}
    query = urlencode({f"opt-{name}": value for name, value in chosen.items()})
    link = f"{restart_link(user.name, server)}?{query}"
    size, options = launch.size, launch.request.options
    return LargerSize(launch.profile_id, launch.title, options, size.memory, size.cpu, link)
