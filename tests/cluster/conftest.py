"""A namespace of the cluster for each module, and a hub over it for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.servers.cluster import Cluster
from support.servers.cluster_hub import ClusterHub


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A namespace that is called as the module is."""
    with Cluster.opened(request.path.stem.removeprefix("test_").replace("_", "-")) as opened:
        yield opened


@pytest.fixture
async def hub(tmp_path: Path, cluster: Cluster) -> AsyncIterator[ClusterHub]:
    made = ClusterHub(tmp_path, cluster.namespace)
    yield made
    await made.close()
