"""Budgets hold however many sessions start at one time, and a share is free again when its session fails or ends.

The spawners, users and database are JupyterHub's own; only what is started is not there.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub import orm
from jupyterhub.spawner import Spawner, SpawnException
from jupyterhub.user import UserDict
from support.repositories import ProfilesRepository, policy, profile, small, team
from traitlets.config import Config

from allotment_profiles.launch import Launch
from allotment_profiles.problems import Refusal, RefusedError
from allotment_profiles.rules import Capabilities
from allotment_spawner.mixin import ProfileSpawnerMixin
from allotment_spawner.running import running

NOTEBOOK = {"profile": "red/notebook", "options": {}}
FAILING = "fails"


class Nothing(Spawner):
    """Starts nothing at all."""

    async def start(self) -> Any:
        await asyncio.sleep(0)
        if FAILING in self.user.name:
            raise RuntimeError("no")
        return ("127.0.0.1", 1)

    async def stop(self, now: bool = False) -> None:
        """Stop nothing."""

    async def poll(self) -> int | None:
        return None


class NothingFromProfiles(ProfileSpawnerMixin, Nothing):
    """Starts nothing from a profile."""

    def capabilities(self) -> Capabilities:
        return Capabilities("this test", frozenset({"volume"}), {})

    async def prepare(self, launch: Launch) -> None:
        await asyncio.sleep(0)
        if self.user.name == "slow":
            self.user.settings["reached"].set()
            await asyncio.Event().wait()
        if "unprepared" in self.user.name:
            raise RefusedError(Refusal("not-here", "No.", "It is not here.", "Bring it.", status=409))
        if "broken" in self.user.name:
            raise OSError("no space left on device")


class Hub:
    """What a hub gives to its spawners."""

    def __init__(self, profiles: ProfilesRepository) -> None:
        self.profiles = profiles
        self.db = orm.new_session_factory("sqlite:///:memory:")()
        self.db.add(orm.Group(name="/red"))
        self.settings: dict[str, Any] = {
            "config": Config({"ProfileSpawnerMixin": {"repository": str(profiles.path)}}),
            "spawner_class": NothingFromProfiles,
            "authenticator": SimpleNamespace(),
            "reached": asyncio.Event(),
        }
        self.users = self.settings["users"] = UserDict(lambda: self.db, self.settings)

    def spawner(self, user: str, server: str = "") -> NothingFromProfiles:
        """Give a user's spawner; the user is in the group /red."""
        found = self.db.query(orm.User).filter_by(name=user).first()
        if found is None:
            found = orm.User(name=user, groups=self.db.query(orm.Group).all())
            self.db.add(found)
            self.db.commit()
        spawner: NothingFromProfiles = self.users[found].get_or_create_spawner(server, "")
        return spawner

    async def start(self, user: str, options: Mapping[str, Any] = NOTEBOOK, server: str = "") -> str:
        """Start a session as the hub does; give `started` or the code of the refusal."""
        spawner = self.spawner(user, server)
        spawner.clear_state()
        spawner.user_options = dict(options)
        try:
            await spawner.start()
        except SpawnException as error:
            return str(error.reason) if 400 <= error.status_code < 500 else "not the user's fault"
        except (RuntimeError, OSError):
            spawner.clear_state()
            return "failed"
        return "started"

    @property
    def held(self) -> list[str]:
        """Name the users who hold a share."""
        return sorted(each.user for each in running(self.users))


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    profiles = ProfilesRepository(tmp_path)
    profiles.commit(small())
    made = Hub(profiles)
    yield made
    for each in made.settings.get("allotment", {}).values():
        await each.follower.stop()
        each.recorder.close()
    made.db.close()


def bound(hub: Hub, budget: dict[str, Any]) -> None:
    hub.profiles.commit({"teams/red/team.yaml": team("red", budget=budget)})


@pytest.mark.parametrize("budget", [{"sessions": 3}, {"cpu": 6}, {"memory": "14 GiB"}])
async def test_of_twenty_starts_at_one_time_with_room_for_three_exactly_three_start(
    hub: Hub, budget: dict[str, Any]
) -> None:
    bound(hub, budget)
    answers = await asyncio.gather(*(hub.start(f"user{number}") for number in range(20)))
    assert (answers.count("started"), answers.count("budget-team")) == (3, 17)
    assert len(hub.held) == 3


async def test_one_users_named_servers_count_together(hub: Hub) -> None:
    hub.profiles.commit({"policy.yaml": policy(user_budget={"sessions": 2})})
    answers = await asyncio.gather(*(hub.start("ann", server=f"s{number}") for number in range(5)))
    assert (answers.count("started"), answers.count("budget-user")) == (2, 3)
    assert await hub.start("bob") == "started"


@pytest.mark.parametrize(("user", "answer"), [("unprepared", "not-here"), ("broken", "failed"), (FAILING, "failed")])
async def test_a_start_that_fails_gives_its_share_back(hub: Hub, user: str, answer: str) -> None:
    bound(hub, {"sessions": 1})
    assert await hub.start(user) == answer
    assert hub.held == []
    assert await hub.start("ann") == "started"


async def test_a_start_that_is_called_off_gives_its_share_back(hub: Hub) -> None:
    bound(hub, {"sessions": 1})
    started = asyncio.create_task(hub.start("slow"))
    await hub.settings["reached"].wait()
    assert hub.held == ["slow"]
    started.cancel()
    await asyncio.gather(started, return_exceptions=True)
    assert hub.held == []


async def test_a_session_that_ends_gives_its_share_back(hub: Hub) -> None:
    bound(hub, {"sessions": 1})
    assert await hub.start("ann") == "started"
    assert await hub.start("bob") == "budget-team"
    hub.spawner("ann").clear_state()
    assert await hub.start("bob") == "started"


async def test_starting_again_in_the_same_place_does_not_count_the_session_that_it_follows(hub: Hub) -> None:
    bound(hub, {"sessions": 1})
    assert [await hub.start("ann"), await hub.start("ann")] == ["started", "started"]


async def test_a_hub_that_was_started_anew_counts_what_it_finds_running(hub: Hub) -> None:
    bound(hub, {"memory": "7 GiB"})
    assert await hub.start("ann") == "started"
    state = hub.spawner("ann").get_state()
    hub.users.clear()  # all that a hub knows without its database
    hub.spawner("ann").load_state(state)
    assert await hub.start("bob") == "budget-team"
    assert hub.held == ["ann"]


async def test_a_stored_choice_that_is_now_for_others_is_refused_and_stays_the_last_good_one(hub: Hub) -> None:
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


async def test_a_refusal_for_want_of_room_says_what_runs_and_leaves_the_last_good_choice(hub: Hub) -> None:
    hub.profiles.commit({"teams/red/profiles/other.yaml": profile()})
    bound(hub, {"sessions": 1})
    assert await hub.start("bob", {"profile": "red/other", "options": {}}) == "started"
    hub.spawner("bob").clear_state()
    assert await hub.start("ann") == "started"
    spawner = hub.spawner("bob")
    spawner.user_options = dict(NOTEBOOK)
    with pytest.raises(SpawnException) as caught:
        await spawner.start()
    assert "1 session already in use" in str(caught.value)
    assert spawner.user_options == {"profile": "red/other", "options": {}}
