"""From `custom.allotment` of the values to JupyterHub's configuration: data in, traits out."""

import sys
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

REVIEW = "custom:allotment:review"
REFRESH = "custom:allotment:refresh"
_SERVICE = "allotment"
_ACCESS = f"access:services!service={_SERVICE}"
_STATE = Path("/srv/jupyterhub")
_SIGNERS = Path("/etc/allotment/signing/tls.crt")
_GIT = Path("/etc/allotment/git")


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RepositorySettings(_Settings):
    """Where the repository of profiles lives."""

    url: str
    """`https://host/path` or `ssh://git@host/path`, without credentials."""
    user: str = "allotment"
    """The account's name for HTTPS."""
    plainHttp: bool = False  # noqa: N815  as values of charts are written
    """Whether the address may be `http://`."""
    fetchSeconds: float = Field(default=30, gt=0)  # noqa: N815
    """How often the git server is asked, beside being told."""

    @model_validator(mode="after")
    def _is_not_read_on_the_way(self) -> Self:
        if self.url.startswith("http://") and not self.plainHttp:
            raise ValueError("url is http://, so its token could be read: use https://, or set plainHttp: true")
        return self


class ClusterSettings(_Settings):
    """`custom.allotment` of the values."""

    publicUrl: str = Field(pattern=r"^https?://[^/\s]+(/[^\s]*)?$")  # noqa: N815
    """The hub's address as browsers see it."""
    repository: RepositorySettings
    sessionsUrl: str = "http://proxy-public"  # noqa: N815
    """The proxy's address as sessions see it, without the hub's base URL."""
    serviceUrl: str = "http://allotment:10101"  # noqa: N815
    """The service's address as the proxy sees it."""
    eventsUrl: str = f"sqlite:///{_STATE}/events.sqlite"  # noqa: N815
    """SQLAlchemy's URL of the table of events; with a PostgreSQL that the service has, too, it tells first starts."""
    home: str = Field(default="/home/jovyan", pattern=r"^/[A-Za-z0-9_./-]+$")
    """Where the home folder is mounted in sessions."""
    teamClaim: str = ""  # noqa: N815
    """The volume claim with a folder for each team; empty: there are none."""
    preparingImage: str = ""  # noqa: N815
    """The image that fetches a profile's code: the hub's own; empty: none is fetched."""


class Configuration(Protocol):
    """JupyterHub's `c`: a section for each class."""

    def __getattr__(self, section: str) -> Any:
        """Give a section, made on first use."""


def apply(c: Configuration, values: dict[str, Any], base_url: str) -> None:
    """Configure the hub; ends the process with what is wrong where the values are."""
    try:
        settings = ClusterSettings.model_validate(values)
    except ValidationError as error:
        lines = [f"custom.allotment.{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        sys.exit("The values of Allotment are wrong.\n" + "\n".join(lines))
    base = "/" + base_url.strip("/") + "/" if base_url.strip("/") else "/"
    _rights(c)
    _service(c, settings)
    _sessions(c, settings, base)


def _rights(c: Configuration) -> None:
    """Let people review on the pages, and sessions ask but not decide."""
    c.JupyterHub.custom_scopes = {
        **(c.JupyterHub.get("custom_scopes") or {}),
        REVIEW: {"description": "Approve, reject and merge proposals of profiles"},
        REFRESH: {"description": "Say that the repository of profiles has changed"},
    }
    # What a session's token may do is what its role and its user's role have in common; both repeat JupyterHub's own.
    c.JupyterHub.load_roles = [
        *(c.JupyterHub.get("load_roles") or []),
        {"name": "user", "scopes": ["self", _ACCESS, REVIEW]},
        {"name": "server", "scopes": ["users:activity!user", "access:servers!server", _ACCESS]},
        {
            "name": _SERVICE,
            "scopes": ["list:users", "read:users", "read:groups", REFRESH],
            "services": [_SERVICE],
        },
    ]


def _service(c: Configuration, settings: ClusterSettings) -> None:
    """Complete the service, whose token the chart has made."""
    services = list(c.JupyterHub.get("services") or [])
    own = next((each for each in services if each.get("name") == _SERVICE), None)
    if own is None:
        sys.exit("The values have no hub.services.allotment: without it the service has no token.")
    own.update(
        url=settings.serviceUrl,
        oauth_client_id=f"service-{_SERVICE}",
        oauth_no_confirm=True,
        oauth_client_allowed_scopes=[REVIEW],
        display=False,
    )
    c.JupyterHub.services = services


def _sessions(c: Configuration, settings: ClusterSettings, base: str) -> None:
    # zero-to-jupyterhub answers a start at once; a moment is enough for a refusal to be the answer.
    c.JupyterHub.tornado_settings = {**(c.JupyterHub.get("tornado_settings") or {}), "slow_spawn_timeout": 1}
    c.JupyterHub.spawner_class = "allotment_spawner.kubernetes.KubernetesProfileSpawner"
    # Named as text: the packages of the hub and of the spawner do not import each other.
    spawner = files("allotment_spawner")
    c.JupyterHub.template_paths = [*(c.JupyterHub.get("template_paths") or []), str(spawner / "templates")]
    c.JupyterHub.extra_handlers = [
        *(c.JupyterHub.get("extra_handlers") or []),
        (r"/api/allotment/refresh", "allotment_spawner.hub.refresh.RefreshHandler"),
    ]
    # Groups decide what may be started: what the identity provider says now, asked before each start.
    c.Authenticator.manage_groups = c.Authenticator.get("manage_groups", True)
    c.Authenticator.refresh_pre_spawn = c.Authenticator.get("refresh_pre_spawn", True)
    service = f"{base}services/{_SERVICE}/"
    repository = settings.repository
    traits = c.KubernetesProfileSpawner
    traits.repository = str(_STATE / "profiles.git")
    traits.allowed_signers = str(_SIGNERS)
    traits.cache = str(_STATE / "profiles-cache")
    traits.events_url = settings.eventsUrl
    traits.service_url = settings.publicUrl.rstrip("/") + service.removeprefix(base.rstrip("/"))
    traits.api_url = settings.sessionsUrl.rstrip("/") + f"{service}api/v1"
    traits.remote_url = repository.url
    traits.remote_user = repository.user
    traits.remote_plain_http = repository.plainHttp
    traits.fetch_seconds = repository.fetchSeconds
    for trait, name in _GIT_FILES.items():
        if (_GIT / name).exists():
            setattr(traits, trait, str(_GIT / name))
    traits.home = settings.home
    traits.team_claim = settings.teamClaim
    traits.preparing_image = settings.preparingImage


_GIT_FILES = {
    "remote_token_file": "token",
    "remote_ssh_key_file": "ssh-key",
    "remote_known_hosts_file": "known-hosts",
    "remote_ca_file": "ca.pem",
}
"""Trait → the key of the Secret that it is read from."""
