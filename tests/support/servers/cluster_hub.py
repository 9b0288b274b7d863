"""The hub's side of a start without a hub: real users, a real database, the real spawner on a real cluster."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jupyterhub import orm
from jupyterhub.objects import Hub, Server
from jupyterhub.user import UserDict
from support.connections import cut_connections
from support.repositories import ProfilesRepository
from traitlets.config import Config

from allotment_spawner.kubernetes import KubernetesProfileSpawner


class ClusterHub:
    """Starts sessions from a repository of profiles; every user is in the group /red."""

    def __init__(
        self, folder: Path, namespace: str, spawner_class: type = KubernetesProfileSpawner, **settings: Any
    ) -> None:
        self.profiles = ProfilesRepository(folder)
        self.db = orm.new_session_factory(f"sqlite:///{folder / 'hub.sqlite'}")()
        self.db.add(orm.Group(name="/red"))
        self.settings: dict[str, Any] = {
            "config": Config(
                {
                    "ProfileSpawnerMixin": {"repository": str(self.profiles.path)},
                    "KubeSpawner": {
                        "namespace": namespace,
                        "uid": 1000,
                        "gid": 100,
                        "fs_gid": 100,
                        "start_timeout": 60,
                        **settings,
                    },
                }
            ),
            "spawner_class": spawner_class,
            "authenticator": SimpleNamespace(),
            "hub": Hub(connect_ip="127.0.0.1"),
        }
        self.spawner_class = spawner_class
        self.users = self.settings["users"] = UserDict(lambda: self.db, self.settings)

    def spawner(self, user: str, server: str = "") -> Any:
        """Give a user's spawner."""
        found = self.db.query(orm.User).filter_by(name=user).first()
        if found is None:
            found = orm.User(name=user, groups=self.db.query(orm.Group).all())
            self.db.add(found)
            self.db.commit()
        spawner = self.users[found].get_or_create_spawner(server, "")
        spawner.hub = self.settings["hub"]
        return spawner

    async def start(self, user: str, profile: str, options: Mapping[str, str] | None = None, server: str = "") -> Any:
        """Start a session as the hub does; gives the spawner once its pod runs. Raises what the hub would see."""
        spawner = self.spawner(user, server)
        spawner.clear_state()
        spawner.api_token, server_url = "token-of-the-session", f"/user/{user}/"
        spawner.orm_spawner.server = orm.Server(
            proto="http", ip="", port=8888, base_url=server_url, cookie_name="session"
        )
        spawner.server = Server(orm_server=spawner.orm_spawner.server)
        spawner.user_options = {"profile": profile, "options": dict(options or {})}
        await spawner.start()
        return spawner

    def write_events(self) -> None:
        """Have what was observed up to here in the table of events; nothing is written after it."""
        for each in self.settings["allotment"].values():
            each.event_writer.close()

    async def close(self) -> None:
        """End what watches and follows."""
        for each in self.settings.get("allotment", {}).values():
            await each.watcher.stop()
            each.event_writer.close()
        await self.spawner_class._stop_all_reflectors()  # type: ignore[attr-defined]
        await cut_connections()
        self.db.close()
