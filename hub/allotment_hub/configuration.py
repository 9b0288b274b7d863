"""The configuration file of the service.

A key that is not known here is kept and reported, and stops nothing: a newer version may have written it, and the
program of before has to start again after a way back.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

log = logging.getLogger(__name__)

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes mounts a pod's service account."""


def unknown_keys(model: BaseModel, place: str = "") -> Iterator[str]:
    """Yield the keys of a file that are not known here: `remote.color`."""
    yield from (f"{place}{name}" for name in model.model_extra or ())
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from unknown_keys(value, f"{place}{name}.")


def in_words(error: ValidationError) -> str:
    """Return what is wrong with a file, without the values in it."""
    found = error.errors(include_url=False, include_input=False)[:5]
    return "; ".join(
        # Pydantic puts words of its own before those of our checks.
        ": ".join([*filter(None, [".".join(map(str, each["loc"]))]), each["msg"].removeprefix("Value error, ")])
        for each in found
    )


class RemoteConfiguration(BaseModel):
    """The git server with the repository."""

    model_config = ConfigDict(extra="allow", frozen=True)

    url: str
    """`https://host/path` or `ssh://git@host/path`, without credentials."""
    user: str = "allotment"
    """The account for HTTPS."""
    token_file: Path | None = None
    """The file with the token for HTTPS; it needs write access."""
    ssh_key_file: Path | None = None
    """The file with the private key for SSH; it needs write access."""
    known_hosts_file: Path | None = None
    """The file with the server's SSH keys."""
    ca_file: Path | None = None
    """The certificate authorities for an HTTPS server; None means those of the system."""
    plain_http: bool = False
    """Whether the address may be `http://`, which sends the token unencrypted."""


class ForgeConfiguration(BaseModel):
    """The forge whose pull requests show the proposals, and its API."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: Literal["gitea", "github", "gitlab"]
    """Which forge it is."""
    url: str
    """The address of its first page: `https://git.example.org`."""
    repository: str
    """`owner/name`; on GitLab with all its groups."""
    token_file: Path | None = None
    """The file with the token for the API."""
    app_id: str = ""
    """The id of a GitHub App, in place of a token."""
    app_key_file: Path | None = None
    """The file with the App's private key."""
    ca_file: Path | None = None
    """The certificate authorities; None means those of the system."""
    plain_http: bool = False
    """Whether the address may be `http://`, which sends the token unencrypted."""
    webhook_secret_file: Path | None = None
    """The file with the secret of its webhooks, or two on two lines while one replaces the other."""
    poll_seconds: float = Field(default=30, gt=0)
    """How often it is asked without a webhook."""


def _is_same_repository(forge: ForgeConfiguration, remote: RemoteConfiguration) -> bool:
    """Return whether both name one repository. For SSH, forges may have another host and no path before it."""
    here, there = urlsplit(forge.url), urlsplit(remote.url)
    path = there.path.strip("/").removesuffix(".git").lower()
    if there.scheme == "ssh":
        return path == forge.repository.lower()
    return here.hostname == there.hostname and path == f"{here.path.strip('/')}/{forge.repository}".strip("/").lower()


class NotificationsConfiguration(BaseModel):
    """How people hear of proposals outside the pages."""

    model_config = ConfigDict(extra="allow", frozen=True)

    addresses_file: Path
    """The file with the addresses: `name = address` on each line. It contains secrets, and is read for each message."""
    email: str = ""
    """The e-mail address of a user, with `{name}` for their name: `{name}@example.org`. Empty: they have none."""
    gather_seconds: float = Field(default=60, ge=0, le=3600)
    """How long what one receiver hears of is gathered into one message."""


