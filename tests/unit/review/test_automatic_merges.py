"""A maintainer's own change needs nobody only where the policy lets it and nothing is gained by it."""
# ruff: noqa: E501  (the tables of cases are read across)

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.catalogs import catalog
from support.properties import examples
from support.repositories import ProfilesRepository, data_role, policy, profile, small, team

from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import Profile
from allotment_profiles.model.sizes import Size, size_of
from allotment_profiles.model.values.texts import image_name
from allotment_profiles.review.approvals import requirements_of
from allotment_profiles.review.automatic import automatic_of
from allotment_profiles.review.changes import compare, rewritten

IMAGE = "registry.example.org/analysis/notebook"
DIGEST, OTHER_DIGEST = (f"{IMAGE}@sha256:{digit * 64}" for digit in "ab")
ANN, EVE = User("ann", frozenset()), User("eve", frozenset({"/red"}), admin=True)
ALL = {"enabled": True, "changes": ["image-version", "smaller", "text"]}
CHOICES = {
    "normal": {"title": "Normal"},
    "large": {"title": "Large", "resources": {"memory": {"limit": "16 GiB"}}, "image": f"{IMAGE}:1"},
}
MINE: dict[str, Any] = profile(
    maintainers={"users": ["ann"]}, image=DIGEST, data_roles=["tables"], storage={"home": "10 GiB"}, only=["/red"],
    options={"size": {"title": "Size", "default": "normal", "choices": CHOICES}},
)  # fmt: skip


def world(value: dict[str, Any] | None, **rules: Any) -> Catalog:
    roles = {"tables": data_role("blue", {"red": "2027-03-31"}), "files": data_role("blue", {"red": "2027-03-31"})}
    profiles = {"red/desk": value} if value is not None else {}
    return catalog({"red": team("red"), "blue": team("blue")}, roles, profiles, **{"automatic": ALL, **rules})


def needs(before: Catalog, after: Catalog, proposer: User) -> set[str]:
    return {each.key for each in requirements_of(compare(before, after), before, after, proposer)}


def options(**choices: Any) -> dict[str, Any]:
    return {"options": {"size": {"title": "Size", "default": "normal", "choices": {**CHOICES, **choices}}}}


HARMLESS: list[tuple[str, dict[str, Any]]] = [
    ("another digest", {"image": OTHER_DIGEST}),
    ("another tag of a choice", options(large={**CHOICES["large"], "image": f"{IMAGE}:2"})),
    ("a tag that is pinned", options(large={**CHOICES["large"], "image": DIGEST})),
    ("less memory", {"resources": {"cpu": {"limit": 2}, "memory": {"limit": "2 GiB"}}}),
    ("a smaller choice", options(large={**CHOICES["large"], "resources": {"memory": {"limit": "4 GiB"}}})),
    ("a choice that is smaller than before", options(normal={"title": "N", "resources": {"memory": {"limit": "1 GiB"}}})),
    ("a shorter session", {"lifetime": {"total": "2 h"}}),
    ("a smaller home", {"storage": {"home": "5 GiB"}}),
    ("other words", {"title": "Desk", "purpose": "Else", "description": "More"}),
    ("all at once", {"title": "Desk", "image": OTHER_DIGEST, "lifetime": {"idle": "30 min"}}),
]  # fmt: skip
HARMFUL: list[tuple[str, dict[str, Any]]] = [
    ("another image", {"image": f"registry.example.org/analysis/other@sha256:{'a' * 64}"}),
    ("another registry with the same name", {"image": f"registry.example.net/analysis/notebook@sha256:{'a' * 64}"}),
    ("a digest that goes", {"image": f"{IMAGE}:1"}),
    ("another image of a choice", options(large={**CHOICES["large"], "image": "registry.example.org/analysis/other:1"})),
    ("an image for a choice", options(normal={"title": "Normal", "image": f"{IMAGE}:1"})),
    ("more memory", {"resources": {"cpu": {"limit": 2}, "memory": {"limit": "5 GiB"}}}),
    ("less here, more there", {"resources": {"cpu": {"limit": 1}, "memory": {"limit": "5 GiB"}}}),
    ("a base that no choice leaves as it is", {
        **options(normal={"title": "Normal", "resources": {"memory": {"limit": "2 GiB"}}}),
        "resources": {"cpu": {"limit": 2}, "memory": {"limit": "5 GiB"}}}),
    ("another choice", options(huge={"title": "Huge"})),
    ("another default", {"options": {"size": {"title": "Size", "default": "large", "choices": CHOICES}}}),
    ("choices in another order", {"options": {"size": {"title": "Size", "default": "normal", "choices": dict(reversed(CHOICES.items()))}}}),
    ("no question any more", {"options": {}}),
    ("a home without a bound", {"storage": {}}),
    ("the shared folder", {"storage": {"home": "10 GiB", "team": "read-write"}}),
    ("a longer session", {"lifetime": {"total": "13 h"}}),
    ("more data", {"data_roles": ["tables", "files"]}),
    ("less data", {"data_roles": []}),
    ("everybody", {"only": []}),
    ("another maintainer", {"maintainers": {"users": ["ann", "eve"]}}),
    ("a variable", {"environment": {"TZ": "UTC"}}),
    ("a checkout", {"checkout": {"repository": "https://git.example.org/x", "folder": "x"}}),
    ("an acceptance", {"accepted": {"memory-envelope": {"reason": "Why"}}}),
    ("another app", {"app": "rstudio"}),
    ("a GPU", {"resources": {**MINE["resources"], "gpu": 1}}),
    ("a kind of GPU", {"resources": {**MINE["resources"], "gpu_kind": "l4"}}),
    ("a node pool", {"node_pool": "large"}),
    ("no draft any more", {"visibility": "draft"}),
    ("a later review", {"review_by": "2028-01-01"}),
    ("retirement", {"retired_from": "2027-01-01"}),
    ("the recipe", {"image_source": {"repository": "https://git.example.org/x", "commit": "abcdef1"}}),
]  # fmt: skip


