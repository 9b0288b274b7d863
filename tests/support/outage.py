"""One outage of the API server, told by a hub that lives through it, in a process of its own.

python -m support.outage NAMESPACE FOLDER SECONDS [NORMAL STARTS]

KubeSpawner has one client for each process, so hubs that live through outages at the same time are processes.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jupyterhub.spawner import SpawnException
from support.folders import TESTS
from support.repositories import Content, policy, profile, team
from support.servers.api_proxy import ApiProxy
from support.servers.cluster import SLEEPER, Cluster
from support.servers.cluster_hub import ClusterHub

_BETWEEN_LOOKS = 2.0


@dataclass
class Story:
    """What the hub saw."""

    normal: list[float] = field(default_factory=list)
    """Seconds of each start before the outage."""
    refusals: list[str] = field(default_factory=list)
    """What starts during the outage were refused with: the code and the sentence."""
    running: list[int | None] = field(default_factory=list)
    """What the looks at the running sessions gave, during the outage and after it: None means running."""
    first: float = 0.0
    """Seconds of the first start after it."""
    gone: list[int | None] = field(default_factory=list)
    """What the looks at a session gave whose pod was deleted during the outage: the last before its end, and after."""


def files(members: Mapping[str, Any] | None = None, **profiles: dict[str, Any]) -> dict[str, Content]:
    """Give a repository with a team and small profiles; `plain` is always among them."""
    size = {"cpu": {"guarantee": 0.05, "limit": 1}, "memory": {"guarantee": "32 MiB", "limit": "256 MiB"}}
    there = {name: {"image": SLEEPER, "resources": size, **changes} for name, changes in profiles.items()}
    images = ["localhost/*", "registry.invalid/*"]
    envelope = {"cpu": 8, "memory": "32 GiB", "images": images}
    return {
        "policy.yaml": policy(registries=images),
        "teams/red/team.yaml": team("red", envelope=envelope, **({"members": members} if members else {})),
        **{
            f"teams/red/profiles/{name}.yaml": profile(**values)
            for name, values in {"plain": {"image": SLEEPER, "resources": size}, **there}.items()
        },
    }


async def timed_start(hub: ClusterHub, user: str) -> float:
    """Start a session; gives the seconds until its pod is ready."""
    began = time.monotonic()
    await hub.start(user, "red/plain")
    return time.monotonic() - began


async def live_through(namespace: str, folder: Path, seconds: float, normal_starts: int = 1) -> Story:
    """Start sessions, take the API server away for so many seconds, and start one more."""
    story = Story()
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240  nothing else runs here yet
    async with ApiProxy.opened() as proxy:
        hub = ClusterHub(folder, namespace, k8s_api_host=proxy.address)
        hub.profiles.commit(files())
        await hub.start("first", "red/plain")  # what only a first start does is no part of a normal one
        await hub.start("gone", "red/plain")
        users = [f"before-{number}" for number in range(normal_starts)]
        for user in users:
            story.normal.append(await timed_start(hub, user))
        async with proxy.away():
            over = time.monotonic() + seconds
            Cluster(namespace).kubectl("delete", "pod", hub.spawner("gone").pod_name, "--now", "--wait=false")
            while (left := over - time.monotonic()) > 0:
                try:
                    await hub.start("during", "red/plain")
                except SpawnException as refused:
                    story.refusals.append(f"{refused.reason}: {refused}")
                story.running += [await hub.spawner(user).poll() for user in ("first", *users)]
                await asyncio.sleep(min(_BETWEEN_LOOKS, left))
            story.gone.append(await hub.spawner("gone").poll())
        story.first = await timed_start(hub, "during")
        story.running += [await hub.spawner(user).poll() for user in ("first", *users, "during")]
        story.gone.append(await hub.spawner("gone").poll())
        for user in ("first", *users, "during"):
            await hub.spawner(user).stop(now=True)
        await hub.close()
    return story


async def in_own_process(namespace: str, folder: Path, seconds: float, normal_starts: int = 1) -> Story:
    """Live through an outage beside others; raises RuntimeError with what went wrong."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "support.outage", namespace, str(folder), str(seconds), str(normal_starts),
        cwd=TESTS, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(errors.decode()[-4000:])
    return Story(**json.loads(output.splitlines()[-1]))


def main() -> None:
    """Print what was seen as one line of JSON."""
    namespace, folder, seconds, *more = sys.argv[1:]
    story = asyncio.run(live_through(namespace, Path(folder), float(seconds), *map(int, more)))
    sys.stdout.write(json.dumps(asdict(story)) + "\n")


if __name__ == "__main__":
    main()
