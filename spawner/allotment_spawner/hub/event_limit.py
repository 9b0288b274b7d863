"""A limit for each user of how many events are written in an hour. What exceeds it is counted, in one event. Pure."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from allotment_profiles.events import Event

HOUR = dt.timedelta(hours=1)
_ORDERS = frozenset({"stop-order", "stop-target"})
"""All those are written that have stopped a session."""

Key = tuple[str, str, str]
"""User, kind and profile. Users choose the profile of a refusal freely, so it does not count there."""


@dataclass(slots=True)
class _Hour:
    began: dt.datetime
    written: int = 0
    more: int = 0


class EventLimit:
    """Counts the events of the last hour. May be used by several threads."""

    def __init__(self, hourly: Callable[[], int]) -> None:
        """Write `hourly()` events of each user, kind and profile in an hour."""
        self._hourly = hourly
        self._hours: dict[Key, _Hour] = {}
        self._lock = threading.Lock()

    def admitted(self, event: Event) -> list[Event]:
        """Return what to write for an event: the count of an hour that is over, and itself if there is room."""
        if event.kind in _ORDERS and event.details.get("sessions"):
            return [event]
        key = (event.user, event.kind, "" if event.kind == "refusal" else event.profile)
        with self._lock:
            hour, counts = self._hours.get(key), []
            if hour is None or event.time - hour.began >= HOUR:
                counts = list(_count(key, hour, event.time))
                hour = self._hours[key] = _Hour(event.time)
            if hour.written >= self._hourly():
                hour.more += 1
                return counts
            hour.written += 1
            return [*counts, event]

    def counts(self, now: dt.datetime, *, every: bool = False) -> list[Event]:
        """Return the counts of the hours that are over, or of `every` hour, and forget these hours."""
        with self._lock:
            over = {key: hour for key, hour in self._hours.items() if every or now - hour.began >= HOUR}
            self._hours = {key: hour for key, hour in self._hours.items() if key not in over}
            return [event for key, hour in over.items() for event in _count(key, hour, now)]


def _count(key: Key, hour: _Hour | None, now: dt.datetime) -> Iterator[Event]:
    if hour and hour.more:
        user, kind, profile = key
        yield Event(now, "more", user, profile, "", {"of": kind, "count": hour.more, "since": hour.began.isoformat()})
