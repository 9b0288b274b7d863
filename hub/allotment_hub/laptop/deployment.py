"""What is kept about one deployment between two starts: choices, ports and secrets."""

import secrets
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from allotment_hub.configuration import ServiceConfiguration
from allotment_hub.laptop.errors import LaptopError
from allotment_hub.laptop.folder import StateFolder, write_private
from allotment_hub.laptop.hub.accounts import ACCOUNTS
from allotment_hub.laptop.processes import ports


class Ports(BaseModel):
    """Ports on 127.0.0.1. Sessions that outlive the hub know them, so they are kept."""

    model_config = ConfigDict(extra="forbid")

    public: int | None = None
    """The proxy, for browsers and sessions."""
    proxy_api: int | None = None
    """The proxy's own interface, for the hub."""
    hub: int | None = None
    """The hub, for the proxy, the service and the sessions."""
    service: int | None = None
    """The service, for the proxy."""


class Deployment(BaseModel):
    """The file laptop.json, for `allotment up` and JupyterHub's configuration. Every part of it may be missing."""

    model_config = ConfigDict(extra="forbid")

    asked_port: int = 8000
    """The public port that was asked for last; another one is used while that one is taken."""
    base_url: str = "/"
    """The path under which everything is served; begins and ends with a slash."""
    repository: Path | None = None
    """A repository of the administrator's own; without one, the starter's copy in the state folder."""
    spawner_class: str = "allotment_spawner.local.LocalProfileSpawner"
    """What starts sessions."""
    service_module: str = "allotment_hub"
    """What runs as the service: `python -m MODULE --config service.json`."""
    ports: Ports = Field(default_factory=Ports)
    passwords: dict[str, str] = Field(default_factory=dict)
    service_token: str = Field(default_factory=lambda: secrets.token_hex(32))
    """With this the service asks the hub about users."""
    proxy_password: str = Field(default_factory=lambda: secrets.token_hex(32))
    """With this the hub asks the proxy about routes."""
    cookie_secret: str = Field(default_factory=lambda: secrets.token_hex(32))
    """With this the hub signs its cookies: a sign-in outlives a restart."""

    @classmethod
    def read(cls, folder: StateFolder) -> Self:
        """Read what an earlier start left, or begin afresh."""
        if not folder.deployment.exists():
            return cls()
        try:
            return cls.model_validate_json(folder.deployment.read_bytes())
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the file"
            raise LaptopError(
                f"{folder.deployment} cannot be used: {place}: {first['msg']}."
                f" Correct it, or delete the folder {folder.path} to start afresh."
            ) from None

    def write(self, folder: StateFolder) -> None:
        """Keep it for the processes that are started and for the next start."""
        write_private(folder.deployment, self.model_dump_json(indent=2) + "\n")

    def settle(self) -> list[str]:
        """Fill what is missing and choose ports that are free now; give what a person should know about it."""
        notes: list[str] = []
        for name in ACCOUNTS:
            self.passwords.setdefault(name, secrets.token_urlsafe(12))
        public = ports.next_free(self.ports.public or self.asked_port)
        if public not in (self.ports.public, self.asked_port):
            notes.append(
                f"Port {self.ports.public or self.asked_port} is taken by another program: using {public} instead."
            )
        chosen = [public]
        internal: list[int] = []
        for kept in (self.ports.proxy_api, self.ports.hub, self.ports.service):
            free = kept is not None and kept not in chosen and ports.is_free(kept)
            port = kept if kept is not None and free else ports.any_free(taken=chosen)
            chosen.append(port)
            internal.append(port)
        if self.ports.hub is not None and internal[1] != self.ports.hub:
            notes.append(
                f"The hub's port {self.ports.hub} is taken by another program: using {internal[1]} instead."
                " Sessions that still run cannot reach the hub any more: stop and start them."
            )
        self.ports = Ports(public=public, proxy_api=internal[0], hub=internal[1], service=internal[2])
        return notes

    @property
    def public_url(self) -> str:
        """The address for browsers."""
        return f"http://{ports.ADDRESS}:{self.ports.public}{self.base_url}"

    @property
    def proxy_api_url(self) -> str:
        """The proxy's own interface."""
        return f"http://{ports.ADDRESS}:{self.ports.proxy_api}"

    @property
    def hub_url(self) -> str:
        """The hub behind the proxy."""
        return f"http://{ports.ADDRESS}:{self.ports.hub}{self.base_url}hub/"

    @property
    def service_prefix(self) -> str:
        """The path of the service."""
        return f"{self.base_url}services/allotment/"

    @property
    def service_address(self) -> str:
        """The service behind the proxy, without its path."""
        return f"http://{ports.ADDRESS}:{self.ports.service}"

    @property
    def service_url(self) -> str:
        """The service, for browsers and sessions."""
        return f"{self.public_url}services/allotment/"

    def service_configuration(self, folder: StateFolder) -> ServiceConfiguration:
        """Say what the service is told."""
        assert self.ports.service is not None, "settle() comes first"  # noqa: S101  a mistake of ours, not of a user
        return ServiceConfiguration(
            repository=self.repository_path(folder),
            signing_key=folder.signing_key,
            allowed_signers=folder.allowed_signers,
            events=folder.events,
            port=self.ports.service,
            public_url=self.public_url,
            cache=folder.cache("service"),
        )

    def service_environment(self) -> dict[str, str]:
        """Say what JupyterHub would tell a service that it started itself."""
        return {
            "JUPYTERHUB_SERVICE_NAME": "allotment",
            "JUPYTERHUB_API_TOKEN": self.service_token,
            "JUPYTERHUB_API_URL": f"{self.hub_url}api",
            "JUPYTERHUB_BASE_URL": self.base_url,
            "JUPYTERHUB_HOST": "",
            "JUPYTERHUB_SERVICE_PREFIX": self.service_prefix,
            "JUPYTERHUB_SERVICE_URL": self.service_address + self.service_prefix,
            "JUPYTERHUB_CLIENT_ID": "service-allotment",
            "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{self.service_prefix}oauth_callback",
            "JUPYTERHUB_OAUTH_SCOPES": '["access:services!service=allotment"]',
            "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:services!service=allotment"]',
            "JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES": '["custom:allotment:review"]',
        }

    def repository_path(self, folder: StateFolder) -> Path:
        """Where the repository of profiles lies."""
        return self.repository or folder.repository
