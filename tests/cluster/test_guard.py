"""The chart's admission policies on a real cluster: what no pod and no claim of the hub gets. Nothing is started."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.conditions import until
from support.rendering import Chart, needs_helm
from support.servers.cluster import SLEEPER, Cluster, needs_cluster

pytestmark = [needs_cluster, needs_helm]

SIGNING = {"secret": {"secretName": "allotment-signing"}}
RELEASE = "sh.helm.release.v1.allotment.v1"
SIZE = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
OF_THE_SERVICE = {"kind": "PersistentVolumeClaim", "name": "allotment"}
POLICIES = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Yield a namespace with the chart's policies and the hub's rights, without Pod Security."""
    chart = Chart(tmp_path_factory.mktemp("chart"))
    with Cluster.opened("guard", pod_security="privileged") as cluster:
        own = chart.own({"hub": {"csiDrivers": ["files.example.org"]}}, namespace=cluster.namespace)
        rights = [found for (_, name), found in own.items() if name == "allotment-hub"]
        policies = [found for (kind, _), found in own.items() if kind in POLICIES]
        accounts = [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
            for name in ("hub", "allotment", "allotment-red")
        ]
        try:
            cluster.apply(*accounts, *rights, *policies)
            # The cluster enforces a policy a moment after it was created.
            until(
                lambda: refusal(cluster, pod(SIGNING)) and refusal(cluster, claim("allotment")), within=60, what="both"
            )
            yield cluster
        finally:
            for found in policies:
                cluster.kubectl("delete", "--ignore-not-found", found["kind"], found["metadata"]["name"])


def pod(*volumes: dict[str, Any], containers: str = "containers", **more: Any) -> dict[str, Any]:
    """Return a pod with these volumes, and more in its specification or (`container`) in one of its containers."""
    container = {"name": "notebook", "image": SLEEPER} | more.pop("container", {})
    spec = {"containers": [{"name": "plain", "image": SLEEPER}], "volumes": []} | more
    spec[containers] = [*spec.get(containers, []), container]
    spec["volumes"] = [{"name": f"volume-{number}", **volume} for number, volume in enumerate(volumes)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "made-by-the-hub"}, "spec": spec}


def claim(name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": SIZE | more}


def ephemeral(**more: Any) -> dict[str, Any]:
    return {"ephemeral": {"volumeClaimTemplate": {"spec": SIZE | more}}}


def variable(kind: str, name: str) -> dict[str, Any]:
    return {"env": [{"name": "A", "valueFrom": {kind: {"name": name, "key": "key"}}}]}


def projected(**source: Any) -> dict[str, Any]:
    return {"projected": {"sources": [source]}}


def refusal(cluster: Cluster, wanted: dict[str, Any]) -> str:
    """Return why the cluster refuses what the hub creates, without creating it; empty where it does not."""
    hub = f"--as=system:serviceaccount:{cluster.namespace}:hub"
    try:
        cluster.kubectl(hub, "create", "--dry-run=server", "--filename=-", given=json.dumps(wanted))
    except AssertionError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "wanted",
    [
        pod(SIGNING),
        pod(projected(secret={"name": "allotment-git-write"})),
        pod({"secret": {"secretName": RELEASE}}),
        pod(projected(secret={"name": RELEASE})),
        pod({"csi": {"driver": "files.example.org", "nodePublishSecretRef": {"name": "allotment-service"}}}),
        pod({"configMap": {"name": RELEASE}}),
        pod(projected(configMap={"name": RELEASE})),
        pod({"persistentVolumeClaim": {"claimName": "allotment"}}),
        pod({"csi": {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"secretProviderClass": "a"}}}),
        pod({"hostPath": {"path": "/var/lib/kubelet/pods"}}),
        pod({"nfs": {"server": "192.0.2.1", "path": "/"}}),
        pod({"azureFile": {"secretName": "allotment-signing", "shareName": "a"}}),
        pod({"flexVolume": {"driver": "example/a", "secretRef": {"name": "allotment-signing"}}}),
        pod({"image": {"reference": SLEEPER}}),
        pod(ephemeral(dataSource=OF_THE_SERVICE)),
        pod(ephemeral(dataSourceRef=OF_THE_SERVICE)),
        pod(hostNetwork=True),
        pod(hostPID=True),
        pod(hostIPC=True),
        pod(serviceAccountName="allotment"),
        pod(serviceAccountName="hub"),
        pod(serviceAccount="allotment"),
        claim("mine", dataSource=OF_THE_SERVICE),
        claim("mine", dataSourceRef=OF_THE_SERVICE),
        claim("allotment"),
    ],
    ids=lambda wanted: json.dumps(wanted["spec"].get("volumes") or wanted["spec"])[:90],
)
def test_nothing_that_the_hub_creates_gets_what_is_the_services(guarded: Cluster, wanted: dict[str, Any]) -> None:
    assert "ValidatingAdmissionPolicy" in refusal(guarded, wanted)


@pytest.mark.parametrize("containers", ["containers", "initContainers"])
@pytest.mark.parametrize(
    "container",
    [
        variable("secretKeyRef", "hub"),
        variable("secretKeyRef", RELEASE),
        variable("configMapKeyRef", RELEASE),
        {"envFrom": [{"secretRef": {"name": "allotment-service"}}]},
        {"envFrom": [{"secretRef": {"name": RELEASE}}]},
        {"envFrom": [{"configMapRef": {"name": RELEASE}}]},
        {"securityContext": {"privileged": True}},
        {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}},
    ],
    ids=json.dumps,
)
def test_no_container_of_the_hubs_pods_does(guarded: Cluster, container: dict[str, Any], containers: str) -> None:
    assert "ValidatingAdmissionPolicy" in refusal(guarded, pod(container=container, containers=containers))


@pytest.mark.parametrize(
    "wanted",
    [
        pod(
            {"configMap": {"name": "files"}},
            {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"emptyDir": {}},
            {"persistentVolumeClaim": {"claimName": "claim-ada"}},
            {"secret": {"secretName": "prices"}},
            {"csi": {"driver": "files.example.org"}},
            projected(serviceAccountToken={"path": "token", "audience": "sts.amazonaws.com"}),
            ephemeral(),
            serviceAccountName="allotment-red",
            container=variable("secretKeyRef", "prices")
            | {"envFrom": [{"secretRef": {"name": "tables"}}, {"configMapRef": {"name": "settings"}}]}
            | {"securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}}},
        ),
        claim("claim-ada"),
    ],
    ids=lambda wanted: wanted["kind"],
)
def test_what_sessions_need_is_taken(guarded: Cluster, wanted: dict[str, Any]) -> None:
    assert refusal(guarded, wanted) == ""


def test_the_hub_deletes_homes_but_not_the_services_volume(guarded: Cluster) -> None:
    guarded.apply(claim("allotment"), claim("claim-ada"))
    delete = (f"--as=system:serviceaccount:{guarded.namespace}:hub", "delete", "pvc", "--wait=false")
    guarded.kubectl(*delete, "claim-ada")
    with pytest.raises(AssertionError, match="may not replace the volume"):
        guarded.kubectl(*delete, "allotment")
