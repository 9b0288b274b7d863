"""The laptop's hub, proxy and command with sessions on a real cluster: a real hub process whose faults can be shown.

with ClusterDeployment(tmp_path, cluster).started() as allotment: ...
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from support.conditions import until
from support.folders import PROGRAMS
from support.repositories import ProfilesRepository
from support.servers.cluster import Cluster
from support.servers.deployment import Deployment

from allotment_hub.laptop.processes import ports
from allotment_spawner.kubernetes import KubernetesProfileSpawner

_SETTINGS = "cluster.json"
# The image of a session has Python and nothing of ours.
_SESSION = (PROGRAMS / "answering.py").read_text()


class NodeSpawner(KubernetesProfileSpawner):
    """Starts pods as `cluster.json` in the hub's working folder says."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**json.loads(Path(_SETTINGS).read_text()), **kwargs})


class Forwarding:
    """Lets pods reach a hub that listens on this machine alone: from the node's address to the port that it has now."""

    def __init__(self, address: str, laptop: Path) -> None:
        self._laptop = laptop
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        serving = asyncio.start_server(self._forward, address, 0)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(10)
        self.url = "http://{}:{}".format(*self._server.sockets[0].getsockname())

    def close(self) -> None:
        """Take no more, and end what is open."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            port = json.loads(self._laptop.read_bytes())["ports"]["hub"]
            from_hub, to_hub = await asyncio.open_connection(ports.ADDRESS, port)
            async with asyncio.TaskGroup() as both:
                both.create_task(_pass_on(reader, to_hub))
                both.create_task(_pass_on(from_hub, writer))
        writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class ClusterDeployment(Deployment):
    """One run, or several after one another, of a hub whose sessions are pods of a namespace."""

    def __init__(self, folder: Path, cluster: Cluster, **settings: Any) -> None:
        """Take more settings of the spawner, over those of every test."""
        kept = {
            "service_module": "support.fakes.quiet_service",
            "spawner_class": "support.servers.cluster_deployment.NodeSpawner",
        }
        super().__init__(folder / "state", kept=kept)
        self.cluster = cluster
        self.profiles = ProfilesRepository(folder)
        nodes = json.loads(cluster.kubectl("get", "nodes", "-o", "json"))["items"]
        (address,) = (each["address"] for each in nodes[0]["status"]["addresses"] if each["type"] == "InternalIP")
        self._forwarding = Forwarding(address, self.folder / "laptop.json")
        home = {"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}
        whole = {
            "repository": str(self.profiles.path),
            "allowed_signers": str(self.profiles.allowed_signers),
            "events_url": f"sqlite:///{self.folder / 'events.sqlite'}",
            "service_url": f"http://127.0.0.1:{self.port}/services/allotment/",
            "hub_connect_url": self._forwarding.url,
            "namespace": cluster.namespace,
            "uid": 1000,
            "gid": 100,
            "fs_gid": 100,
            "cmd": ["python3", "-c", _SESSION],
            "start_timeout": 120,
            "http_timeout": 60,
            "poll_interval": 2,
            "volumes": [home],
            "volume_mounts": [{"name": "home", "mountPath": "/home/jovyan"}],
            "storage_pvc_ensure": True,
            "storage_capacity": "10Mi",
            "storage_access_modes": ["ReadWriteOnce"],
            **settings,
        }
        (self.folder / _SETTINGS).write_text(json.dumps(whole))

    @contextmanager
    def started(self) -> Iterator[Self]:
        """Start it, and see that no process of it is left at the end; pods go with their namespace."""
        try:
            with super().started():
                yield self
        finally:
            self._forwarding.close()

    def pods(self, *, ending: bool = True) -> list[dict[str, Any]]:
        """Give the pods of sessions, with those that are being ended or without."""
        return [each for each in self.cluster.items("pods") if ending or not each["metadata"].get("deletionTimestamp")]

    def wait_for_no_pods(self) -> None:
        """Wait until the last session has left nothing that runs."""
        until(lambda: not self.pods(), within=60, what="the end of all pods")
