"""How many events of a user are written in an hour, and that none of the others is lost from the count."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from allotment_profiles.events import Event
from allotment_spawner.hub.event_limit import HOUR, EventLimit

NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
MINUTES = st.lists(st.integers(0, 600), max_size=60).map(sorted)


def event(minute: float = 0, kind: str = "refusal", user: str = "eve", profile: str = "red/x", **more: int) -> Event:
    return Event(NOW + dt.timedelta(minutes=minute), kind, user, profile, "", more)


@given(MINUTES, st.integers(1, 5))
def test_every_event_is_written_or_counted_once(minutes: list[int], hourly: int) -> None:
    limit = EventLimit(lambda: hourly)
    written = [each for minute in minutes for each in limit.admitted(event(minute))]
    written += limit.counts(NOW + dt.timedelta(minutes=601), every=True)
    full = [each for each in written if each.kind == "refusal"]
    counts = [each.details["count"] for each in written if each.kind == "more"]
    assert len(full) + sum(counts) == len(minutes)
    for each in full:
        assert sum(each.time <= other.time < each.time + HOUR for other in full) <= 2 * hourly
    assert limit.counts(NOW + dt.timedelta(days=1), every=True) == []


def test_users_kinds_and_profiles_are_counted_apart_but_the_profiles_of_refusals_are_not() -> None:
    limit = EventLimit(lambda: 1)
    assert len(limit.admitted(event(profile="red/a"))) == 1
    assert limit.admitted(event(profile="red/b")) == []
    assert len(limit.admitted(event(user="ann"))) == 1
    assert len(limit.admitted(event(kind="start", profile="red/a"))) == 1
    assert len(limit.admitted(event(kind="start", profile="red/b"))) == 1
    assert limit.admitted(event(kind="start", profile="red/b")) == []
    assert all(limit.admitted(event(kind="stop-order", sessions=1)) for _ in range(9))
    assert [len(limit.admitted(event(kind="stop-order", sessions=0))) for _ in range(3)] == [1, 0, 0]


def test_the_count_is_written_when_the_hour_is_over() -> None:
    limit = EventLimit(lambda: 1)
    for minute in range(5):
        limit.admitted(event(minute))
    assert limit.counts(NOW + dt.timedelta(minutes=59)) == []
    (count,) = limit.counts(NOW + HOUR)
    assert (count.kind, count.user, count.profile) == ("more", "eve", "")
    assert count.details == {"of": "refusal", "count": 4, "since": NOW.isoformat()}
    assert len(limit.admitted(event(61))) == 1