@pytest.mark.parametrize("fields", [each[1] for each in HARMLESS], ids=[each[0] for each in HARMLESS])
def test_a_maintainer_changes_what_takes_nothing_more(fields: dict[str, Any]) -> None:
    before, after = world(MINE), world({**MINE, **fields})
    assert needs(before, after, ANN) == set()
    assert needs(before, after, EVE) == {"lead:red"}
    (reason,) = automatic_of(compare(before, after), before, after, ANN)
    assert all(text in reason for text in ("red/desk", "ann"))


@pytest.mark.parametrize("fields", [each[1] for each in HARMFUL], ids=[each[0] for each in HARMFUL])
def test_what_could_add_anything_is_never_automatic(fields: dict[str, Any]) -> None:
    before, after = world(MINE), world({**MINE, **fields})
    for more in ({}, {"title": "Other words"}):
        changed = world({**MINE, **fields, **more}) if more else after
        assert "lead:red" in needs(before, changed, ANN)
        assert automatic_of(compare(before, changed), before, changed, ANN) == ()


def test_the_switch_and_each_kind_are_the_policys_of_main() -> None:
    after, words = world({**MINE, "image": OTHER_DIGEST}), world({**MINE, "title": "Else"})
    for rules in (
        {"enabled": False, "changes": ["image-version"]},
        {"enabled": True},
        {"enabled": True, "changes": ["text"]},
    ):
        assert needs(world(MINE, automatic=rules), after, ANN) == {"administrator", "lead:red"}
    before = world(MINE, automatic={"enabled": True, "changes": ["text"]})
    assert (
        needs(before, world({**MINE, "title": "Else"}, automatic={"enabled": True, "changes": ["text"]}), ANN) == set()
    )
    assert needs(before, words, ANN) == {"administrator"}, "the policy's own change needs its people"


def test_nobody_makes_themselves_a_maintainer() -> None:
    before, after = world({**MINE, "maintainers": {}}), world({**MINE, "title": "Else"})
    assert needs(before, after, ANN) == {"lead:red"}


def test_a_new_a_removed_and_a_renamed_profile_are_never_automatic() -> None:
    empty = world(None)
    assert needs(empty, world(MINE), ANN) == needs(world(MINE), empty, ANN) == {"lead:red"}
    moved = catalog({"red": team("red"), "blue": team("blue")}, {}, {"red/other": MINE}, automatic=ALL)
    assert "lead:red" in needs(world(MINE), moved, ANN)


def test_an_image_outside_the_envelope_is_never_automatic() -> None:
    envelope = {"cpu": 8, "memory": "32 GiB", "images": [DIGEST]}
    before, after = (
        catalog(
            {"red": team("red", envelope=envelope)},
            {},
            {"red/desk": {**MINE, "data_roles": [], "image": image}},
            automatic=ALL,
        )
        for image in (DIGEST, OTHER_DIGEST)
    )
    assert needs(before, after, ANN) == {"lead:red", "administrator"}


def test_other_layout_counts_as_other_words() -> None:
    main = world(MINE)
    changes = [rewritten("teams/red/profiles/desk.yaml")]
    assert requirements_of(changes, main, main, ANN) == []
    assert [each.key for each in requirements_of(changes, main, main)] == ["lead:red"]
    strict = world(MINE, automatic={"enabled": True, "changes": ["smaller"]})
    assert [each.key for each in requirements_of(changes, strict, strict, ANN)] == ["lead:red"]


def test_a_file_that_does_not_read_on_main_is_judged_by_people(profiles: ProfilesRepository) -> None:
    path = "teams/red/profiles/notebook.yaml"
    mine = profile(maintainers={"users": ["ann"]})
    profiles.commit(small(**{path: mine, "policy.yaml": policy(automatic=ALL)}))
    profiles.push({path: "title: ["})
    before = profiles.catalog()
    profiles.push({path: {**mine, "title": "Else"}})
    assert needs(before, profiles.catalog(), ANN) == {"lead:red"}


