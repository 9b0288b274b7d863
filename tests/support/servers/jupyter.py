"""A real Jupyter server with the server's part of JupyterLab's panel, as in a session with a name below a base URL."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from support.conditions import until

KEY = "key-of-the-browser"
BASE = "/base/user/analyst/second/"


class JupyterServer:
    """The server, called as the panel in a browser calls it."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, headers={"Authorization": f"token {KEY}"}, timeout=60, trust_env=False)

    def call(self, path: str, body: object = None, method: str = "") -> tuple[int, Any]:
        """Call a route of the panel, by default with POST if there is a body. Return the status and the answer."""
        address = f"jupyterlab-allotment/{path}"
        answer = self.client.request(method or ("GET" if body is None else "POST"), address, json=body)
        return answer.status_code, answer.json()


@contextmanager
def jupyter_server(folder: Path, environment: Mapping[str, str]) -> Iterator[JupyterServer]:
    """Run a server with these variables until the block ends."""
    home = folder / "home"
    home.mkdir(parents=True)
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        **environment,
    }
    extensions = {"jupyter_server_proxy": True, "jupyterlab_allotment": True}
    arguments = [
        f"--ServerApp.jpserver_extensions={extensions}", f"--IdentityProvider.token={KEY}",
        f"--ServerApp.base_url={BASE}", "--ServerApp.port=0", "--ServerApp.ip=127.0.0.1", "--no-browser",
        "--allow-root", f"--ServerApp.root_dir={home}",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", *arguments], env=variables, cwd=home, stdout=log, stderr=log
        )
    try:

        def described() -> dict[str, Any] | None:
            assert process.poll() is None, (folder / "log").read_text()
            found = list((folder / "runtime").glob("jpserver-*.json"))
            try:
                return json.loads(found[0].read_text()) if found else None
            except ValueError:
                return None

        server = JupyterServer(until(described, within=60, what="the Jupyter server")["url"])

        def answers() -> bool:
            try:
                return server.client.get("api/status").is_success
            except httpx.HTTPError:
                return False

        until(answers, within=60, what="an answer of the Jupyter server")
        yield server
        server.client.close()
    finally:
        process.terminate()
        process.wait(timeout=30)
