"""Whatever people are called: no two sessions share a pod, a home or an identity, and Kubernetes takes them all."""

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from support.launches import launch
from support.repositories import data_role, policy, profile, team
from support.servers.cluster import SLEEPER, Cluster, needs_cluster
from support.servers.cluster_hub import ClusterHub

from allotment_profiles.access.service_accounts import service_account
from allotment_spawner.kubernetes import KubernetesProfileSpawner
from allotment_spawner.kubernetes.names import SERVERNAME, USERNAME, label
from allotment_spawner.kubernetes.pod_settings import PodDefaults, pod_settings

OBJECT = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", re.ASCII)
AWS_SESSION = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)

ROLE = "arn:aws:iam::000000000000:role/lake-read"
LONG = "a-very-long-name-of-somebody-in-a-large-organisation.with.a.department@example.o"
PEOPLE = [
    ("a", "b-c"), ("a-b", "c"), ("a-b", ""), ("a--b", ""), ("a---b", ""), ("A-B", ""), ("a", ""), ("b", ""),
    (LONG, ""), (f"{LONG[:-1]}p", ""), ("ann", ""), ("\u0430nn", ""), ("y\u0131ld\u0131z", ""), ("yildiz", ""),
    ("\N{WOMAN}\N{ZERO WIDTH JOINER}\N{MICROSCOPE}", ""), ("jos\u00e9", ""), ("jose\u0301", ""), ("o'brien@x.org", ""),
]  # fmt: skip
"""User and server: with hyphens, 80 characters, one letter, letters that look alike, and the same letter twice."""


def spawner(user: str, server: str) -> Any:
    """Give the spawner that names things, without the way to a cluster that its constructor looks for."""
    made = KubernetesProfileSpawner.__new__(KubernetesProfileSpawner)
    made.user = SimpleNamespace(name=user, id=1)
    made.orm_spawner = SimpleNamespace(name=server, server=None)
    made.namespace = "sessions"
    made.pod_name = made._expand_user_properties(made.pod_name_template)
    made.pvc_name = made._expand_user_properties(made.pvc_name_template)
    return made


def test_what_prepares_a_home_has_no_more_of_a_shared_claim_than_the_session_has() -> None:
    made = spawner("Ann", "")
    made.volume_mounts = {"home": {"name": "homes", "mountPath": "/home/jovyan", "subPath": "{username}"}}
    assert made._pod_defaults().home_mount == {
        "name": "homes", "mountPath": "/home/jovyan", "subPath": made._expand_user_properties("{username}"),
    }  # fmt: skip
    assert spawner("ann", "")._pod_defaults().home_mount == {}


NAMED = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=80)
CLOSE = st.text("aAb-._@\u0430\u0131\u017f\u212a0", min_size=1, max_size=12)
SERVERS = st.one_of(st.just(""), st.from_regex(r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?", fullmatch=True))
WHO = st.tuples(st.one_of(CLOSE, NAMED), SERVERS)


@given(WHO, WHO)
@example(("a", "b-c"), ("a-b", "c"))
@example(("a-b", ""), ("a--b", ""))
@example((LONG, ""), (f"{LONG[:-1]}p", ""))
@example(("a" * 47, ""), ("a" * 47, "x"))
@example(("ann", ""), ("\u0430nn", ""))
def test_two_sessions_never_share_a_pod_or_a_home_and_all_names_are_valid(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    first, second = spawner(*one), spawner(*other)
    for made in (first, second):
        assert OBJECT.fullmatch(made.pod_name), made.pod_name
        assert OBJECT.fullmatch(made.pvc_name), made.pvc_name
        labels = made._build_pod_labels({})
        assert all(LABEL.fullmatch(value) for value in labels.values()), labels
    same = one == other
    assert (first.pod_name == second.pod_name) == same
    assert (first.pvc_name == second.pvc_name) == same
    ours = [(each._build_pod_labels({})[USERNAME], each._build_pod_labels({})[SERVERNAME]) for each in (first, second)]
    assert (ours[0] == ours[1]) == same


@given(st.one_of(CLOSE, NAMED), st.one_of(CLOSE, NAMED))
@example("a", "b")
@example("y\u0131ld\u0131z", "yildiz")
def test_aws_tells_users_apart_and_takes_every_name(one: str, other: str) -> None:
    def session(user: str) -> str:
        settings = pod_settings(launch({"lake": {"aws_role": ROLE}}), user, PodDefaults())
        return settings.patch.environment["AWS_ROLE_SESSION_NAME"]

    assert AWS_SESSION.fullmatch(session(one))
    assert (session(one) == session(other)) == (one == other)


@given(st.one_of(CLOSE, NAMED, st.just("")), st.one_of(CLOSE, NAMED, st.just("")))
def test_a_label_is_valid_and_another_one_for_each_text(one: str, other: str) -> None:
    assert LABEL.fullmatch(label(one))
    assert (label(one) == label(other)) == (one == other)


def test_teams_whose_names_begin_alike_have_accounts_of_their_own() -> None:
    begin = "a-team-whose-name-has-forty-letters-here"
    assert len(begin) == 40
    names = [begin, f"{begin}-north", f"{begin}-south", f"{begin[:-1]}-", begin[:39], begin[:20]]
    accounts = [service_account(name, roles) for name in names for roles in ([], ["prices"], ["prices", "births"])]
    assert len(set(accounts)) == len(accounts)
    assert all(OBJECT.fullmatch(account) for account in accounts)


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
        hub.profiles.commit(
            {
                "policy.yaml": policy(registries=["localhost/*"]),
                "teams/red/team.yaml": team("red", envelope={"cpu": 8, "memory": "1 GiB", "images": ["localhost/*"]}),
                "data-roles/lake.yaml": data_role("red", {"red": "2099-03-31"}, binding={"aws_role": ROLE}),
                "teams/red/profiles/lake.yaml": profile(image=SLEEPER, resources=size, data_roles=["lake"]),
            }
        )
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
