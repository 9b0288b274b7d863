"""Write the configuration of the proxy, traefik; the hub writes the routes."""

import json

from allotment_hub.laptop.deployment import Deployment
from allotment_hub.laptop.folder import StateFolder
from allotment_hub.laptop.processes import ports
from allotment_profiles.private_files import write_private

SESSIONS_DOMAIN = "localhost"
"""Browsers resolve every name below it to this machine."""

# The hub adds its routes to this file when it starts, and keeps the other ones.
_HEADER = "# Written by the hub.\n"
# Above every route of the hub; the default is the length of the rule.
_FIRST = 1000


def _routes(deployment: Deployment) -> str:
    """Return the routes from before the hub starts."""
    base_url, routes = deployment.base_url, [_HEADER]
    if base_url != "/":
        routes.append(_redirect("start", "Path(`/`)", replacement="${1}" + base_url))
    if not deployment.shared_origin:
        # Hub and service have one address. They do not answer at localhost, nor where sessions are.
        ours = f"Host(`{SESSIONS_DOMAIN}`) || PathPrefix(`{base_url}hub/`) || PathPrefix(`{base_url}services/`)"
        replacement = f"http://{ports.ADDRESS}:{deployment.ports.public}/${{2}}"
        routes.append(_redirect("elsewhere", f"!Host(`{ports.ADDRESS}`) && ({ours})", replacement=replacement))
    return "\n".join(routes)


def _redirect(name: str, rule: str, *, replacement: str) -> str:
    # The command line has checked the base URL; it is quoted all the same.
    return f"""\
[http.routers.{name}]
rule = {json.dumps(rule)}
priority = {_FIRST}
service = "noop@internal"
middlewares = ["{name}"]
entryPoints = ["http"]

[http.middlewares.{name}.redirectRegex]
regex = "^(https?://[^/?]+)/?(.*)$"
replacement = {json.dumps(replacement)}
"""


def write_proxy_configuration(folder: StateFolder, deployment: Deployment) -> None:
    """Write the static file and reset the routes, which may name ports that other programs have taken since."""
    static = f"""\
# Written by `allotment up` at every start.
[global]
checkNewVersion = false
sendAnonymousUsage = false

[api]

[log]
level = "WARN"

[entryPoints.http]
address = "{ports.ADDRESS}:{deployment.ports.public}"

# Uploads and long computations behind a request have no time limit.
[entryPoints.http.transport.respondingTimeouts]
readTimeout = "0s"

[entryPoints.auth_api]
address = "{ports.ADDRESS}:{deployment.ports.proxy_api}"

[providers]
providersThrottleDuration = "0s"

[providers.file]
filename = {json.dumps(str(folder.proxy_routes), ensure_ascii=False)}
watch = true
"""
    write_private(folder.proxy_static, static)
    write_private(folder.proxy_routes, _routes(deployment))