AMOUNTS = st.sampled_from(["1 GiB", "2 GiB", "3 GiB"])
OVERRIDES = st.fixed_dictionaries({}, optional={
    "memory": st.fixed_dictionaries({}, optional={"limit": AMOUNTS}),
    "cpu": st.fixed_dictionaries({}, optional={"limit": st.sampled_from([1, 2]), "guarantee": st.sampled_from([0.1, 0.5])}),
    "gpu": st.sampled_from([0, 1]),
})  # fmt: skip
IMAGES = st.sampled_from([DIGEST, OTHER_DIGEST, f"{IMAGE}:1", "registry.example.org/analysis/other:1"])
CHOICE = st.fixed_dictionaries(
    {"title": st.sampled_from(["A", "B"])},
    optional={
        "resources": OVERRIDES,
        "image": IMAGES,
        "only": st.just(["/red"]),
        "environment": st.just({"TZ": "UTC"}),
    },
)
OPTION = st.builds(
    lambda choices: {"title": "Option", "default": next(iter(choices)), "choices": choices},
    st.dictionaries(st.sampled_from(["a", "b"]), CHOICE, min_size=1),
).filter(lambda option: not option["choices"][option["default"]].get("only"))
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "image": IMAGES,
    "title": st.sampled_from(["A", "B"]),
    "resources": st.builds(
        lambda cpu, memory, gpu: {"cpu": {"limit": cpu}, "memory": {"limit": memory}, "gpu": gpu},
        st.sampled_from([1, 2]), AMOUNTS, st.sampled_from([0, 1]),
    ),
    "options": st.dictionaries(st.sampled_from(["one", "two"]), OPTION),
    "storage": st.fixed_dictionaries({}, optional={"home": AMOUNTS, "team": st.sampled_from(["none", "read-only"])}),
    "lifetime": st.fixed_dictionaries({"total": st.sampled_from(["3 h", "4 h"])}),
    "data_roles": st.sampled_from([[], ["tables"]]),
    "only": st.sampled_from([[], ["/red"]]),
    "maintainers": st.sampled_from([{"users": ["ann"]}, {"users": ["ann", "eve"]}]),
    "environment": st.sampled_from([{}, {"TZ": "UTC"}]),
}  # fmt: skip


@st.composite
def edits(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw a profile that ann maintains, and what it is changed to: a field or two, or one choice's override."""
    before = {**profile(), **draw(st.fixed_dictionaries(FIELDS))}
    after = {**before}
    for field in draw(st.lists(st.sampled_from([*FIELDS]), max_size=2)):
        after[field] = draw(FIELDS[field])
    for name, option in before["options"].items():
        for key in option["choices"]:
            if draw(st.booleans()):
                choices = {**option["choices"], key: {**option["choices"][key], "resources": draw(OVERRIDES)}}
                after = {**after, "options": {**after["options"], name: {**option, "choices": choices}}}
    return before, after


def every_size(value: Profile) -> dict[tuple[str, ...], Size]:
    """Try every combination of choices."""
    named = [[(name, key) for key in option.choices] for name, option in value.options.items()]
    return {
        tuple(f"{name}={key}" for name, key in picked): size_of(
            value, {f"{name}.{key}": value.options[name].choices[key] for name, key in picked}
        )
        for picked in itertools.product(*named)
    }


@examples(1500)
@given(edits())
def test_automation_adds_no_reach_to_data_size_people_or_images(edit: tuple[dict[str, Any], dict[str, Any]]) -> None:
    before, after = (world(each) for each in edit)
    if not automatic_of(compare(before, after), before, after, ANN):
        return
    assert requirements_of(compare(before, after), before, after, ANN) == []
    old, new = before.profiles["red/desk"].value, after.profiles["red/desk"].value
    assert (old.data_roles, old.only, old.maintainers) == (new.data_roles, new.only, new.maintainers)
    assert (old.environment, old.storage.team, old.app) == (new.environment, new.storage.team, new.app)
    assert new.lifetime.total <= old.lifetime.total
    assert (new.storage.home or 0) <= (old.storage.home or 0)
    sizes, later = every_size(old), every_size(new)
    assert list(sizes) == list(later)
    for names, size in later.items():
        was = sizes[names]
        assert size.cpu <= was.cpu and size.memory <= was.memory and size.gpu <= was.gpu  # noqa: PT018  (one size)
        assert (size.cpu_guarantee, size.memory_guarantee) <= (was.cpu_guarantee, was.memory_guarantee)
    for name, option in new.options.items():
        for key, choice in option.choices.items():
            earlier = old.options[name].choices[key]
            assert (choice.only, choice.environment) == (earlier.only, earlier.environment)
            assert image_name(choice.image or "") == image_name(earlier.image or "")
    assert image_name(old.image) == image_name(new.image)
    assert "@" in new.image or "@" not in old.image
