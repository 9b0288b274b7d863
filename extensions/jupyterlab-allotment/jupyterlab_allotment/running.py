"""What runs here: what the hub wrote into the environment, what the service knows of it, and what it uses."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allotment_session.capture.evidence import observed
from allotment_session.capture.packages import RULE
from allotment_session.commands import split
from allotment_session.drafting import draft
from allotment_session.errors import SessionError
from allotment_session.output import field_of, items_of
from allotment_session.running import capture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from allotment_session.capture.evidence import Use

    from jupyterlab_allotment.kernels import Kernels
    from jupyterlab_allotment.service import Service

_DATA = Path("/data")
"""Where data roles are on a cluster; on a laptop they are in the folder `data` of the home folder."""
_NEEDED = ("ALLOTMENT_URL", "ALLOTMENT_PROFILE", "JUPYTERHUB_API_TOKEN")


class Running:
    """The session that this server is."""

    def __init__(self, environment: Mapping[str, str], service: Service, kernels: Kernels) -> None:
        self._kernels = kernels
        self._environment = environment
        self._service = service
        self._looking = asyncio.Lock()
        self._before: tuple[float, float] | None = None
        self._peak = 0
        """The most memory at any look: without a control group, that of a process that has ended is not known."""

    @property
    def inside(self) -> bool:
        """Whether Allotment started this server."""
        return all(self._environment.get(name) for name in _NEEDED)

    @property
    def user(self) -> str:
        """The user whose session this is."""
        return self._environment.get("JUPYTERHUB_USER", "")

    @property
    def profile(self) -> str:
        """The profile that runs."""
        return self._environment.get("ALLOTMENT_PROFILE", "")

    def described(self) -> dict[str, Any]:
        """Return what is known without the service."""
        return {
            "inside": self.inside,
            "user": self.user,
            "server": self._environment.get("JUPYTERHUB_SERVER_NAME", ""),
            "hub": self._environment.get("JUPYTERHUB_PUBLIC_HUB_URL", ""),
            "profile": self.profile,
            "trial": self._environment.get("ALLOTMENT_TRIAL", ""),
        }

    async def details(self) -> dict[str, Any]:
        """Return what the service says of this session, its profile if it is still there, and its data.

        Raise `SessionError`.
        """
        own = await self._service.get("session")
        try:
            profile = await self._service.get("profiles", *split(self.profile))
        except SessionError:
            profile = None  # it was removed, or the user may not see it any more
        roles = items_of(own, "data_roles")
        data = [{**role, "path": self._path_of(field_of(role, "name"))} for role in roles]
        return {**self.described(), "own": own, "details": profile, "data": data}

    async def use(self) -> dict[str, Any]:
        """Return what this session uses now. What is not known is null or missing."""
        async with self._looking:
            found = await asyncio.to_thread(observed)
            self._peak = max(self._peak, found.values.get("memory_peak") or 0)
            more = {"unknown": found.unknown, "cpu_now": self._cpu_now(found), "kernels_killed": self._kernels.killed()}
            return {**found.values, **more}

    def _cpu_now(self, use: Use) -> float | None:
        """Return the CPUs in use since the look before."""
        now, typical = time.time(), use.values.get("cpu_typical")
        if typical is None:
            return None
        used = float(typical) * (now - use.since)
        before, self._before = self._before, (now, used)
        if before is None or now - before[0] < 1:
            return None
        return max(0.0, (used - before[1]) / (now - before[0]))

    async def captured(self) -> dict[str, Any]:
        """Return a draft for the profile that runs, with its reasons and what would be sent as evidence.

        Raise `SessionError`.
        """
        captured = await self._service.call(lambda client: capture(client, self._environment))
        for values in filter(None, (captured.use.values, captured.evidence.get("use"))):
            if self._peak > (values.get("memory_peak") or 0):
                values["memory_peak"] = self._peak
        profile = await self._service.get("profiles", *split(self.profile))
        settings = profile.get("settings") if isinstance(profile, dict) else None
        drafted, reasons = draft(settings if isinstance(settings, dict) else {}, captured.session, captured.use)
        return {"profile": drafted, "reasons": reasons, "evidence": captured.evidence, "rule": RULE}

    def _path_of(self, role: str) -> str:
        if not role or Path(role).name != role:
            return ""
        home = Path(self._environment.get("HOME") or "/")
        return next((str(path) for path in (home / "data" / role, _DATA / role) if path.is_dir()), "")
