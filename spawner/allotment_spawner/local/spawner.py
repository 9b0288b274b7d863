"""Sessions as processes of this machine: a translation of a Launch, for trying out and for developing.

Nothing is kept apart: every session runs as whoever runs the hub. Images are not used and sizes not enforced.
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from jupyterhub.spawner import SimpleLocalProcessSpawner
from traitlets import Unicode, default

from allotment_profiles.access.deployments import LAPTOP_PROGRAMS, Capabilities, laptop
from allotment_profiles.access.launch import Launch
from allotment_profiles.model import Checkout
from allotment_spawner.checkout.fetcher import CheckoutError, Fetcher, drop_note, leave_note
from allotment_spawner.hub.mixin import ProfileSpawnerMixin
from allotment_spawner.local.home import folder_name, link_team, make_home
from allotment_spawner.local.orphans import end_orphans, session_variables
from allotment_spawner.session.default_url import default_url

# What git has to know of this machine: where programs are, and the way out.
_SURROUNDINGS = ("PATH", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY")


class LocalProfileSpawner(ProfileSpawnerMixin, SimpleLocalProcessSpawner):
    """Runs a profile as a process, in a home folder of the user, with links to the data."""

    homes = Unicode(config=True, help="The folder that holds one home folder for each user.")
    volumes = Unicode(config=True, help="The folder that holds one folder for each volume claim.")

    teams = Unicode(config=True, help="The folder that holds one folder for each team; by default beside the homes.")
    git_ca_file = Unicode(
        config=True,
        help="Certificates that git servers are checked against, for an organisation's own; empty: the system's.",
    )

    notice = (
        "This is a laptop: images are not used (a session has the programs of this machine), limits and the sizes of"
        " home folders are not enforced, and folders are not kept apart: every session runs as the person who started"
        " Allotment, and can read and change what that person can, a team's folder also where it is said to be read"
        " only."
    )

    @default("teams")
    def _teams_default(self) -> str:
        return str(Path(self.homes).resolve().parent / "teams")

    @default("start_timeout")
    def _start_timeout_default(self) -> int:
        return 150  # fetching code may take a minute of it, and is no reason to give up

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
        """Make the home folder with its links to data and the team's folder, and fetch the code."""
        await asyncio.to_thread(self._make_home, launch, self._in_use())
        self.home_dir = str(self.home)
        if launch.checkout:
            await self._fetch(launch.checkout)

    def _make_home(self, launch: Launch, in_use: tuple[set[str], set[str]]) -> None:
        data = {role: binding.volume for role, binding in launch.bindings.items() if binding.volume}
        roles, teams = in_use
        make_home(self.home, Path(self.volumes), data, roles)
        link_team(self.home, Path(self.teams), launch.team if launch.storage.team != "none" else None, teams)
        tool, code = launch.tool, launch.checkout
        # Where the code belongs nothing else is made: it would never be fetched.
        if tool and tool.folder and not (code and code.folder == tool.folder):
            with contextlib.suppress(FileExistsError):
                (self.home / tool.folder).mkdir()

    def _in_use(self) -> tuple[set[str], set[str]]:
        """Give data roles and teams of the user's other sessions, whose links lie in the same home folder."""
        others = [other for other in self.user.spawners.values() if other is not self and other.budget_usage]
        return {role for other in others for role in other.stamped_roles}, {other.budget_usage.team for other in others}

    async def _fetch(self, code: Checkout) -> None:
        """Fetch the code; a session starts without it, and says so."""
        self.tell(35, f"Fetching {code.repository} into the folder {code.folder}")
        surroundings = {name: os.environ[name] for name in _SURROUNDINGS if name in os.environ}
        try:
            fetched = await Fetcher(surroundings, self.git_ca_file).fetch(self.home, code)
        except CheckoutError as error:
            self.log.warning("%s was not fetched for %s: %s", code.repository, self._log_name, error)
            await asyncio.to_thread(leave_note, self.home, code, str(error))
            self.tell(40, f"The code was not fetched: {error} The session starts without it.")
            return
        await asyncio.to_thread(drop_note, self.home, code)
        if not fetched:
            self.tell(40, f"The folder {code.folder} is there already and stays as it is")

    def get_args(self) -> list[str]:
        """Give the arguments; JupyterLab does not run as root without being told to."""
        arguments = [argument for argument in super().get_args() if argument != "--allow-root"]
        return [*arguments, "--allow-root"] if os.geteuid() == 0 else arguments

    def get_env(self) -> dict[str, Any]:
        """Give the environment, with the page and the folder that the session opens."""
        env: dict[str, Any] = super().get_env()
        if self._launch:
            # Here and not in the traits of these names: those are templates, and stay from one start to the next.
            tool = self._launch.tool
            folder = self.home / tool.folder if tool and tool.folder else self.home
            env["JUPYTERHUB_DEFAULT_URL"] = default_url(self._launch)
            env["JUPYTERHUB_ROOT_DIR"] = str(folder if folder.is_dir() else self.home)
            if self._launch.app == "vscode":
                # The proxy starts what this names; nothing else was looked for when the profile was offered.
                env["CODE_EXECUTABLE"] = LAPTOP_PROGRAMS["vscode"].name
        return env

    async def poll(self) -> int | None:
        """Tell whether the session runs; one that has ended, however it did, leaves no process behind."""
        had_process = bool(self.pid)
        status = await super().poll()
        if had_process and status is not None:
            left = await asyncio.to_thread(end_orphans, session_variables(self.user.name, self.name, self.home))
            if left:
                self.log.info(
                    "processes that the session %s left running and that were ended: %d", self._log_name, left
                )
        return status
