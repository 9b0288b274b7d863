"""What a hub gives to its spawners, with JupyterHub's own users, spawners and database, and nothing that is started."""

import asyncio
from collections.abc import Mapping
from typing import Any

from jupyterhub.spawner import Spawner, SpawnException
from support.fakes.hub_side import HubSide
from support.repositories import ProfilesRepository

from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.launch import Launch
from allotment_profiles.model.problems import Refusal, RefusedError
from allotment_spawner.hub.mixin import ProfileSpawnerMixin
from allotment_spawner.session.session import usage

NOTEBOOK = {"profile": "red/notebook", "options": {}}
FAILING = "fails"


class Nothing(Spawner):
    """Starts nothing at all, and has it run until it is stopped."""

    ended = False
    stuck = False
    """Whether stopping fails."""

    async def start(self) -> Any:
        self.ended = False
        await asyncio.sleep(0)
        if FAILING in self.user.name:
            raise RuntimeError("no")
        return ("127.0.0.1", 1)

    async def stop(self, now: bool = False) -> None:
        """Stop nothing."""
        await asyncio.sleep(0)
        if self.stuck:
            raise TimeoutError("the cluster is away")
        self.ended = True

    async def poll(self) -> int | None:
        return 0 if self.ended else None


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


class SmallHub(HubSide):
    """Starts sessions of which nothing is there but what the hub knows."""

    def __init__(self, profiles: ProfilesRepository, events_url: str = "") -> None:
        mixin = {"repository": str(profiles.path), "events_url": events_url, "service_url": "/service/"}
        reached = asyncio.Event()
        config = {"ProfileSpawnerMixin": mixin}
        super().__init__(profiles, "sqlite:///:memory:", NothingFromProfiles, config, reached=reached)

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
        spawner.orm_spawner.state = spawner.get_state()
        self.db.commit()
        spawner.add_poll_callback(lambda: None)  # it answers
        return "started"

    def restart(self) -> None:
        """Know no more than the database does."""
        self.users.clear()

    @property
    def held(self) -> list[str]:
        """Name the users who hold a share."""
        return sorted(each.user for each in usage(self.users))
