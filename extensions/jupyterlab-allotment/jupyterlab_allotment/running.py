"""What runs here: what the hub wrote into the environment, and what the service knows of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from allotment_session.commands import split
from allotment_session.errors import SessionError
from allotment_session.output import field_of, items_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jupyterlab_allotment.service import Service

_DATA = Path("/data")
"""Where data roles are on a cluster; on a laptop they are in the folder `data` of the home folder."""


class Running:
    """The session that this server is."""

    def __init__(self, environment: Mapping[str, str], service: Service, started: str) -> None:
        self._environment = environment
        self._started = started
        self._service = service
        self._first_revision = ""

    @property
    def inside(self) -> bool:
        """Whether Allotment started this server."""
        return all(
            self._environment.get(name) for name in ("ALLOTMENT_URL", "ALLOTMENT_PROFILE", "JUPYTERHUB_API_TOKEN")
        )

    @property
    def user(self) -> str:
        """The user whose session this is."""
        return self._environment.get("JUPYTERHUB_USER", "")

    def described(self) -> dict[str, Any]:
        """Return what is known without the service."""
        profile = self._environment.get("ALLOTMENT_PROFILE", "")
        return {
            "inside": self.inside,
            "user": self.user,
            "server": self._environment.get("JUPYTERHUB_SERVER_NAME", ""),
            "hub": self._environment.get("JUPYTERHUB_PUBLIC_HUB_URL", ""),
            "started": self._started,
            "profile": profile,
            "team": profile.partition("/")[0],
            "data_roles": [role for role in self._environment.get("ALLOTMENT_DATA_ROLES", "").split(",") if role],
        }

    async def details(self) -> dict[str, Any]:
        """Return the profile that runs, its data, and whether there is a newer revision. Raise `SessionError`."""
        described = self.described()
        team, name = split(described["profile"])
        profile = await self._service.get("profiles", team, name)
        revision = field_of(profile, "revision")
        # The first look is at the start of this server, which is the start of the session.
        self._first_revision = self._first_revision or revision
        grants = {field_of(grant, "name"): grant for grant in await self._grants(team)}
        return {
            **described,
            "details": profile,
            "newer": bool(revision and revision != self._first_revision),
            "data": [
                {"name": role, "path": self._path_of(role), "until": None, "review_by": None, "ended": False}
                | {key: grants.get(role, {}).get(key) for key in ("until", "review_by", "ended") if role in grants}
                for role in described["data_roles"]
            ],
        }

    async def look(self) -> None:
        """Look at the start which revision runs. Where the service is away, the first answer later counts."""
        if self.inside:
            try:
                await self.details()
            except SessionError:
                return

    async def _grants(self, team: str) -> list[dict[str, Any]]:
        """Return the grants of a team; none where the caller may not see them."""
        try:
            return [*items_of(await self._service.get("teams", team), "data_roles")]
        except SessionError:
            return []

    def _path_of(self, role: str) -> str:
        if Path(role).name != role:
            return ""
        home = Path(self._environment.get("HOME") or "/")
        return next((str(path) for path in (home / "data" / role, _DATA / role) if path.is_dir()), "")
