"""A hub that is killed while hundreds of sessions run finds all of them again, and leaves them in peace."""

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest
from support.fakes.stand_in import StandInCluster, StandInHub
from support.repositories import ProfilesRepository, data_role, small

from allotment_profiles.events import Events

SESSIONS = 100
USERS = [f"user-{number}" for number in range(SESSIONS)]
NOTEBOOK = {"profile": "red/notebook", "options": {}}


def written_by_other_versions(database: Path) -> None:
    """Rewrite the states of sessions: a third as an older version stored them, a third as a newer one might."""
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        rows = connection.execute("SELECT id, state FROM spawners WHERE state IS NOT NULL").fetchall()
        assert len(rows) == SESSIONS
        for number, (id_, text) in enumerate(rows):
            state = json.loads(text)
            ours = state["allotment"]
            if number % 3 == 1:
                del ours["session"]["size"]
            elif number % 3 == 2:
                for part in (ours, ours["session"], ours["session"]["size"], ours["choice"]):
                    part["newer"] = {"of": "anything"}
                # The last good choice is in the state, too, as JupyterHub replaces what it keeps of it.
                connection.execute("UPDATE spawners SET user_options = '{}' WHERE id = ?", (id_,))
            connection.execute("UPDATE spawners SET state = ? WHERE id = ?", (json.dumps(state), id_))


@pytest.mark.timeout(600)  # so many starts take processor time
def test_a_hundred_sessions_outlive_a_killed_hub_untouched(stand_in: StandInCluster, tmp_path: Path) -> None:
    profiles = ProfilesRepository(tmp_path)
    commit = profiles.commit(small(**{"data-roles/tables.yaml": data_role("blue", {"red": "2199-12-31"})}))
    events = f"sqlite:///{tmp_path / 'events.sqlite'}"
    hub = StandInHub(tmp_path / "hub", stand_in, {"/red": USERS}, repository=str(profiles.path), events_url=events)
    with hub.started():
        hub.start_sessions(dict.fromkeys(USERS, NOTEBOOK))
        pods = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in stand_in.items("pods")}
        assert len(pods) == SESSIONS
        hub.kill()
        written_by_other_versions(tmp_path / "hub" / "hub.sqlite")
        before = stand_in.counts()

        hub.start()
        hub.wait_for(USERS)
        assert {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in stand_in.items("pods")} == pods
        asked = stand_in.counts() - before
        assert {request.split()[0] for request in asked} == {"list", "watch"}

        # What is known of a session came back with it, and it can be ended and started as before.
        some = USERS[:20]
        hub.stop_sessions(some)
        assert hub.ready() == set(USERS) - set(some)
        assert len(stand_in.items("pods")) == SESSIONS - len(some)
        hub.start_sessions({user: {} for user in some})  # the last good choice
        assert hub.ready() == set(USERS)
        now = {pod["metadata"]["name"]: pod for pod in stand_in.items("pods")}
        assert set(now) == set(pods)
        assert {pod["metadata"]["annotations"]["allotment/commit"] for pod in now.values()} == {commit}
        assert sum(now[name]["metadata"]["uid"] != uid for name, uid in pods.items()) == len(some)
        log = hub.log.read_text()
    assert "Traceback" not in log
    assert "appears to have stopped" not in log
    table = Events(events)
    ended = [event.user for event in table.of("red/notebook", kinds=["end"], limit=1000)]
    started = table.of("red/notebook", kinds=["start"], limit=1000)
    table.close()
    assert sorted(ended) == sorted(some)
    assert len(started) == SESSIONS + len(some)
