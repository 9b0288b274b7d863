"""A trial as a pod, up to the Kubernetes API: what is sent has neither the user's home nor Secrets of others."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes_asyncio.client import Configuration
from kubespawner.clients import load_config
from support.fakes.stand_in import NAMESPACE, StandInCluster
from support.repositories import profile, small
from support.servers.cluster_hub import ClusterHub

from allotment_profiles.access.launch import Request, Trial
from allotment_profiles.access.service_accounts import TRIAL_ACCOUNT
from allotment_profiles.documents.writing import write
from allotment_profiles.trials.request import SERVER, TrialRequest

TRIAL = Trial("red-notebook-1", "a" * 40)
DEPLOYED = {
    "volumes": [
        {"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}},
        {"name": "keys", "secret": {"secretName": "keys-of-ann"}},
    ],
    "volume_mounts": [{"name": "home", "mountPath": "/home/jovyan"}, {"name": "keys", "mountPath": "/keys"}],
    "extra_container_config": {"envFrom": [{"secretRef": {"name": "keys-of-ann"}}]},
    "storage_pvc_ensure": True,
    "storage_capacity": "1Gi",
}


@pytest.fixture
def asked(stand_in: StandInCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInCluster]:
    """Have spawners of this process ask the stand-in, and leave the way to a real cluster as it was."""
    location = "kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
    monkeypatch.setattr(location, str(stand_in.kubeconfig))
    before = Configuration._default
    load_config.cache_clear()
    yield stand_in
    Configuration.set_default(before)
    load_config.cache_clear()


async def test_a_trial_gets_an_empty_volume_where_a_session_gets_a_home(asked: StandInCluster, tmp_path: Path) -> None:
    hub = ClusterHub(tmp_path, NAMESPACE, **DEPLOYED)
    hub.profiles.commit(small(**{"teams/red/profiles/notebook.yaml": profile()}))
    trial = hub.spawner("ann", SERVER)
    trial.trial_request = TrialRequest(TRIAL, Request("red/notebook", {}), write("profile", profile(title="Tried")))
    path = f"/api/v1/namespaces/{NAMESPACE}/"
    try:
        await hub.start("ann", "", server=SERVER)
        pod = asked.client.get(f"{path}pods/{trial.pod_name}").json()
        assert {next(key for key in volume if key != "name") for volume in pod["spec"]["volumes"]} == {"emptyDir"}
        assert "envFrom" not in pod["spec"]["containers"][0]
        assert pod["spec"]["serviceAccountName"] == TRIAL_ACCOUNT
        assert pod["metadata"]["labels"]["allotment/trial"] == TRIAL.proposal
        assert pod["metadata"]["annotations"]["allotment/title"] == "Tried"
        assert asked.client.get(f"{path}persistentvolumeclaims").json()["items"] == []
        session = await hub.start("ann", "red/notebook", server="other")
        pod = asked.client.get(f"{path}pods/{session.pod_name}").json()
        kinds = {volume["name"]: next(key for key in volume if key != "name") for volume in pod["spec"]["volumes"]}
        assert kinds == {"home": "persistentVolumeClaim", "keys": "secret"}
        assert "allotment/trial" not in pod["metadata"]["labels"]
        assert len(asked.client.get(f"{path}persistentvolumeclaims").json()["items"]) == 1
    finally:
        await hub.close()
