"""What the service is told when it starts."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field


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

    cache: Path | None = None
    """A file that keeps what was read of the repository across restarts; none: everything is read anew."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file; a pydantic `ValidationError` names what is wrong in it."""
        return cls.model_validate_json(path.read_bytes())
