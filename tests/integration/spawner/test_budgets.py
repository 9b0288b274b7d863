"""Budgets hold however many sessions start at one time, and a share is free again when its session fails or ends.

The spawners, users and database are JupyterHub's own; only what is started is not there.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from jupyterhub.spawner import SpawnException
from support.fakes.small_hub import FAILING, NOTEBOOK, SmallHub
from support.repositories import ProfilesRepository, policy, profile, small, team


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[SmallHub]:
    profiles = ProfilesRepository(tmp_path)
    profiles.commit(small())
    made = SmallHub(profiles)
    yield made
    await made.close()


def bound(hub: SmallHub, budget: dict[str, Any]) -> None:
    hub.profiles.commit({"teams/red/team.yaml": team("red", budget=budget)})


@pytest.mark.parametrize("budget", [{"sessions": 3}, {"cpu": 6}, {"memory": "14 GiB"}])
async def test_of_twenty_starts_at_one_time_with_room_for_three_exactly_three_start(
    hub: SmallHub, budget: dict[str, Any]
) -> None:
    bound(hub, budget)
    answers = await asyncio.gather(*(hub.start(f"user{number}") for number in range(20)))
    assert (answers.count("started"), answers.count("budget-team")) == (3, 17)
    assert len(hub.held) == 3


async def test_one_users_named_servers_count_together(hub: SmallHub) -> None:
    hub.profiles.commit({"policy.yaml": policy(user_budget={"sessions": 2})})
    answers = await asyncio.gather(*(hub.start("ann", server=f"s{number}") for number in range(5)))
    assert (answers.count("started"), answers.count("budget-user")) == (2, 3)
    assert await hub.start("bob") == "started"


@pytest.mark.parametrize(("user", "answer"), [("unprepared", "not-here"), ("broken", "failed"), (FAILING, "failed")])
async def test_a_start_that_fails_gives_its_share_back(hub: SmallHub, user: str, answer: str) -> None:
    bound(hub, {"sessions": 1})
    assert await hub.start(user) == answer
    assert hub.held == []
    assert await hub.start("ann") == "started"


async def test_a_start_that_is_called_off_gives_its_share_back(hub: SmallHub) -> None:
    bound(hub, {"sessions": 1})
    started = asyncio.create_task(hub.start("slow"))
    await hub.settings["reached"].wait()
    assert hub.held == ["slow"]
    started.cancel()
    await asyncio.gather(started, return_exceptions=True)
    assert hub.held == []


async def test_a_session_that_ends_gives_its_share_back(hub: SmallHub) -> None:
    bound(hub, {"sessions": 1})
    assert await hub.start("ann") == "started"
    assert await hub.start("bob") == "budget-team"
    hub.spawner("ann").clear_state()
    assert await hub.start("bob") == "started"


async def test_starting_again_in_the_same_place_does_not_count_the_session_that_it_follows(hub: SmallHub) -> None:
    bound(hub, {"sessions": 1})
    assert [await hub.start("ann"), await hub.start("ann")] == ["started", "started"]


async def test_a_hub_that_was_started_anew_counts_what_it_finds_running(hub: SmallHub) -> None:
    bound(hub, {"memory": "7 GiB"})
    assert await hub.start("ann") == "started"
    state = hub.spawner("ann").get_state()
    hub.users.clear()  # all that a hub knows without its database
    hub.spawner("ann").load_state(state)
    assert await hub.start("bob") == "budget-team"
    assert hub.held == ["ann"]


async def test_a_stored_choice_that_is_now_for_others_is_refused_and_stays_the_last_good_one(hub: SmallHub) -> None:
    choices: dict[str, Any] = {"normal": {"title": "Normal"}, "large": {"title": "Large"}}
    option = {"size": {"title": "Size", "default": "normal", "choices": choices}}
    hub.profiles.commit({"teams/red/profiles/notebook.yaml": profile(options=option)})
    large = {"profile": "red/notebook", "options": {"size": "large"}}
    assert await hub.start("ann", large) == "started"
    choices["large"]["only"] = ["/red/leads"]
    hub.profiles.commit({"teams/red/profiles/notebook.yaml": profile(options=option)})
    assert await hub.start("ann", {}) == "choice-only"
    assert hub.spawner("ann").user_options == large
    choices["large"]["only"] = []
    hub.profiles.commit({"teams/red/profiles/notebook.yaml": profile(options=option)})
    assert await hub.start("ann", {}) == "started"


async def test_a_refusal_for_want_of_room_says_what_runs_and_leaves_the_last_good_choice(hub: SmallHub) -> None:
    hub.profiles.commit({"teams/red/profiles/other.yaml": profile()})
    bound(hub, {"sessions": 1})
    assert await hub.start("bob", {"profile": "red/other", "options": {}}) == "started"
    hub.spawner("bob").clear_state()
    assert await hub.start("ann") == "started"
    spawner = hub.spawner("bob")
    spawner.user_options = dict(NOTEBOOK)
    with pytest.raises(SpawnException) as caught:
        await spawner.start()
    assert caught.value.reason == "budget-team"
    assert spawner.user_options == {"profile": "red/other", "options": {}}
