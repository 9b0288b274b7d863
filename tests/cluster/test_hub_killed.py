"""A hub that is killed while sessions start, run and stop: each is found again or ended, and nothing is left."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from support.conditions import until
from support.outage import files
from support.servers.cluster import Cluster, needs_cluster
from support.servers.cluster_deployment import ClusterDeployment
from support.servers.deployment import Person
from support.starting import ask, stop_all

pytestmark = [needs_cluster, pytest.mark.timeout(400)]

LAB = {"profile": "red/lab", "options": {}}


@pytest.fixture(scope="module")
def allotment(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterDeployment]:
    made = ClusterDeployment(tmp_path_factory.mktemp("killed"), cluster, http_timeout=30)
    # The pod of `silent` runs and never answers: a start that goes on until the hub gives it up.
    profiles = {"lab": {}, "silent": {"environment": {"SILENT": "yes"}}}
    made.profiles.commit(files({"groups": ["/example/housing-statistics"]}, **profiles))
    with made.started():
        yield made


@pytest.fixture
def analyst(allotment: ClusterDeployment) -> Person:
    """Somebody without a session, and a namespace without a pod."""
    person = allotment.sign_in("analyst")
    settle(person)
    stop_all(person)
    allotment.wait_for_no_pods()
    return person


def settle(person: Person) -> dict[str, Any] | None:
    """Wait until the hub has nothing to do for somebody's session; give it where there is one."""

    def settled() -> tuple[dict[str, Any] | None] | None:
        model = person.sessions().get("")
        return None if model and (model["pending"] or not model["ready"]) else (model,)

    return until(settled, within=120, what="an end of what the hub is about")[0]


def in_the_background(ask_for: Callable[[], object]) -> threading.Thread:
    """Ask without waiting: the hub is killed before it answers."""

    def asking() -> None:
        with contextlib.suppress(httpx.HTTPError, ValueError):  # the hub is gone, or the proxy answers with no JSON
            ask_for()

    thread = threading.Thread(target=asking)
    thread.start()
    return thread


def kill_and_come_back(allotment: ClusterDeployment, asked: threading.Thread | None = None) -> None:
    allotment.kill("hub")
    allotment.wait_until_well(within=180)
    if asked:
        asked.join(60)


def assert_nothing_is_left_over(allotment: ClusterDeployment, person: Person) -> None:
    """What the hub knows is what runs; the home is there once."""
    expected = 1 if settle(person) else 0
    until(lambda: len(allotment.pods()) == expected, within=60, what=f"{expected} pods")
    assert len(allotment.cluster.items("pvc")) <= 1


def state_of(allotment: ClusterDeployment) -> dict[str, Any]:
    """Give what the hub keeps of the analyst's session, as an administrator sees it."""
    admin = allotment.sign_in("admin")
    model: dict[str, Any] = admin.hub("GET", "users/analyst", params={"include_stopped_servers": "1"}).json()
    found: dict[str, Any] = model["servers"][""]["state"]
    return found


def started_again(allotment: ClusterDeployment, person: Person) -> None:
    """Start at once, and use what was started."""
    if not settle(person):
        person.start_session(LAB, within=120)
    assert person.page("user/analyst/api/status").status_code == 200
    assert_nothing_is_left_over(allotment, person)


def test_a_session_that_runs_is_the_same_pod_after_a_killed_hub(allotment: ClusterDeployment, analyst: Person) -> None:
    analyst.start_session(LAB, within=120)
    (before,) = allotment.pods()
    kill_and_come_back(allotment)
    until(analyst.session, within=60)
    (after,) = allotment.pods()
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert state_of(allotment)["allotment"]["session"]["profile"] == "red/lab"
    started_again(allotment, analyst)
    analyst.stop_session()
    allotment.wait_for_no_pods()


@pytest.mark.parametrize("moment", ["before its pod", "with its pod", "with its pod on a machine"])
def test_a_start_that_was_cut_off_is_found_again_or_ended(
    allotment: ClusterDeployment, analyst: Person, moment: str
) -> None:
    reached: dict[str, Callable[[], object]] = {
        "before its pod": lambda: analyst.sessions().get("", {}).get("pending"),
        "with its pod": allotment.pods,
        "with its pod on a machine": lambda: [each for each in allotment.pods() if each["status"].get("podIP")],
    }
    asked = in_the_background(lambda: ask(analyst, LAB))
    until(reached[moment], what=f"a start {moment}")
    kill_and_come_back(allotment, asked)
    found = settle(analyst)
    if found:  # its time, its data and its share of the budgets are known as if nothing had been
        assert state_of(allotment)["allotment"]["session"]["profile"] == "red/lab"
    assert_nothing_is_left_over(allotment, analyst)
    started_again(allotment, analyst)


def test_a_start_that_never_answers_is_ended_by_the_next_hub(allotment: ClusterDeployment, analyst: Person) -> None:
    asked = in_the_background(lambda: ask(analyst, {"profile": "red/silent"}))
    until(lambda: any(each["status"]["phase"] == "Running" for each in allotment.pods()), within=60)
    kill_and_come_back(allotment, asked)
    assert settle(analyst) is None
    assert_nothing_is_left_over(allotment, analyst)
    started_again(allotment, analyst)


def test_a_stop_that_was_cut_off_is_ended_and_the_next_start_is_another_pod(
    allotment: ClusterDeployment, analyst: Person
) -> None:
    analyst.start_session(LAB, within=120)
    (before,) = allotment.pods()
    asked = in_the_background(lambda: analyst.hub("DELETE", "users/analyst/server"))
    until(lambda: not allotment.pods(ending=False), what="a pod that is being ended")
    kill_and_come_back(allotment, asked)
    assert until(lambda: ask(analyst, LAB)[0] in {201, 202}, within=60)
    until(analyst.session, within=120)
    until(lambda: len(allotment.pods()) == 1, within=60)
    assert allotment.pods()[0]["metadata"]["uid"] != before["metadata"]["uid"]
