"""A trial on a real cluster, with an image that nobody has reviewed: it finds an empty home, no Secret and no token."""

from pathlib import Path

from support.repositories import policy, profile, team
from support.servers.cluster import SLEEPER, Cluster, needs_cluster
from support.servers.cluster_hub import ClusterHub

from allotment_profiles.access.launch import Request, Trial
from allotment_profiles.access.service_accounts import TRIAL_ACCOUNT
from allotment_profiles.documents.writing import write
from allotment_profiles.trials.request import SERVER, TrialRequest

pytestmark = needs_cluster

SECRET = {
    "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys-of-ann"}, "stringData": {"key": "correct-horse"},
}  # fmt: skip
DEPLOYED = {
    "volumes": [{"name": "keys", "secret": {"secretName": "keys-of-ann"}}],
    "volume_mounts": [{"name": "keys", "mountPath": "/keys"}],
    "extra_container_config": {"envFrom": [{"secretRef": {"name": "keys-of-ann"}}]},
    "storage_pvc_ensure": True,
    "storage_capacity": "1Gi",
}
"""What the deployment gives to every session: a user's keys, as files and as variables, and a claim for a home."""


async def test_what_runs_in_a_trial_finds_nothing_of_its_user(cluster: Cluster, tmp_path: Path) -> None:
    cluster.apply(SECRET)
    hub = ClusterHub(tmp_path, cluster.namespace, **DEPLOYED)
    size = {"cpu": {"guarantee": 0.1, "limit": 1}, "memory": {"guarantee": "64 MiB", "limit": "256 MiB"}}
    content = profile(image=SLEEPER, resources=size)
    hub.profiles.commit({
        "policy.yaml": policy(registries=["localhost/*"]),
        "teams/red/team.yaml": team("red", envelope={"cpu": 8, "memory": "32 GiB", "images": ["localhost/*"]}),
    })  # fmt: skip
    trial = Trial("red-notebook-1", "a" * 40)
    spawner = hub.spawner("ann", SERVER)
    spawner.trial_request = TrialRequest(trial, Request("red/notebook", {}), write("profile", content))
    await hub.start("ann", "", server=SERVER)
    try:
        seen = cluster.run(
            spawner.pod_name,
            'ls -A /keys; env | grep correct-horse; ls -d /var/run/secrets; id -u; echo "$ALLOTMENT_TRIAL"',
        ).splitlines()
        assert seen == ["1000", trial.proposal]
        pod = cluster.get("pod", spawner.pod_name)
        assert pod["spec"]["serviceAccountName"] == TRIAL_ACCOUNT
        assert [next(key for key in volume if key != "name") for volume in pod["spec"]["volumes"]] == ["emptyDir"]
        assert spawner.pvc_name not in [claim["metadata"]["name"] for claim in cluster.items("persistentvolumeclaims")]
    finally:
        await spawner.stop(now=True)
        await hub.close()
