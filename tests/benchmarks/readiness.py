"""Sessions on a real cluster, ours and stock KubeSpawner's in turn: how long each takes until its pod runs."""

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

from kubespawner import KubeSpawner
from support.outage import files
from support.servers.cluster import SLEEPER
from support.servers.cluster_hub import ClusterHub

from allotment_spawner.kubernetes import KubernetesProfileSpawner


async def in_turn(folder: Path, namespace: str, rounds: int, *, home: bool) -> tuple[list[float], list[float]]:
    """Give the seconds of ours and of theirs; with a `home` that the deployment mounts, or with none."""
    restricted: dict[str, Any] = {
        "image": SLEEPER, "pod_security_context": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "container_security_context": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "cpu_guarantee": 0.1, "cpu_limit": 1, "mem_guarantee": "64M", "mem_limit": "256M", "start_timeout": 300,
    }  # fmt: skip
    if home:
        restricted["volumes"] = [{"name": "home", "emptyDir": {}}]
        restricted["volume_mounts"] = [{"name": "home", "mountPath": "/home/jovyan"}]
    listed = [{"display_name": "Notebook", "slug": "red/notebook", "kubespawner_override": {"image": SLEEPER}}]
    hubs = []
    for spawner_class in (KubernetesProfileSpawner, KubeSpawner):
        own = folder / spawner_class.__name__
        own.mkdir()
        hubs.append(ClusterHub(own, namespace, spawner_class, profile_list=listed, **restricted))
    size = {"cpu": {"guarantee": 0.1, "limit": 1}, "memory": {"guarantee": "64 MiB", "limit": "256 MiB"}}
    hubs[0].profiles.commit(files(notebook={"resources": size}))

    async def once(hub: ClusterHub, user: str) -> float:
        began = time.monotonic()
        spawner = await hub.start(user, "red/notebook")
        seconds = time.monotonic() - began
        await spawner.stop(now=True)
        return seconds

    seconds: list[list[float]] = [[], []]
    try:
        for number in range(rounds + 1):
            for side, user in enumerate(("ours", "theirs")):
                seconds[side].append(await once(hubs[side], f"{user}-{number}"))
    finally:
        for hub in hubs:
            with contextlib.suppress(asyncio.CancelledError):  # of what watches, which KubeSpawner hands on
                await hub.close()
    return seconds[0][1:], seconds[1][1:]  # the first makes the service account and begins to watch
