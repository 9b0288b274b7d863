"""What was observed of sessions, for pages: nothing depends on it, and nobody waits long for it."""

import asyncio
import datetime as dt
import logging
from collections.abc import Sequence
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from allotment_profiles.events import Event, Events
from allotment_profiles.threads import in_own_thread

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 5.0
_REST_SECONDS = 30.0
"""So long a table that was away is not asked again."""


class EventReader:
    """Asks the table of events; while that is away or hangs, nothing is known."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._rests_until = 0.0
        self._hanging: set[asyncio.Future[Event | None]] = set()

    async def first_start(self, profiles: Sequence[str], since: dt.datetime) -> Event | None:
        """Give the first start of any of the profiles after a moment; None where there was none or none is known."""
        loop = asyncio.get_running_loop()
        self._hanging = {each for each in self._hanging if not each.done()}
        if not profiles or self._hanging or loop.time() < self._rests_until:
            return None
        asking = asyncio.ensure_future(in_own_thread("events", partial(self._first, profiles, since)))
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await asyncio.shield(asking)
        except (SQLAlchemyError, OSError) as error:  # a timeout is an OSError
            self._rests_until = loop.time() + _REST_SECONDS
            if not asking.done():
                self._hanging.add(asking)
                asking.add_done_callback(_take)
            log.warning("the first start of what was merged is not known: %r", error)
        return None

    def _first(self, profiles: Sequence[str], since: dt.datetime) -> Event | None:
        return next(filter(None, (self._events.first("start", profile, since) for profile in profiles)), None)


def _take(asking: asyncio.Future[Event | None]) -> None:
    """Take what came too late, which asyncio would complain of otherwise."""
    if not asking.cancelled():
        asking.exception()
