"""The laptop's spawner, with one thing that a test needs otherwise."""

from pathlib import Path

from traitlets import default

from allotment_spawner.local import LocalProfileSpawner


class TrustingSpawner(LocalProfileSpawner):
    """Believes the authority whose certificate lies in the state folder."""

    @default("git_ca_file")
    def _git_ca_file_default(self) -> str:
        return str(Path(self.homes).parent / "git-ca.pem")


class WatchfulSpawner(LocalProfileSpawner):
    """Looks at its sessions every second."""

    @default("poll_interval")
    def _poll_interval_default(self) -> int:
        return 1