class PullerConfiguration(BaseModel):
    """How nodes pull the images of profiles before a session needs them."""

    model_config = ConfigDict(extra="allow", frozen=True)

    namespace: str
    """The namespace of the sessions."""
    instance: str
    """The release's name, for labels."""
    owner: str
    """The Role that owns the DaemonSet: both are deleted together."""
    maximum: int = Field(default=50, ge=1, le=200)
    """The maximum number of images."""
    look_seconds: float = Field(default=600, gt=0)
    """How often the DaemonSet is applied again if no profile changes."""
    pull_policy: Literal["Always", "IfNotPresent"] = "IfNotPresent"
    """As in a container."""
    image_pull_secrets: tuple[dict[str, str], ...] = ()
    """As in a pod."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """As in a pod."""
    tolerations: tuple[dict[str, Any], ...] = ()
    """As in a pod; those of the node pools that profiles name are added."""
    priority_class: str = ""
    """The name of a PriorityClass; empty means the cluster's default."""
    resources: dict[str, Any] = Field(default_factory=dict)
    """As in a container, for each sleeping container."""
    api: str = "https://kubernetes.default.svc"
    """The address of the Kubernetes API."""
    token_file: Path = _ACCOUNT / "token"
    """The file with the service account's token."""
    ca_file: Path = _ACCOUNT / "ca.crt"
    """The certificate authority of the API server."""


class ServiceConfiguration(BaseModel):
    """The service's JSON file, named on its command line.

    The hub's address and the service's token are not in it: HubOAuth reads them from the environment variables that
    JupyterHub defines.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    repository: Path
    """The bare repository of profiles, or its mirror if there is a remote. It contains the proposals, too."""
    signing_key: Path
    """The OpenSSH ed25519 private key that signs records and merges."""
    allowed_signers: Path
    """The public keys whose signatures count, in git's allowed signers format or as a certificate."""
    events: str
    """The SQLAlchemy URL of the table of events."""
    address: str = "127.0.0.1"
    """The address that the service listens on."""
    port: int = Field(ge=1, le=65535)
    """The port that the service listens on."""
    public_url: str
    """The hub's address for browsers, with the base URL; links in messages start with it."""
    shared_origin: bool = False
    """Whether sessions share the origin of the hub and the service; pages and health then say so."""
    poll_seconds: float = Field(default=0.5, gt=0)
    """How often the branch main is read."""
    deployment: Literal["laptop", "kubernetes"] = "laptop"
    """What sessions are: processes of this machine, or pods."""
    remote: RemoteConfiguration | None = None
    """The git server that `repository` mirrors; None means that `repository` is the only one."""
    fetch_seconds: float = Field(default=30, gt=0)
    """How often the git server is fetched from."""
    forge: ForgeConfiguration | None = None
    """The forge with pull requests; None means that proposals are reviewed here alone."""
    puller: PullerConfiguration | None = None
    """How nodes pull images ahead; None turns it off."""
    notifications: NotificationsConfiguration | None = None
    """How people hear of proposals outside the pages; None means that nothing is sent."""
    cache: Path | None = None
    """The catalog cache, which makes a restart faster; None means no cache."""

    @model_validator(mode="after")
    def _check_forge(self) -> Self:
        """Check that the forge has the repository that is mirrored: its pull requests are about these branches."""
        if self.forge is None:
            return self
        if self.remote is None:
            raise ValueError(
                "a forge without a git server: its pull requests need the branches of proposals, so `remote` has to"
                " name the repository that the forge has"
            )
        if not _is_same_repository(self.forge, self.remote):
            raise ValueError(
                f"the forge's repository is {self.forge.repository} at {self.forge.url}, and the git server's is"
                f" another one: {self.remote.url}"
            )
        return self

    @property
    def records_index(self) -> Path:
        """The index of the log of records, beside the repository; it may be deleted at any time."""
        return self.repository.with_name("records.sqlite")

    @property
    def pull_requests_state(self) -> Path:
        """What was shown on pull requests, beside the repository; it may be deleted at any time."""
        return self.repository.with_name("pull_requests.sqlite")

    @property
    def outbox(self) -> Path:
        """What is still to be sent to people, beside the repository; if it is lost, nothing old is sent."""
        return self.repository.with_name("notifications.sqlite")

    @property
    def choices(self) -> Path:
        """What users do not want to hear of, beside the repository."""
        return self.repository.with_name("notification-choices.sqlite")

    @property
    def drafts(self) -> Path:
        """The drafts of assistants that wait for their users, beside the repository."""
        return self.repository.with_name("assistant-drafts.sqlite")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file. Raise a pydantic `ValidationError` that names what is wrong."""
        configuration = cls.model_validate_json(path.read_bytes())
        for name in unknown_keys(configuration):
            log.warning("%s: %s is not known to this version, and not used", path, name)
        return configuration
