"""What a hub gives to its spawners, with JupyterHub's own users, spawners and database, and nothing that is started."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from jupyterhub import orm
from jupyterhub.spawner import Spawner, SpawnException
from jupyterhub.user import UserDict
from support.repositories import ProfilesRepository
from traitlets.config import Config

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


class SmallHub:
    """What a hub gives to its spawners."""

    def __init__(self, profiles: ProfilesRepository, events_url: str = "") -> None:
        self.profiles = profiles
        self.db = orm.new_session_factory("sqlite:///:memory:")()
        self.db.add(orm.Group(name="/red"))
        self.settings: dict[str, Any] = {
            "config": Config(
                {
                    "ProfileSpawnerMixin": {
                        "repository": str(profiles.path),
                        "events_url": events_url,
                        "service_url": "/service/",
                    },
                }
            ),
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

    async def close(self) -> None:
        """End what was begun."""
        for each in self.settings.get("allotment", {}).values():
            await each.watcher.stop()
            each.event_writer.close()
        self.db.close()
