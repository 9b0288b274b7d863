"""Writing down what was observed, off the event loop; a database that fails costs the observation and nothing else."""

import datetime as dt
import logging
import queue
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from allotment_profiles.events import Event, Events

log = logging.getLogger(__name__)


class Recorder:
    """Appends to the table of events, in order, from a thread of its own."""

    def __init__(self, url: str) -> None:
        """Take SQLAlchemy's URL; an empty one means that nothing is kept."""
        self._url = url
        self._events: Events | None = None
        self._waiting: queue.SimpleQueue[Event] = queue.SimpleQueue()
        # One thread: what happened first is written first, and a slow database holds up nobody else's threads.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="allotment-events")

    def record(self, kind: str, *, user: str, profile: str = "", revision: str = "", **details: Any) -> None:
        """Have one observation written soon; returns at once and raises nothing."""
        if self._url:
            self._waiting.put(Event(dt.datetime.now(dt.UTC), kind, user, profile, revision, details))
            self._thread.submit(self._write)

    def close(self) -> None:
        """Write what is left and give up thread and connections."""
        self._thread.shutdown()
        if self._events:
            self._events.close()

    def _write(self) -> None:
        """Write all that waits at once: of many starts at one moment the first call writes for most others."""
        waiting: list[Event] = []
        while not self._waiting.empty():
            waiting.append(self._waiting.get())
        if not waiting:
            return
        try:
            # Made here and not before: an address that is none costs observations, and no session.
            self._events = self._events or Events(self._url)
            self._events.append_all(waiting)
        except (SQLAlchemyError, OSError, ValueError) as error:
            for each in waiting:
                log.warning("the event %s of %s was not written: %s", each.kind, each.user, error)
