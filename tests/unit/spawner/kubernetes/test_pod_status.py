"""What becomes of a pod is told in words that help, once, and a start that cannot succeed ends early."""

import json
from typing import Any

import pytest

from allotment_spawner.kubernetes.pod_status import (
    EARLIER_SESSION,
    end_of,
    images_of,
    memory_restarts,
    progress_message,
    rejected_by_cluster,
    rejection_in_log,
    watch_problem,
)
from allotment_spawner.kubernetes.spawn_monitor import START, SpawnMonitor

UID = "1"


def pod(start: str = "now", **status: Any) -> dict[str, Any]:
    return {"metadata": {"uid": UID, "annotations": {START: start}}, "status": {"phase": "Pending", **status}}


def waiting(reason: str, **more: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": f"{reason} because"}}
    return pod(containerStatuses=[{"name": "notebook", "image": "registry.example.org/a:1", "state": state, **more}])


def event(reason: str, message: str = "", kind: str = "Normal", uid: str = UID, number: int = 1) -> dict[str, Any]:
    return {
        "metadata": {"uid": f"{reason}-{number}", "resourceVersion": str(number)},
        "involvedObject": {"uid": uid}, "reason": reason, "message": message, "type": kind,
    }  # fmt: skip


class Told:
    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []
        self.watch = SpawnMonitor(lambda percent, text: self.lines.append((percent, text)), "now", 120)


def test_events_are_told_once_in_order_and_the_bar_only_grows() -> None:
    told = Told()
    events = [event("Scheduled"), event("Pulling"), event("Pulled", "Successfully pulled image"), event("Started")]
    for seen in (events[:1], events[:3], events, events):
        assert told.watch.update(pod(), seen, 1) is None
    assert len(told.lines) == 4
    assert [percent for percent, _ in told.lines] == sorted({percent for percent, _ in told.lines})
    assert all(50 < percent < 90 for percent, _ in told.lines)


def test_events_and_the_end_of_an_earlier_pod_of_the_same_name_count_for_nothing() -> None:
    told = Told()
    assert told.watch.update(pod("before", phase="Failed"), [event("Evicted")], 1) is None
    assert told.watch.update(pod(), [event("Evicted", uid="0")], 1) is None
    assert told.lines == []


@pytest.mark.parametrize(
    ("seen", "code", "after"),
    [
        (waiting("InvalidImageName"), "image-missing", 0),
        (waiting("ErrImageNeverPull"), "image-missing", 0),
        (waiting("ImagePullBackOff"), "image-missing", 30),
        (waiting("CreateContainerConfigError"), "container-unmakeable", 30),
        (waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 3}}), "session-crashed", 0),
        (waiting("CrashLoopBackOff", lastState={"terminated": {"reason": "OOMKilled"}}), "out-of-memory", 0),
        (pod(phase="Failed", reason="Evicted", message="The node was low on memory"), "session-ended", 0),
    ],
)
def test_a_start_that_cannot_succeed_ends_as_early_as_it_is_certain(seen: Any, code: str, after: float) -> None:
    watch = Told().watch
    if after:
        assert watch.update(seen, (), 5) is None
        assert watch.update(seen, (), 5 + after - 1) is None
    refusal = watch.update(seen, (), 5 + after)
    assert refusal is not None
    assert refusal.code == code
    assert refusal.why.endswith(".")  # what the cluster says mostly does not, and the remedy follows
    assert refusal.remedy
    assert refusal.decides


def test_a_trouble_that_mends_itself_begins_anew() -> None:
    watch = Told().watch
    for after in (0, 20):
        assert watch.update(waiting("ImagePullBackOff"), (), after) is None
    assert watch.update(pod(), (), 25) is None
    assert watch.update(waiting("ImagePullBackOff"), (), 40) is None


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("0/3 nodes are available: 3 Insufficient cpu.", "no-room"),
        ('persistentvolumeclaim "tables" not found', "volume-missing"),
    ],
)
def test_a_machine_may_be_waited_for_until_the_start_is_over(message: str, code: str) -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    watch = Told().watch
    assert watch.update(pod(conditions=[condition]), (), 119) is None
    refusal = watch.update(pod(conditions=[condition]), (), 120)
    assert refusal is not None
    assert refusal.code == code
    assert message in refusal.why


