"""A real hub over a stand-in for a Kubernetes cluster: hundreds of sessions on one machine, and no cluster.

with StandInCluster.started(folder / "cluster") as cluster:
    with StandInHub(folder / "hub", cluster, users=["ann"]).started() as hub:
        hub.start_sessions({"ann": {"profile": "red/notebook"}})

At the edge stands `RememberedRoutes` in place of a proxy: nobody goes through one here.
"""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
from jupyterhub.proxy import Proxy
from support.conditions import until
from support.folders import TESTS

from allotment_hub.laptop.processes import ports

NAMESPACE = "sessions"
TOKEN = secrets.token_hex(16)
OURS, STOCK = "allotment_spawner.kubernetes.KubernetesProfileSpawner", "kubespawner.KubeSpawner"
_CONFIGURATION = Path(__file__).with_name("stand_in_hub.py")


class RememberedRoutes(Proxy):
    """A proxy's side of the hub without a proxy."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._routes: dict[str, dict[str, Any]] = {}

    async def add_route(self, routespec: str, target: str, data: Mapping[str, Any]) -> None:
        """Remember a route."""
        self._routes[routespec] = {"routespec": routespec, "target": target, "data": {**data}}

    async def delete_route(self, routespec: str) -> None:
        """Forget a route."""
        self._routes.pop(routespec, None)

    async def get_all_routes(self) -> dict[str, dict[str, Any]]:
        """Give the routes that are remembered."""
        return {**self._routes}


class StandInCluster:
    """The process of `support.fakes.api_server`."""

    def __init__(self, folder: Path, api: str, sessions: int) -> None:
        self.sessions = sessions
        """The port of all sessions."""
        self.kubeconfig = folder / "kubeconfig"
        self.client = httpx.Client(base_url=api, trust_env=False)
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "it", "users": [{"name": "hub", "user": {}}],
            "clusters": [{"name": "it", "cluster": {"server": api}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "hub"}}],
        }))  # fmt: skip

    @classmethod
    @contextmanager
    def started(cls, folder: Path, *options: str) -> Iterator[Self]:
        """Start one with options of its command, and end it."""
        folder.mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "support.fakes.api_server", "--namespace", NAMESPACE, *options],
            stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(TESTS)}, start_new_session=True,
        )  # fmt: skip
        with process:
            try:
                assert process.stdout is not None
                said = json.loads(process.stdout.readline())
                cluster = cls(folder, f"http://127.0.0.1:{said['api']}", said["sessions"])
                yield cluster
                cluster.client.close()
            finally:
                process.kill()

    def counts(self) -> Counter[str]:
        """Give how many requests there were: `create pods` → number."""
        return Counter(self.client.get("/stand-in/counts").json())

    def items(self, resource: str) -> list[dict[str, Any]]:
        """Give all objects of a kind."""
        found: list[dict[str, Any]] = self.client.get(f"/api/v1/namespaces/{NAMESPACE}/{resource}").json()["items"]
        return found


class StandInHub:
    """A hub's process, which can be ended as `kill -9` does and started anew with its database."""

    def __init__(
        self,
        folder: Path,
        cluster: StandInCluster,
        groups: Mapping[str, Sequence[str]],
        spawner_class: str = OURS,
        **spawner: Any,
    ) -> None:
        """Take people by the hub's groups, and what is configured for the class of spawners."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.cluster, port = folder, cluster, ports.any_free()
        self.url = f"http://127.0.0.1:{port}/hub/"
        self.log = folder / "hub.log"
        self._asking = self._client(httpx.Client)  # one for all questions: making a client takes longer than to ask
        self._process: subprocess.Popen[bytes] | None = None
        settings = {
            "bind_url": f"http://127.0.0.1:{port}", "groups": groups, "class": spawner_class, "spawner": spawner,
            "token": TOKEN, "namespace": NAMESPACE, "port": cluster.sessions,
        }  # fmt: skip
        (folder / "settings.json").write_text(json.dumps(settings))

    def begin(self) -> None:
        """Start the process and wait for nothing."""
        environment = {**os.environ, "PYTHONPATH": str(TESTS), "KUBECONFIG": str(self.cluster.kubeconfig)}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "allotment_profiles.quick_start", "jupyterhub", "--config", str(_CONFIGURATION)],
                cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def start(self) -> Self:
        """Start the process and wait until it answers."""
        self.begin()
        until(self._answers, within=180, what="the hub")
        return self

    @contextmanager
    def started(self) -> Iterator[Self]:
        """Start it, and see that nothing of it is left at the end."""
        try:
            yield self.start()
        finally:
            self.kill()
            self._asking.close()

    def kill(self) -> None:
        """End it as `kill -9` does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None

    def ready(self) -> set[str]:
        """Give the users whose session the hub knows as running; empty while it does not answer."""
        try:
            answer = self.get("users", params={"state": "ready"})
        except httpx.HTTPError:
            return set()
        return {user["name"] for user in answer.json()} if answer.status_code == httpx.codes.OK else set()

    def get(self, path: str, **request: Any) -> httpx.Response:
        """Ask the hub's API."""
        answer: httpx.Response = self._asking.get(f"api/{path}", **request)
        return answer

    def wait_for(self, users: Iterable[str]) -> None:
        """Wait until the hub knows the session of each as running."""
        wanted = set(users)
        until(lambda: wanted <= self.ready(), within=180, what="all sessions")

    def start_sessions(self, wanted: Mapping[str, Mapping[str, Any]], at_once: int = 50) -> None:
        """Start a session for each user, with what is asked for; ends when the hub knows all of them as ready."""
        said = self._each(
            wanted, lambda client, user: client.post(f"api/users/{user}/server", json=wanted[user]), at_once
        )
        assert said <= {201, 202}, said
        self.wait_for(wanted)

    def stop_sessions(self, users: Iterable[str], at_once: int = 50) -> None:
        """Stop their sessions; ends when the hub knows none as running."""
        users = list(users)
        said = self._each(users, lambda client, user: client.delete(f"api/users/{user}/server"), at_once)
        assert said <= {202, 204}, said
        until(lambda: not self.ready().intersection(users), within=180, what="no session")

    def _each(
        self, users: Iterable[str], ask: Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]], at_once: int
    ) -> set[int]:
        """Ask for many users, some at one time; gives the statuses of the answers."""

        async def all_of_them() -> set[int]:
            limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
            async with self._client(httpx.AsyncClient, limits=limits) as client:
                answers = await asyncio.gather(*(ask(client, user) for user in users))
            return {answer.status_code for answer in answers}

        return asyncio.run(all_of_them())

    def _client(self, kind: Any, **settings: Any) -> Any:
        headers = {"Authorization": f"token {TOKEN}"}
        return kind(base_url=self.url, headers=headers, timeout=300, trust_env=False, **settings)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()[-3000:]
        try:
            return self.get("").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False
