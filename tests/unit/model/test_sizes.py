"""Every size that choices can reach is proven, without trying every combination."""

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.catalogs import overrides
from support.properties import examples
from support.repositories import policy, profile

from allotment_profiles.access.cost import cost_of, dearest
from allotment_profiles.model import Policy, Profile
from allotment_profiles.model.sizes import Size, SizeRange, combine, size_of

CPUS = st.sampled_from([0.5, 1, 2, 4])
MEMORY = st.sampled_from(["1 GiB", "2 GiB", "8 GiB"])
KINDS = st.sampled_from(["l4", "a100"])


@st.composite
def choices(draw: st.DrawFn) -> dict[str, Any]:
    parts = draw(overrides(CPUS, MEMORY, 2)) | ({"gpu_kind": draw(KINDS)} if draw(st.booleans()) else {})
    pool = {"node_pool": "large"} if draw(st.booleans()) else {}
    return {"title": "Choice", **({"resources": parts} if parts else {}), **pool}


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    options = {
        f"option-{'abcd'[number]}": {
            "title": "Option",
            "default": "a",
            "choices": {key: draw(choices()) for key in "abc"[: draw(st.integers(1, 3))]},
        }
        for number in range(draw(st.integers(0, 4)))
    }
    resources = {"cpu": {"limit": draw(CPUS)}, "memory": {"limit": draw(MEMORY)}, "gpu": draw(st.integers(0, 2))}
    return Profile.model_validate(profile(options=options, resources=resources))


def every_combination(value: Profile) -> list[Size]:
    """Try them all."""
    places = [
        [(f"options.{name}.choices.{key}", choice) for key, choice in option.choices.items()]
        for name, option in value.options.items()
    ]
    return [size_of(value, dict(combination)) for combination in itertools.product(*places)]


NAMES = ["cpu_guarantee", "cpu", "memory_guarantee", "memory", "gpu", "gpu_kind", "node_pool"]


@examples(300)
@given(profiles(), st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
def test_what_some_amounts_can_be_together_is_exactly_what_all_combinations_give(
    value: Profile, names: list[str]
) -> None:
    reached = {
        tuple(amount for amount, _ in amounts)
        for group in SizeRange(value).combinations(*names)
        for amounts in itertools.product(*group)
    }
    assert reached == {tuple(getattr(size, name) for name in names) for size in every_combination(value)}


@given(profiles(), st.sampled_from(NAMES))
def test_the_field_of_an_amount_is_where_it_is_written(value: Profile, name: str) -> None:
    for amount, field in SizeRange(value).values(name):
        at: Any = value
        for part in field.split("."):
            at = at[part] if isinstance(at, dict) else getattr(at, part)
        assert at == amount


@examples(300)
@given(profiles(), st.booleans())
def test_nobody_pays_more_than_the_dearest_size(value: Profile, cheap: bool) -> None:
    prices = {"cpu_hour": 0.03, "memory_gib_hour": 0.004, "gpu_hour": 0.1 if cheap else 1}
    rules = Policy.model_validate(policy(prices=prices, gpu_kinds={"l4": {"title": "L4", "hour": 0.5}}))  # fmt: skip
    assert dearest(value, rules).hour == max(cost_of(size, rules).hour for size in every_combination(value))


def test_the_groups_of_many_choices_are_few() -> None:
    """Eight options with twenty choices have 25 * 10^9 combinations."""

    def choice(place: int, number: int) -> tuple[int | None, ...]:
        return tuple(10 * number + at if (number + at + place) % 3 else None for at in range(3))

    options = [[choice(place, number) for number in range(20)] for place in range(8)]
    assert sum(1 for _ in combine((0, 0, 0), options)) < 5000


def test_a_kind_of_gpu_has_its_own_price() -> None:
    rules = Policy.model_validate(policy(
        prices={"gpu_hour": 1}, gpu_kinds={"l4": {"title": "L4", "hour": 0.5}, "old": {"title": "Old"}},
    ))  # fmt: skip
    hours = [cost_of(Size(0, 0, 0, 0, 2, gpu_kind=kind), rules).hour for kind in ("l4", "old", None)]
    assert hours == [1, 2, 2]