def test_a_start_that_is_over_names_what_was_told_last() -> None:
    watch = Told().watch
    watch.update(pod(), [event("FailedMount", 'secret "warehouse" not found', "Warning")], 1)
    refusal = watch.update(pod(), (), 120)
    assert refusal is not None
    assert 'secret "warehouse" not found' in refusal.why


@pytest.mark.parametrize("reason", ["Created", "Pulled", "SomethingNew"])
def test_what_means_nothing_to_whoever_waits_is_not_told(reason: str) -> None:
    assert progress_message(event(reason, "Container image already present on machine")) is None


def test_an_unknown_warning_is_told_as_it_is_and_never_longer_than_a_few_lines() -> None:
    assert progress_message(event("SomethingNew", "Look\x00 here", "Warning")) == "Look  here"
    assert len(progress_message(event("SomethingNew", "x" * 9000, "Warning")) or "") < 400


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (403, '{"message": "pods \\"a\\" is forbidden: exceeded quota: small"}', "quota"),
        (403, '{"message": "violates PodSecurity"}', "pod-refused"),
        (422, "no JSON at all", "pod-refused"),
        (404, '{"message": "namespaces "a" not found"}', "pod-refused"),
        (401, "", "pod-refused"),
        (500, "", "cluster-away"),
        (429, "[]", "cluster-away"),
    ],
)
def test_what_the_api_answers_becomes_a_refusal(status: int, body: str, code: str) -> None:
    refusal = rejected_by_cluster(status, body)
    assert (refusal.code, refusal.status) == (code, 503)


def test_what_the_api_quotes_of_a_pod_comes_neither_into_the_log_nor_into_the_refusal() -> None:
    token = "0123456789abcdef" * 2
    body = json.dumps(
        {
            "reason": "Invalid",
            "message": f'admission webhook "x" denied it: env[2] is "{token}" with "short"',
            "details": {"causes": [{"reason": "FieldValueInvalid", "field": "spec.env[2].value", "message": token}]},
        }
    )
    refusal = rejected_by_cluster(422, body, [token[:16], token, "short"])
    assert token[:8] not in refusal.sentence
    assert 'env[2] is "…" with "short"' in refusal.why
    assert rejection_in_log(422, body) == "422, Invalid, FieldValueInvalid spec.env[2].value"


@pytest.mark.parametrize("body", ["", "token", '"token"', '["token"]', '{"details": {"causes": ["token"]}}', "None"])
def test_an_answer_that_is_no_status_is_logged_by_its_code_alone(body: str) -> None:
    assert rejection_in_log(403, body) == "403"


def test_a_pod_that_was_there_and_is_not_any_more_ends_the_start() -> None:
    watch = Told().watch
    assert watch.update(None, (), 1) is None
    assert watch.update(pod(), (), 2) is None
    for seen in (None, pod("another")):
        refusal = watch.update(seen, (), 3)
        assert refusal is not None
        assert refusal.code == "session-deleted"


