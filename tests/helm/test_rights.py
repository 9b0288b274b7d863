"""What the objects of the chart may do, and which secrets they have: as little as they need."""

import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from support.rendering import (
    MOST,
    VERSIONS,
    Chart,
    containers,
    needs_helm,
    pod_of,
    service_file,
)

from allotment_hub.configuration import ServiceConfiguration
from allotment_hub.nodes.daemonset import NAME, manifest
from allotment_hub.nodes.images import DesiredImages
from allotment_profiles.git.signatures import Signer, Verifier

pytestmark = needs_helm


def test_only_the_service_may_write_to_the_repository_and_only_it_may_sign(chart: Chart) -> None:
    holders: dict[str, list[str]] = {}
    for found in chart.objects():
        for volume in (pod_of(found) or {}).get("volumes", []):
            secret = volume.get("secret", {})
            items = "+".join(each["key"] for each in secret.get("items", []))
            if secret:
                holders.setdefault(f"{secret['secretName']}:{items}", []).append(found["metadata"]["name"])
    assert holders["allotment-git-write:"] == ["allotment"]
    assert holders["allotment-signing:"] == ["allotment"]
    assert holders["allotment-git-read:"] == ["hub"]
    assert holders["allotment-signing:tls.crt"] == ["hub"]


def test_what_is_signed_with_the_generated_key_is_believed_with_its_certificate(chart: Chart, tmp_path: Path) -> None:
    objects = chart.own()
    data = objects["Secret", "allotment-signing"]["data"]
    key = tmp_path / "tls.key"
    key.write_bytes(b64decode(data["tls.key"]))
    verifier = Verifier(b64decode(data["tls.crt"]).decode())
    assert verifier.verify(b"commit", Signer(key).sign(b"commit"))
    other = chart.own()["Secret", "allotment-signing"]["data"]
    assert other["tls.key"] != data["tls.key"], "a key that everyone has would be no secret"


def test_what_cannot_be_made_again_stays_when_the_release_goes(chart: Chart) -> None:
    kept = {
        name
        for name, found in chart.own().items()
        if found["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"
    }
    assert kept == {("Secret", "allotment-signing"), ("PersistentVolumeClaim", "allotment")}


@pytest.mark.parametrize("more", [{}, MOST], ids=["least", "most"])
def test_every_pod_of_ours_is_restricted_and_holds_no_token_that_it_does_not_use(
    chart: Chart, more: dict[str, Any]
) -> None:
    pods = {name: pod for name, found in chart.own(more).items() if (pod := pod_of(found))}
    assert {("Deployment", "allotment"), ("Pod", "allotment-test")} <= pods.keys()
    holders = {name for name, pod in pods.items() if pod["automountServiceAccountToken"]}
    assert holders == {("Deployment", "allotment")}, "the service asks for one DaemonSet"
    for pod in pods.values():
        for container in containers(pod):
            context = {**pod.get("securityContext", {}), **container["securityContext"]}
            assert context["runAsNonRoot"] is True
            assert context["runAsUser"] == 1000
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not any("hostPath" in volume for volume in pod.get("volumes", []))


def test_the_hub_may_do_what_sessions_need_and_reads_no_secret(chart: Chart) -> None:
    objects = chart.own()
    role = objects["Role", "allotment-hub"]
    rights = {resource: set(rule["verbs"]) for rule in role["rules"] for resource in rule["resources"]}
    sessions = {"get", "watch", "list", "create", "delete"}
    assert rights == {
        "pods": sessions,
        "persistentvolumeclaims": sessions,
        "events": {"get", "watch", "list"},
        "serviceaccounts": {"get", "create", "patch"},
    }
    assert ("Role", "hub") not in {(each["kind"], each["metadata"]["name"]) for each in chart.objects()}
    binding = objects["RoleBinding", "allotment-hub"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "hub", "namespace": "analysis"}]
    assert not [name for name in objects if name[0].startswith("ClusterRole")]


