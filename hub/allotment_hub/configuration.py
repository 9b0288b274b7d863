"""What the service is told when it starts."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its service account."""


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


class PullerConfiguration(BaseModel):
    """How the images of profiles are pulled ahead on the nodes of a cluster."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    namespace: str
    """The namespace of the sessions."""

    instance: str
    """The release's name, for labels."""

    owner: str
    """The Role that allows it; what was made goes with it."""

    maximum: int = Field(default=50, ge=1, le=200)
    """So many images at most."""

    look_seconds: float = Field(default=600, gt=0)
    """How often what is there is looked at, when nothing changes."""

    pull_policy: Literal["Always", "IfNotPresent"] = "IfNotPresent"
    """When an image that is there is looked for again."""

    image_pull_secrets: tuple[dict[str, str], ...] = ()
    """As in a pod."""

    node_selector: dict[str, str] = Field(default_factory=dict)
    """As in a pod."""

    tolerations: tuple[dict[str, Any], ...] = ()
    """As in a pod; those of the node pools that profiles name come by themselves."""

    priority_class: str = ""
    """The name of a PriorityClass; empty: the cluster's default."""

    resources: dict[str, Any] = Field(default_factory=dict)
    """As in a container: for each sleeping one."""

    api: str = "https://kubernetes.default.svc"
    """The address of the Kubernetes API."""

    token_file: Path = _ACCOUNT / "token"
    """The file with the service account's token."""

    ca_file: Path = _ACCOUNT / "ca.crt"
    """The certificates that the API server is checked against."""


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

    puller: PullerConfiguration | None = None
    """How images are pulled ahead; none: they are not."""

    cache: Path | None = None
    """A file that keeps what was read of the repository across restarts; none: everything is read anew."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file; a pydantic `ValidationError` names what is wrong in it."""
        return cls.model_validate_json(path.read_bytes())
