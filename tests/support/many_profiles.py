"""Many profiles that use all that a profile can say on a cluster: the same ones every time."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from support.repositories import Content, data_role, policy, profile, team

TEAMS = ("team-0", "team-1", "team-2", "team-3", "a-team-whose-name-has-forty-letters-here")
_ACCOUNT = "arn:aws:iam::000000000000:role/"
_UNTIL = dict.fromkeys(TEAMS, "2099-03-31")
_TENANT = "00000000-0000-0000-0000-000000000001"
BINDINGS: Mapping[str, Mapping[str, Any]] = {
    "tables": {"volume": {"claim": "tables", "sub_path": "main"}},
    "maps": {"volume": {"claim": "tables", "sub_path": "maps/2026"}},
    "results": {"volume": {"claim": "results", "sub_path": "all", "read_only": False}},
    "a-data-role-whose-name-has-forty-letters": {"secret": {"name": "a-secret-whose-name-has-forty-letters-xx"}},
    "warehouse": {"secret": {"name": "warehouse", "variables": {"WAREHOUSE_PASSWORD": "password"}}},
    "archive": {"secret": {"name": "archive"}},
    "lake": {"aws_role": f"{_ACCOUNT}lake"},
    "lake-of-another-team": {"aws_role": f"{_ACCOUNT}path/other+=,.@_-lake"},
    "queue": {"eks_pod_identity": f"{_ACCOUNT}queue"},
    "bucket": {"gcp_service_account": "the-bucket@example-project.iam.gserviceaccount.com"},
    "blobs": {"azure_identity": {"client_id": _TENANT, "tenant_id": _TENANT}},
    "vaulted": {"vault": {"role": "sessions", "path": "secret/data/one"}},
    "vaulted-too-with-a-name-of-forty-letters": {"vault": {"role": "sessions", "path": "secret/data/two"}},
}
_IMAGES = (
    "registry.example.org/analysis/notebook:1",
    "registry.example.org/analysis/deep/er/rstudio@sha256:" + "ab" * 32,
    "registry.example.org/analysis/code-server:2026-01",
)
_APPS = ("jupyterlab", "rstudio", "vscode", "desktop", "dashboard")
_VALUES = (
    "",
    "Europe/London",
    "$(HOME) $$",
    "{username}",
    "\N{GREEK SMALL LETTER ALPHA}\N{SNOWMAN}",
    "a=b;c 'd' \"e\"",
)


def files(count: int) -> dict[str, Content]:
    """Give a repository of so many profiles."""
    made: dict[str, Content] = {
        "policy.yaml": policy(
            ceilings={"cpu": 64, "memory": "512 GiB", "gpu": 8, "home": "1 TiB", "lifetime": "7 d"},
            repositories=["https://git.example.org/*"],
            gpu_kinds={
                "a100": {"title": "A100", "node_pool": "gpus"},
                "slice": {"title": "A seventh of one", "resource": "nvidia.com/mig-1g.5gb"},
            },
            node_pools={
                "gpus": {
                    "title": "GPUs",
                    "labels": {"pool": "gpu", "example.org/kind": "a100"},
                    "tolerations": [{"key": "nvidia.com/gpu"}, {"key": "team", "value": "red", "effect": "NoExecute"}],
                },
                "spot": {"title": "Cheap ones", "labels": {"pool": "spot"}, "tolerations": [{"key": "spot"}]},
            },
            tools={
                "desktop": {"title": "Desktop", "address": "/desktop/", "folder": "desktop"},
                "dashboard": {"title": "Dashboard", "address": "/dashboard/"},
            },
        ),
    }
    envelope = {
        "cpu": 64, "memory": "512 GiB", "gpu": 8, "images": ["registry.example.org/*"],
        "node_pools": ["gpus", "spot"], "home": "1 TiB",
    }  # fmt: skip
    for number, name in enumerate(TEAMS):
        centre = {"cost_centre": f"Centre {number} / 4711.{number}"} if number % 2 else {}
        made[f"teams/{name}/team.yaml"] = team(name, envelope=envelope, **centre)
    for name, binding in BINDINGS.items():
        made[f"data-roles/{name}.yaml"] = data_role(TEAMS[0], _UNTIL, binding=dict(binding))
    chance = random.Random(5)  # noqa: S311  the same profiles every time
    for number in range(count):
        made[f"teams/{TEAMS[number % len(TEAMS)]}/profiles/profile-{number}.yaml"] = _profile(chance, number)
    return made


def _profile(chance: random.Random, number: int) -> dict[str, Any]:
    more: dict[str, Any] = {}
    resources = _size(chance)
    if chance.random() < 0.3:
        resources.update(gpu=chance.randint(1, 8), gpu_kind=chance.choice(["a100", "slice"]))
    if resources.get("gpu_kind") != "a100" and chance.random() < 0.3:
        more["node_pool"] = "spot"
    if chance.random() < 0.4:
        ref = {"ref": chance.choice(["main", "v1.0", "a" * 40])} if chance.random() < 0.5 else {}
        more["checkout"] = {"repository": f"https://git.example.org/red/code-{number}.git", "folder": "code", **ref}
    storage = {"team": chance.choice(["none", "read-only", "read-write"])}
    if chance.random() < 0.3:
        storage["home"] = chance.choice(["1 GiB", "100 GiB", "1 TiB"])
    options = {f"option-{which}": _option(chance) for which in range(chance.randint(0, 2))}
    if options:
        more["options"] = options
    return profile(
        title=f"Profile {number} {chance.choice(_VALUES[2:])}",
        app=chance.choice(_APPS), image=chance.choice(_IMAGES), resources=resources, storage=storage,
        environment=_environment(chance), data_roles=_roles(chance), **more,
    )  # fmt: skip


def _size(chance: random.Random) -> dict[str, Any]:
    cpu, memory = chance.choice([0.1, 0.5, 1, 2.5, 16]), chance.choice([1, 2, 8, 64])
    sized: dict[str, Any] = {"cpu": {"limit": cpu}, "memory": {"limit": f"{memory} GiB"}}
    if chance.random() < 0.5:
        sized["cpu"]["guarantee"] = cpu / 2
        sized["memory"]["guarantee"] = f"{memory * 512} MiB"
    return sized


def _option(chance: random.Random) -> dict[str, Any]:
    changes: Sequence[dict[str, Any]] = (
        {"resources": {"memory": {"limit": "128 GiB"}}},
        {"resources": {"cpu": {"limit": 32}}},
        {"image": chance.choice(_IMAGES)},
        {"app": chance.choice(_APPS)},
        {"environment": _environment(chance)},
    )
    return {
        "title": "Option",
        "default": "usual",
        "choices": {
            "usual": {"title": "As usual"},
            **{f"other-{which}": {"title": f"Other {which}", **chance.choice(changes)} for which in range(3)},
        },
    }


def _environment(chance: random.Random) -> dict[str, str]:
    return {f"SETTING_{which}": chance.choice(_VALUES) for which in range(chance.randint(0, 3))}


def _roles(chance: random.Random) -> list[str]:
    """Choose data roles that can be had together: AWS in one of its two ways."""
    chosen = chance.sample(sorted(BINDINGS), chance.randint(0, 6))
    return [role for role in chosen if role != "queue" or not {"lake", "lake-of-another-team"} & set(chosen)]
