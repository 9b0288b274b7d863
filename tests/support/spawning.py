"""The laptop's spawner with the certificates of a test's own git server."""

from pathlib import Path

from traitlets import default

from allotment_spawner.local import LocalProfileSpawner


class TrustingSpawner(LocalProfileSpawner):
    """Believes the authority whose certificate lies in the state folder."""

    @default("git_ca_file")
    def _git_ca_file_default(self) -> str:
        return str(Path(self.homes).parent / "git-ca.pem")
