"""The stamp of a session, when it has to end, and what is written down about it."""

import datetime as dt
import logging
from pathlib import Path

import pytest

from allotment_profiles.events import Events
from allotment_profiles.model.sizes import Size
from allotment_spawner.hub.event_writer import EventWriter
from allotment_spawner.session.session import ACTIVITY_DELAY, Session

START = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
SIZE = Size(500, 2000, 1024**3, 4 * 1024**3, 1, "l4")
SESSION = Session("red/notebook", "red", "c0ffee", ("tables",), START, idle=3600, total=8 * 3600, size=SIZE)


def after(**time: float) -> dt.datetime:
    return START + dt.timedelta(**time)


def test_a_session_ends_when_its_total_time_is_over_however_active_it_is() -> None:
    assert SESSION.overdue(after(hours=7, minutes=59), active=after(hours=7, minutes=59)) is None
    assert SESSION.overdue(after(hours=8), active=after(hours=8)) == "total"


def test_an_idle_session_ends_only_after_its_last_activity_can_have_been_told() -> None:
    active = after(hours=2)
    assert SESSION.overdue(active + dt.timedelta(hours=1), active) is None
    assert SESSION.overdue(active + dt.timedelta(hours=1) + ACTIVITY_DELAY, active) == "idle"


def test_the_stamp_survives_the_database() -> None:
    assert Session.from_state(SESSION.as_state()) == SESSION


def test_the_stamp_of_a_hub_that_wrote_no_sizes_still_holds_without_amounts() -> None:
    old = {key: value for key, value in SESSION.as_state().items() if key != "size"}
    session = Session.from_state(old)
    assert session
    assert (session.profile, session.total, session.size.cpu) == (SESSION.profile, SESSION.total, 0)


@pytest.mark.parametrize("state", [None, [], "x", {}, {"profile": "a/b"}, {**SESSION.as_state(), "started": 5}])
def test_a_state_of_something_else_is_no_session(state: object) -> None:
    assert Session.from_state(state) is None


def test_many_observations_at_one_moment_are_written_one_after_the_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'events.sqlite'}"
    recorder = EventWriter(url)
    for number in range(200):
        recorder.record("start", user=f"user-{number}", profile="red/notebook", revision="c0ffee", number=number)
    recorder.close()
    events = Events(url)
    found = events.of("red/notebook", limit=1000)
    events.close()
    assert [event.details["number"] for event in found] == list(range(199, -1, -1))
    assert [event.time for event in found] == sorted((event.time for event in found), reverse=True)


def test_a_database_that_fails_is_logged_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorder = EventWriter(f"sqlite:///{tmp_path / 'not' / 'there' / 'events.sqlite'}")
    with caplog.at_level(logging.WARNING):
        recorder.record("start", user="ann", profile="red/notebook")
        recorder.close()
    assert "start of ann" in caplog.text
