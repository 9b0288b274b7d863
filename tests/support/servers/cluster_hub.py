"""The hub's side of a start without a hub: real users, a real database, the real spawner on a real cluster."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyterhub import orm
from jupyterhub.objects import Hub, Server
from support.connections import cut_connections
from support.fakes.hub_side import HubSide
from support.repositories import ProfilesRepository

from allotment_profiles.events import Events
from allotment_spawner.kubernetes import KubernetesProfileSpawner


class ClusterHub(HubSide):
    """Starts sessions from a repository of profiles; every user is in the group /red."""

    def __init__(
        self, folder: Path, namespace: str, spawner_class: type = KubernetesProfileSpawner, **settings: Any
    ) -> None:
        profiles = ProfilesRepository(folder)
        pods = {"namespace": namespace, "uid": 1000, "gid": 100, "fs_gid": 100, "start_timeout": 60, **settings}
        self._events = f"sqlite:///{folder / 'events.sqlite'}"
        pods.setdefault("events_url", self._events)
        config = {"ProfileSpawnerMixin": {"repository": str(profiles.path)}, "KubeSpawner": pods}
        database = f"sqlite:///{folder / 'hub.sqlite'}"
        super().__init__(profiles, database, spawner_class, config, hub=Hub(connect_ip="127.0.0.1"))
        self.spawner_class = spawner_class

    def spawner(self, user: str, server: str = "") -> Any:
        """Return a user's spawner."""
        spawner = super().spawner(user, server)
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

    def end_reason(self, spawner: Any, profile: str) -> str:
        """Forget a session that has ended, as the hub does; return the reason in the table of events."""
        spawner.clear_state()
        self.write_events()
        table = Events(self._events)
        found = table.of(profile, kinds=("end",))
        table.close()
        return str(found[0].details["reason"])

    async def close(self) -> None:
        """End what watches and follows."""
        await self.spawner_class._stop_all_reflectors()  # type: ignore[attr-defined]
        await cut_connections()
        await super().close()
