"""A running session that has lost data is named to its user, and stopped after the time that the policy gives."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes.small_hub import NOTEBOOK, NothingFromProfiles, SmallHub
from support.repositories import ProfilesRepository, data_role, policy, profile, small

from allotment_profiles.access.lost_access import LostAccess
from allotment_profiles.events import Events
from allotment_profiles.model.problems import Refusal
from allotment_spawner.session.access_expiry import (
    access_events,
    access_expiries,
    lost_since_as_state,
    lost_since_from_state,
)
from allotment_spawner.text import deadline_text

NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
ROLES = ["tables", "files", "bucket"]
TIMES = st.integers(-300, 0).map(lambda minutes: NOW + dt.timedelta(minutes=minutes))
SEEN = st.dictionaries(st.sampled_from(ROLES), TIMES)
TABLES = "data-roles/tables.yaml"
PROFILE = "teams/red/profiles/notebook.yaml"
FAR = "2999-01-01"


def loss(role: str) -> LostAccess:
    return LostAccess(role, role, Refusal("grant-expired", "Lost.", "It ended.", "Ask to renew it.", "its owner"))


@given(st.lists(st.sampled_from(ROLES), unique=True), SEEN, st.integers(0, 600))
def test_the_time_counts_from_when_each_loss_was_first_seen_and_forgets_what_came_back(
    lost: list[str], seen: dict[str, dt.datetime], minutes: int
) -> None:
    left = dt.timedelta(minutes=minutes)
    found = access_expiries(list(map(loss, lost)), seen, NOW, left, "red/notebook", server="", service="/service/")
    since = {each.data_role: each.since for each in found}
    assert since == {role: seen.get(role, NOW) for role in lost}
    assert {each.ends_at for each in found} == ({min(since.values()) + left} if lost else set())
    again = access_expiries(
        list(map(loss, lost)), since, NOW + HOUR, left, "red/notebook", server="", service="/service/"
    )
    assert [each.ends_at for each in again] == [each.ends_at for each in found]
    assert access_events(since, again) == []
    told = [(kind, details["data_role"]) for kind, details in access_events(seen, found)]
    assert set(told) == {("access-lost", role) for role in lost if role not in seen} | {
        ("access-back", role) for role in seen if role not in lost
    }


@given(SEEN)
def test_what_was_seen_survives_the_database(seen: dict[str, dt.datetime]) -> None:
    assert lost_since_from_state(lost_since_as_state(seen)) == seen


@pytest.mark.parametrize("state", [None, [], "x", {"tables": 5}, {"tables": "yesterday"}])
def test_a_state_of_something_else_says_nothing(state: object) -> None:
    assert lost_since_from_state(state) == {}


def test_the_time_that_is_left_is_said_in_words() -> None:
    assert [deadline_text(NOW + dt.timedelta(seconds=seconds), NOW) for seconds in (7200, 3599, 60, 59, 0, -5)] == [
        "in 2 hours", "in 59 minutes", "in 1 minute", "in less than a minute", "now", "now",
    ]  # fmt: skip


# -- on a hub


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[SmallHub]:
    profiles = ProfilesRepository(tmp_path)
    profiles.commit(small(**{PROFILE: profile(data_roles=["tables"]), TABLES: data_role("blue", {"red": FAR})}))
    made = SmallHub(profiles, f"sqlite:///{tmp_path / 'events.sqlite'}")
    yield made
    await made.close()


async def look(hub: SmallHub, server: str = "") -> NothingFromProfiles:
    """Have the hub look at the newest catalog and then at a session of ann's."""
    spawner: NothingFromProfiles = hub.spawner("ann", server)
    await hub.refresh()
    await spawner.poll()
    return spawner


def told(hub: SmallHub, tmp_path: Path) -> list[tuple[str, dict[str, Any]]]:
    hub.write_events()
    table = Events(f"sqlite:///{tmp_path / 'events.sqlite'}")
    found = [(event.kind, dict(event.details)) for event in reversed(table.of("red/notebook"))]
    table.close()
    return found


def revoke(hub: SmallHub) -> None:
    hub.profiles.commit({TABLES: data_role("blue")})


def after(hub: SmallHub, time: str) -> None:
    hub.profiles.commit({"policy.yaml": policy(after_access_ends=time)})


async def test_a_session_with_all_its_data_is_left_alone(hub: SmallHub) -> None:
    assert await hub.start("ann") == "started"
    spawner = await look(hub)
    assert (spawner.access_expiries, spawner.ended) == ((), False)


async def test_a_revoked_grant_is_said_and_kept_over_a_restart_and_the_session_ends_after_its_time(
    hub: SmallHub, tmp_path: Path
) -> None:
    assert await hub.start("ann") == "started"
    revoke(hub)
    spawner = await look(hub)
    (said,) = spawner.access_expiries
    assert said.ends_at - said.since == HOUR
    assert said.refusal.code == "grant-missing"
    assert said.link.url == "/service/data-roles/tables/ask?team=red"
    assert "Team blue" in said.refusal.decides
    hub.restart()
    spawner = await look(hub)
    assert (spawner.access_expiries[0].since, spawner.ended) == (said.since, False)
    after(hub, "0 s")
    spawner = await look(hub)
    assert spawner.ended
    spawner.clear_state()
    assert hub.held == []
    assert "access_lost" not in spawner.get_state().get("allotment", {})
    observed = told(hub, tmp_path)
    assert [kind for kind, _ in observed] == ["start", "ready", "access-lost", "end"]
    assert observed[-1][1]["reason"] == "access-ended"
    assert observed[-2][1]["code"] == "grant-missing"


