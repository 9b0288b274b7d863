"""Whatever people are called: no two sessions share a pod, a home or an identity, and Kubernetes takes them all."""

import re
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from hypothesis import example, given
from hypothesis import strategies as st
from jupyterhub.objects import Hub
from support.launches import launch

from allotment_profiles.access.service_accounts import service_account
from allotment_spawner.kubernetes import KubernetesProfileSpawner
from allotment_spawner.kubernetes.names import SERVERNAME, USERNAME, label
from allotment_spawner.kubernetes.pod_settings import PodDefaults, pod_settings

OBJECT = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", re.ASCII)
AWS_SESSION = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)

ROLE = "arn:aws:iam::000000000000:role/lake-read"
LONG = "a-very-long-name-of-somebody-in-a-large-organisation.with.a.department@example.o"


def spawner(user: str, server: str, **traits: Any) -> KubernetesProfileSpawner:
    """Return the spawner of a session, without a way to any cluster."""
    with patch("kubespawner.spawner.load_config"):
        return KubernetesProfileSpawner(
            user=SimpleNamespace(name=user, id=1, url="/user/", settings={}),
            orm_spawner=SimpleNamespace(name=server, server=None, state={}, user_options={}),
            hub=Hub(), namespace="sessions", image="localhost/sleeper:1", port=8888, **traits,
        )  # fmt: skip


async def test_what_prepares_a_home_has_no_more_of_a_shared_claim_than_the_session_has() -> None:
    mounts = {"home": {"name": "homes", "mountPath": "/home/jovyan", "subPath": "{username}"}}
    made = spawner("Ann", "", volume_mounts=mounts)
    pod = await made.get_pod_manifest()
    (home,) = pod.spec.containers[0].volume_mounts
    assert home.sub_path != "{username}"
    assert made.pod_defaults().home_mount == {**mounts["home"], "subPath": home.sub_path}
    assert spawner("ann", "").pod_defaults().home_mount == {}


async def test_the_state_of_an_older_kubespawner_stays_recognisable_until_a_start_has_its_home() -> None:
    made = spawner("Ann", "")
    for _ in range(2):
        made.load_state({"pod_name": "jupyter-ann"})
        assert "kubespawner_version" not in made.get_state()  # as after a refused start
    made.load_state({"pod_name": "jupyter-ann", "pvc_name": "claim-ann"})
    assert made.get_state()["kubespawner_version"]
    assert spawner("Ann", "").get_state()["kubespawner_version"]


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
async def test_two_sessions_never_share_a_pod_or_a_home_and_all_names_are_valid(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    names = []
    for who in (one, other):
        made = spawner(*who)
        about, claim = (await made.get_pod_manifest()).metadata, made.get_pvc_manifest().metadata
        assert OBJECT.fullmatch(about.name), about.name
        assert OBJECT.fullmatch(claim.name), claim.name
        assert all(LABEL.fullmatch(value) for value in about.labels.values()), about.labels
        names.append((about.name, claim.name, (about.labels[USERNAME], about.labels[SERVERNAME])))
    assert [mine == theirs for mine, theirs in zip(*names, strict=True)] == [one == other] * 3


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
