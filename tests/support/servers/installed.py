"""Allotment installed on a real cluster with its chart, and people who sign in through a real forge.

The chart's dependency is not part of the repository: its place is taken by the chart in `tests/support/charts`, or by
the folder that ALLOTMENT_TEST_JUPYTERHUB_CHART names (zero-to-jupyterhub's own, unpacked).
"""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from support.conditions import until
from support.folders import ROOT, TESTS
from support.servers.cluster import Cluster
from support.servers.deployment import Person
from support.servers.forge import Forge, ForgePerson

_STAND_IN = TESTS / "support" / "charts" / "jupyterhub"
IMAGES = {
    "hub": ("localhost/allotment-hub", "test"),
    "service": ("localhost/allotment-service", "test"),
    "proxy": ("localhost/configurable-http-proxy", "4"),
}
JUPYTERLAB = "localhost/allotment-jupyterlab:test"
STAND_INS = "localhost/allotment-stand-ins:test"
RELEASE = "allotment"


def _quietly(answers: Callable[[str], bool], url: str) -> bool:
    """Whether an address answers. Nobody may listen there yet."""
    try:
        return answers(url)
    except httpx.HTTPError:
        return False


class Installed:
    """One release of the chart in a namespace of its own."""

    def __init__(self, cluster: Cluster, forge: Forge, folder: Path, port: int) -> None:
        self.cluster = cluster
        self.forge = forge
        self.people: list[Person] = []
        nodes = json.loads(cluster.kubectl("get", "nodes", "-o", "json"))["items"]
        (self.address,) = (each["address"] for each in nodes[0]["status"]["addresses"] if each["type"] == "InternalIP")
        self.origin = f"http://{self.address}:{port}"
        self.url = f"{self.origin}/"
        self._port = port
        self._chart = folder / "allotment"
        shutil.copytree(ROOT / "helm" / "allotment", self._chart)
        jupyterhub = Path(os.environ.get("ALLOTMENT_TEST_JUPYTERHUB_CHART") or _STAND_IN)
        shutil.copytree(jupyterhub, self._chart / "charts" / "jupyterhub", dirs_exist_ok=True)
        self.repository = ""
        self.values: dict[str, Any] = {}

    @classmethod
    @contextmanager
    def opened(cls, forge: Forge, folder: Path) -> Iterator[Self]:
        """Give a namespace with nothing installed yet; all goes at the end."""
        with Cluster.opened("allotment") as cluster:
            # The address has to be known before anything is installed: the forge is told where people come back to.
            installed = cls(cluster, forge, folder, port=30000 + secrets.randbelow(2768))
            try:
                yield installed
            finally:
                for person in installed.people:
                    person.client.close()

    def prepare(
        self, repository: str, groups: Mapping[str, str], keys: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        """Make the Secrets for the git server and the application to sign in to; decide the values.

        `keys` says what is in each Secret, `read` and `write`, for a server that is not the forge.
        """
        self.repository = repository
        for kind in ("read", "write"):
            content = keys[kind] if keys else {"token": self.forge.token(write=kind == "write")}
            name = f"allotment-git-{kind}"
            self.cluster.apply(
                {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": content}
            )
        if keys is None:
            self._show_pull_requests(repository)
        client_id, client_secret = self.forge.application(f"{self.url}hub/oauth_callback")
        login = f"{self.forge.url}/login/oauth"
        (hub, hub_tag), (service, service_tag), (proxy, proxy_tag) = (
            IMAGES["hub"], IMAGES["service"], IMAGES["proxy"],
        )  # fmt: skip
        authenticator = {
            "client_id": client_id, "client_secret": client_secret,
            "scope": ["openid", "profile", "email", "groups", "read:user"],
            "oauth_callback_url": f"{self.url}hub/oauth_callback", "authorize_url": f"{login}/authorize",
            "token_url": f"{login}/access_token", "userdata_url": f"{login}/userinfo",
            "username_claim": "preferred_username", "manage_groups": True, "allow_all": True,
            "auth_state_groups_key": "oauth_user.groups", "admin_groups": [groups["administrators"]],
        }  # fmt: skip
        self.values |= {
            "service": {"image": {"name": service, "tag": service_tag}},
            "jupyterhub": {
                "custom": {
                    "allotment": {
                        "publicUrl": self.url,
                        "repository": {"url": repository, "plainHttp": True, "fetchSeconds": 60},
                        "preparingImage": f"{hub}:{hub_tag}",
                    }
                },
                "hub": {
                    "image": {"name": hub, "tag": hub_tag, "pullPolicy": "IfNotPresent"},
                    "allowNamedServers": True,
                    "config": {
                        "JupyterHub": {"authenticator_class": "generic-oauth"},
                        "Authenticator": {"enable_auth_state": True},
                        "CheckedIdentity": {"provider": "gitea"},
                        "GenericOAuthenticator": authenticator,
                    },
                },
                "proxy": {
                    "service": {"type": "NodePort", "nodePorts": {"http": self._port}},
                    "chp": {"image": {"name": proxy, "tag": proxy_tag}},
                },
                "singleuser": {"startTimeout": 120},
            },
        }

    def _show_pull_requests(self, repository: str) -> None:
        """Let the forge be a window onto the proposals, which it is told of by webhook."""
        name = urlsplit(repository).path.strip("/").removesuffix(".git")
        content = {"token": self.forge.token(write=True, pull_requests=True), "webhook-secret": secrets.token_hex(20)}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "allotment-forge"}, "stringData": content}
        self.cluster.apply(secret)
        address = f"{self.url}services/allotment/api/v1/webhooks/forge"
        self.forge.webhook(name, address, content["webhook-secret"])
        self.values["forge"] = {
            "enabled": True, "kind": "gitea", "url": self.forge.url, "repository": name, "webhook": True,
            "plainHttp": True, "pollSeconds": 600,
        }  # fmt: skip

    def helm(self, *arguments: str) -> str:
        """Run helm in the namespace; gives what it says. Raises AssertionError where it fails."""
        done = subprocess.run(
            ["helm", "--namespace", self.cluster.namespace, *arguments], capture_output=True, text=True, timeout=600,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr}\n{self.diagnosis()}"
        return done.stdout

    def install(self) -> str:
        """Install, or upgrade with the values as they are; waits until all is up, and gives the notes."""
        values = self._chart.parent / "values.json"
        values.write_text(json.dumps(self.values))
        waiting = ("--wait", "--timeout", "5m")
        return self.helm("upgrade", "--install", RELEASE, str(self._chart), "--values", str(values), *waiting)

    def sign_in(self, name: str) -> ForgePerson:
        """Sign somebody in through the forge."""
        person = ForgePerson(self, name)  # type: ignore[arg-type]  it has what a person asks a deployment for
        person.sign_in(self.forge.passwords[name])
        return person

    def wait_for_hub(self) -> None:
        """Wait until the hub answers through the proxy. Raises AssertionError with what a person would look at.

        The services' own addresses come first. A new address may lead out of the cluster for a moment, where somebody
        else may answer, and the proxy would stay connected with them.
        """
        answer = httpx.Response(503)

        def answers(url: str) -> bool:
            nonlocal answer
            answer = httpx.get(url, timeout=5, trust_env=False)
            return answer.is_success

        try:
            for name, path in (("hub", "hub/health"), ("allotment", "services/allotment/api/v1/health")):
                service = json.loads(self.cluster.kubectl("get", "service", name, "-o", "json"))["spec"]
                url = f"http://{service['clusterIP']}:{service['ports'][0]['port']}{urlsplit(self.url).path}{path}"
                until(partial(_quietly, answers, url), within=120, what=f"the service {name}")
            until(lambda: answers(f"{self.url}hub/health"), within=120, what="the hub")
        except AssertionError as error:
            raise AssertionError(f"{error}: {answer.status_code} {answer.text[:500]}\n{self.diagnosis()}") from None

    def reaches(self, where: str, target: tuple[str, int]) -> bool:
        """Whether a connection from a pod or a deployment to an address can be opened."""
        script = (
            "import socket\n"
            f"try: socket.create_connection({target!r}, timeout=3).close()\n"
            "except OSError: print('no')\n"
            "else: print('yes')"
        )
        return self.cluster.kubectl("exec", where, "--", "python3", "-c", script).strip() == "yes"

    @contextmanager
    def listening(self, where: str, port: int) -> Iterator[None]:
        """Have something listen on a port in a pod until the end of the block."""
        script = (
            "import socket, sys\n"
            f"server = socket.create_server(('', {port}))\n"
            "print('ready', flush=True)\n"
            "sys.stdin.read()"
        )
        command = ["kubectl", "--namespace", self.cluster.namespace, "exec", "--stdin", where, "--"]
        with subprocess.Popen(
            [*command, "python3", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "ready"
            yield
            process.stdin.close()

    def pod_of(self, user: str, server: str = "") -> str:
        """Give the name of a session's pod."""
        for pod in self.cluster.items("pods"):
            annotations = pod["metadata"].get("annotations") or {}
            if annotations.get("hub.jupyter.org/username") == user and (
                annotations.get("hub.jupyter.org/servername", "") == server
            ):
                return str(pod["metadata"]["name"])
        raise AssertionError(f"{user} has no pod")

    def diagnosis(self) -> str:
        """Say what a person would look at."""
        parts = []
        for arguments in (
            ("get", "pods,endpointslices,networkpolicies", "-o", "wide"),
            ("get", "events", "--sort-by=.lastTimestamp"),
            ("logs", "deployment/hub", "--tail=40"),
            ("logs", "deployment/proxy", "--tail=40"),
            ("logs", "deployment/allotment", "--tail=40"),
        ):
            try:
                parts.append(self.cluster.kubectl(*arguments))
            except AssertionError as error:
                parts.append(str(error))
        return "\n".join(parts)
