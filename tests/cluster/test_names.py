"""People whose names are close, long, or not in Latin letters work at once on a real cluster, each on their own."""

import asyncio
import re
from pathlib import Path

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


@needs_cluster
async def test_people_with_names_that_are_close_work_at_once_each_in_a_home_and_a_pod_of_their_own(
    tmp_path: Path,
) -> None:
    home = {"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}
    with Cluster.opened("names") as cluster:
        hub = ClusterHub(
            tmp_path, cluster.namespace, storage_pvc_ensure=True, storage_capacity="10Mi",
            storage_access_modes=["ReadWriteOnce"], volumes=[home],
            volume_mounts=[{"name": "home", "mountPath": "/home/jovyan"}],
        )  # fmt: skip
        size = {"cpu": {"guarantee": 0.01, "limit": 1}, "memory": {"guarantee": "16 MiB", "limit": "128 MiB"}}
        role = data_role("red", {"red": "2099-03-31"}, binding={"aws_role": ROLE})
        lake = files(lake={"resources": size, "data_roles": ["lake"]})
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
