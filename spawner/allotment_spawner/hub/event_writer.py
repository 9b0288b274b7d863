"""Write events to the database, and delete old ones, outside the event loop. If it fails, only events are lost."""

import atexit
import datetime as dt
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import DataError

from allotment_profiles.events import Event, Events
from allotment_profiles.model.policy import EventRules
from allotment_spawner.hub.event_limit import EventLimit

log = logging.getLogger(__name__)

BATCH = 1000
"""How many old events are deleted at a time, so that nobody waits long for the table."""
_BETWEEN_BATCHES = 1.0
_LOOK_SECONDS = 60.0
_CLEAN_SECONDS = 3600.0


class EventWriter:
    """Appends to the table of events, in order, from its own thread."""

    def __init__(
        self,
        url: str,
        rules: Callable[[], EventRules | None] = lambda: None,
        *,
        maximum_queued: int = 10_000,
        close_seconds: float = 5.0,
    ) -> None:
        """Start the thread. `url` is SQLAlchemy's; if it is empty, nothing is written.

        `rules` are those of the policy that applies. As long as there is none, nothing is deleted. While the database
        hangs, `maximum_queued` events are kept; further ones are lost.
        """
        self._url = url
        self._rules = rules
        self._limit = EventLimit(lambda: (rules() or EventRules()).hourly)
        self._clean_at = 0.0
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
            for event in self._limit.admitted(Event(dt.datetime.now(dt.UTC), kind, user, profile, revision, details)):
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
        """Write all queued events in one transaction, and delete old ones, until the writer is closed."""
        closed, wait = False, 0.0
        while not closed:
            queued = self._queued(wait)
            closed = None in queued
            counts = self._limit.counts(dt.datetime.now(dt.UTC), every=closed)
            self._write([*filter(None, queued), *counts])
            wait = _BETWEEN_BATCHES if not closed and self._clean() else _LOOK_SECONDS

    def _queued(self, wait: float) -> list[Event | None]:
        try:
            queued = [self._queue.get(timeout=wait) if wait else self._queue.get_nowait()]
        except queue.Empty:
            return []
        while not self._queue.empty():
            queued.append(self._queue.get())
        return queued

    def _clean(self) -> bool:
        """Delete some of the events that are too old, once an hour. Return whether there may be more of them."""
        rules = self._rules()
        if rules is None or time.monotonic() < self._clean_at:
            return False
        before = dt.datetime.now(dt.UTC) - dt.timedelta(days=rules.keep_days)
        try:
            self._events = self._events or Events(self._url)
            deleted = self._events.delete_before(before, at_most=BATCH)
        except Exception as error:  # noqa: BLE001  the thread must survive to write later events
            log.warning("old events were not deleted: %r", error)
            self._clean_at = time.monotonic() + _LOOK_SECONDS
            return False
        if deleted < BATCH:
            self._clean_at = time.monotonic() + _CLEAN_SECONDS
        return deleted == BATCH

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
