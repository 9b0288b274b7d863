"""The pod of a trial, whatever its image does: nothing of the user, of the team or of other Secrets is in its reach."""

import copy
from typing import Any

import pytest
from kubernetes_asyncio.client import ApiClient, Configuration
from kubespawner.objects import make_pod
from support.launches import launch

from allotment_profiles.access.launch import Trial
from allotment_profiles.access.service_accounts import TRIAL_ACCOUNT, service_account
from allotment_spawner.kubernetes.pod_check import differences
from allotment_spawner.kubernetes.pod_settings import TRAITS, PodDefaults, PodSettings, merge_traits, pod_settings
from allotment_spawner.kubernetes.pods import apply_patch

TRIAL = Trial("red-notebook-1", "b" * 40)
HOSTILE = "registry.example.org/analysis/hostile:1"
BINDINGS: dict[str, Any] = {
    "keys": {"secret": {"name": "warehouse", "variables": {"WAREHOUSE": "password"}}},
    "tables": {"volume": {"claim": "tables", "sub_path": "main"}},
}
# What a deployment may give to every session.
DEPLOYED: dict[str, Any] = {
    "volumes": [
        {"name": "home", "persistentVolumeClaim": {"claimName": "claim-ann"}},
        {"name": "keys-of-ann", "secret": {"secretName": "ann"}},
        {"name": "identity", "projected": {"sources": [{"secret": {"name": "ann"}}]}},
        {"name": "bucket", "csi": {"driver": "bucket.example.org"}},
        {"name": "certificates", "configMap": {"name": "certificates"}},
        {"name": "cache", "emptyDir": {"medium": "Memory"}},
    ],
    "volume_mounts": [
        {"name": "home", "mountPath": "/home/jovyan"}, {"name": "keys-of-ann", "mountPath": "/keys"},
        {"name": "certificates", "mountPath": "/certificates"}, {"name": "cache", "mountPath": "/cache"},
    ],
    "extra_container_config": {"envFrom": [{"secretRef": {"name": "ann"}}]},
    "env": {
        "HOME": "/home/jovyan", "JUPYTERHUB_API_TOKEN": "of the trial",
        "KEY": {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "ann", "key": "key"}}},
    },
    "init_containers": [{
        "name": "before", "image": "registry.example.org/before:1",
        "envFrom": [{"secretRef": {"name": "ann"}}], "volumeMounts": [{"name": "home", "mountPath": "/home"}],
        "securityContext": {
            "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
        },
    }],
}  # fmt: skip


class _Serializer(ApiClient):
    def __init__(self) -> None:
        self.configuration = Configuration()


def settings_of(bindings: dict[str, Any] | None = None, trial: Trial | None = TRIAL) -> PodSettings:
    home = {"name": "home", "mountPath": "/home/jovyan"}
    place = PodDefaults(home_mount=home, team_claim="teams", own_claims=frozenset({"claim-ann"}))
    return pod_settings(launch(bindings, trial=trial, image=HOSTILE), "ann", place)


def sent(settings: PodSettings) -> dict[str, Any]:
    traits = merge_traits(dict.fromkeys(TRAITS), settings.traits)
    traits.pop("storage_capacity")
    deployed = copy.deepcopy(DEPLOYED)
    pod = make_pod(
        name="jupyter-ann--trial", cmd=None, port=8888, uid=1000, gid=100, fs_gid=100, labels={}, annotations={},
        **deployed, **traits,
    )  # fmt: skip
    plain: dict[str, Any] = _Serializer().sanitize_for_serialization(apply_patch(pod, settings))
    return plain


def test_a_hostile_image_finds_nothing_of_its_user_and_no_way_to_the_cluster() -> None:
    settings = settings_of()
    pod = sent(settings)
    assert differences(pod, settings) == []
    spec = pod["spec"]
    session = spec["containers"][0]
    assert session["image"] == HOSTILE
    kinds = {volume["name"]: next(key for key in volume if key != "name") for volume in spec["volumes"]}
    assert kinds == {
        "home": "emptyDir", "keys-of-ann": "emptyDir", "identity": "emptyDir", "bucket": "emptyDir",
        "certificates": "configMap", "cache": "emptyDir",
    }  # fmt: skip
    assert "ann" not in {str(value) for volume in spec["volumes"] for value in volume.values()}
    for container in [session, *spec["initContainers"]]:
        assert not container.get("envFrom")
        assert not [variable for variable in container.get("env") or () if variable.get("valueFrom")]
    assert spec["serviceAccountName"] == TRIAL_ACCOUNT
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert session["securityContext"]["allowPrivilegeEscalation"] is False
    assert session["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["metadata"]["labels"]["allotment/trial"] == "red-notebook-1"
    assert pod["metadata"]["annotations"]["allotment/head"] == "b" * 40


def test_no_policy_for_sessions_of_a_profile_selects_what_nobody_has_approved() -> None:
    trial, approved = (sent(settings_of(trial=each))["metadata"]["labels"] for each in (TRIAL, None))
    assert approved.keys() - trial.keys() == {"allotment/team", "allotment/profile", "allotment/app"}


def test_a_session_of_main_keeps_what_the_deployment_gives_to_it() -> None:
    spec = sent(settings_of(trial=None))["spec"]
    assert {"name": "home", "persistentVolumeClaim": {"claimName": "claim-ann"}} in spec["volumes"]
    assert spec["containers"][0]["envFrom"]
    assert spec["serviceAccountName"] == service_account("red", [])


def test_data_that_was_asked_for_is_there_with_the_account_of_the_data_and_nothing_else() -> None:
    settings = settings_of(BINDINGS)
    pod = sent(settings)
    assert differences(pod, settings) == []
    claims = [volume for volume in pod["spec"]["volumes"] if "persistentVolumeClaim" in volume]
    assert [volume["persistentVolumeClaim"]["claimName"] for volume in claims] == ["tables"]
    secrets = [each for each in pod["spec"]["containers"][0]["env"] if each.get("valueFrom")]
    assert [each["name"] for each in secrets] == ["WAREHOUSE"]
    assert pod["spec"]["serviceAccountName"] == service_account("red", BINDINGS)


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec["volumes"].append({"name": "x", "secret": {"secretName": "ann"}}),
        lambda spec: spec["volumes"].append({"name": "x", "persistentVolumeClaim": {"claimName": "claim-ann"}}),
        lambda spec: spec["containers"][0].update(envFrom=[{"secretRef": {"name": "ann"}}]),
        lambda spec: spec["containers"][0]["env"].append(
            {"name": "X", "valueFrom": {"secretKeyRef": {"name": "ann", "key": "x"}}}
        ),
    ],
)
def test_what_a_hook_of_the_deployment_adds_later_is_not_sent(change: Any) -> None:
    settings = settings_of()
    pod = sent(settings)
    change(pod["spec"])
    assert differences(pod, settings)
