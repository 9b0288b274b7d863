"""From what a session used to another limit, and the reason for it."""

from typing import Any

import pytest
from allotment_session.capture.evidence import Use
from allotment_session.drafting import draft

GIB = 1024**3
SESSION: dict[str, Any] = {"memory": 4 * GIB, "cpu": 2.0, "options": {}}


def settings(**more: Any) -> dict[str, Any]:
    resources = {"cpu": {"guarantee": 0.5, "limit": 2}, "memory": {"guarantee": "2 GiB", "limit": "4 GiB"}}
    return {"title": "Notebook", "resources": resources, **more}


def drafted(values: dict[str, Any], session: dict[str, Any] | None = None, **more: Any) -> tuple[dict[str, Any], str]:
    before = settings(**more)
    found, reasons = draft(before, session or SESSION, Use(values, 0))
    assert before == settings(**more)
    return found, " ".join(reasons)


def test_a_session_that_was_killed_gets_twice_as_much() -> None:
    found, reason = drafted({"out_of_memory": 2, "memory_peak": 4 * GIB})
    assert found["resources"]["memory"] == {"guarantee": "2 GiB", "limit": "8 GiB"}
    assert reason == "It ran out of memory 2 times at its limit of 4 GiB."


def test_a_session_that_used_more_than_its_limit_gets_more_than_it_used() -> None:
    found, reason = drafted({"memory_peak": 5 * GIB, "seconds": 60})
    assert found["resources"]["memory"]["limit"] == "8 GiB"
    assert reason == "It used 5 GiB, more than its limit of 4 GiB."
    assert drafted({"memory_peak": 7 * GIB, "seconds": 60})[0]["resources"]["memory"]["limit"] == "11 GiB"


def test_a_session_that_used_little_for_long_gets_less_and_no_more_is_guaranteed_than_allowed() -> None:
    found, reason = drafted({"memory_peak": GIB // 2, "seconds": 7200})
    assert found["resources"]["memory"] == {"guarantee": "1 GiB", "limit": "1 GiB"}
    assert reason == "In 2 h it used at most 512 MiB of 4 GiB."


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"memory_peak": GIB // 2, "seconds": 60},
        {"memory_peak": 3 * GIB, "seconds": 7200},
        {"memory_peak": 4 * GIB, "seconds": 7200},
        {"cpu_throttled": 0.1},
    ],
)
def test_nothing_is_drafted_where_nothing_suggests_it(values: dict[str, Any]) -> None:
    assert drafted(values) == (settings(), "")


def test_a_session_after_one_that_died_of_memory_gets_more_unless_it_has_more_already() -> None:
    last = {"reason": "out-of-memory", "at": "2026-01-01T00:00:00Z", "memory": 4 * GIB}
    found, reason = drafted({"seconds": 60}, {**SESSION, "last": last})
    assert found["resources"]["memory"]["limit"] == "8 GiB"
    assert reason == "The last session ended for lack of memory, at a limit of 4 GiB."
    _, reason = drafted({"seconds": 60}, {**SESSION, "last": {**last, "memory": 6 * GIB}})
    assert "at a limit of 6 GiB" in reason
    for other in ({**last, "memory": 2 * GIB}, {**last, "memory": None}, {**last, "reason": "stopped"}, "x", None):
        assert drafted({"seconds": 60}, {**SESSION, "last": other}) == (settings(), "")


def test_cores_that_held_it_back_are_doubled() -> None:
    found, reason = drafted({"cpu_throttled": 0.4})
    assert found["resources"]["cpu"] == {"guarantee": 0.5, "limit": 4}
    assert reason == "Its limit of 2 CPUs held it back in 40% of the time."


def test_the_limit_changes_where_it_comes_from() -> None:
    choices = {"normal": {"title": "Normal"}, "large": {"title": "Large", "resources": {"memory": {"limit": "6 GiB"}}}}
    options = {"size": {"title": "Size", "default": "normal", "choices": choices}}
    large = {"memory": 6 * GIB, "options": {"size": "large"}}
    found, _ = drafted({"out_of_memory": 1}, large, options=options)
    assert found["options"]["size"]["choices"]["large"]["resources"]["memory"] == {"limit": "12 GiB"}
    assert found["resources"] == settings()["resources"]
    normal, _ = drafted({"out_of_memory": 1}, {**SESSION, "options": {"size": "normal"}}, options=options)
    assert normal["resources"]["memory"]["limit"] == "8 GiB"


@pytest.mark.parametrize(
    "broken", [{"resources": None}, {"resources": {"memory": "4 GiB"}}, {"options": [1]}, {"options": {"a": 1}}]
)
def test_settings_of_any_shape_break_nothing(broken: dict[str, Any]) -> None:
    found, _ = draft({**settings(), **broken}, {**SESSION, "options": {"a": "b"}}, Use({"out_of_memory": 1}, 0))
    assert found["resources"]["memory"]["limit"] == "8 GiB"