async def test_access_that_comes_back_takes_the_note_away_and_the_next_loss_counts_anew(
    hub: SmallHub, tmp_path: Path
) -> None:
    assert await hub.start("ann") == "started"
    revoke(hub)
    first = (await look(hub)).access_expiries[0].since
    hub.profiles.commit({TABLES: data_role("blue", {"red": FAR})})
    spawner = await look(hub)
    assert spawner.access_expiries == ()
    assert "access_lost" not in spawner.get_state()["allotment"]
    revoke(hub)
    assert (await look(hub)).access_expiries[0].since > first
    assert [kind for kind, _ in told(hub, tmp_path)][2:] == ["access-lost", "access-back", "access-lost"]


async def test_a_user_who_left_the_team_loses_its_data(hub: SmallHub) -> None:
    assert await hub.start("ann") == "started"
    spawner = hub.spawner("ann")
    spawner.user.orm_user.groups = []
    hub.db.commit()
    assert [each.refusal.code for each in (await look(hub)).access_expiries] == ["not-a-member"]


async def test_a_session_without_data_ends_as_well_when_its_user_has_left_the_team(hub: SmallHub) -> None:
    hub.profiles.commit({"teams/red/profiles/plain.yaml": profile()})
    assert await hub.start("ann", {"profile": "red/plain", "options": {}}) == "started"
    assert (await look(hub)).access_expiries == ()
    groups, hub.spawner("ann").user.orm_user.groups = list(hub.spawner("ann").user.orm_user.groups), []
    hub.db.commit()
    (said,) = (await look(hub)).access_expiries
    assert (said.refusal.code, said.data_role, said.ends_at - said.since) == ("not-a-member", "", HOUR)
    assert said.link.url == "/service/profiles/red/plain"
    hub.restart()
    assert (await look(hub)).access_expiries[0].since == said.since
    hub.spawner("ann").user.orm_user.groups = groups
    hub.db.commit()
    assert (await look(hub)).access_expiries == ()
    hub.spawner("ann").user.orm_user.groups = []
    after(hub, "0 s")
    assert (await look(hub)).ended


async def test_a_session_without_data_goes_on_when_its_profile_is_gone_hidden_or_not_valid(hub: SmallHub) -> None:
    path = "teams/red/profiles/plain.yaml"
    hub.profiles.commit({path: profile(), "policy.yaml": policy(after_access_ends="0 s")})
    assert await hub.start("ann", {"profile": "red/plain", "options": {}}) == "started"
    for content in (profile(visibility="draft"), "title: [", None):
        hub.profiles.commit({path: content})
        assert not (await look(hub)).ended
    hub.profiles.commit({path: profile(only=["/red/few"])})
    assert (await look(hub)).ended


async def test_only_the_session_with_the_data_ends(hub: SmallHub) -> None:
    hub.profiles.commit({"teams/red/profiles/plain.yaml": profile(), "policy.yaml": policy(after_access_ends="0 s")})
    assert await hub.start("ann") == "started"
    assert await hub.start("ann", {"profile": "red/plain", "options": {}}, "plain") == "started"
    revoke(hub)
    assert ((await look(hub, "plain")).ended, (await look(hub)).ended) == (False, True)


async def test_while_no_catalog_was_read_nothing_changes(hub: SmallHub, tmp_path: Path) -> None:
    after(hub, "0 s")
    assert await hub.start("ann") == "started"
    revoke(hub)
    hub.restart()
    for shared in hub.settings.pop("allotment").values():
        await shared.watcher.stop()
        shared.event_writer.close()
    hub.profiles.path.rename(tmp_path / "away")
    spawner = await look(hub)
    assert await spawner.poll() is None
    assert (spawner.access_expiries, spawner.ended) == ((), False)
    (tmp_path / "away").rename(hub.profiles.path)
    assert (await look(hub)).ended


async def test_while_the_repository_is_away_the_clock_ends_the_grants_that_are_known(
    hub: SmallHub, tmp_path: Path
) -> None:
    after(hub, "0 s")
    assert await hub.start("ann") == "started"
    hub.profiles.path.rename(tmp_path / "away")
    spawner = await look(hub)
    assert not spawner.ended
    assert spawner.access_ended(dt.datetime(2999, 1, 1, 23, 59, tzinfo=dt.UTC)) is None
    assert spawner.access_ended(dt.datetime(2999, 1, 2, tzinfo=dt.UTC)) == "access-ended"


async def test_a_session_that_could_not_be_stopped_is_tried_again(hub: SmallHub) -> None:
    after(hub, "0 s")
    assert await hub.start("ann") == "started"
    revoke(hub)
    hub.spawner("ann").stuck = True
    with pytest.raises(TimeoutError):
        await look(hub)
    hub.spawner("ann").stuck = False
    assert (await look(hub)).ended


async def test_a_new_start_begins_without_what_the_last_session_had_lost(hub: SmallHub) -> None:
    assert await hub.start("ann") == "started"
    revoke(hub)
    assert (await look(hub)).access_expiries
    hub.profiles.commit({PROFILE: profile()})
    assert await hub.start("ann", NOTEBOOK) == "started"
    spawner = await look(hub)
    assert spawner.access_expiries == ()
