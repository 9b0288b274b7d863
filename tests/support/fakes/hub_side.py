"""What a hub gives to its spawners, without a hub: JupyterHub's own users and database, over real profiles."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from jupyterhub import orm
from jupyterhub.user import UserDict
from support.repositories import ProfilesRepository
from traitlets.config import Config


class HubSide:
    """Every user is in the group /red."""

    def __init__(
        self,
        profiles: ProfilesRepository,
        database: str,
        spawner_class: type,
        config: Mapping[str, Any],
        **settings: Any,
    ) -> None:
        self.profiles = profiles
        self.db = orm.new_session_factory(database)()
        self.db.add(orm.Group(name="/red"))
        self.settings: dict[str, Any] = {
            "config": Config(config), "spawner_class": spawner_class, "authenticator": SimpleNamespace(), **settings,
        }  # fmt: skip
        self.users = self.settings["users"] = UserDict(lambda: self.db, self.settings)

    def spawner(self, user: str, server: str = "") -> Any:
        """Return a user's spawner."""
        found = self.db.query(orm.User).filter_by(name=user).first()
        if found is None:
            found = orm.User(name=user, groups=self.db.query(orm.Group).all())
            self.db.add(found)
            self.db.commit()
        return self.users[found].get_or_create_spawner(server, "")

    async def refresh(self) -> None:
        """Have the newest catalog apply."""
        for shared in self.settings.get("allotment", {}).values():
            await shared.watcher.refresh()

    def write_events(self) -> None:
        """Have what was observed up to here in the table of events; nothing is written after it."""
        for shared in self.settings.get("allotment", {}).values():
            shared.event_writer.close()

    async def close(self) -> None:
        """End what was begun."""
        for shared in self.settings.get("allotment", {}).values():
            await shared.watcher.stop()
        self.write_events()
        self.db.close()
