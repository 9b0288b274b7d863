"""A session on a real cluster: what its pod is, what it sees of data, and what becomes of one that cannot come up."""

from pathlib import Path
from typing import Any

import pytest
from jupyterhub.spawner import SpawnException
from support.repositories import Content, data_role, policy, profile, team
from support.servers.cluster import CLAIM, SLEEPER, Cluster, needs_cluster
from support.servers.cluster_hub import ClusterHub

from allotment_profiles.access.service_accounts import service_account

pytestmark = needs_cluster

SECRET = {
    "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "database"},
    "stringData": {"user": "analyst", "password": "correct-horse"},
}  # fmt: skip


def files(**profiles: dict[str, Any]) -> dict[str, Content]:
    until = {"red": "2099-03-31"}
    return {
        "policy.yaml": policy(registries=["localhost/*", "registry.invalid/*"]),
        "teams/red/team.yaml": team(
            "red", cost_centre="Statistics 4711", envelope={"cpu": 8, "memory": "32 GiB", "images": ["localhost/*"]}
        ),
        "data-roles/tables.yaml": data_role("red", until),
        "data-roles/keys.yaml": data_role("red", until, binding={"secret": {"name": "database"}}),
        "data-roles/login.yaml": data_role(
            "red", until, binding={"secret": {"name": "database", "variables": {"DATABASE_PASSWORD": "password"}}}
        ),
        "data-roles/lake.yaml": data_role(
            "red", until, binding={"aws_role": "arn:aws:iam::000000000000:role/lake-read"}
        ),
        **{f"teams/red/profiles/{name}.yaml": content for name, content in profiles.items()},
    }


def small_profile(**changes: Any) -> dict[str, Any]:
    size = {"cpu": {"guarantee": 0.1, "limit": 1}, "memory": {"guarantee": "64 MiB", "limit": "256 MiB"}}
    return profile(**{"image": SLEEPER, "resources": size, **changes})


async def test_a_session_sees_exactly_its_data_roles(hub: ClusterHub, cluster: Cluster) -> None:
    cluster.apply(CLAIM, SECRET)
    roles = ["keys", "lake", "login", "tables"]
    note = {"NOTE": "$(JUPYTERHUB_API_TOKEN) $$ {0}"}
    hub.profiles.commit(files(data=small_profile(data_roles=roles, environment=note), plain=small_profile()))
    spawner = await hub.start("ann", "red/data")
    seen = cluster.run(
        spawner.pod_name,
        'cat ~/data/keys/user; echo; echo "$DATABASE_PASSWORD"; echo "$NOTE"; echo "$AWS_ROLE_ARN";'
        ' test -s "$AWS_WEB_IDENTITY_TOKEN_FILE" && echo token; echo $(cd ~/data; ls);'
        " touch ~/data/tables/x || echo refused;"
        " ls -d /var/run/secrets/*; id -u",
    ).splitlines()
    assert seen == [
        "analyst", "correct-horse", "$(JUPYTERHUB_API_TOKEN) $$ {0}", "arn:aws:iam::000000000000:role/lake-read",
        "token", "keys tables", "refused", "/var/run/secrets/eks.amazonaws.com", "1000",
    ]  # fmt: skip
    account = service_account("red", roles)
    assert cluster.get("pod", spawner.pod_name)["spec"]["serviceAccountName"] == account
    made = cluster.get("serviceaccount", account)
    assert made["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": "arn:aws:iam::000000000000:role/lake-read"}
    assert made["automountServiceAccountToken"] is False

    # The next session of the same server has nothing of it.
    await spawner.stop(now=True)
    await hub.start("ann", "red/plain")
    seen = cluster.run(
        spawner.pod_name, 'ls -d /data /var/run/secrets; env | grep -E "AWS|DATABASE|NOTE"; ls -A ~; true'
    )
    assert "data" not in seen
    pod = cluster.get("pod", spawner.pod_name)
    assert pod["spec"]["serviceAccountName"] == service_account("red", [])
    assert not [label for label in pod["metadata"]["labels"] if label.startswith("data-role.")]
    assert not pod["spec"].get("volumes")
    await spawner.stop(now=True)


async def test_what_a_session_is_stands_on_its_pod(hub: ClusterHub, cluster: Cluster) -> None:
    commit = hub.profiles.commit(files(plain=small_profile(title="Bulletin {username}")))
    spawner = await hub.start("ann", "red/plain")
    metadata = cluster.get("pod", spawner.pod_name)["metadata"]
    expected = {"team": "red", "commit": commit, "cost-centre": "Statistics 4711", "profile": "red/plain"}
    assert {name: metadata["annotations"][f"allotment/{name}"] for name in expected} == expected
    assert metadata["annotations"]["allotment/title"] == "Bulletin {username}"
    assert metadata["labels"]["allotment/profile"] == "red.plain"
    assert metadata["labels"]["allotment/cost-centre"].startswith("statistics-4711--")
    assert "Bulletin {username}" in spawner.messages[0]["message"]
    await spawner.stop(now=True)


@pytest.mark.parametrize(
    ("changes", "settings", "code", "words"),
    [
        ({"image": "localhost/not-there:1"}, {"image_pull_policy": "Never"}, "image-missing", "localhost/not-there:1"),
        (
            {"resources": {"cpu": {"guarantee": 7, "limit": 7}, "memory": {"limit": "1 GiB"}}},
            {"start_timeout": 12}, "no-room", "Insufficient cpu",
        ),
        ({"data_roles": ["keys"]}, {"start_timeout": 12}, "session-not-ready", "database"),
    ],
    ids=["an image that is not there", "more than any machine has", "a Secret that is not there"],
)  # fmt: skip
async def test_a_session_that_cannot_come_up_says_why(
    tmp_path: Path, cluster: Cluster, changes: dict[str, Any], settings: dict[str, Any], code: str, words: str
) -> None:
    hub = ClusterHub(tmp_path, cluster.namespace, **settings)
    hub.profiles.commit(files(plain=small_profile(**changes)))
    cluster.kubectl("delete", "secret", "database", "--ignore-not-found")
    with pytest.raises(SpawnException) as raised:
        await hub.start("bob", "red/plain")
    spawner = hub.spawner("bob")
    await spawner.stop(now=True)
    await hub.close()
    assert raised.value.reason == code
    assert words in str(raised.value)


async def test_a_used_up_quota_is_named(hub: ClusterHub) -> None:
    hub.profiles.commit(files(plain=small_profile()))
    with Cluster.opened("quota") as small:
        quota = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "none"},
            "spec": {"hard": {"pods": "0"}},
        }
        small.apply(quota)
        spawner = hub.spawner("carl")
        spawner.namespace = small.namespace
        with pytest.raises(SpawnException) as raised:
            await hub.start("carl", "red/plain")
    assert raised.value.reason == "quota"


async def test_a_service_account_that_somebody_deleted_is_made_again(hub: ClusterHub, cluster: Cluster) -> None:
    hub.profiles.commit(files(plain=small_profile()))
    spawner = await hub.start("ann", "red/plain")
    await spawner.stop(now=True)
    cluster.kubectl("delete", "serviceaccount", service_account("red", []))
    await hub.start("ann", "red/plain")
    await spawner.stop(now=True)