def test_pods_of_the_hub_are_kept_from_the_secrets_that_the_values_name(chart: Chart) -> None:
    """What the expressions refuse on a cluster is tested by `tests/cluster/test_guard.py`."""
    given = {"secret": "my.hub", "serviceAccount": "my-account", "csiDrivers": ["files.example.org"]}
    own = chart.own({"git": {"writeSecret": "pushes"}, "hub": given})
    policy = own["ValidatingAdmissionPolicy", "allotment-analysis"]["spec"]
    variables = {each["name"]: each["expression"] for each in policy["variables"]}
    secrets = re.compile(json.loads(variables["secrets"]))
    refused = {"allotment-signing", "allotment-service", "pushes", "my.hub", "sh.helm.release.v1.any.v12"}
    assert all(map(secrets.search, refused))
    assert not any(map(secrets.search, ["", "my-hub", "prices", "pushes-of-others", "not-sh.helm.release.v1.a.v1"]))
    assert set(json.loads(variables["accounts"])) == {"allotment", "my-account"}
    assert json.loads(variables["drivers"]) == given["csiDrivers"]
    for name in ("allotment-analysis", "allotment-analysis-claims"):
        found = own["ValidatingAdmissionPolicy", name]["spec"]
        assert [each["expression"] for each in found["matchConditions"]] == [
            'request.userInfo.username == "system:serviceaccount:analysis:my-account"'
        ]
        assert found["failurePolicy"] == "Fail"
        binding = own["ValidatingAdmissionPolicyBinding", name]["spec"]
        assert binding == {"policyName": name, "validationActions": ["Deny"]}
    off = chart.own({"hub": {"guardSecrets": False}})
    assert not [name for name in off if name[0].startswith("ValidatingAdmissionPolicy")]


def test_the_service_may_keep_one_daemonset_that_goes_with_its_role_and_nothing_else(chart: Chart) -> None:
    objects = chart.own()
    rules = objects["Role", "allotment-puller"]["rules"]
    assert all(rule.get("resourceNames") for rule in rules), "each right is for one object"
    assert {(*rule["resources"], *rule["resourceNames"]): rule["verbs"] for rule in rules} == {
        ("daemonsets", NAME): ["create", "patch", "delete"],
        ("roles", "allotment-puller"): ["get"],
    }
    binding = objects["RoleBinding", "allotment-puller"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "allotment", "namespace": "analysis"}]
    pod = objects["Deployment", "allotment"]["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "allotment"
    puller = ServiceConfiguration.model_validate_json(service_file(objects)).puller
    assert puller is not None
    assert (puller.owner, puller.namespace, puller.instance) == ("allotment-puller", "analysis", "allotment")


def test_without_the_puller_the_service_has_no_right_and_no_token(chart: Chart) -> None:
    objects = chart.own({"puller": {"enabled": False}})
    assert not [name for name in objects if name[1] in ("allotment-puller", NAME)]
    assert objects["Deployment", "allotment"]["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
    assert ServiceConfiguration.model_validate_json(service_file(objects)).puller is None


@pytest.mark.parametrize("more", [{}, MOST], ids=["least", "most"])
def test_what_holds_images_on_nodes_is_as_the_values_say_and_speaks_to_nobody(
    chart: Chart, more: dict[str, Any]
) -> None:
    objects = chart.own(more)
    puller = ServiceConfiguration.model_validate_json(service_file(objects)).puller
    assert puller is not None
    made = manifest(DesiredImages(("registry.example.org/a:1",)), puller, "uid")
    for version in VERSIONS:
        kubernetes_validate.validate(made, version, strict=True)
    pod = made["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["requests"]["cpu"] == ("2m" if more else "1m")
    assert pod["containers"][0]["imagePullPolicy"] == ("Always" if more else "IfNotPresent")
    assert {each["key"] for each in pod["tolerations"]} >= ({"users"} if more else {"hub.jupyter.org/dedicated"})
    labels = made["spec"]["template"]["metadata"]["labels"]
    silent = objects["NetworkPolicy", NAME]["spec"]
    assert silent == {"podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress", "Egress"]}
    serving = objects["Deployment", "allotment"]["spec"]["selector"]["matchLabels"]
    assert not serving.items() <= labels.items(), "the service's own selectors must not find these pods"
