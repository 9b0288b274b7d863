"""Write events to the database outside the event loop. If the database fails, only the event is lost."""

import atexit
import datetime as dt
import logging
import queue
import threading
from typing import Any

from sqlalchemy.exc import DataError

from allotment_profiles.events import Event, Events

log = logging.getLogger(__name__)


class EventWriter:
    """Appends to the table of events, in order, from its own thread."""

    def __init__(self, url: str, *, maximum_queued: int = 10_000, close_seconds: float = 5.0) -> None:
        """Start the thread. `url` is SQLAlchemy's; if it is empty, nothing is written.

        While the database hangs, `maximum_queued` events are kept; further ones are lost.
        """
        self._url = url
        self._close_seconds = close_seconds
        self._events: Events | None = None
        self._queue: queue.Queue[Event | None] = queue.Queue(maximum_queued)
        # A single thread keeps the order. As a daemon it does not keep the process alive while the database hangs.
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        if url:
            self._thread.start()
            atexit.register(self.close)

    def record(self, kind: str, *, user: str, profile: str = "", revision: str = "", **details: Any) -> None:
        """Queue an event to be written. Returns immediately and raises nothing."""
        if self._url:
            event = Event(dt.datetime.now(dt.UTC), kind, user, profile, revision, details)
            try:
                self._queue.put_nowait(event)
            except queue.Full as error:
                _log_lost(event, error)

    def close(self) -> None:
        """Write the queued events for a few seconds at most, then end the thread and close the connections."""
        atexit.unregister(self.close)
        if self._thread.is_alive():
            try:
                self._queue.put(None, timeout=self._close_seconds)
            except queue.Full:
                return
            self._thread.join(self._close_seconds)
        if self._events and not self._thread.is_alive():
            self._events.close()

    def _run(self) -> None:
        """Write all queued events in one transaction, until the writer is closed."""
        closed = False
        while not closed:
            queued = [self._queue.get()]
            while not self._queue.empty():
                queued.append(self._queue.get())
            closed = None in queued
            self._write([event for event in queued if event])

    def _write(self, events: list[Event]) -> None:
        if not events:
            return
        try:
            # Not in the constructor: an invalid URL must cost events only, not sessions.
            self._events = self._events or Events(self._url)
            self._events.append_all(events)
        except (ValueError, DataError) as error:
            if len(events) == 1:
                _log_lost(events[0], error)
                return
            for event in events:  # the database rejects one of them
                self._write([event])
        except Exception as error:  # noqa: BLE001  the thread must survive to write later events
            for event in events:
                _log_lost(event, error)


def _log_lost(event: Event, error: Exception) -> None:
    log.warning("the event %s of %s was not written: %r", event.kind, event.user, error)
