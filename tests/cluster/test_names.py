"""People whose names are close, long, or not in Latin letters work at once on a real cluster, each on their own."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from jupyterhub.spawner import SpawnException
from support.outage import files
from support.repositories import data_role
from support.servers.cluster import Cluster, needs_cluster
from support.servers.cluster_hub import ClusterHub

from allotment_spawner.kubernetes.names import SERVERNAME, USERNAME

AWS_SESSION = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
ROLE = "arn:aws:iam::000000000000:role/lake-read"
LONG = "a-very-long-name-of-somebody-in-a-large-organisation.with.a.department@example.o"
PEOPLE = [
    ("a", "b-c"), ("a-b", "c"), ("a-b", ""), ("a--b", ""), ("a---b", ""), ("A-B", ""), ("a", ""), ("b", ""),
    (LONG, ""), (f"{LONG[:-1]}p", ""), ("ann", ""), ("\u0430nn", ""), ("y\u0131ld\u0131z", ""), ("yildiz", ""),
    ("\N{WOMAN}\N{ZERO WIDTH JOINER}\N{MICROSCOPE}", ""), ("jos\u00e9", ""), ("jose\u0301", ""), ("o'brien@x.org", ""),
]  # fmt: skip
"""User and server: with hyphens, 80 characters, one letter, letters that look alike, and the same letter twice."""


HOMES: dict[str, Any] = {
    "storage_pvc_ensure": True,
    "storage_capacity": "10Mi",
    "storage_access_modes": ["ReadWriteOnce"],
    "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}],
    "volume_mounts": [{"name": "home", "mountPath": "/home/jovyan"}],
}
SIZE = {"cpu": {"guarantee": 0.01, "limit": 1}, "memory": {"guarantee": "16 MiB", "limit": "128 MiB"}}


@needs_cluster
async def test_a_refused_start_does_not_lose_the_home_of_an_older_kubespawner(tmp_path: Path) -> None:
    claim = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "claim-ann-2ebrown"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}},
    }  # fmt: skip
    with Cluster.opened("homes") as cluster:
        cluster.apply(claim)
        hub = ClusterHub(tmp_path, cluster.namespace, **HOMES)
        hub.profiles.commit(files(lake={"resources": SIZE}))
        spawner = hub.spawner("ann.brown")
        spawner.load_state({"pod_name": "jupyter-ann-2ebrown"})
        with pytest.raises(SpawnException):
            await hub.start("ann.brown", "red/nothing")
        spawner.load_state(spawner.get_state())  # what the hub stores, and the next spawner of the user loads
        started = await hub.start("ann.brown", "red/lake")
        assert (started.pvc_name, len(cluster.items("pvc"))) == ("claim-ann-2ebrown", 1)
        await started.stop(now=True)
        await hub.close()


@needs_cluster
async def test_people_with_names_that_are_close_work_at_once_each_in_a_home_and_a_pod_of_their_own(
    tmp_path: Path,
) -> None:
    with Cluster.opened("names") as cluster:
        hub = ClusterHub(tmp_path, cluster.namespace, **HOMES)
        role = data_role("red", {"red": "2099-03-31"}, binding={"aws_role": ROLE})
        lake = files(lake={"resources": SIZE, "data_roles": ["lake"]})
        hub.profiles.commit({**lake, "data-roles/lake.yaml": role})
        started = await asyncio.gather(*(hub.start(user, "red/lake", server=server) for user, server in PEOPLE))
        pods = {
            (about["annotations"][USERNAME], about["annotations"].get(SERVERNAME, "")): pod
            for pod in cluster.items("pods")
            for about in [pod["metadata"]]
        }
        assert sorted(pods) == sorted(PEOPLE)
        assert len(cluster.items("pvc")) == len({each.pvc_name for each in started}) == len(PEOPLE)
        labels = {(pod["metadata"]["labels"][USERNAME], pod["metadata"]["labels"][SERVERNAME]) for pod in pods.values()}
        assert len(labels) == len(PEOPLE)
        for number, each in enumerate(started):
            cluster.run(each.pod_name, f"echo {number} > ~/mine")
        sessions = {}
        for number, each in enumerate(started):
            mine, session = cluster.run(each.pod_name, 'cat ~/mine; echo "$AWS_ROLE_SESSION_NAME"').splitlines()
            assert mine == str(number)
            assert AWS_SESSION.fullmatch(session)
            sessions[each.user.name] = session
        assert len(set(sessions.values())) == len({user for user, _ in PEOPLE})
        await asyncio.gather(*(each.stop(now=True) for each in started))
        await hub.close()
