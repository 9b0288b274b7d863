"""Lifetimes and lost data on a real cluster: what ends is a pod."""

from typing import Any

from support.conditions import eventually
from support.repositories import Content, data_role, policy, profile, team
from support.servers.cluster import CLAIM, SLEEPER, Cluster, needs_cluster
from support.servers.cluster_hub import ClusterHub

from allotment_profiles.stops import StopTarget
from allotment_spawner.hub.stops import carry_out, matching
from allotment_spawner.session.stop_order import StopOrder

pytestmark = needs_cluster

SIZE = {"cpu": {"guarantee": 0.1, "limit": 1}, "memory": {"guarantee": "64 MiB", "limit": "256 MiB"}}
TABLES = "data-roles/tables.yaml"


def files(**team_changes: Any) -> dict[str, Content]:
    envelope = {"cpu": 8, "memory": "32 GiB", "images": ["localhost/*"]}
    return {
        "policy.yaml": policy(registries=["localhost/*"], after_access_ends="0 s"),
        "teams/red/team.yaml": team("red", envelope=envelope, **team_changes),
        TABLES: data_role("red", {"red": "2099-03-31"}),
        "teams/red/profiles/data.yaml": profile(image=SLEEPER, resources=SIZE, data_roles=["tables"]),
        "teams/red/profiles/short.yaml": profile(
            image=SLEEPER, resources=SIZE, lifetime={"idle": "1 s", "total": "1 s"}
        ),
    }


def pods(cluster: Cluster) -> list[str]:
    return [pod["metadata"]["name"] for pod in cluster.items("pods") if "deletionTimestamp" not in pod["metadata"]]


async def ready(hub: ClusterHub, user: str, profile_id: str) -> Any:
    """Start a session, and have it answer, as the hub sees it."""
    spawner = await hub.start(user, profile_id)
    spawner.add_poll_callback(lambda: None)
    return spawner


async def test_a_pod_ends_when_its_total_time_is_over(hub: ClusterHub, cluster: Cluster) -> None:
    hub.profiles.commit(files())
    spawner = await ready(hub, "ann", "red/short")

    async def ended() -> bool:
        return await spawner.poll() is not None

    await eventually(ended, "the session has ended")
    assert hub.end_reason(spawner, "red/short") == "total"
    assert pods(cluster) == []


async def test_a_pod_ends_when_its_grant_is_revoked(hub: ClusterHub, cluster: Cluster) -> None:
    cluster.apply(CLAIM)
    hub.profiles.commit(files())
    spawner = await ready(hub, "ann", "red/data")
    assert await spawner.poll() is None
    hub.profiles.commit({TABLES: data_role("red")})
    await hub.refresh()
    assert await spawner.poll() is not None
    assert hub.end_reason(spawner, "red/data") == "access-ended"
    assert pods(cluster) == []


async def test_pods_of_an_image_are_stopped_together_by_the_digest_that_the_cluster_runs(
    hub: ClusterHub, cluster: Cluster
) -> None:
    cluster.apply(CLAIM)
    hub.profiles.commit(files())
    spawners = [await ready(hub, "ann", "red/data"), await ready(hub, "bob", "red/data")]

    def digests() -> set[str]:
        return {image.rpartition("@")[2] for spawner in spawners for image in spawner.images if "sha256:" in image}

    # The cluster tells the digest a moment after the pod runs.
    await eventually(lambda: len(digests()) == 1 and all(len(each.images) > 1 for each in spawners), "the digest")
    target = StopTarget("image", digests().pop())
    assert list(matching(hub.users, StopTarget("image", f"sha256:{'0' * 64}"))) == []
    assert list(matching(hub.users, target)) == spawners
    order = StopOrder.given(target, "ada", "It has a weakness")
    for spawner in spawners:
        spawner.order_stop(order)
        spawner.add_poll_callback(spawner.clear_state)
    assert await carry_out(spawners, order) == ["stopped", "stopped"]
    assert pods(cluster) == []
