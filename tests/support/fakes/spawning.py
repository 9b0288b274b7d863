"""The laptop's spawner, with one thing that a test needs otherwise."""

import json
from pathlib import Path
from typing import Any

from traitlets import default

from allotment_spawner.local import LocalProfileSpawner


class TrustingSpawner(LocalProfileSpawner):
    """Believes the authority whose certificate lies in the state folder."""

    @default("git_ca_file")
    def _git_ca_file_default(self) -> str:
        return str(Path(self.homes).parent / "git-ca.pem")


class MirroringSpawner(LocalProfileSpawner):
    """Takes the profiles from a git server; `remote.json` in the state folder says which, as settings."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, value in json.loads((Path(self.homes).parent / "remote.json").read_text()).items():
            setattr(self, name, value)


class WatchfulSpawner(LocalProfileSpawner):
    """Looks at its sessions every second."""

    @default("poll_interval")
    def _poll_interval_default(self) -> int:
        return 1
