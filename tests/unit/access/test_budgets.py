"""What may run at one time, per team and per user."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.catalogs import catalog as catalog_of
from support.repositories import team

from allotment_profiles.access.budgets import Usage, over_budget
from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.sizes import Size

ANN = User("ann", frozenset({"/red"}))
GIB = 2**30


def size(cpu: int = 1, memory: int = 1, gpu: int = 0) -> Size:
    return Size(0, cpu * 1000, 0, memory * GIB, gpu)


def catalog(everywhere: Any = None, **red: Any) -> Catalog:
    rules = {"user_budget": everywhere} if everywhere else {}
    return catalog_of({"red": team("red", **red), "blue": team("blue")}, {}, {}, **rules)


@pytest.mark.parametrize(
    ("budget", "asked", "runs", "code"),
    [
        ({"budget": {"sessions": 2}}, size(), [("bob", "red")], None),
        ({"budget": {"sessions": 2}}, size(), [("bob", "red"), ("eve", "red")], "budget-team"),
        ({"budget": {"sessions": 2}}, size(), [("bob", "red"), ("eve", "blue")], None),
        ({"budget": {"cpu": 3}}, size(cpu=2), [("bob", "red")], None),
        ({"budget": {"cpu": 3}}, size(cpu=3), [("bob", "red")], "budget-team"),
        ({"budget": {"memory": "1.5 GiB"}}, size(), [("bob", "red")], "budget-team"),
        ({"budget": {"gpu": 1}}, size(gpu=2), [], "budget-team"),
        ({"budget": {"gpu": 0}}, size(), [], None),
        ({"user_budget": {"sessions": 1}}, size(), [("bob", "red"), ("ann", "blue")], None),
        ({"user_budget": {"sessions": 1}}, size(), [("ann", "red")], "budget-member"),
        ({}, size(), [("ann", "blue")], "budget-user"),
    ],
)
def test_what_passes_a_budget_is_refused_with_what_runs(
    budget: dict[str, Any], asked: Size, runs: list[tuple[str, str]], code: str | None
) -> None:
    everywhere = {"sessions": 1} if code == "budget-user" else None
    running = [Usage(user, name, size()) for user, name in runs]
    refusal = over_budget(catalog(everywhere, **budget), ANN, "red", asked, running)
    assert (refusal.code if refusal else None) == code
    if refusal:
        assert 400 <= refusal.status < 500
        assert refusal.why
        assert refusal.remedy
        assert refusal.decides


SESSIONS = st.lists(st.builds(
    Usage, st.sampled_from(["ann", "bob"]), st.sampled_from(["red", "blue"]),
    st.builds(size, st.integers(1, 4), st.integers(1, 4), st.integers(0, 2)),
), max_size=8)  # fmt: skip


@given(SESSIONS)
def test_sessions_that_were_let_in_one_by_one_never_pass_the_budget(asked: list[Usage]) -> None:
    rules = catalog({"cpu": 6}, budget={"sessions": 3, "memory": "8 GiB", "gpu": 2}, user_budget={"sessions": 2})
    running: list[Usage] = []
    for one in asked:
        if over_budget(rules, User(one.user, frozenset()), one.team, one.size, running) is None:
            running.append(one)
    red = [each for each in running if each.team == "red"]
    assert len(red) <= 3
    assert sum(each.size.memory for each in red) <= 8 * GIB
    assert sum(each.size.gpu for each in red) <= 2
    for user in ("ann", "bob"):
        assert sum(each.user == user for each in red) <= 2
        assert sum(each.size.cpu for each in running if each.user == user) <= 6000
