"""Write the configuration of the proxy, traefik; the hub writes the routes."""

import json

from allotment_hub.laptop.deployment import Deployment
from allotment_hub.laptop.folder import StateFolder, write_private
from allotment_hub.laptop.processes import ports

# The hub adds its routes to this file when it starts, and keeps the other ones.
_HEADER = "# Written by the hub.\n"


def _routes(base_url: str) -> str:
    """Return the routes from before the hub starts: with a base URL, `/` redirects to it."""
    if base_url == "/":
        return _HEADER
    # The command line has checked the base URL; it is quoted all the same.
    return f"""\
{_HEADER}
[http.routers.start]
rule = "Path(`/`)"
service = "noop@internal"
middlewares = ["start"]
entryPoints = ["http"]

[http.middlewares.start.redirectRegex]
regex = "^(https?://[^/]+)/?(\\\\?.*)?$"
replacement = {json.dumps("${1}" + base_url)}
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
    write_private(folder.proxy_routes, _routes(deployment.base_url))
