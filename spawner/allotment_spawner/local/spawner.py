"""Sessions as processes of this machine, for trials and development.

Nothing is isolated: every session runs as the user who runs the hub. Images are not used and sizes not enforced.
"""

import asyncio
import contextlib
import os
import shutil
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
from allotment_spawner.local.home import folder_name, link_team, make_home, remove_home
from allotment_spawner.local.orphans import end_orphans, session_variables
from allotment_spawner.session.session import default_url


class LocalProfileSpawner(ProfileSpawnerMixin, SimpleLocalProcessSpawner):
    """Runs a profile as a process, in a home folder of the user with links to the data."""

    homes = Unicode(config=True, help="The folder that holds one home folder for each user.")
    volumes = Unicode(config=True, help="The folder that holds one folder for each volume claim.")
    teams = Unicode(config=True, help="The folder that holds one folder for each team. By default beside the homes.")
    git_ca_file = Unicode(
        config=True,
        help="The certificates that git servers are checked against, for an organisation's own. Empty: the system's.",
    )

    notice = (
        "This is a laptop: images are not used (a session has the programs of this machine), and limits and the sizes"
        " of home folders are not enforced. Folders are not isolated: every session runs as the person who started"
        " Allotment and can read and change the same files, even a team folder that should be read only."
    )

    @default("teams")
    def _teams_default(self) -> str:
        return str(Path(self.homes).resolve().parent / "teams")

    @default("start_timeout")
    def _start_timeout_default(self) -> int:
        return 150  # fetching code may take a minute of it

    @default("env_keep")
    def _env_keep_default(self) -> list[str]:
        # The hub's environment may hold secrets. Programs need only these to be found and to write text.
        return ["PATH", "LANG", "LC_ALL", "TZ"]

    @default("cmd")
    def _cmd_default(self) -> list[str]:
        return [sys.executable, "-m", "allotment_profiles.quick_start", "jupyterhub.singleuser"]

    @property
    def home(self) -> Path:
        """The user's home folder; all servers of a user share it, but for trials, which have an empty one."""
        if self.for_trials:
            return Path(self.homes).resolve().parent / "trials" / folder_name(self.user.name)
        return Path(self.homes).resolve() / folder_name(self.user.name)

    def capabilities(self) -> Capabilities:
        """Return what this machine can do."""
        return laptop()

    async def prepare(self, launch: Launch) -> None:
        """Create the home folder with links to data and the team's folder, and fetch the code."""
        await asyncio.to_thread(self._make_home, launch, *self._in_use())
        self.home_dir = str(self.home)
        if launch.checkout:
            await self._fetch(launch.checkout)

    def _make_home(self, launch: Launch, roles_in_use: set[str], teams_in_use: set[str]) -> None:
        data = {role: binding.volume for role, binding in launch.bindings.items() if binding.volume}
        if launch.trial:
            remove_home(self.home)
        make_home(self.home, Path(self.volumes), data, roles_in_use)
        team = launch.team if launch.storage.team != "none" else None
        link_team(self.home, Path(self.teams), team, teams_in_use)
        tool, code = launch.tool, launch.checkout
        # The code's folder must not exist, or the code is not fetched.
        if tool and tool.folder and not (code and code.folder == tool.folder):
            with contextlib.suppress(FileExistsError):
                (self.home / tool.folder).mkdir()

    def _in_use(self) -> tuple[set[str], set[str]]:
        """Return the data roles and teams of the user's other sessions, which share the home folder."""
        others = [
            other
            for other in self.user.spawners.values()
            if other is not self and other.budget_usage and other.home == self.home
        ]
        return {role for other in others for role in other.data_roles}, {other.budget_usage.team for other in others}

    async def _fetch(self, code: Checkout) -> None:
        """Fetch the code. If that fails, the session starts without it, and the page says so."""
        self.report(35, f"Fetching {code.repository} into the folder {code.folder}")
        try:
            fetched = await Fetcher(self.git_ca_file).fetch(self.home, code)
        except CheckoutError as error:
            self.log.warning("%s was not fetched for %s: %s", code.repository, self._log_name, error)
            await asyncio.to_thread(leave_note, self.home, code, str(error))
            self.report(40, f"The code was not fetched: {error} The session starts without it.")
            return
        await asyncio.to_thread(drop_note, self.home, code)
        if not fetched:
            self.report(40, f"The folder {code.folder} already exists and is not changed")

    def get_args(self) -> list[str]:
        """Return the arguments. JupyterLab needs an option to run as root, and one for the shell of its terminals.

        It would start a login shell, whose PATH on Debian lacks the folder of `allotment-session`.
        """
        arguments = [argument for argument in super().get_args() if argument != "--allow-root"]
        arguments.append(f"--ServerApp.terminado_settings=shell_command={_shell()}")
        return [*arguments, "--allow-root"] if os.geteuid() == 0 else arguments

    def get_env(self) -> dict[str, Any]:
        """Return the environment, with the page and the folder that the session opens."""
        env: dict[str, Any] = super().get_env()
        if self._launch:
            # Not the traits of these names: those are templates and keep their value for the next start.
            tool = self._launch.tool
            folder = self.home / tool.folder if tool and tool.folder else self.home
            env["JUPYTERHUB_DEFAULT_URL"] = default_url(self._launch)
            env["JUPYTERHUB_ROOT_DIR"] = str(folder if folder.is_dir() else self.home)
            if self._launch.app == "vscode":
                # The proxy starts this program, the one whose presence was checked for the offer.
                env["CODE_EXECUTABLE"] = LAPTOP_PROGRAMS["vscode"].name
        return env

    async def poll(self) -> int | None:
        """Return None while the session runs. Once it has ended, end the processes that it left."""
        had_process = bool(self.pid)
        status = await super().poll()
        if had_process and status is not None:
            count = await asyncio.to_thread(end_orphans, session_variables(self.user.name, self.name, self.home))
            if count:
                self.log.info("ended processes that the session %s left running: %d", self._log_name, count)
        # Also where the hub was killed before it knew the process; not while a start makes the home.
        if self.for_trials and status is not None and (had_process or not self._spawn_pending):
            await asyncio.to_thread(remove_home, self.home)
        return status


def _shell() -> str:
    """Return the user's shell, or one that is there."""
    return os.environ.get("SHELL") or shutil.which("bash") or "/bin/sh"
