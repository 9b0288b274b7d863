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
from allotment_profiles.model.limits import MAXIMUM_SIZES
from allotment_profiles.model.sizes import Size, size_of, sizes_of

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


def every_combination(value: Profile) -> set[tuple[Any, ...]]:
    """Try them all."""
    places = [
        [(f"options.{name}.choices.{key}", choice) for key, choice in option.choices.items()]
        for name, option in value.options.items()
    ]
    return {size_of(value, dict(combination)).amounts for combination in itertools.product(*places)}


@examples(300)
@given(profiles())
def test_the_sizes_are_exactly_those_of_all_combinations(value: Profile) -> None:
    sizes = sizes_of(value)
    assert {size.amounts for size in sizes} == every_combination(value)
    assert len(sizes) == len({size.amounts for size in sizes})


@given(profiles())
def test_the_field_of_an_amount_is_where_it_is_written(value: Profile) -> None:
    document = value.model_dump(exclude_unset=True)

    def stands(field: str) -> bool:
        at: Any = document
        for part in field.split("."):
            if not isinstance(at, dict) or part not in at:
                return False
            at = at[part]
        return True

    for size in sizes_of(value):
        assert stands(size.memory_field)
        assert stands(size.cpu_field)
        assert size.node_pool is None or stands(size.node_pool_field)
        assert size.gpu_kind is None or stands(size.gpu_kind_field)


@given(profiles())
def test_nobody_pays_more_than_the_dearest_size(value: Profile) -> None:
    prices = {"cpu_hour": 0.03, "memory_gib_hour": 0.004, "gpu_hour": 1}
    rules = Policy.model_validate(policy(prices=prices, gpu_kinds={"l4": {"title": "L4", "hour": 0.5}}))  # fmt: skip
    assert dearest(value, rules).hour == max(cost_of(size, rules).hour for size in sizes_of(value))


def test_too_many_sizes_end_the_search_at_once() -> None:
    def option(part: str, amount: Any) -> dict[str, Any]:
        return {"title": "O", "default": "c0", "choices": {
            f"c{i}": {"title": "C", "resources": amount(i)} for i in range(20)
        }}  # fmt: skip

    value = Profile.model_validate(profile(options={
        "one": option("one", lambda i: {"cpu": {"limit": i + 1}}),
        "two": option("two", lambda i: {"cpu": {"guarantee": 0.001 * (i + 1)}}),
        "three": option("three", lambda i: {"memory": {"limit": f"{i + 1} GiB"}}),
        "four": option("four", lambda i: {"gpu": i}),
    }))  # fmt: skip
    assert len(sizes_of(value)) == MAXIMUM_SIZES + 1


def test_a_kind_of_gpu_has_its_own_price() -> None:
    rules = Policy.model_validate(policy(
        prices={"gpu_hour": 1}, gpu_kinds={"l4": {"title": "L4", "hour": 0.5}, "old": {"title": "Old"}},
    ))  # fmt: skip
    hours = [cost_of(Size(0, 0, 0, 0, 2, gpu_kind=kind), rules).hour for kind in ("l4", "old", None)]
    assert hours == [1, 2, 2]
