"""A Launch becomes a closed set of settings, and a pod that is anything else is not sent."""

import copy
from collections.abc import Sequence
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes_asyncio.client import ApiClient, Configuration
from kubespawner.objects import make_pod
from kubespawner.slugs import is_valid_label
from support.launches import launch

from allotment_profiles.model import Checkout, GpuKind, NodePool, Storage, Tool
from allotment_profiles.model.problems import RefusedError
from allotment_profiles.model.sizes import Size
from allotment_spawner.kubernetes.pod_check import differences, missing_variables
from allotment_spawner.kubernetes.pod_settings import (
    TRAITS,
    PodDefaults,
    PodSettings,
    escape_variable,
    merge_traits,
    pod_settings,
)
from allotment_spawner.kubernetes.pods import apply_patch

BINDINGS = {
    "keys": {"secret": {"name": "warehouse"}},
    "lake": {"aws_role": "arn:aws:iam::000000000000:role/lake"},
    "login": {"secret": {"name": "warehouse", "variables": {"WAREHOUSE": "password"}}},
    "tables": {"volume": {"claim": "tables", "sub_path": "main"}},
}
POOL = NodePool.model_validate(
    {"title": "GPUs", "labels": {"pool": "gpu"}, "tolerations": [{"key": "gpu"}, {"key": "team", "value": "red"}]}
)


class _Serializer(ApiClient):
    """Writes objects as they would be sent, and has no connection."""

    def __init__(self) -> None:
        self.configuration = Configuration()


def sent(settings: PodSettings, volume_mounts: Sequence[dict[str, Any]] = (), **base: Any) -> dict[str, Any]:
    """Give the pod as it would be sent: KubeSpawner's, with what the deployment says, and ours on it."""
    traits = merge_traits({name: base.get(name) for name in TRAITS}, settings.traits)
    traits.pop("storage_capacity")
    pod = make_pod(
        name="jupyter-ann", cmd=None, port=8888, uid=1000, gid=100, fs_gid=100,
        env={"HOME": "/home/jovyan", **settings.patch.environment}, labels={}, annotations={},
        volume_mounts=volume_mounts, **traits,
    )  # fmt: skip
    plain: dict[str, Any] = _Serializer().sanitize_for_serialization(apply_patch(pod, settings))
    return plain


def test_a_size_a_kind_of_gpu_and_a_node_pool_become_resources_labels_and_tolerations() -> None:
    size = Size(500, 2000, 1024**3, 4 * 1024**3, 2, "a100", "gpus")
    kind = GpuKind.model_validate({"title": "A100", "resource": "example.org/a100"})
    pod = sent(
        pod_settings(launch(size=size, gpu=kind, node_pool=POOL), "ann", PodDefaults()),
        node_selector={"disk": "ssd"}, tolerations=[{"key": "own", "operator": "Exists"}],
    )  # fmt: skip
    session = pod["spec"]["containers"][0]
    assert session["resources"] == {
        "requests": {"cpu": 0.5, "memory": 1024**3},
        "limits": {"cpu": 2.0, "memory": 4 * 1024**3, "example.org/a100": "2"},
    }
    assert pod["spec"]["nodeSelector"] == {"disk": "ssd", "pool": "gpu"}
    assert pod["spec"]["tolerations"] == [
        {"key": "own", "operator": "Exists"},
        {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "team", "operator": "Equal", "value": "red", "effect": "NoSchedule"},
    ]


def test_a_start_takes_nothing_over_from_the_one_before() -> None:
    configured = dict.fromkeys(TRAITS) | {"storage_capacity": "10Gi", "node_selector": {"disk": "ssd"}}
    size = Size(500, 2000, 1024**3, 4 * 1024**3, 2)
    first = pod_settings(launch(size=size, node_pool=POOL, storage=Storage(home="1 TiB")), "ann", PodDefaults())
    assert merge_traits(configured, first.traits)["storage_capacity"] == str(1024**4)
    after = merge_traits(configured, pod_settings(launch(), "ann", PodDefaults()).traits)
    assert after["storage_capacity"] == "10Gi"
    assert after["node_selector"] == {"disk": "ssd"}
    assert after["extra_resource_limits"] == {}
    assert after["tolerations"] == []


def test_what_kubespawner_makes_of_a_launch_is_what_was_decided() -> None:
    settings = pod_settings(launch(BINDINGS, cost_centre="A 1"), "ann", PodDefaults())
    assert differences(sent(settings), settings) == []


def _set(path: str, value: Any) -> Any:
    def change(pod: dict[str, Any]) -> None:
        at: Any = pod
        *way, last = [int(part) if part.isdigit() else part for part in path.split("|")]
        for part in way:
            at = at[part]
        at[last] = value

    return change


