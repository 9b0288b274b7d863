"""The API server away, hanging, slow and refusing: sessions live on, starts say why not, and go on after it."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest
from jupyterhub.spawner import SpawnException
from kubespawner import clients
from support.conditions import eventually
from support.outage import files, in_own_process
from support.servers.api_proxy import ApiProxy
from support.servers.cluster import Cluster, needs_cluster
from support.servers.cluster_hub import ClusterHub

from allotment_profiles.access.service_accounts import service_account
from allotment_spawner.kubernetes import accounts, reflector
from allotment_spawner.kubernetes.reflector import ResilientPods

pytestmark = needs_cluster

PODS = "/pods$"


@pytest.fixture
async def proxy() -> AsyncIterator[ApiProxy]:
    async with ApiProxy.opened() as opened:
        yield opened


@pytest.fixture
async def hub(tmp_path: Path, cluster: Cluster, proxy: ApiProxy) -> AsyncIterator[ClusterHub]:
    made = ClusterHub(tmp_path, cluster.namespace, k8s_api_host=proxy.address)
    made.profiles.commit(files())
    yield made
    await made.close()


@pytest.fixture
async def pods(cluster: Cluster, proxy: ApiProxy) -> AsyncIterator[ResilientPods]:
    """What the hub knows of the pods of a namespace, without a hub."""
    clients.load_config(host=proxy.address)
    made = ResilientPods(namespace=cluster.namespace, labels={"component": "known"})
    yield made
    await made.stop()


def pod(name: str) -> dict[str, Any]:
    """Give a pod that nothing runs: a machine is never found for it."""
    security = {
        "runAsNonRoot": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    container = {"name": "notebook", "image": "localhost/none:1", "securityContext": security}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"component": "known"}},
        "spec": {"containers": [container], "nodeSelector": {"there": "is-none"}},
    }  # fmt: skip


def names(pods: ResilientPods) -> set[str]:
    return {key.partition("/")[2] for key in pods.pods}


# -- what the hub knows of pods


async def test_what_happens_is_known_without_asking_for_it(pods: ResilientPods, cluster: Cluster) -> None:
    await pods.start()
    await pods.first_load_future
    cluster.apply(pod("one"), pod("two"))
    await eventually(lambda: {"one", "two"} <= names(pods), "both pods are seen")
    cluster.kubectl("delete", "pod", "one", "--now")
    await eventually(lambda: "one" not in names(pods), "the end of one is seen")


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 410, "watch": True, "event": True, "times": 3},
        {"status": 410, "watch": True, "times": 3},
        {"status": 410, "watch": False, "times": 3},
        {"status": 500, "watch": True, "times": 5},
        {"status": 500, "watch": False, "times": 5},
        {"status": 403, "watch": False, "times": 5},
        {"status": 504, "watch": False, "times": 2},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
async def test_the_view_goes_on_after_errors(
    pods: ResilientPods, cluster: Cluster, proxy: ApiProxy, fault: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    await pods.start()
    await pods.first_load_future
    await eventually(lambda: proxy.requests(path=PODS, watch=True), "it watches")
    name = f"after-{uuid.uuid4().hex[:6]}"
    proxy.answer(fault.pop("status"), path=PODS, **fault)
    await proxy.go_away()  # cuts the watch, so that it asks anew
    await proxy.come_back()
    await eventually(lambda: not proxy.waiting_faults(), "it asks until it is answered")
    cluster.apply(pod(name))
    await eventually(lambda: name in names(pods), "what happens afterwards is seen")
    await eventually(lambda: pods.last_error is None, "it is well again")
    said = [record.getMessage() for record in caplog.records if "retrying" in record.getMessage()]
    assert len(said) == 1
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("watch", [False, True], ids=["list", "watch"])
async def test_it_asks_no_sooner_than_the_api_wants(pods: ResilientPods, proxy: ApiProxy, watch: bool) -> None:
    proxy.answer(429, path=PODS, watch=watch, retry_after=2)
    await pods.start()
    await eventually(lambda: not proxy.waiting_faults() and pods.last_error is None, "it is answered")
    refused = proxy.requests(path=PODS, watch=watch)[0]
    following = next(asked for asked in proxy.requests(path=PODS) if asked.at > refused.at)
    assert following.at - refused.at >= 2


async def test_a_slow_api_is_waited_for(pods: ResilientPods, cluster: Cluster, proxy: ApiProxy) -> None:
    proxy.delay = 2.0
    await pods.start()
    await pods.first_load_future
    cluster.apply(pod("slow"))
    await eventually(lambda: "slow" in names(pods), "the pod is seen")
    assert pods.last_error is None


async def test_what_is_known_stays_while_the_api_is_away_or_hangs(
    pods: ResilientPods, cluster: Cluster, proxy: ApiProxy
) -> None:
    cluster.apply(pod("lasting"))
    await pods.start()
    await pods.first_load_future
    async with proxy.away():
        await eventually(lambda: pods.last_error, "it notices")
        cluster.kubectl("delete", "pod", "lasting", "--now")
        assert "lasting" in names(pods)
    await eventually(lambda: "lasting" not in names(pods), "what happened meanwhile is seen")
    with proxy.hanging():
        cluster.apply(pod("late"))
        await eventually(lambda: pods.last_error, "it notices that nothing comes any more")
        assert "late" not in names(pods)
    await eventually(lambda: "late" in names(pods), "what happened meanwhile is seen")


@pytest.mark.parametrize("fault", ["away", "hanging", "none"])
async def test_it_ends_when_it_is_told_to_wherever_it_is(pods: ResilientPods, proxy: ApiProxy, fault: str) -> None:
    if fault == "away":
        await proxy.go_away()
    async with AsyncExitStack() as stack:
        if fault == "hanging":
            stack.enter_context(proxy.hanging())
        await pods.start()
        await eventually(lambda: fault == "none" or pods.last_error or proxy.asked, "it has begun to ask")
        task = pods.watch_task
        await pods.stop()
        assert task is not None
        assert task.done()
    if fault == "away":
        await proxy.come_back()


# -- sessions and starts


async def test_errors_that_pass_cost_a_start_or_a_stop_nothing_but_time(
    hub: ClusterHub, cluster: Cluster, proxy: ApiProxy
) -> None:
    for status, retry_after in ((500, None), (429, 1), (409, None)):
        proxy.answer(status, method="PATCH", path="/serviceaccounts/", retry_after=retry_after)
        proxy.answer(status, method="POST", path=PODS, retry_after=retry_after)
    accounts.forget(cluster.namespace, service_account("red", []))
    spawner = await hub.start("errors", "red/plain")
    assert await spawner.poll() is None
    for status in (500, 429, 409):
        proxy.answer(status, method="DELETE", path="/pods/")
    await spawner.stop(now=True)
    assert proxy.waiting_faults() == 0
    assert await spawner.poll() == 1
    assert "jupyter-errors" not in {item["metadata"]["name"] for item in cluster.items("pod")}


async def test_answers_that_are_lost_cost_a_start_or_a_stop_nothing_but_time(
    hub: ClusterHub, cluster: Cluster, proxy: ApiProxy
) -> None:
    proxy.lose(method="PATCH", path="/serviceaccounts/")
    proxy.lose(method="POST", path=PODS)
    accounts.forget(cluster.namespace, service_account("red", []))
    spawner = await hub.start("lost", "red/plain")
    assert await spawner.poll() is None
    proxy.lose(method="DELETE", path="/pods/")
    await spawner.stop(now=True)
    assert proxy.waiting_faults() == 0
    assert await spawner.poll() == 1


async def test_a_pod_that_the_cluster_refuses_leaves_no_token_in_the_log(
    hub: ClusterHub, proxy: ApiProxy, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.answer(422, method="POST", path=PODS)
    with pytest.raises(SpawnException) as raised:
        await hub.start("refused", "red/plain")
    assert raised.value.reason == "pod-refused"
    assert re.search(r"\brefused: 422\b", caplog.text)
    assert "token-of-the-session" not in caplog.text


async def test_a_slow_api_slows_a_start_and_a_stop(hub: ClusterHub, proxy: ApiProxy) -> None:
    proxy.delay = 1.0
    spawner = await hub.start("slow", "red/plain")
    assert await spawner.poll() is None
    await spawner.stop(now=True)
    assert await spawner.poll() == 1


async def test_a_start_while_the_api_hangs_is_refused_in_its_time(
    tmp_path: Path, cluster: Cluster, proxy: ApiProxy
) -> None:
    hub = ClusterHub(tmp_path, cluster.namespace, k8s_api_host=proxy.address, k8s_api_request_retry_timeout=4)
    hub.profiles.commit(files())
    spawner = await hub.start("calm", "red/plain")
    with proxy.hanging():
        with pytest.raises(SpawnException) as raised:
            await hub.start("hasty", "red/plain")
        assert await spawner.poll() is None
    assert raised.value.reason == "cluster-away"
    await hub.start("hasty", "red/plain")
    for user in ("calm", "hasty"):
        await hub.spawner(user).stop(now=True)
    await hub.close()


async def test_a_start_goes_on_when_the_api_was_away_in_the_middle_of_it(
    hub: ClusterHub, proxy: ApiProxy, cluster: Cluster
) -> None:
    starting = asyncio.ensure_future(hub.start("middle", "red/plain"))
    await eventually(lambda: proxy.requests(method="POST", path=PODS), "the pod is sent")
    await eventually(lambda: cluster.items("pod"), "the pod is there")
    async with proxy.away():
        await eventually(lambda: hub.spawner("middle").pod_reflector.last_error, "no news")
        assert not starting.done()
    spawner = await starting
    assert await spawner.poll() is None
    await spawner.stop(now=True)


async def test_a_start_that_the_api_takes_is_seen_at_once_however_long_the_hub_would_have_waited(
    hub: ClusterHub, proxy: ApiProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await hub.start("first", "red/plain")
    monkeypatch.setattr(reflector, "retry_delay", lambda *_, **__: 3600.0)
    async with proxy.away():
        await eventually(
            lambda: first.pod_reflector.last_error and first.event_reflector.last_error, "the hub is blind"
        )
    spawner = await hub.start("second", "red/plain")
    assert spawner.pod_reflector.last_error is None
    for each in (first, spawner):
        await each.stop(now=True)


async def test_a_stop_waits_until_the_api_is_there_again(hub: ClusterHub, proxy: ApiProxy, cluster: Cluster) -> None:
    spawner = await hub.start("leaving", "red/plain")
    async with proxy.away():
        stopping = asyncio.ensure_future(spawner.stop(now=True))
        await eventually(lambda: spawner.pod_reflector.last_error, "no news")
        assert not stopping.done()
        assert await spawner.poll() is None
    await stopping
    assert await spawner.poll() == 1
    assert spawner.pod_name not in {item["metadata"]["name"] for item in cluster.items("pod")}


async def test_a_session_ends_though_the_api_does_not_know_the_hub_for_a_moment(
    hub: ClusterHub, proxy: ApiProxy, cluster: Cluster
) -> None:
    spawner = await hub.start("renewed", "red/plain")
    proxy.answer(401, method="DELETE", path="/pods/", times=2)
    await spawner.stop(now=True)
    assert spawner.pod_name not in {item["metadata"]["name"] for item in cluster.items("pod")}


async def test_a_hub_that_begins_while_the_api_is_away_finds_its_sessions_afterwards(
    tmp_path: Path, hub: ClusterHub, proxy: ApiProxy, cluster: Cluster
) -> None:
    state = (await hub.start("patient", "red/plain")).get_state()
    await hub.spawner_class._stop_all_reflectors()  # type: ignore[attr-defined]
    (tmp_path / "again").mkdir()
    again = ClusterHub(tmp_path / "again", cluster.namespace, k8s_api_host=proxy.address)
    again.profiles.commit(files())
    spawner, gone = again.spawner("patient"), again.spawner("gone")
    spawner.load_state(state)
    async with proxy.away():
        looks = [asyncio.ensure_future(each.poll()) for each in (spawner, spawner, gone)]
        await eventually(lambda: spawner.pod_reflector and spawner.pod_reflector.last_error, "it asks")
        looks[0].cancel()  # somebody stops waiting; nobody else has to
        accounts.forget(cluster.namespace, service_account("red", []))
        with pytest.raises(SpawnException) as raised:
            await again.start("new", "red/plain")
        assert raised.value.reason == "cluster-away"
        assert not looks[1].done()
    assert await looks[1] is None
    assert await looks[2] == 1
    await spawner.stop(now=True)
    await again.close()


@pytest.mark.parametrize("kind", ["pods", "events"])
async def test_a_hub_that_may_not_look_says_so_instead_of_waiting(
    hub: ClusterHub, proxy: ApiProxy, cluster: Cluster, kind: str
) -> None:
    proxy.answer(403, path=f"/{kind}$", times=10_000)
    with pytest.raises(SpawnException) as raised:
        await hub.start("blind", "red/plain")
    assert raised.value.reason == "cluster-unseen"
    assert {kind, cluster.namespace} <= {*re.findall(r"[\w-]+", str(raised.value))}


async def test_a_pod_that_was_sent_and_never_seen_does_not_stay(
    tmp_path: Path, proxy: ApiProxy, cluster: Cluster
) -> None:
    """Nothing would end it: no lifetime, no loss of its data, no stop."""
    hub = ClusterHub(tmp_path, cluster.namespace, k8s_api_host=proxy.address, start_timeout=12)
    hub.profiles.commit(files())
    seen = await hub.start("seen", "red/plain")
    proxy.answer(500, path=PODS, times=10_000)
    await proxy.go_away()  # cuts the watch, so that it asks anew
    await proxy.come_back()
    await eventually(lambda: seen.pod_reflector.last_error, "no news")
    with pytest.raises(SpawnException):
        await hub.start("unseen", "red/plain")
    spawner = hub.spawner("unseen")
    there = {item["metadata"]["name"] for item in cluster.items("pod")}
    # What JupyterHub does after a start that failed.
    if await spawner.poll() is None:
        await spawner.stop()
    spawner.clear_state()
    left = {item["metadata"]["name"] for item in cluster.items("pod") if not item["metadata"].get("deletionTimestamp")}
    assert await spawner.poll() == 1
    await hub.close()
    assert spawner.pod_name in there - left


# -- outages of some length


@pytest.mark.timeout(600)
async def test_sessions_live_through_outages_of_any_length(tmp_path: Path) -> None:
    lengths = (20, 60, 120)
    with ExitStack() as stack:
        namespaces = [stack.enter_context(Cluster.opened("outage")).namespace for _ in lengths]
        told = zip(namespaces, lengths, strict=True)
        stories = await asyncio.gather(
            *(in_own_process(namespace, tmp_path / namespace, seconds) for namespace, seconds in told)
        )
    for story in stories:
        assert set(story.running) == {None}
        assert len(story.refusals) > 3
        assert all(refusal.startswith("cluster-away: ") for refusal in story.refusals)
        assert story.gone == [None, 1]
        assert story.first > 0
