"""Somebody who has left: their name in events becomes a pseudonym, while events are written, once or twice."""

import re
import threading
from pathlib import Path

from click.testing import CliRunner, Result

from allotment_profiles.cli.main import main
from allotment_profiles.events import Event, Events


def erase(name: str, url: str, *options: str) -> Result:
    return CliRunner().invoke(main, ["erase", name, *options], env={"ALLOTMENT_EVENTS_URL": url})


def made_in(answer: Result) -> str:
    """Return the pseudonym that a run has used."""
    assert answer.exit_code == 0, answer.output
    found = re.search(r"erased-[0-9a-f]{16}", answer.output)
    assert found, answer.output
    return found[0]


def test_a_name_becomes_one_random_pseudonym_and_nothing_else_changes(url: str) -> None:
    events = Events(url)
    for user in ("zoe", "zoe", "zoe ", "ZOE", "zo", "ann"):
        events.append("start", user=user, profile="red/erase", revision="c0ffee", server=user)
    before = events.of("red/erase")
    answer = erase("zoe", url)
    assert answer.output.startswith("2 events changed")
    pseudonym = made_in(answer)
    after = events.of("red/erase")
    assert [event.user for event in after] == ["ann", "zo", "ZOE", "zoe ", pseudonym, pseudonym]
    assert [(event.time, event.kind, event.details) for event in after] == [
        (event.time, event.kind, event.details) for event in before
    ]
    again = erase("zoe", url)
    assert (again.exit_code, again.output) == (0, "No events have this name.\n")
    events.append("end", user="zoe", profile="red/erase")
    assert made_in(erase("zoe", url, "--as", pseudonym)) == pseudonym
    assert [event.user for event in events.of("red/erase", limit=1)] == [pseudonym]
    # The same name erased anew has another pseudonym, so nobody can compute it from the name.
    events.append("end", user="zoe", profile="red/erase")
    assert made_in(erase("zoe", url)) != pseudonym
    events.close()


def test_erasing_while_events_are_written_loses_none(url: str) -> None:
    events, writing = Events(url), Events(url)
    events.append("start", user="yves", profile="red/busy")
    begun = threading.Event()

    def write() -> None:
        for _ in range(60):
            writing.append_all([Event(first.time, "start", name, "red/busy", "", {}) for name in ("yves", "ann")])
            begun.set()

    (first,) = events.of("red/busy")
    thread = threading.Thread(target=write)
    thread.start()
    assert begun.wait(60)
    pseudonym = made_in(erase("yves", url))
    thread.join(60)
    erase("yves", url, "--as", pseudonym)
    found = [event.user for event in events.of("red/busy", limit=1000)]
    assert (found.count(pseudonym), found.count("ann"), len(found)) == (61, 60, 121)
    events.close()
    writing.close()


def test_what_cannot_be_done_is_said_and_makes_no_database(tmp_path: Path) -> None:
    missing = tmp_path / "other.sqlite"
    answer = erase("zoe", f"sqlite:///{missing}")
    assert (answer.exit_code, missing.exists()) == (2, False)
    missing.touch()
    answer = erase("zoe", f"sqlite:///{missing}")
    assert (answer.exit_code, "cannot be used" in answer.output) == (1, True)
    assert erase("zoe", "nonsense").exit_code == 1
    assert erase("zoe", "sqlite://", "--as", "ann").exit_code == 2
    secret = erase("zoe", "postgresql+psycopg2://u:hunter2@127.0.0.1:1/x")
    assert (secret.exit_code, "hunter2" in secret.output) == (1, False)
