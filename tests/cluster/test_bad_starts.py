"""What users ask wrongly of a real hub with sessions on a real cluster: clear refusals, and a hub as it was before."""

from collections.abc import Iterator
from typing import Any

import pytest
from bs4 import BeautifulSoup
from support.conditions import until
from support.repositories import Content, policy, profile, size_option, team
from support.servers.cluster import SLEEPER, Cluster, needs_cluster
from support.servers.cluster_deployment import ClusterDeployment
from support.servers.deployment import Person
from support.starting import ask, hub_log, stop_all

pytestmark = [needs_cluster, pytest.mark.timeout(400)]

GROUP = "/example/housing-statistics"
SMALL = {"cpu": {"guarantee": 0.05, "limit": 1}, "memory": {"guarantee": "32 MiB", "limit": "256 MiB"}}
SIZES = {"size": size_option("2 GiB")}
FAILURES = 3
"""So many failed starts in a row would end the hub."""

WRONG: dict[str, tuple[Any, int, str]] = {
    "no JSON": ("{", 400, ""),
    "a list": ("[1]", 400, ""),
    "an unknown profile": ({"profile": "red/gone"}, 404, "profile-unknown"),
    "a path": ({"profile": "../../etc/passwd"}, 404, "profile-unknown"),
    "a template": ({"profile": "red/{username}"}, 404, "profile-unknown"),
    "another team's profile": ({"profile": "blue/lab"}, 403, "not-a-member"),
    "an unknown option": ({"profile": "red/lab", "options": {"colour": "red"}}, 400, "option-unknown"),
    "an unknown choice": ({"profile": "red/lab", "options": {"size": "huge"}}, 400, "choice-unknown"),
    "KubeSpawner's own profile": ({"profile": "red/lab", "image": "evil"}, 400, "request-malformed"),
    "a wrong type": ({"profile": ["red/lab"]}, 400, "request-malformed"),
    "options that are no object": ({"profile": "red/lab", "options": [1]}, 400, "request-malformed"),
    "a folder that the cluster has not": ({"profile": "red/shared"}, 409, "team-folder-unavailable"),
    "code that cannot be fetched here": ({"profile": "red/code"}, 409, "checkout-unavailable"),
    "credentials that exclude each other": ({"profile": "red/both"}, 409, "credentials-conflict"),
}


def files() -> dict[str, Content]:
    role = {"title": "Lake", "owner": "red", "purpose": "Reading", "sensitivity": "public",
            "granted_to": {"red": {"until": "2099-03-31"}}}  # fmt: skip
    arn = "arn:aws:iam::000000000000:role/"
    lab = profile(image=SLEEPER, resources=SMALL)
    return {
        "policy.yaml": policy(registries=["localhost/*"], repositories=["https://git.example.org/*"]),
        "teams/red/team.yaml": team(
            "red", members={"groups": [GROUP]}, envelope={"cpu": 8, "memory": "32 GiB", "images": ["localhost/*"]}
        ),
        "teams/blue/team.yaml": team("blue", envelope={"cpu": 8, "memory": "32 GiB", "images": ["localhost/*"]}),
        "data-roles/lake.yaml": {**role, "binding": {"aws_role": f"{arn}lake"}},
        "data-roles/queue.yaml": {**role, "binding": {"eks_pod_identity": f"{arn}queue"}},
        "teams/red/profiles/lab.yaml": {**lab, "options": SIZES},
        "teams/blue/profiles/lab.yaml": lab,
        "teams/red/profiles/shared.yaml": {**lab, "storage": {"team": "read-only"}},
        "teams/red/profiles/code.yaml": {
            **lab, "checkout": {"repository": "https://git.example.org/red/code", "folder": "code"}
        },
        "teams/red/profiles/both.yaml": {**lab, "data_roles": ["lake", "queue"]},
    }  # fmt: skip


@pytest.fixture(scope="module")
def allotment(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterDeployment]:
    made = ClusterDeployment(tmp_path_factory.mktemp("bad"), cluster, consecutive_failure_limit=FAILURES)
    made.profiles.commit(files())
    with made.started():
        yield made


def start_page(analyst: Person) -> BeautifulSoup:
    return BeautifulSoup(analyst.page("hub/spawn").text, "html.parser")


def test_fifty_bad_starts_are_fifty_4xx_and_the_hub_counts_no_failure(
    allotment: ClusterDeployment, analyst: Person
) -> None:
    stop_all(analyst)
    process = allotment.process("hub")
    began = process.create_time()
    for number in range(50):
        body, status, code = list(WRONG.values())[number % len(WRONG)]
        got, message = ask(analyst, body)
        assert (got, 400 <= got < 500) == (status, True), message
        assert message.endswith(f"[{code}]" if code else ""), message
    after = allotment.process("hub")
    assert (after.pid, after.create_time()) == (process.pid, began)
    log = hub_log(allotment)
    assert log.count("Traceback") == log.count("Couldn't parse JSON")  # the hub's own, before any of ours runs
    assert "consecutive spawns failed" not in log
    assert not allotment.pods()
    assert not allotment.cluster.items("pvc")
    assert not [each for each in allotment.cluster.items("serviceaccounts") if each["metadata"]["name"] != "default"]
    analyst.start_session({"profile": "red/lab"})


def test_a_stored_choice_whose_option_or_profile_is_gone_is_refused_and_the_page_still_opens(
    allotment: ClusterDeployment, analyst: Person
) -> None:
    stop_all(analyst)
    choice = {"profile": "red/mine", "options": {"size": "large"}}
    mine = profile(title="My lab", image=SLEEPER, resources=SMALL)
    allotment.profiles.commit({"teams/red/profiles/mine.yaml": {**mine, "options": SIZES}})
    until(lambda: "red/mine" in str(start_page(analyst)))
    analyst.start_session(choice)
    stop_all(analyst)
    fewer = {"size": {**SIZES["size"], "choices": {"normal": {"title": "Normal"}}}}
    changes: list[tuple[Content, int, str]] = [
        ({**mine, "options": fewer}, 400, "choice-unknown"),
        (mine, 400, "option-unknown"),
        (None, 404, "profile-unknown"),
    ]  # fmt: skip
    for content, status, code in changes:
        allotment.profiles.commit({"teams/red/profiles/mine.yaml": content})
        for body in ("", "{}"):
            got, message = ask(analyst, body)
            assert (got, message.endswith(f"[{code}]")) == (status, True), message
        assert start_page(analyst).select_one("button[value='red/lab']")
    allotment.profiles.commit({"teams/red/profiles/mine.yaml": {**mine, "options": SIZES}})
    until(lambda: "red/mine" in str(start_page(analyst)))
    analyst.start_session({})
    assert analyst.sessions()[""]["user_options"] == choice
