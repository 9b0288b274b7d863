"""Reads the events of sessions for the pages. Nothing else depends on it, and a missing database delays nothing."""

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from allotment_profiles.events import Event, Events
from allotment_profiles.threads import in_own_thread

log = logging.getLogger(__name__)


class EventReader:
    """Reads the table of events. While the database is unavailable, no event is known."""

    def __init__(self, events: Events, timeout: float = 5.0, pause: float = 30.0) -> None:
        """Wait `timeout` seconds for an answer. After an error, ask nothing for `pause` seconds."""
        self._timeout = timeout
        self._pause = pause
        self._events = events
        self._paused_until = 0.0
        self._hanging: set[asyncio.Future[Event | None]] = set()
        """Queries that timed out and whose threads still run."""

    async def first_start(self, profiles: Sequence[str], since: dt.datetime) -> Event | None:
        """Return the first start of any of the profiles since a time; None if there was none or none is known."""
        return await self._known(partial(self._first, profiles, since)) if profiles else None

    async def last_end(self, profile: str, user: str) -> Event | None:
        """Return how the last session of a user from a profile ended; None if none has, or none is known."""
        return await self._known(partial(self._events.last, "end", profile, user))

    async def _known(self, read: Callable[[], Event | None]) -> Event | None:
        loop = asyncio.get_running_loop()
        self._hanging = {query for query in self._hanging if not query.done()}
        if self._hanging or loop.time() < self._paused_until:
            return None
        query = asyncio.ensure_future(in_own_thread("events", read))
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.shield(query)
        except (SQLAlchemyError, OSError) as error:  # TimeoutError is an OSError
            self._paused_until = loop.time() + self._pause
            if not query.done():
                self._hanging.add(query)
                query.add_done_callback(_retrieve_exception)
            log.warning("the events of sessions cannot be read: %r", error)
        return None

    def _first(self, profiles: Sequence[str], since: dt.datetime) -> Event | None:
        return next(filter(None, (self._events.first("start", profile, since) for profile in profiles)), None)


def _retrieve_exception(query: asyncio.Future[Event | None]) -> None:
    """Retrieve the exception of an abandoned query, so that asyncio does not log it as never retrieved."""
    if not query.cancelled():
        query.exception()
