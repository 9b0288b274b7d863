"""The laptop's spawner, with what a test needs otherwise."""

import json
import sys
from pathlib import Path
from typing import Any

from support.folders import PROGRAMS
from traitlets import default

from allotment_spawner.local import LocalProfileSpawner


class AnsweringSpawner(LocalProfileSpawner):
    """Starts a program that answers at once in place of JupyterLab, which takes seconds of processor time."""

    @default("cmd")
    def _cmd_default(self) -> list[str]:
        return [sys.executable, str(PROGRAMS / "answering.py")]


class NamedSpawner(LocalProfileSpawner):
    """Starts JupyterLab, and in a server with a name the program that answers at once."""

    @default("cmd")
    def _cmd_default(self) -> list[str]:
        return [sys.executable, str(PROGRAMS / "answering.py")] if self.name else super()._cmd_default()


class TrustingSpawner(AnsweringSpawner):
    """Believes the authority whose certificate lies in the state folder."""

    @default("git_ca_file")
    def _git_ca_file_default(self) -> str:
        return str(Path(self.homes).parent / "git-ca.pem")


class MirroringSpawner(AnsweringSpawner):
    """Takes the profiles from a git server; `remote.json` in the state folder says which, as settings."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, value in json.loads((Path(self.homes).parent / "remote.json").read_text()).items():
            setattr(self, name, value)


class WatchfulSpawner(AnsweringSpawner):
    """Looks at its sessions every second."""

    @default("poll_interval")
    def _poll_interval_default(self) -> int:
        return 1
