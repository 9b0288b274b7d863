"""Two versions of a file are merged by keys: what collides is said, and everything else is carried over."""

import itertools
from typing import Any

import pytest

from allotment_profiles.documents.merging import merged_file
from allotment_profiles.documents.parsing import parse_yaml
from allotment_profiles.documents.writing import write

BASE: dict[str, Any] = {
    "title": "Notebook",
    "resources": {"cpu": {"limit": 2}, "memory": {"limit": "4 GiB"}},
    "options": {
        "size": {"choices": {"small": {"title": "Small"}, "large": {"title": "Large"}}},
        "tool": {"choices": {"r": {"title": "R"}}},
    },
    "data_roles": ["prices", "rents"],
}


def data(**changes: Any) -> bytes:
    return write("profile", {key: value for key, value in {**BASE, **changes}.items() if value is not None})


def options(**choices: str) -> dict[str, Any]:
    return {
        "size": {"choices": {name: {"title": title} for name, title in choices.items()}},
        "tool": BASE["options"]["tool"],
    }


@pytest.mark.parametrize(
    ("ours", "theirs", "wanted"),
    [
        ({"title": "Ours"}, {"description": "Theirs"}, {"title": "Ours", "description": "Theirs"}),
        ({"title": "Same"}, {"title": "Same", "app": "x"}, {"title": "Same", "app": "x"}),
        ({"title": "Ours"}, {"data_roles": None}, {"title": "Ours", "data_roles": None}),
        (
            {"resources": {"cpu": {"limit": 3}, "memory": {"limit": "4 GiB"}}},
            {"resources": {"cpu": {"limit": 2}, "memory": {"limit": "8 GiB"}}},
            {"resources": {"cpu": {"limit": 3}, "memory": {"limit": "8 GiB"}}},
        ),
        ({"data_roles": ["prices", "maps"]}, {"data_roles": ["rents", "roads"]}, {"data_roles": ["maps", "roads"]}),
        ({"only": ["/a"]}, {"only": ["/b"]}, {"only": ["/a", "/b"]}),
        (
            {"options": options(small="Tiny", large="Large")},
            {"options": options(small="Small", middle="Middle", large="Large")},
            {"options": options(small="Tiny", middle="Middle", large="Large")},
        ),
        (
            {"options": options(large="Large", small="Small")},
            {"options": options(small="Tiny", large="Large")},
            {"options": options(large="Large", small="Tiny")},
        ),
    ],
)
def test_different_keys_are_carried_over(ours: dict[str, Any], theirs: dict[str, Any], wanted: dict[str, Any]) -> None:
    merged, collisions = merged_file("profile", data(), data(**ours), data(**theirs))
    assert collisions == ()
    assert merged is not None
    assert parse_yaml(merged) == parse_yaml(data(**wanted))
    expected = parse_yaml(data(**wanted))["options"]["size"]["choices"]
    assert list(parse_yaml(merged)["options"]["size"]["choices"]) == list(expected)


@pytest.mark.parametrize(
    ("ours", "theirs", "fields"),
    [
        ({"title": "Ours"}, {"title": "Theirs"}, ["title"]),
        ({"title": None}, {"title": "Theirs"}, ["title"]),
        ({"title": "Ours"}, {"title": None}, ["title"]),
        ({"resources": {"cpu": 3}}, {"resources": {"cpu": {"limit": 3}}}, ["resources.cpu"]),
        ({"resources": {"gpu": 1}}, {"resources": {"gpu": True}}, ["resources.gpu"]),
        ({"data_roles": [{"a": 1}]}, {"data_roles": [{"b": 1}]}, ["data_roles"]),
        (
            {"options": options(large="Large", small="Small")},
            {"options": options(small="Small", large="Large", huge="Huge")},
            ["options.size.choices"],
        ),
    ],
)
def test_a_key_that_both_have_changed_collides_and_has_their_value(
    ours: dict[str, Any], theirs: dict[str, Any], fields: list[str]
) -> None:
    merged, collisions = merged_file("profile", data(), data(**ours), data(**theirs))
    assert [collision.field for collision in collisions] == fields
    assert merged is not None
    assert parse_yaml(merged) == parse_yaml(data(**theirs))


def test_the_comments_of_the_version_that_applies_are_kept() -> None:
    ours = b"# Ours\n" + data(title="Ours")
    merged, _ = merged_file("profile", data(), ours, data(description="Theirs") + b"# Theirs\n")
    assert merged is not None
    assert merged.startswith(b"# Ours\n")
    assert b"Theirs\n" in merged


@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [
        (data(), None, data(title="Theirs")),
        (data(), data(title="Ours"), None),
        (data(), b"title: [\n", data(title="Theirs")),
        (data(), data(title="Ours"), data() + b"# Only a comment\n"),
    ],
)
def test_a_whole_file_collides_where_there_are_no_keys(base: bytes, ours: bytes | None, theirs: bytes | None) -> None:
    merged, collisions = merged_file("profile", base, ours, theirs)
    assert [collision.field for collision in collisions] == [""]
    assert merged == theirs


def test_what_only_one_has_changed_is_taken_as_it_is() -> None:
    assert merged_file("profile", data(), data(), b"anything") == (b"anything", ())
    assert merged_file("profile", data(), None, None) == (None, ())
    assert merged_file("profile", None, data(title="Ours"), data(title="Ours")) == (data(title="Ours"), ())


VERSIONS = {
    "usual": data(),
    "removed": None,
    "large": data(environment={f"LARGE_{number}": "x" * 900 for number in range(60)}),
    "as large": data(environment={f"OTHER_{number}": "x" * 900 for number in range(60)}),
    "many": data(environment={f"MANY_{number}": "" for number in range(1500)}),
    "as many": data(environment={f"OTHER_{number}": "" for number in range(1500)}),
    "another order": b"options: {tool: {choices: {r: {title: R}}}, size: {choices: {small: {title: Small}}}}\n",
    "empty": b"{}\n",
    "no YAML": b"title: [\n",
}


@pytest.mark.parametrize("base", ["usual", "removed"])
@pytest.mark.parametrize(("ours", "theirs"), list(itertools.permutations(VERSIONS, 2)))
def test_any_three_versions_become_one_that_reads(base: str, ours: str, theirs: str) -> None:
    merged, collisions = merged_file("profile", *(VERSIONS[version] for version in (base, ours, theirs)))
    if merged != VERSIONS[theirs]:
        assert merged is not None
        assert parse_yaml(merged) is not None
        assert "" not in [collision.field for collision in collisions]


def test_two_changes_that_fit_each_and_not_together_collide_in_the_whole_file() -> None:
    for ours, theirs in (("large", "as large"), ("many", "as many")):
        merged, collisions = merged_file("profile", VERSIONS["usual"], VERSIONS[ours], VERSIONS[theirs])
        assert merged == VERSIONS[theirs]
        assert [collision.field for collision in collisions] == [""]
