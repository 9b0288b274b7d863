"""Profiles on a git server, and mirrors of them."""

from support.servers.git_server import ServedProfiles

from allotment_profiles.git.mirror import Mirror
from allotment_profiles.git.remotes import Remote
from allotment_profiles.git.repository import Repository


class Place(ServedProfiles):
    """Profiles on a git server, and mirrors of them."""

    def mirror(self, name: str = "mirror") -> Mirror:
        """Open a mirror in a folder of this name."""
        remote = Remote(
            self.server.url("profiles.git"), token_file=self.token_file, ca_file=self.server.ca_file
        )  # fmt: skip
        return Mirror.opened(self.folder / name, remote)


def heads(repository: Repository) -> dict[str, str]:
    """Return the branches of a repository."""
    return repository.references("refs/heads/")
