"""The first start after the API server of a real cluster was away, beside a normal one. Needs KUBECONFIG."""

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import Row

SECONDS = 120
_ROUNDS = 3
"""Each takes as long as the outage; more would hold up everything else."""
_NORMAL_STARTS = 3


def first_start(folder: Path, _profiles: int, rounds: int, _sample: int) -> Iterator[Row]:
    """Measure starts before outages of two minutes, and the first one after each."""
    if not os.environ.get("KUBECONFIG") or shutil.which("kubectl") is None:
        sys.stderr.write("outage: left out, it needs KUBECONFIG, kubectl and the images of tests/support/images\n")
        return
    from support.outage import in_own_process  # noqa: PLC0415
    from support.servers.cluster import Cluster  # noqa: PLC0415  (KubeSpawner reads KUBECONFIG when it is imported)

    first: list[float] = []
    normal: list[float] = []
    for number in range(min(rounds, _ROUNDS)):
        with Cluster.opened("outage") as cluster:
            story = asyncio.run(in_own_process(cluster.namespace, folder / f"outage-{number}", SECONDS, _NORMAL_STARTS))
        first.append(story.first)
        normal += story.normal
    # At most twice as long.
    yield Row(f"first start after {SECONDS} s without the API server", "a normal start", "s", first, normal, 1 / 2)
