"""A session that serves what its user wrote instead of a tool: whoever opens it opens a stranger's page.

laptop.json names the spawner: `{"spawner_class": "support.fakes.strange_session.StrangeSpawner"}`.
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from jupyterhub.spawner import SimpleLocalProcessSpawner
from traitlets import default

WORKER = """
self.addEventListener("install", () => self.skipWaiting())
self.addEventListener("activate", event => event.waitUntil(self.clients.claim()))
self.addEventListener("fetch", event => event.respondWith(new Response("taken over")))
"""


class StrangeSpawner(SimpleLocalProcessSpawner):
    """Starts this module in place of JupyterHub's server."""

    @default("cmd")
    def _strange_cmd(self) -> list[str]:
        return [sys.executable, "-m", "support.fakes.strange_session"]


class _Strange(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer with a worker for all of the host, or with an empty page."""
        worker = self.path.endswith("/worker.js")
        body = (WORKER if worker else "<!DOCTYPE html><title>Strange</title>").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if worker else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Service-Worker-Allowed", "/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""


if __name__ == "__main__":
    address = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    ThreadingHTTPServer((address.hostname or "", address.port or 0), _Strange).serve_forever()
