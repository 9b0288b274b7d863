"""The table of what was observed, in SQLite and in a real PostgreSQL."""

import datetime as dt
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError
from support.servers.postgresql import PostgreSQL, needs_postgresql

from allotment_profiles.events import Events


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'events.sqlite'}"
    postgresql: PostgreSQL = request.getfixturevalue("postgresql")
    return postgresql.url


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
