"""What happens to pods on a real cluster while nobody of the hub does it: the hub notices, and says why."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from jupyterhub.spawner import SpawnException
from support.conditions import eventually
from support.outage import files
from support.servers.cluster import Cluster, needs_cluster
from support.servers.cluster_hub import ClusterHub

from allotment_spawner.kubernetes.pod_status import EARLIER_SESSION, MEMORY_EXCEEDED, progress_message

pytestmark = needs_cluster

STUCK = "tests.example.org/stuck"
NOTICE = "allotment-notice"
ABSENT = "registry.invalid/analysis/absent:1"


@pytest.fixture
async def hub(tmp_path: Path, cluster: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[ClusterHub]:
    """A hub; a test gives it other settings as its parameter."""
    made = ClusterHub(tmp_path, cluster.namespace, **getattr(request, "param", {}))
    made.profiles.commit(files(absent={"image": ABSENT}))
    yield made
    await made.close()


def with_settings(**settings: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("hub", [settings], indirect=True, ids=[""])


async def running(hub: ClusterHub, user: str) -> Any:
    """Start a session, and take it as ready as the hub does once it answers."""
    spawner = await hub.start(user, "red/plain")
    spawner.add_poll_callback(lambda: None)
    assert await spawner.poll() is None
    return spawner


async def ended(hub: ClusterHub, spawner: Any) -> tuple[str, str]:
    """Wait until a session has ended; return the reason in the table of events, and what the start page says."""

    async def over() -> bool:
        return await spawner.poll() is not None

    await eventually(over, "the hub sees that it has ended")
    return hub.end_reason(spawner, "red/plain"), await notice(spawner)


async def notice(spawner: Any) -> str:
    """Give what the start page says to the user, from a spawner that the hub has just made."""
    state = spawner.get_state()
    spawner.load_state({})
    assert NOTICE not in await spawner.get_options_form()
    spawner.load_state(state)
    page = BeautifulSoup(await spawner.get_options_form(), "html.parser")
    return page.select(f"#{NOTICE}")[0].get_text()


def pods(cluster: Cluster) -> set[str]:
    return {item["metadata"]["name"] for item in cluster.items("pod")}


def change(cluster: Cluster, pod: str, patch: dict[str, Any], *more: str) -> None:
    cluster.kubectl("patch", "pod", pod, "--type=merge", "-p", json.dumps(patch), *more)


# -- while a session starts


async def test_an_image_that_cannot_be_downloaded_is_named(hub: ClusterHub) -> None:
    with pytest.raises(SpawnException) as raised:
        await hub.start("puller", "red/absent")
    spawner = hub.spawner("puller")
    assert raised.value.reason == "image-missing"
    assert ABSENT in str(raised.value)
    assert any(ABSENT in each["message"] for each in spawner.messages)
    await spawner.stop(now=True)


async def test_a_pod_that_somebody_deletes_while_it_starts_ends_the_start(hub: ClusterHub, cluster: Cluster) -> None:
    starting = asyncio.ensure_future(hub.start("unlucky", "red/absent"))
    spawner = hub.spawner("unlucky")
    pulling = progress_message({"reason": "Pulling"})
    await eventually(lambda: pulling in [each["message"] for each in spawner.messages], "it is followed")
    cluster.kubectl("delete", "pod", spawner.pod_name, "--now")
    with pytest.raises(SpawnException) as raised:
        await starting
    assert raised.value.reason == "session-deleted"
    assert await spawner.poll() == 1


# -- while it runs


async def test_a_pod_that_somebody_deletes_ends_the_session(hub: ClusterHub, cluster: Cluster) -> None:
    spawner = await running(hub, "deleted")
    cluster.kubectl("delete", "pod", spawner.pod_name, "--now")
    reason, page = await ended(hub, spawner)
    assert reason == "deleted"
    assert "red/plain" in page


@with_settings(cmd=["sh", "-c", "trap exit TERM; while true; do sleep 0.1; done"])
async def test_a_machine_that_ends_a_pod_ends_the_session(hub: ClusterHub, cluster: Cluster) -> None:
    # What it also does when it runs short: it fails the pod, and says why. A deadline can be had on any machine.
    spawner = await running(hub, "failed")
    change(cluster, spawner.pod_name, {"spec": {"activeDeadlineSeconds": 1}})
    reason, page = await ended(hub, spawner)
    assert reason == "evicted"
    assert "longer than the specified deadline" in page


async def test_a_machine_that_is_emptied_ends_the_session(hub: ClusterHub, cluster: Cluster) -> None:
    spawner = await running(hub, "drained")
    eviction = {
        "apiVersion": "policy/v1", "kind": "Eviction", "deleteOptions": {"gracePeriodSeconds": 2},
        "metadata": {"name": spawner.pod_name, "namespace": cluster.namespace},
    }  # fmt: skip
    path = f"/api/v1/namespaces/{cluster.namespace}/pods/{spawner.pod_name}/eviction"
    cluster.kubectl("create", "--raw", path, "-f", "-", given=json.dumps(eviction))
    reason, page = await ended(hub, spawner)
    assert reason == "evicted"
    assert "red/plain" in page


@with_settings(cmd=["sh", "-c", "until [ -e /tmp/grow ]; do sleep 0.1; done; exec tail /dev/zero"])
async def test_a_session_that_runs_out_of_memory_is_told_so(
    hub: ClusterHub, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    spawner = await running(hub, "greedy")
    cluster.run(spawner.pod_name, "touch /tmp/grow")

    def restarts() -> int:
        pod = spawner.pod_reflector.pods[f"{cluster.namespace}/{spawner.pod_name}"]
        return int(pod["status"]["containerStatuses"][0]["restartCount"])

    await eventually(restarts, "the cluster starts it again")
    assert await spawner.poll() is None
    assert MEMORY_EXCEEDED in await notice(spawner)
    assert MEMORY_EXCEEDED in caplog.text
    await spawner.stop(now=True)


# -- while it ends


async def test_a_pod_that_does_not_end_is_left_to_the_cluster_and_the_next_start_says_so(
    hub: ClusterHub, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    spawner = await running(hub, "stuck")
    spawner.start_timeout = 10  # so long it is waited for
    change(cluster, spawner.pod_name, {"metadata": {"finalizers": [STUCK]}})
    try:
        await spawner.stop(now=True)
        assert f"({STUCK})" in caplog.text
        with pytest.raises(SpawnException) as raised:
            await hub.start("stuck", "red/plain")
        assert raised.value.reason == "still-ending"
        assert STUCK in str(raised.value)
        async with asyncio.timeout(spawner.start_timeout / 2):
            await spawner.stop(now=True)  # as the hub does after it: it does not wait a second time
        assert EARLIER_SESSION in [each["message"] for each in spawner.messages]
    finally:
        change(cluster, spawner.pod_name, {"metadata": {"finalizers": None}})
    spawner.start_timeout = 60
    await eventually(lambda: spawner.pod_name not in pods(cluster), "it has ended")
    await hub.start("stuck", "red/plain")
    await spawner.stop(now=True)


async def test_a_start_goes_on_once_the_earlier_pod_has_ended(hub: ClusterHub, cluster: Cluster) -> None:
    spawner = await running(hub, "waiting")
    change(cluster, spawner.pod_name, {"metadata": {"finalizers": [STUCK]}})
    cluster.kubectl("delete", "pod", spawner.pod_name, "--now", "--wait=false")
    starting = asyncio.ensure_future(hub.start("waiting", "red/plain"))
    await eventually(lambda: EARLIER_SESSION in [each["message"] for each in spawner.messages], "it waits, and says so")
    assert not starting.done()
    change(cluster, spawner.pod_name, {"metadata": {"finalizers": None}})
    await starting
    assert await spawner.poll() is None
    await spawner.stop(now=True)
