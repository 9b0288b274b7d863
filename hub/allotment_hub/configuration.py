"""What the service is told when it starts."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field


class RemoteConfiguration(BaseModel):
    """Where the repository lives, if not here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    """`https://host/path` or `ssh://git@host/path`, without credentials."""

    user: str = "allotment"
    """The account's name for HTTPS."""

    token_file: Path | None = None
    """The file with the token for HTTPS, which may write."""

    ssh_key_file: Path | None = None
    """The file with the private key for SSH, which may write."""

    known_hosts_file: Path | None = None
    """The file with the server's SSH keys."""

    ca_file: Path | None = None
    """The certificates that an HTTPS server is checked against; none: those of the system."""

    plain_http: bool = False
    """Whether the address may be `http://`, where everyone on the way can read the token."""


class ServiceConfiguration(BaseModel):
    """The service's JSON file, named on its command line.

    Tokens and the hub's address are not in here: HubOAuth reads them from JupyterHub's own environment variables.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    repository: Path
    """The bare repository of profiles; for the forge `plain git` also where proposals live."""

    signing_key: Path
    """The OpenSSH ed25519 private key that signs what the service records and merges."""

    allowed_signers: Path
    """The keys whose signatures count, in git's own format."""

    events: str
    """The SQLAlchemy URL of the table of events."""

    address: str = "127.0.0.1"
    """The address that the service listens on."""

    port: int = Field(ge=1, le=65535)
    """The port that the service listens on."""

    public_url: str
    """The hub's address as a browser sees it, ending with the base URL: what links in messages start with."""

    poll_seconds: float = Field(default=0.5, gt=0)
    """How often the branch main is looked at."""

    deployment: Literal["laptop", "kubernetes"] = "laptop"
    """What sessions are here: processes of this machine, or pods."""

    remote: RemoteConfiguration | None = None
    """The repository on a git server, of which `repository` is the mirror; none: there is only the one here."""

    fetch_seconds: float = Field(default=30, gt=0)
    """How often the git server is asked."""

    cache: Path | None = None
    """A file that keeps what was read of the repository across restarts; none: everything is read anew."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file; a pydantic `ValidationError` names what is wrong in it."""
        return cls.model_validate_json(path.read_bytes())
