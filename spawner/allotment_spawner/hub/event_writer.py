"""Writing down what was observed, off the event loop; a database that fails costs the observation and nothing else."""

import atexit
import datetime as dt
import logging
import queue
import threading
from typing import Any

from sqlalchemy.exc import DataError

from allotment_profiles.events import Event, Events

log = logging.getLogger(__name__)

_MOST = 10_000
"""So many observations wait for a database that hangs; what comes after them is lost."""
_END_SECONDS = 5.0


class EventWriter:
    """Appends to the table of events, in order, from a thread of its own."""

    def __init__(self, url: str) -> None:
        """Take SQLAlchemy's URL; an empty one means that nothing is kept."""
        self._url = url
        self._events: Events | None = None
        self._waiting: queue.Queue[Event | None] = queue.Queue(_MOST)
        # One thread: what happened first is written first. The process ends without it where the database hangs.
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        if url:
            self._thread.start()
            atexit.register(self.close)

    def record(self, kind: str, *, user: str, profile: str = "", revision: str = "", **details: Any) -> None:
        """Have one observation written soon; returns at once and raises nothing."""
        if self._url:
            event = Event(dt.datetime.now(dt.UTC), kind, user, profile, revision, details)
            try:
                self._waiting.put_nowait(event)
            except queue.Full as error:
                _lost(event, error)

    def close(self) -> None:
        """Write what is left, as far as a few seconds are enough, and give up thread and connections."""
        atexit.unregister(self.close)
        if self._thread.is_alive():
            try:
                self._waiting.put(None, timeout=_END_SECONDS)
            except queue.Full:
                return
            self._thread.join(_END_SECONDS)
        if self._events and not self._thread.is_alive():
            self._events.close()

    def _run(self) -> None:
        """Write all that waits at once: of many starts at one moment most are written together."""
        going_on = True
        while going_on:
            waiting = [self._waiting.get()]
            while not self._waiting.empty():
                waiting.append(self._waiting.get())
            going_on = None not in waiting
            self._write([event for event in waiting if event])

    def _write(self, events: list[Event]) -> None:
        if not events:
            return
        try:
            # Made here and not before: an address that is none costs observations, and no session.
            self._events = self._events or Events(self._url)
            self._events.append_all(events)
        except (ValueError, DataError) as error:
            if len(events) == 1:
                _lost(events[0], error)
                return
            for each in events:  # one of them is what no database takes
                self._write([each])
        except Exception as error:  # noqa: BLE001  a thread that died would write nothing any more
            for each in events:
                _lost(each, error)


def _lost(event: Event, error: Exception) -> None:
    log.warning("the event %s of %s was not written: %r", event.kind, event.user, error)
