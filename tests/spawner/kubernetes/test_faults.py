"""What happens to pods on a real cluster while nobody of the hub does it: the hub notices, and says why."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyterhub.spawner import SpawnException
from support.cluster import Cluster, needs_cluster
from support.cluster_hub import ClusterHub
from support.conditions import until
from support.outage import files

from allotment_profiles.events import Events

pytestmark = needs_cluster

STUCK = "tests.example.org/stuck"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster.opened("faults") as opened:
        yield opened


@pytest.fixture
async def hub(tmp_path: Path, cluster: Cluster) -> AsyncIterator[ClusterHub]:
    made = ClusterHub(tmp_path, cluster.namespace, events_url=f"sqlite:///{tmp_path / 'events.sqlite'}")
    made.profiles.commit(files(absent={"image": "registry.invalid/analysis/absent:1"}))
    yield made
    await made.close()


async def running(hub: ClusterHub, user: str) -> Any:
    """Start a session, and take it as ready as the hub does once it answers."""
    spawner = await hub.start(user, "red/plain")
    spawner.add_poll_callback(lambda: None)
    assert await spawner.poll() is None
    return spawner


async def ended(hub: ClusterHub, spawner: Any, tmp_path: Path) -> tuple[str, str]:
    """Look until a session has ended, as the hub does; gives the reason that is written down, and the start page."""
    looked = asyncio.ensure_future(spawner.poll())
    async with asyncio.timeout(60):
        while await asyncio.shield(looked) is None:
            await asyncio.sleep(0.2)
            looked = asyncio.ensure_future(spawner.poll())
    spawner.clear_state()
    state = spawner.get_state()
    await hub.shared_recorder().flush()
    table = Events(f"sqlite:///{tmp_path / 'events.sqlite'}")
    found = [event.details["reason"] for event in table.of("red/plain", kinds=("end",))]
    table.close()
    # The hub makes a new spawner for the next start.
    spawner.load_state({})
    assert "ended by itself" not in await spawner.get_options_form()
    spawner.load_state(state)
    return found[0], await spawner.get_options_form()


def pods(cluster: Cluster) -> set[str]:
    return {item["metadata"]["name"] for item in cluster.items("pod")}
