"""The table of what was observed, in SQLite and in a real PostgreSQL."""

import datetime as dt
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy.exc import SQLAlchemyError
from support.conditions import until
from support.servers.postgresql import PostgreSQL, needs_postgresql

from allotment_profiles.events import Event, Events
from allotment_profiles.model.policy import EventRules
from allotment_spawner.hub.event_writer import BATCH, EventWriter


@pytest.fixture
def events(url: str) -> Iterator[Events]:
    events = Events(url)
    yield events
    events.close()


def test_what_was_observed_is_read_as_it_was_written_newest_first(events: Events) -> None:
    before = dt.datetime.now(dt.UTC)
    details = {"reason": "idle <b>“ü”</b> \x01", "seconds": 1.5, "roles": ["a"], "nothing": None}
    events.append("start", user="ann", profile="red/read", revision="c0ffee")
    events.append("end", user="ann", profile="red/read", revision="c0ffee", **details)
    events.append("start", user="x" * 300, profile="red/other", revision="c0ffee")
    found = events.of("red/read")
    assert [(event.kind, event.user, event.revision) for event in found] == [
        ("end", "ann", "c0ffee"), ("start", "ann", "c0ffee"),
    ]  # fmt: skip
    assert found[0].details == details
    assert before <= found[1].time <= found[0].time <= dt.datetime.now(dt.UTC)
    assert [event.kind for event in events.of("red/read", kinds=["start"])] == ["start"]
    assert len(events.of("red/read", limit=1)) == 1
    assert events.first("start", "red/read", before) == found[1]
    assert events.first("start", "red/read", dt.datetime.now(dt.UTC)) is None


def test_hub_and_service_make_the_table_at_the_same_moment(events: Events, url: str) -> None:
    several = [events, *(Events(url) for _ in range(5))]
    together = threading.Barrier(len(several))
    failed: list[Exception] = []

    def write(each: Events) -> None:
        together.wait(30)
        try:
            each.append("start", user="ann", profile="red/together")
        except SQLAlchemyError as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(each,)) for each in several]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed
    assert len(events.of("red/together")) == len(several)
    for each in several[1:]:
        each.close()


@needs_postgresql
def test_a_database_that_was_away_is_used_again_without_a_lost_observation() -> None:
    with PostgreSQL.opened() as postgresql:
        events = Events(postgresql.url)
        with pytest.raises(SQLAlchemyError):  # it is not there yet
            events.append("start", user="ann", profile="red/away")
        postgresql.start()
        events.append("start", user="ann", profile="red/away")
        postgresql.stop()
        postgresql.start()
        events.append("ready", user="ann", profile="red/away")  # over a connection that has broken meanwhile
        postgresql.stop()
        with pytest.raises(SQLAlchemyError):
            events.of("red/away")
        postgresql.start()
        events.append("end", user="ann", profile="red/away")
        assert [event.kind for event in events.of("red/away")] == ["end", "ready", "start"]
        events.close()


def ages(events: Events, profile: str) -> list[int]:
    """Return the days that have passed since each event, newest first."""
    now = dt.datetime.now(dt.UTC)
    return [(now - event.time).days for event in events.of(profile)]


def observed(profile: str, *days: int) -> list[Event]:
    now = dt.datetime.now(dt.UTC)
    return [Event(now - dt.timedelta(days=each), "start", "ann", profile, "c0ffee", {}) for each in days]


def test_old_events_are_deleted_the_oldest_first_and_a_part_at_a_time(events: Events) -> None:
    events.append_all(observed("red/old", 500, 450, 420, 401, 399, 0))
    before = dt.datetime.now(dt.UTC) - dt.timedelta(days=400)
    assert events.delete_before(before, at_most=3) == 3
    assert ages(events, "red/old") == [0, 399, 401]
    assert [events.delete_before(before, at_most=3) for _ in range(2)] == [1, 0]
    assert ages(events, "red/old") == [0, 399]
    assert events.delete_before(before - dt.timedelta(days=400), at_most=3) == 0


def test_the_writer_deletes_as_the_policy_says_in_batches_and_nothing_without_a_policy(
    events: Events, url: str
) -> None:
    events.append_all(observed("red/kept", *[50] * (BATCH + 5), 3))
    unread = EventWriter(url, lambda: None)
    unread.record("start", user="ann", profile="red/kept")
    unread.close()
    assert len(events.of("red/kept", limit=5000)) == BATCH + 7
    writer = EventWriter(url, lambda: EventRules(keep_days=40))
    until(lambda: ages(events, "red/kept") == [0, 3], what="the old events are deleted")
    writer.close()


def test_one_user_cannot_fill_the_table(events: Events, url: str) -> None:
    writer = EventWriter(url, lambda: EventRules(hourly=3))
    for number in range(100):
        writer.record("refusal", user="eve", profile=f"red/{number}", code="profile-unknown")
    writer.record("refusal", user="ann", profile="red/kept-apart", code="profile-unknown")
    writer.close()
    found = [event for number in range(100) for event in events.of(f"red/{number}")]
    assert [(event.kind, event.user) for event in found] == [("refusal", "eve")] * 3
    assert [event.user for event in events.of("red/kept-apart")] == ["ann"]
    (count,) = events.of("")
    assert (count.kind, count.user, count.details["of"], count.details["count"]) == ("more", "eve", "refusal", 97)
