"""Valid files that are made to be expensive: judging them takes a bounded number of steps, not one for each product.

The steps are counted, not timed: calls of functions, of Python's and of C's.
"""

import datetime as dt
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from support.catalogs import catalog
from support.repositories import data_role, profile, team

from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.catalog.validation import check_profile
from allotment_profiles.review.access_diff import compare_access, compare_starts
from allotment_profiles.review.approvals import requirements_of
from allotment_profiles.review.automatic import automatic_of
from allotment_profiles.review.changes import compare
from allotment_profiles.review.cost_changes import compare_costs

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
MAXIMUM_STEPS = 1_500_000
"""About half a second. A product of the choices would be 10^9 steps and more."""
LETTERS = "abcdefghijklmnopqrst"
ANA = User("ana", frozenset(["/red"]))


def options(amounts: Callable[[int, int], dict[str, Any]], number: int = 8, **choice: Any) -> dict[str, Any]:
    """Give as many options and choices as a profile may have; `amounts` gives the resources of each."""
    return {
        f"option-{LETTERS[place]}": {
            "title": "Option",
            "default": "choice-a",
            "choices": {
                f"choice-{letter}": {"title": "Choice", "resources": amounts(place, at), **choice}
                for at, letter in enumerate(LETTERS)
            },
        }
        for place in range(number)
    }


def each_its_own(place: int, at: int) -> dict[str, Any]:
    """Give each option one amount to set."""
    amount = 20 * place + at
    return [
        {"cpu": {"limit": round(1 + amount / 1000, 3)}},
        {"memory": {"limit": f"{1024 + amount} MiB"}},
        {"cpu": {"guarantee": round(0.001 + amount / 1000, 3)}},
        {"gpu": at % 3, "gpu_kind": ["l4", "a100"][at % 2]},
        {"memory": {"guarantee": f"{300 + amount} MiB"}},
    ][place % 5]


def some(place: int, at: int) -> dict[str, Any]:
    """Give each choice other amounts to set, so that every amount may come from every option."""
    everything = [each_its_own(other, at + place) for other in range(5)]
    return {key: value for number, part in enumerate(everything) if (at >> number) & 1 for key, value in part.items()}


MANY = [f"/red/{number}" for number in range(50)]
SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "one amount an option": ({"options": options(each_its_own)}, {}),
    "the same amount in each": ({"options": options(lambda place, at: {"cpu": {"limit": 1 + at / 10}})}, {}),
    "any amount in any choice": ({"options": options(some)}, {}),
    "cpu and memory together": (
        {"options": options(lambda place, at: {"cpu": {"limit": 1 + at}, "memory": {"limit": f"{place + 1} GiB"}})}, {},
    ),
    "hidden, for many groups and many people": (
        {
            "visibility": "draft", "only": MANY, "data_roles": [f"role-{letter}" for letter in LETTERS],
            "maintainers": {"users": [f"user-{number}" for number in range(40)]},
        },
        {"members": {"groups": [f"/red/{number}" for number in range(100)]}},
    ),
    "hidden, for as many pairs of groups and people as are listed": (
        {
            "visibility": "draft", "only": MANY, "data_roles": [f"role-{letter}" for letter in LETTERS],
            "maintainers": {"users": [f"user-{number}" for number in range(9)]},
        },
        {"members": {"groups": [f"/red/{number}" for number in range(9)]}},
    ),
    "many groups for each choice": ({"options": options(each_its_own, only=MANY[:2])}, {}),
}  # fmt: skip


def catalogs(change: dict[str, Any], team_change: dict[str, Any]) -> tuple[Catalog, Catalog]:
    """Give main, and what is proposed: the costly profile, and a team that changes as well."""
    for option in change.get("options", {}).values():
        option["choices"]["choice-a"].pop("only", None)
    roles = {f"role-{letter}": data_role("blue", {"red": "2027-03-31"}) for letter in LETTERS}
    prices = {"cpu_hour": 0.03, "memory_gib_hour": 0.004, "gpu_hour": 1}
    kinds = {"l4": {"title": "L4", "hour": 0.5}, "a100": {"title": "A100", "hour": 3}}
    rules = {
        "prices": prices, "gpu_kinds": kinds,
        "automatic": {"enabled": True, "changes": ["smaller", "text", "image-version"]},
    }  # fmt: skip
    teams = {"red": team("red", **team_change), "blue": team("blue")}
    maintained = profile(**{"maintainers": {"users": ["ana"]}, **change})
    before = catalog(teams, roles, {"red/costly": maintained}, **rules)
    larger = {**maintained, "resources": {"cpu": {"limit": 3}, "memory": {"limit": "5 GiB"}}}
    for option in larger.get("options", {}).values():
        option["choices"]["choice-t"].setdefault("resources", {})["gpu"] = 0
    return before, catalog(teams, roles, {"red/costly": larger, "red/new": maintained}, **rules)


def judge(before: Catalog, after: Catalog) -> None:
    """Do what a check does with two catalogs."""
    assert after.policy
    roles = {name: entry.value for name, entry in after.data_roles.items()}
    for name, entry in after.profiles.items():
        check_profile(name, entry.value, after.teams["red"].value, after.policy.value, roles, {}, after.profiles)
    changes = compare(before, after)
    assert compare_costs(changes, before, after)
    compare_access(before, after, NOW)
    compare_starts(before, after, NOW)
    assert requirements_of(changes, before, after, ANA)
    automatic_of(changes, before, after, ANA)


def steps(call: Callable[..., None], *arguments: Any) -> int:
    """Count the calls of functions. Ends the call when there are too many, so that a failing test ends, too."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")
        if count > 4 * MAXIMUM_STEPS:
            raise AssertionError("this takes too many steps")

    sys.setprofile(note)
    try:
        call(*arguments)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("shape", SHAPES)
def test_a_valid_file_takes_a_bounded_number_of_steps(shape: str) -> None:
    assert steps(judge, *catalogs(*SHAPES[shape])) < MAXIMUM_STEPS


def test_a_team_with_many_people_and_much_data_takes_a_bounded_number_of_steps() -> None:
    roles = {f"role-{number}": data_role("blue", {"red": "2027-03-31"}) for number in range(100)}
    few = catalog({"red": team("red"), "blue": team("blue")}, roles, {"red/a": profile()})
    people = {"groups": ["/red"], "users": [f"user-{number}" for number in range(200)]}
    many = catalog({"red": team("red", members=people), "blue": team("blue")}, roles, {"red/a": profile()})

    def judge_both() -> None:
        for before, after in ((few, many), (many, few)):
            requirements_of(compare(before, after), before, after)
            compare_access(before, after, NOW)

    assert steps(judge_both) < MAXIMUM_STEPS