@pytest.mark.parametrize(
    ("status", "deleting", "code"),
    [
        ({"phase": "Running"}, True, "session-deleted"),
        ({"phase": "Failed"}, True, "session-deleted"),  # its program was ended by the deletion
        ({"phase": "Succeeded"}, True, "session-deleted"),
        ({"phase": "Failed"}, False, "session-ended"),
        ({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory"}, True, "session-ended"),
        ({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory"}, False, "session-ended"),
    ],
)
def test_a_deleted_pod_is_told_as_deleted_whichever_of_its_last_states_is_seen(
    status: dict[str, Any], deleting: bool, code: str
) -> None:
    seen = pod(**status)
    seen["metadata"] |= {"deletionTimestamp": "2026-06-01T00:00:00Z"} if deleting else {}
    refusal = Told().watch.update(seen, (), 1)
    assert refusal is not None
    assert refusal.code == code


def test_no_start_is_given_up_for_what_may_have_passed_while_the_api_is_away() -> None:
    watch, failing = Told().watch, waiting("ImagePullBackOff")
    away = watch_problem("pods", "sessions", None, loaded=True)
    assert watch.update(failing, (), 1) is None
    for elapsed in (20, 40, 100):
        assert watch.update(failing, (), elapsed, away, outdated=True) is None
    assert watch.update(pod(phase="Running"), (), 101) is None
    # What is still so when the API is there again counts, and the time of a start is limited all the same.
    other = Told().watch
    assert other.update(failing, (), 1) is None
    assert other.update(failing, (), 40, away, outdated=True) is None
    refusals = other.update(failing, (), 41), Told().watch.update(failing, (), 120, away, outdated=True)
    assert [refusal and refusal.code for refusal in refusals] == ["image-missing", "image-missing"]


def test_a_pod_that_is_being_deleted_ends_the_start_and_an_earlier_one_is_waited_for() -> None:
    ending = pod()
    ending["metadata"]["deletionTimestamp"] = "2026-06-01T00:00:00Z"
    refusal = Told().watch.update(ending, (), 1)
    assert refusal is not None
    assert refusal.code == "session-deleted"

    earlier = pod("before")
    earlier["metadata"] |= {"deletionTimestamp": "2026-06-01T00:00:00Z", "finalizers": ["example.org/a"]}
    told = Told()
    assert told.watch.update(earlier, (), 1) is None
    assert told.watch.update(earlier, (), 2) is None
    assert [text for _, text in told.lines] == [EARLIER_SESSION]
    refusal = told.watch.update(earlier, (), 120)
    assert refusal is not None
    assert refusal.code == "still-ending"
    assert "example.org/a" in refusal.why


@pytest.mark.parametrize(
    ("status", "loaded", "code", "after"),
    [
        (403, False, "cluster-unseen", 1),
        (403, True, "cluster-unseen", 120),
        (500, False, "cluster-away", 31),
        (None, False, "cluster-away", 31),
        (None, True, "cluster-away", 120),
    ],
)
def test_a_hub_that_sees_nothing_says_so_as_soon_as_waiting_is_useless(
    status: int | None, loaded: bool, code: str, after: float
) -> None:
    watch = Told().watch
    why = watch_problem("pods", "sessions", status, loaded=loaded)
    if after > 1:
        assert watch.update(None, (), 1, why) is None
        assert watch.update(None, (), after - 1, why) is None
    refusal = watch.update(None, (), after, why)
    assert refusal is not None
    assert refusal.code == code


def over(**terminated: Any) -> dict[str, Any]:
    return pod(containerStatuses=[{"name": "notebook", "state": {"terminated": terminated}}])


def taken_away(seen: dict[str, Any]) -> dict[str, Any]:
    return {**seen, "metadata": {**seen["metadata"], "deletionTimestamp": "2026-06-01T00:00:00Z"}}


@pytest.mark.parametrize(
    ("seen", "reason", "words"),
    [
        (None, "deleted", "deleted it"),
        (pod(), "deleted", "deleted it"),
        (over(exitCode=3), "exited", "the code 3"),
        (taken_away(over(exitCode=137)), "deleted", "deleted it"),
        (over(exitCode=137, reason="OOMKilled"), "out-of-memory", "more memory"),
        (pod(phase="Failed", reason="Evicted", message="low on memory"), "evicted", "low on memory"),
        (
            pod(conditions=[{"type": "DisruptionTarget", "status": "True", "message": "taint manager: deleting"}]),
            "evicted", "taint manager",
        ),
    ],
)  # fmt: skip
def test_the_end_of_a_session_is_named_from_the_last_that_is_known(seen: Any, reason: str, words: str) -> None:
    end = end_of(seen)
    assert end.reason == reason
    assert words in end.sentence


def test_only_starts_anew_for_want_of_memory_are_counted() -> None:
    def again(**terminated: Any) -> dict[str, Any]:
        state = {"state": {"running": {}}, "restartCount": 2, "lastState": {"terminated": terminated}}
        return pod(containerStatuses=[{"name": "notebook", **state}])

    assert memory_restarts(again(reason="OOMKilled")) == 2
    assert memory_restarts(again(reason="Error")) == 0
    assert memory_restarts(pod()) == 0


def test_the_images_of_a_pod_are_those_that_it_asks_for_and_those_that_run() -> None:
    runs = f"registry.example.org/a@sha256:{'b' * 64}"
    shown = pod(containerStatuses=[{"name": "notebook", "image": "registry.example.org/a:1", "imageID": runs}])
    shown["spec"] = {"containers": [{"name": "notebook", "image": "registry.example.org/a:1"}]}
    assert images_of(shown) == {"registry.example.org/a:1", runs}
    waits = {
        **waiting("ContainerCreating", imageID=""),
        "spec": {"containers": [{"image": "registry.example.org/a:1"}]},
    }
    assert images_of(waits) == {"registry.example.org/a:1"}
    assert images_of({}) == images_of(None) == frozenset()
