"""Configure JupyterHub on a cluster from the chart's values."""

import functools
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from allotment_hub.cluster.values import HUB_STATE, ChartValues
from allotment_hub.configuration import unknown_keys
from allotment_hub.hub_rights import CUSTOM_SCOPES, HEADERS, HUB_HANDLERS, SERVICE, roles, service_settings
from allotment_hub.identity.configuring import HANDLERS as IDENTITY_HANDLERS
from allotment_hub.identity.configuring import configure_identity
from allotment_hub.origins import hostname_of, origin_settings
from allotment_hub.sign_ins import HANDLERS, record_sign_in, sign_in_only_at

_ALLOWED_SIGNERS = Path("/etc/allotment/signing/tls.crt")
_GIT_SECRET = Path("/etc/allotment/git")
_GIT_FILES = {
    "remote_token_file": "token",
    "remote_ssh_key_file": "ssh-key",
    "remote_known_hosts_file": "known-hosts",
    "remote_ca_file": "ca.pem",
}
"""Trait → the key in the Secret with the git credentials."""


class HubConfiguration(Protocol):
    """JupyterHub's `c`: a section for each class."""

    def __getattr__(self, section: str) -> Any:
        """Return a section; it is created on first use."""


def configure_hub(c: HubConfiguration, values: dict[str, Any], base_url: str) -> None:
    """Configure the hub. Exits with a message that names the wrong values if there are any."""
    try:
        chart = ChartValues.model_validate(values)
    except ValidationError as error:
        lines = [
            f"custom.allotment.{'.'.join(map(str, line['loc']))}: {line['msg'].removeprefix('Value error, ')}"
            for line in error.errors()
        ]
        sys.exit("The values of Allotment are wrong.\n" + "\n".join(lines))
    for name in unknown_keys(chart):
        print(f"custom.allotment.{name} is not known to this version, and not used.", file=sys.stderr)  # noqa: T201
    base_url = "/" + base_url.strip("/") + "/" if base_url.strip("/") else "/"
    _configure_service(c, chart, base_url)
    _configure_jupyterhub(c)
    _configure_origins(c, chart, f"{base_url}services/{SERVICE}/")
    _configure_spawner(c, chart, f"{base_url}services/{SERVICE}/", base_url)


def _configure_service(c: HubConfiguration, chart: ChartValues, base_url: str) -> None:
    c.JupyterHub.custom_scopes = {**(c.JupyterHub.get("custom_scopes") or {}), **CUSTOM_SCOPES}
    c.JupyterHub.load_roles = [*(c.JupyterHub.get("load_roles") or []), *roles()]
    # zero-to-jupyterhub has made the service's entry, with its token.
    services = list(c.JupyterHub.get("services") or [])
    entry = next((service for service in services if service.get("name") == SERVICE), None)
    if entry is None:
        sys.exit("The values have no hub.services.allotment: without it the service has no token.")
    entry.update(service_settings(chart.service_url, base_url))
    c.JupyterHub.services = services


def _configure_jupyterhub(c: HubConfiguration) -> None:
    settings = c.JupyterHub.get("tornado_settings") or {}
    # zero-to-jupyterhub sets 0, which answers before a start can be refused.
    changes = {"slow_spawn_timeout": 1, "headers": {**HEADERS, **settings.get("headers", {})}}
    c.JupyterHub.tornado_settings = {**settings, **changes}
    # The spawner is named by strings, because allotment_hub does not import it.
    c.JupyterHub.spawner_class = "allotment_spawner.kubernetes.KubernetesProfileSpawner"
    templates = files("allotment_spawner") / "templates"
    c.JupyterHub.template_paths = [*(c.JupyterHub.get("template_paths") or []), str(templates)]
    ours = (*HUB_HANDLERS, *HANDLERS, *IDENTITY_HANDLERS)
    c.JupyterHub.extra_handlers = [*(c.JupyterHub.get("extra_handlers") or []), *ours]
    c.Authenticator.post_auth_hook = functools.partial(record_sign_in, c.Authenticator.get("post_auth_hook"))
    try:
        for remark in configure_identity(c):
            print(f"hub.config: {remark}", file=sys.stderr)  # noqa: T201
    except ValueError as error:
        sys.exit(f"hub.config.JupyterHub.authenticator_class: {error}.")


def _configure_origins(c: HubConfiguration, chart: ChartValues, service_path: str) -> None:
    # zero-to-jupyterhub's own value; with it, its proxy routes by host.
    domain = hostname_of(c.JupyterHub.get("subdomain_host") or "")
    c.JupyterHub.template_vars = {**(c.JupyterHub.get("template_vars") or {}), "shared_origin": not domain}
    if not domain:
        return
    try:
        c.JupyterHub.update(origin_settings(chart.public_url, domain))
    except ValueError as error:
        sys.exit(f"hub.config.JupyterHub.subdomain_host: {error}.")
    # Sessions call the service by the name that the proxy has in the cluster.
    route = {f"{hostname_of(chart.sessions_url)}{service_path}": chart.service_url}
    c.Proxy.extra_routes = {**(c.Proxy.get("extra_routes") or {}), **route}
    # The hub also answers at the hosts of sessions. Whoever signs in there would sign in to a page of a session.
    following = c.Authenticator.get("post_auth_hook")
    c.Authenticator.post_auth_hook = functools.partial(sign_in_only_at, hostname_of(chart.public_url), following)


def _configure_spawner(c: HubConfiguration, chart: ChartValues, service_path: str, base_url: str) -> None:
    spawner, repository = c.KubernetesProfileSpawner, chart.repository
    spawner.repository = str(HUB_STATE / "profiles.git")
    spawner.allowed_signers = str(_ALLOWED_SIGNERS)
    spawner.cache = str(HUB_STATE / "profiles-cache")
    spawner.events_url = chart.events_url
    spawner.service_url = chart.public_url.rstrip("/") + service_path.removeprefix(base_url.rstrip("/"))
    spawner.api_url = f"{chart.sessions_url.rstrip('/')}{service_path}api/v1"
    spawner.remote_url = repository.url
    spawner.remote_user = repository.user
    spawner.remote_plain_http = repository.plain_http
    spawner.fetch_seconds = repository.fetch_seconds
    for trait, key in _GIT_FILES.items():
        if (_GIT_SECRET / key).exists():
            setattr(spawner, trait, str(_GIT_SECRET / key))
    spawner.home = chart.home
    spawner.team_claim = chart.team_claim
    spawner.preparing_image = chart.preparing_image
