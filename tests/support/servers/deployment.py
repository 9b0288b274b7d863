"""A whole Allotment on this machine, started with the real command: what end-to-end tests talk to.

with Deployment(tmp_path / "state").started() as allotment:
    analyst = allotment.sign_in("analyst")
    analyst.start_session({"profile": "housing-statistics/notebook"})
    assert analyst.service("GET", "profiles").status_code == 200
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpx
import psutil
from bs4 import BeautifulSoup
from support.conditions import until
from support.connections import PLAIN
from support.folders import TESTS
from support.processes import INTERRUPTIBLE

from allotment_hub.laptop.processes import ports
from allotment_hub.laptop.processes.program import read_pid_file

READY = "Allotment is ready: "
PROGRAMS = ("proxy", "service", "hub")


class Loopback(httpx.BaseTransport):
    """Connects to this machine for every name below localhost, as browsers do and the system's resolver may not."""

    def __init__(self, address: str = ports.ADDRESS) -> None:
        self._address = address
        self._network = httpx.HTTPTransport(verify=PLAIN)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request, with the Host that it has, to this machine."""
        if request.url.host.endswith(".localhost"):
            request = httpx.Request(
                request.method,
                request.url.copy_with(host=self._address),
                headers=request.headers,
                stream=request.stream,
                extensions=request.extensions,
            )
        return self._network.handle_request(request)

    def close(self) -> None:
        """Close the connections."""
        self._network.close()


class Person:
    """Somebody who is signed in, with a browser's cookies."""

    def __init__(self, deployment: "Deployment", name: str) -> None:
        self.name = name
        self.deployment = deployment
        self._token = ""
        self.client = httpx.Client(
            base_url=deployment.url,
            follow_redirects=True,
            timeout=60,
            trust_env=False,
            transport=Loopback(deployment.address),
        )
        deployment.people.append(self)

    def sign_in(self, password: str) -> httpx.Response:
        """Fill the hub's own form; go to the hub's home and not on to a session."""
        form = BeautifulSoup(self.client.get("hub/login").text, "html.parser").find("form")
        assert form is not None
        fields = {
            str(field["name"]): str(field.get("value", "")) for field in form.find_all("input", attrs={"name": True})
        }
        home = urlsplit(self.deployment.url).path + "hub/home"
        return self.client.post(
            "hub/login", params={"next": home}, data={**fields, "username": self.name, "password": password}
        )

    def page(self, path: str) -> httpx.Response:
        """Open a page of the hub, the service or a session: a path below the base URL."""
        return self.client.get(path.removeprefix("/"))

    def hub(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Call the hub's API as the hub's own pages do: `person.hub("GET", "users/analyst")`."""
        return self._call(method, "hub/", f"hub/api/{path}", request)

    def service(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Call the service's API with the browser's cookies: `person.service("GET", "profiles")`.

        A decision is called with a token of the person, since cookies are not enough for one.
        """
        # The first page that is opened signs the browser in to the service.
        prefix = "services/allotment/"
        if self.xsrf(prefix) is None:
            self.page(prefix)
        if f"/{path}".endswith(
            ("/approvals", "/rejection", "/merge", "/withdrawal", "/confirmation", "/stops", "/trial", "/trials")
        ):
            self._token = self._token or self.new_token()
            request["headers"] = {"Authorization": f"token {self._token}", **request.get("headers", {})}
        return self._call(method, prefix, f"{prefix}api/v1/{path}", request)

    def xsrf(self, prefix: str) -> str | None:
        """Give the token that pages below `hub/` or `services/allotment/` send with a form."""
        path = urlsplit(self.deployment.url).path + prefix
        for cookie in self.client.cookies.jar:
            if cookie.name == "_xsrf" and cookie.path == path:
                return cookie.value
        return None

    def new_token(self, **what: Any) -> str:
        """Ask the hub for a token of this person; it may do what the person may."""
        answer = self.hub("POST", f"users/{self.name}/tokens", json=what)
        answer.raise_for_status()
        return str(answer.json()["token"])

    def start_session(self, options: Mapping[str, Any] | None = None, *, server: str = "", within: float = 150) -> str:
        """Start a session, wait until it answers, and give its address."""
        path = f"users/{self.name}/" + (f"servers/{server}" if server else "server")
        answer = self.hub("POST", path, json=dict(options or {}))
        assert answer.status_code in (201, 202), answer.text
        return until(lambda: self.session(server), within=within, what=f"a session of {self.name}")

    def stop_session(self, *, server: str = "", within: float = 60) -> None:
        """Stop a session and wait until the hub says so."""
        path = f"users/{self.name}/" + (f"servers/{server}" if server else "server")
        assert self.hub("DELETE", path).status_code in (202, 204)
        until(lambda: server not in self.sessions(), within=within, what=f"the end of a session of {self.name}")

    def sessions(self) -> dict[str, dict[str, Any]]:
        """Give this person's sessions as the hub sees them: server name → model."""
        answer = self.hub("GET", f"users/{self.name}")
        answer.raise_for_status()
        servers: dict[str, dict[str, Any]] = answer.json()["servers"]
        return servers

    def session(self, server: str = "") -> str | None:
        """Give the address of a session that is ready."""
        model = self.sessions().get(server, {})
        return urljoin(self.deployment.origin, model["url"]) if model.get("ready") else None

    def session_environment(self, server: str = "") -> dict[str, str]:
        """Give the environment of a running session: its own token is JUPYTERHUB_API_TOKEN."""
        for process in self.deployment.processes():
            environment = _environment(process)
            if environment.get("JUPYTERHUB_USER") == self.name and environment.get("JUPYTERHUB_SERVER_NAME") == server:
                return environment
        raise AssertionError(f"{self.name} has no session {server!r}")

    def _call(self, method: str, prefix: str, path: str, request: dict[str, Any]) -> httpx.Response:
        headers = {"X-XSRFToken": self.xsrf(prefix) or "", **request.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **request)


class Deployment:
    """One run, or several after one another, of `allotment up` with one state folder."""

    address = ports.ADDRESS
    """Where every name below localhost is."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        base_url: str | None = None,
        repository: Path | None = None,
        kept: Mapping[str, Any] | None = None,
        programs: Path | None = None,
    ) -> None:
        """Choose options of the command.

        `kept` is what laptop.json says before the first start; `programs` is a folder that comes first on the PATH.
        """
        self.folder = folder
        self.port = port or ports.any_free()
        # A stand-in of tests/support may be named in `kept`.
        self._environment = {**os.environ, "COLUMNS": "200", "PYTHONPATH": str(TESTS)}
        if programs is not None:
            self._environment["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
        self.options = ["--folder", str(folder), "--port", str(self.port)]
        if base_url is not None:
            self.options += ["--base-url", base_url]
        if repository is not None:
            self.options += ["--repository", str(repository)]
        if kept is not None:
            folder.mkdir(parents=True)
            (folder / "laptop.json").write_text(json.dumps(kept))
        self.output = ""
        """What the command has said since its last start."""
        self.people: list[Person] = []
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    # The command

    @contextmanager
    def started(self) -> Iterator[Self]:
        """Start it, and see that nothing of it is left at the end, however the test ends."""
        try:
            yield self.start()
        finally:
            self.destroy()

    def start(self, *, within: float = 150) -> Self:
        """Start the command and wait until it says that everything answers."""
        self.begin()
        until(lambda: READY in self.output or self.ended, within=within, what="a start")
        if self.ended:
            self.wait_for_end()
        assert READY in self.output, f"the command ended:\n{self.output}"
        return self

    def begin(self) -> None:
        """Start the command and wait for nothing."""
        self.output = ""
        self._process = subprocess.Popen(
            [*INTERRUPTIBLE, str(Path(sys.executable).with_name("allotment")), "up", *self.options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment,
            start_new_session=True,  # a Ctrl-C on the tests is not one on the command
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def stop(self, *, within: float = 60) -> str:
        """Press Ctrl-C, wait for the end, and give what was said."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        assert self.wait_for_end(within=within) == 0, self.output
        return self.output

    def wait_for_end(self, *, within: float = 60) -> int:
        """Wait until the command ends by itself; give its exit code."""
        assert self._process is not None
        assert self._reader is not None
        code = self._process.wait(within)
        self._reader.join(within)
        return code

    def restart(self) -> Self:
        """Stop it in order and start it again with the same folder."""
        self.stop()
        return self.start()

    def kill(self, name: str) -> None:
        """End `hub`, `proxy`, `service` or `supervisor` as `kill -9` does."""
        if name == "supervisor":
            assert self._process is not None
            self._process.kill()
            self.wait_for_end()
            return
        process = self.process(name)
        process.kill()
        process.wait(10)

    def destroy(self) -> None:
        """Leave nothing running, without manners."""
        for person in self.people:
            person.client.close()
        if not self.ended:
            self.kill("supervisor")
        left = self.processes()
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=10)

    @property
    def ended(self) -> bool:
        """Whether the command is not running."""
        return self._process is None or self._process.poll() is not None

    @property
    def pid(self) -> int:
        """The process id of the command itself."""
        assert self._process is not None
        return self._process.pid

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self.output += line

    # Its processes

    def process(self, name: str) -> psutil.Process:
        """Give the process of `hub`, `proxy` or `service`, as soon as it runs."""
        return until(lambda: read_pid_file(self.folder / "pids" / f"{name}.json"), what=f"the {name}")

    def processes(self) -> list[psutil.Process]:
        """Find every process that belongs to this folder: programs, sessions, and what was started in these."""
        kept = json.loads((self.folder / "laptop.json").read_bytes()) if (self.folder / "laptop.json").exists() else {}
        hub = f"http://{ports.ADDRESS}:{kept.get('ports', {}).get('hub')}/"
        return [
            process
            for process in psutil.process_iter()
            if _environment(process).get("JUPYTERHUB_API_URL", "").startswith(hub) or _works_in(process, self.folder)
        ]

    def wait_until_well(self, *, within: float = 60) -> None:
        """Wait until hub, proxy and service answer through the proxy."""
        with httpx.Client(base_url=self.url, trust_env=False, verify=PLAIN) as client:

            def well() -> bool:
                try:
                    answers = [client.get(path) for path in ("hub/health", "services/allotment/api/v1/health")]
                except httpx.HTTPError:
                    return False
                return all(answer.status_code == httpx.codes.OK for answer in answers)

            until(well, within=within, what="hub, proxy and service")

    # What people see

    @property
    def access(self) -> dict[str, Any]:
        """What access.json says."""
        access: dict[str, Any] = json.loads((self.folder / "access.json").read_bytes())
        return access

    @property
    def url(self) -> str:
        """The address, ending with the base URL."""
        return str(self.access["url"])

    @property
    def origin(self) -> str:
        """The address without any path."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def repository(self) -> Path:
        """The repository of profiles."""
        return Path(json.loads((self.folder / "service.json").read_bytes())["repository"])

    def sign_in(self, name: str) -> Person:
        """Sign in as `analyst`, `lead` or `admin`."""
        person = Person(self, name)
        answer = person.sign_in(self.access["accounts"][name])
        assert answer.status_code == httpx.codes.OK, answer.text
        assert person.hub("GET", "user").json()["name"] == name
        return person

    def hub(self, method: str, path: str, *, token: str, **request: Any) -> httpx.Response:
        """Call the hub's API with a token."""
        return self._with_token(method, f"hub/api/{path}", token, request)

    def service(self, method: str, path: str, *, token: str, **request: Any) -> httpx.Response:
        """Call the service's API with a token."""
        return self._with_token(method, f"services/allotment/api/v1/{path}", token, request)

    def _with_token(self, method: str, path: str, token: str, request: dict[str, Any]) -> httpx.Response:
        headers = {"Authorization": f"token {token}", **request.pop("headers", {})}
        with httpx.Client(base_url=self.url, timeout=60, trust_env=False, verify=PLAIN) as client:
            return client.request(method, path, headers=headers, **request)


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(folder)
    except (psutil.Error, OSError):
        return False
