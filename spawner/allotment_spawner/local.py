"""Sessions as processes of this machine: a translation of a Launch, for trying out and for developing.

Nothing is kept apart: every session runs as whoever runs the hub. Images are not used and sizes not enforced.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from jupyterhub.spawner import SimpleLocalProcessSpawner
from traitlets import Unicode, default

from allotment_profiles.deployments import LAPTOP_PROGRAMS, laptop
from allotment_profiles.launch import Launch
from allotment_profiles.rules import Capabilities
from allotment_spawner.home import folder_name, make_home
from allotment_spawner.leftovers import end_leftovers, marks
from allotment_spawner.mixin import ProfileSpawnerMixin

# Where JupyterLab, and the proxies inside the session for the other two, open.
_PAGES = {"jupyterlab": "/lab", "rstudio": "/rstudio", "vscode": "/vscode"}


class LocalProfileSpawner(ProfileSpawnerMixin, SimpleLocalProcessSpawner):
    """Runs a profile as a process, in a home folder of the user, with links to the data."""

    homes = Unicode(config=True, help="The folder that holds one home folder for each user.")
    volumes = Unicode(config=True, help="The folder that holds one folder for each volume claim.")

    notice = (
        "This is a laptop: images are not used (a session has the programs of this machine), limits are not enforced,"
        " and folders are not kept apart: every session runs as the person who started Allotment, and can read and"
        " change what that person can."
    )

    @default("env_keep")
    def _env_keep_default(self) -> list[str]:
        # The hub's own environment may hold secrets. These are what programs need to be found and to write text.
        return ["PATH", "LANG", "LC_ALL", "TZ"]

    @default("cmd")
    def _cmd_default(self) -> list[str]:
        return [sys.executable, "-m", "jupyterhub.singleuser"]

    @property
    def home(self) -> Path:
        """The user's home folder; all servers of a user share it."""
        return Path(self.homes).resolve() / folder_name(self.user.name)

    def capabilities(self) -> Capabilities:
        """Say what this machine can do."""
        return laptop()

    async def prepare(self, launch: Launch) -> None:
        """Make the home folder and its links to the data."""
        data = {role: binding.volume for role, binding in launch.bindings.items() if binding.volume}
        await asyncio.to_thread(make_home, self.home, Path(self.volumes), data, self._roles_in_use())
        self.home_dir = str(self.home)

    def _roles_in_use(self) -> set[str]:
        """Give the data roles of the user's other sessions, whose links lie in the same home folder."""
        others = (other for other in self.user.spawners.values() if other is not self and other.active)
        return {role for other in others for role in other.stamped_roles}

    def get_args(self) -> list[str]:
        """Give the arguments; JupyterLab does not run as root without being told to."""
        arguments = [argument for argument in super().get_args() if argument != "--allow-root"]
        return [*arguments, "--allow-root"] if os.geteuid() == 0 else arguments

    def get_env(self) -> dict[str, Any]:
        """Give the environment, with the page and the folder that the session opens."""
        env: dict[str, Any] = super().get_env()
        if self._launch:
            # Here and not in the traits of these names: those are templates, and stay from one start to the next.
            env["JUPYTERHUB_DEFAULT_URL"] = _PAGES[self._launch.app]
            env["JUPYTERHUB_ROOT_DIR"] = str(self.home)
            if self._launch.app == "vscode":
                # The proxy starts what this names; nothing else was looked for when the profile was offered.
                env["CODE_EXECUTABLE"] = LAPTOP_PROGRAMS["vscode"].name
        return env

    async def poll(self) -> int | None:
        """Tell whether the session runs; one that has ended, however it did, leaves no process behind."""
        had_process = bool(self.pid)
        status = await super().poll()
        if had_process and status is not None:
            left = await asyncio.to_thread(end_leftovers, marks(self.user.name, self.name, self.home))
            if left:
                self.log.info(
                    "processes that the session %s left running and that were ended: %d", self._log_name, left
                )
        return status