SESSION = "spec|containers|0"
WRONG = {
    "another image": _set(f"{SESSION}|image", "registry.example.org/other:1"),
    "another service account": _set("spec|serviceAccountName", "hub"),
    "the token of the API": _set("spec|automountServiceAccountToken", True),
    "more memory": _set(f"{SESSION}|resources|limits|memory", 2**40),
    "another team": _set("metadata|labels|allotment/team", "blue"),
    "another commit": _set("metadata|annotations|allotment/commit", "b" * 40),
    "another Secret": _set("spec|volumes|0|secret|secretName", "hub"),
    "another folder of the volume": _set(f"{SESSION}|volumeMounts|2|subPath", "secret"),
    "a volume that is written": _set(f"{SESSION}|volumeMounts|2|readOnly", False),
    "another role": _set(f"{SESSION}|env|0|value", "arn:aws:iam::000000000000:role/admin"),
    "another key of the Secret": _set(f"{SESSION}|env|4|valueFrom|secretKeyRef|key", "other"),
    "a folder of the machine": lambda pod: pod["spec"]["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
    "a token of the API in a volume": lambda pod: pod["spec"]["volumes"].append(
        {"name": "x", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
    ),
    "the machine's network": _set("spec|hostNetwork", True),
    "a privileged container": _set(f"{SESSION}|securityContext|privileged", True),
    "gaining privileges": _set(f"{SESSION}|securityContext|allowPrivilegeEscalation", True),
    "root": _set(f"{SESSION}|securityContext|runAsUser", 0),
    "capabilities": _set(f"{SESSION}|securityContext|capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
    "no seccomp profile": _set("spec|securityContext|seccompProfile", {"type": "Unconfined"}),
    "a container beside it that is privileged": lambda pod: (
        pod["spec"].setdefault("initContainers", []).append({"name": "block", "securityContext": {"privileged": True}})
    ),
    "no session": lambda pod: pod["spec"]["containers"].clear(),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_pod_that_differs_from_its_launch_is_found(what: str) -> None:
    settings = pod_settings(launch(BINDINGS), "ann", PodDefaults())
    pod = copy.deepcopy(sent(settings))
    assert differences(pod, settings) == []
    WRONG[what](pod)
    assert differences(pod, settings)


def test_a_credential_that_the_cluster_should_have_added_is_missed() -> None:
    role = "arn:aws:iam::000000000000:role/lake"
    settings = pod_settings(launch({"lake": {"eks_pod_identity": role}}), "ann", PodDefaults())
    pod = sent(settings)
    assert [role in text for text in missing_variables(pod, settings)] == [True]
    variable = {"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials"}
    pod["spec"]["containers"][0]["env"].append(variable)
    assert missing_variables(pod, settings) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"storage": Storage(team="read-only")}, "team-folder-unavailable"),
        ({"checkout": Checkout(repository="https://git.example.org/a", folder="a")}, "checkout-unavailable"),
    ],
)
def test_what_the_cluster_has_not_set_up_is_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        pod_settings(launch(**changes), "ann", PodDefaults())
    assert refused.value.refusal.code == code


def test_the_teams_folder_is_its_own_and_as_writable_as_the_profile_says() -> None:
    place = PodDefaults(team_claim="teams")
    for mode, only_read in (("read-only", True), ("read-write", False)):
        settings = pod_settings(launch(storage=Storage(team=mode)), "ann", place)
        mount = {"name": "team-folder", "mountPath": "/teams/red", "subPath": "red", "readOnly": only_read}
        assert settings.patch.mounts == (mount,)
        assert settings.links == ("/teams/red", "team-red")
        assert differences(sent(settings), settings) == []


@pytest.mark.parametrize(
    ("storage", "mounted", "hooked"),
    [
        ("none", [], False),
        ("read-only", [], True),
        # A link of an earlier session may lie in a home that outlives it, wherever its volume is mounted.
        ("none", ["/home/jovyan"], True),
        ("none", ["/home/jovyan/"], True),
        ("none", ["/scratch", "/home"], True),
        ("none", ["/home/jovyan/work", "/home/jo"], False),
    ],
)
def test_a_session_has_a_hook_only_where_something_is_or_was_linked(
    storage: Literal["none", "read-only"], mounted: list[str], hooked: bool
) -> None:
    settings = pod_settings(launch(storage=Storage(team=storage)), "ann", PodDefaults(team_claim="teams"))
    assert bool(settings.link_hook(mounted)) == hooked
    mounts = [{"name": "own", "mountPath": path} for path in mounted]
    assert bool(sent(settings, volume_mounts=mounts)["spec"]["containers"][0].get("lifecycle")) == hooked


def test_code_is_fetched_before_the_session_starts_with_nothing_but_arguments() -> None:
    code = Checkout(repository="https://git.example.org/a", folder="code", ref="main")
    home = {"name": "homes", "mountPath": "/home/$(USER)", "subPath": "ann"}
    place = PodDefaults(home="/home/$(USER)", home_mount=home, preparing_image="registry.example.org/allotment/hub:1")
    tool = Tool.model_validate({"title": "Desk", "address": "/desk/", "folder": "desk"})
    settings = pod_settings(launch(checkout=code, tool=tool), "ann", place)
    container = settings.init_container
    assert container is not None
    assert container["args"] == [
        "--home=/home/$$(USER)", "--folder=desk", "--repository=https://git.example.org/a", "--into=code", "--ref=main",
    ]  # fmt: skip
    assert container["volumeMounts"] == [home]
    assert differences(sent(settings), settings) == []


@given(st.text(max_size=40))
def test_kubernetes_gives_a_variable_back_as_it_was_written(value: str) -> None:
    written = escape_variable(value)
    assert "$(" not in written.replace("$$", "")
    assert written.replace("$$", "$") == value


@given(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=80))
def test_labels_are_valid_and_different_for_different_users_and_centres(one: str, other: str) -> None:
    def labels(text: str) -> dict[str, str]:
        return dict(pod_settings(launch(cost_centre=text), text, PodDefaults()).labels)

    assert all(is_valid_label(value) for value in labels(one).values())
    assert (labels(one) == labels(other)) == (one == other)


@pytest.mark.parametrize("place", [PodDefaults(own_claims=frozenset({"tables"})), PodDefaults(team_claim="tables")])
def test_no_data_role_reaches_the_volume_of_homes_or_of_teams(place: PodDefaults) -> None:
    with pytest.raises(RefusedError) as raised:
        pod_settings(launch(bindings={"tables": BINDINGS["tables"]}), "ann", place)
    assert raised.value.refusal.code == "binding-reserved"
    assert "tables" in raised.value.refusal.why
