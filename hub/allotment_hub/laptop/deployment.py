"""The state of one laptop deployment between two starts: options, ports and secrets."""

import json
import secrets
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from allotment_hub.configuration import (
    ForgeConfiguration,
    NotificationsConfiguration,
    RemoteConfiguration,
    ServiceConfiguration,
    unknown_keys,
)
from allotment_hub.laptop.folder import LaptopError, StateFolder
from allotment_hub.laptop.hub.accounts import ACCOUNTS
from allotment_hub.laptop.processes import ports
from allotment_hub.origins import origin_of
from allotment_profiles.private_files import write_private
from allotment_profiles.scopes import SERVICE_ACCESS_SCOPE


class Ports(BaseModel):
    """Ports on 127.0.0.1. They stay the same, because sessions that outlive the hub use them."""

    model_config = ConfigDict(extra="allow")

    public: int | None = None
    """The proxy, for browsers and sessions."""
    proxy_api: int | None = None
    """The API of the proxy, for the hub."""
    hub: int | None = None
    """The hub, for the proxy, the service and the sessions."""
    service: int | None = None
    """The service, for the proxy."""


class Deployment(BaseModel):
    """The file laptop.json, read by `allotment up` and by JupyterHub's configuration.

    Every key is optional. Keys of another version are kept, so that it finds them after a way back.
    """

    model_config = ConfigDict(extra="allow")

    asked_port: int = 8000
    """The public port that was last requested; a different one is used while it is taken."""
    base_url: str = "/"
    """The path under which everything is served; starts and ends with a slash."""
    shared_origin: bool = False
    """Whether sessions share the hub's origin; otherwise each user's are at `<user>.localhost`."""
    repository: Path | None = None
    """The repository of profiles; None means the copy of the starter in the state folder."""
    spawner_class: str = "allotment_spawner.local.LocalProfileSpawner"
    service_module: str = "allotment_hub"
    """The module that runs as the service: `python -m MODULE --config service.json`."""
    ports: Ports = Field(default_factory=Ports)
    passwords: dict[str, str] = Field(default_factory=dict)
    service_token: str = Field(default_factory=lambda: secrets.token_hex(32))
    proxy_password: str = Field(default_factory=lambda: secrets.token_hex(32))
    cookie_secret: str = Field(default_factory=lambda: secrets.token_hex(32))
    """The key of the hub's cookies; kept, so that people stay signed in after a restart."""

    @classmethod
    def read(cls, folder: StateFolder) -> Self:
        """Read laptop.json, or return the defaults before the first start."""
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
        """Write laptop.json for the programs and for the next start."""
        write_private(folder.deployment, self.model_dump_json(indent=2) + "\n")

    def settle(self) -> list[str]:
        """Fill in missing passwords and choose ports that are free now; return messages for the user."""
        for name in ACCOUNTS:
            self.passwords.setdefault(name, secrets.token_urlsafe(12))
        before, preferred = self.ports, self.ports.public or self.asked_port
        public = ports.next_free(preferred)
        taken = [public]
        for kept in (before.proxy_api, before.hub, before.service):
            free = kept is not None and kept not in taken and ports.is_free(kept)
            taken.append(kept if kept is not None and free else ports.any_free(taken=taken))
        self.ports = before.model_copy(
            update={"public": public, "proxy_api": taken[1], "hub": taken[2], "service": taken[3]}
        )
        messages = [f"{name} in laptop.json is not known to this version, and kept." for name in unknown_keys(self)]
        if public not in (before.public, self.asked_port):
            messages.append(f"Port {preferred} is taken by another program: using {public} instead.")
            if before.public is not None and not self.shared_origin:
                messages.append(
                    "Nobody can sign in any more to sessions that still run, except in browsers that have been there:"
                    " stop and start them."
                )
        if before.hub is not None and self.ports.hub != before.hub:
            messages.append(
                f"The hub's port {before.hub} is taken by another program: using {self.ports.hub} instead."
                " Sessions that still run cannot reach the hub any more: stop and start them."
            )
        return messages

    @property
    def public_url(self) -> str:
        """The address for browsers."""
        return f"http://{ports.ADDRESS}:{self.ports.public}{self.base_url}"

    @property
    def proxy_api_url(self) -> str:
        """The API of the proxy."""
        return f"http://{ports.ADDRESS}:{self.ports.proxy_api}"

    @property
    def hub_url(self) -> str:
        """The hub behind the proxy."""
        return f"http://{ports.ADDRESS}:{self.ports.hub}{self.base_url}hub/"

    @property
    def callback_url(self) -> str:
        """Where an identity provider leads people back to."""
        return f"{self.public_url}hub/oauth_callback"

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

    def service_configuration(
        self, folder: StateFolder, remote: RemoteConfiguration | None = None, forge: ForgeConfiguration | None = None
    ) -> ServiceConfiguration:
        """Return the configuration of the service. Raise a pydantic `ValidationError` where the two do not fit."""
        assert self.ports.service is not None, "call settle() first"  # noqa: S101  a mistake in our code
        return ServiceConfiguration(
            repository=folder.mirror if remote else self.repository_path(folder),
            signing_key=folder.signing_key,
            allowed_signers=folder.allowed_signers,
            events=folder.events,
            port=self.ports.service,
            public_url=self.public_url,
            shared_origin=self.shared_origin,
            cache=folder.cache("service"),
            remote=remote,
            forge=forge,
            notifications=NotificationsConfiguration(addresses_file=folder.addresses)
            if folder.addresses.exists()
            else None,
        )

    def service_environment(self) -> dict[str, str]:
        """Return the variables that JupyterHub sets for a service that it starts itself."""
        return {
            "JUPYTERHUB_SERVICE_NAME": "allotment",
            "JUPYTERHUB_API_TOKEN": self.service_token,
            "JUPYTERHUB_API_URL": f"{self.hub_url}api",
            "JUPYTERHUB_BASE_URL": self.base_url,
            "JUPYTERHUB_HOST": "" if self.shared_origin else origin_of(self.public_url),
            "JUPYTERHUB_SERVICE_PREFIX": self.service_prefix,
            "JUPYTERHUB_SERVICE_URL": self.service_address + self.service_prefix,
            "JUPYTERHUB_CLIENT_ID": "service-allotment",
            "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{self.service_prefix}oauth_callback",
            "JUPYTERHUB_OAUTH_ACCESS_SCOPES": json.dumps([SERVICE_ACCESS_SCOPE]),
        }

    def repository_path(self, folder: StateFolder) -> Path:
        """Return the repository of profiles."""
        return self.repository or folder.repository
