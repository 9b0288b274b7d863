"""The configuration of the proxy that holds for its whole life. Routes are the hub's business."""

import json

from allotment_hub.laptop.deployment import Deployment
from allotment_hub.laptop.folder import StateFolder, write_private
from allotment_hub.laptop.processes import ports

# The hub adds its routes to this file when it starts, and leaves in it what it does not know.
_NO_ROUTES = "# Written by the hub.\n"


def _routes(base_url: str) -> str:
    """Give the routes before the hub has written its own: below a base URL, the bare address leads to it."""
    if base_url == "/":
        return _NO_ROUTES
    # The base URL is one that the command line has checked; it is written as a quoted text all the same.
    return f"""\
{_NO_ROUTES}
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
    """Write traefik's own file, and an empty one for the routes: those of an earlier run may name ports of others."""
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
