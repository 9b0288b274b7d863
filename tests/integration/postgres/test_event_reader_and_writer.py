"""What was observed, for pages: a database that hangs or is away takes nothing else along."""

import asyncio
import datetime as dt
import threading

import pytest
from support.conditions import until
from support.servers.postgresql import PostgreSQL, needs_postgresql

from allotment_hub.services.event_reader import EventReader
from allotment_profiles.events import Events
from allotment_profiles.model.policy import EventRules
from allotment_spawner.hub.event_writer import EventWriter

pytestmark = needs_postgresql

BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def waiting() -> list[threading.Thread]:
    """Give the threads that wait for a database."""
    return [thread for thread in threading.enumerate() if thread.name == "events"]


async def test_a_database_that_hangs_is_waited_for_once_and_asked_again_later(postgresql: PostgreSQL) -> None:
    events = Events(postgresql.url)
    events.append("start", user="ann", profile="red/hanging")
    asks = EventReader(events, timeout=0.5, pause=0)
    found = await asks.first_start(["red/other", "red/hanging"], BEGIN)
    assert found
    assert found.user == "ann"
    with postgresql.hanging():  # over the connection that there is
        assert await asks.first_start(["red/hanging"], BEGIN) is None
        left = waiting()
        assert len(left) == 1
        for _ in range(50):
            assert await asks.first_start(["red/hanging"], BEGIN) is None
        assert waiting() == left
    async with asyncio.timeout(30):
        while not await asks.first_start(["red/hanging"], BEGIN):
            await asyncio.to_thread(left[0].join)
    events.close()


async def test_a_database_that_is_away_is_left_alone_for_a_while(postgresql: PostgreSQL) -> None:
    events = Events(postgresql.url)
    events.append("start", user="ann", profile="red/away")
    asks = EventReader(events)
    postgresql.stop()
    assert await asks.first_start(["red/away"], BEGIN) is None
    postgresql.start()
    assert await asks.first_start(["red/away"], BEGIN) is None
    assert await EventReader(events).first_start(["red/away"], BEGIN)
    events.close()


def test_the_hub_ends_though_the_database_hangs(postgresql: PostgreSQL, caplog: pytest.LogCaptureFixture) -> None:
    recorder = EventWriter(postgresql.url, maximum_queued=3, close_seconds=0.5)
    events = Events(postgresql.url)
    recorder.record("start", user="ann", profile="red/end")
    until(lambda: events.of("red/end"), what="the observation")
    with postgresql.hanging():
        for number in range(10):
            recorder.record("ready", user=f"user-{number}", profile="red/end")
        assert "Full()" in caplog.text  # no more than so many wait
        recorder.close()
        assert waiting()
        assert all(thread.daemon for thread in waiting())
    for thread in waiting():
        recorder.close()
        thread.join(30)
    events.close()


def test_one_observation_that_no_database_takes_loses_no_other(
    postgresql: PostgreSQL, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = EventWriter(postgresql.url)
    with postgresql.hanging():
        for user in ("first", "with \0 in it", "second", "third"):
            recorder.record("start", user=user, profile="red/bad")
    recorder.close()
    events = Events(postgresql.url)
    assert [event.user for event in events.of("red/bad")] == ["third", "second", "first"]
    assert len(caplog.records) == 1
    events.close()


def test_a_database_that_is_away_is_not_cleaned_and_written_to_later(
    postgresql: PostgreSQL, caplog: pytest.LogCaptureFixture
) -> None:
    postgresql.stop()
    writer = EventWriter(postgresql.url, EventRules)
    until(lambda: "old events were not deleted" in caplog.text, what="the failure is logged")
    postgresql.start()
    writer.record("start", user="ann", profile="red/later")
    writer.close()
    events = Events(postgresql.url)
    assert [event.user for event in events.of("red/later")] == ["ann"]
    events.close()


def test_a_driver_that_is_not_there_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    recorder = EventWriter("mysql://database/events")
    recorder.record("start", user="ann", profile="red/driver")
    recorder.close()
    assert "start of ann" in caplog.text
    assert "ModuleNotFoundError" in caplog.text
