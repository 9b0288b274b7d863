"""Changes are told by meaning: in people's words, each of a category that stays, nothing left out."""
# ruff: noqa: E501  (the tables of cases are read across)

import copy
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.catalogs import catalog, entry, pairs
from support.golden import assert_golden
from support.repositories import ProfilesRepository, data_role, policy, profile, size_option, small, team

from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.model import DataRole, Model, Policy, Profile, Team
from allotment_profiles.review.change_types import ChangeType
from allotment_profiles.review.changes import Change, compare, compare_values
from allotment_profiles.review.labels import label_of

PROFILE, TEAM, ROLE = "teams/red/profiles/desk.yaml", "teams/red/team.yaml", "data-roles/tables.yaml"
DIGEST, OTHER = (f"registry.example.org/analysis/notebook@sha256:{digit * 64}" for digit in "ab")
SIZES = size_option("16 GiB")
FULL = profile(
    options={"size": SIZES}, data_roles=["tables"], environment={"TZ": "UTC"}, review_by="2027-01-31",
    lifetime={"idle": "2 h", "total": "12 h"}, image_source={"repository": "https://git.example.org/x", "commit": "abcdef1"},
    checkout={"repository": "https://git.example.org/work", "folder": "work"}, only=["/red"],
    maintainers={"users": ["ann"]}, storage={"home": "10 GiB"}, accepted={"memory-envelope": {"reason": "A big table"}},
)  # fmt: skip


def changed(value: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Set dotted fields of plain data; None removes one."""
    value = copy.deepcopy(value)
    for field, content in changes.items():
        *parts, last = field.split("/")
        inner = value
        for part in parts:
            inner = inner.setdefault(part, {})
        if content is None:
            inner.pop(last)
        else:
            inner[last] = content
    return value


def told(path: str, kind: type[Model], before: dict[str, Any], fields: dict[str, Any]) -> set[tuple[str, str]]:
    """Give category and words of each change."""
    changes = compare_values(path, kind.model_validate(before), kind.model_validate(changed(before, fields)))
    return {(change.category, change.text) for change in changes}


LARGE = "options/size/choices/large"
PROFILES: list[tuple[str, dict[str, Any], set[tuple[str, str]]]] = [
    ("another tag", {"image": "registry.example.org/analysis/notebook:2"},
     {("image-version", "image registry.example.org/analysis/notebook:1 → registry.example.org/analysis/notebook:2")}),
    ("another image", {"image": "registry.example.org/analysis/other:1"},
     {("image", "image registry.example.org/analysis/notebook:1 → registry.example.org/analysis/other:1")}),
    ("an image of a choice", {f"{LARGE}/image": "registry.example.org/analysis/notebook:1"},
     {("image", "option size, choice large: image registry.example.org/analysis/notebook:1 added")}),
    ("more memory", {"resources/memory/limit": "8 GiB"}, {("larger-inside", "memory limit 4 GiB → 8 GiB")}),
    ("fewer CPUs", {"resources/cpu/limit": 1}, {("smaller", "CPU limit 2 CPUs → 1 CPU")}),
    ("a smaller choice", {f"{LARGE}/resources/memory/limit": "8 GiB"},
     {("smaller", "option size, choice large: memory limit 16 GiB → 8 GiB")}),
    ("a choice that falls back to less", {f"{LARGE}/resources": None},
     {("smaller", "option size, choice large: memory limit 16 GiB removed")}),
    ("a choice that is lower than the base", {"options/size/choices/normal/resources": {"memory": {"limit": "1 GiB"}}},
     {("smaller", "option size, choice normal: memory limit 1 GiB added")}),
    ("a choice that is higher than the base", {"options/size/choices/normal/resources": {"memory": {"limit": "5 GiB"}}},
     {("larger-inside", "option size, choice normal: memory limit 5 GiB added")}),
    ("a new choice", {"options/size/choices/huge": {"title": "Huge", "resources": {"memory": {"limit": "32 GiB"}}}},
     {("options", "option size, choice huge: title Huge added"),
      ("larger-inside", "option size, choice huge: memory limit 32 GiB added")}),
    ("a choice that goes", {LARGE: None},
     {("options", "option size, choice large: title Large removed"),
      ("options", "option size, choice large: memory limit 16 GiB removed")}),
    ("another default", {"options/size/default": "large"},
     {("options", "option size: default choice normal → large")}),
    ("a choice's title", {f"{LARGE}/title": "Big"}, {("text", "option size, choice large: title Large → Big")}),
    ("a choice's audience", {f"{LARGE}/only": ["/red/x"]},
     {("audience", "option size, choice large: only for the group /red/x added")}),
    ("a longer session", {"lifetime/total": "1 d"}, {("larger-inside", "longest time of a session 12 h → 24 h")}),
    ("a shorter session", {"lifetime/idle": "30 min"}, {("smaller", "time until an idle session ends 2 h → 30 min")}),
    ("a GPU of a kind", {"resources/gpu": 1, "resources/gpu_kind": "l4"},
     {("larger-inside", "GPUs 0 → 1"), ("hardware", "kind of GPU l4 added")}),
    ("a node pool", {"node_pool": "large"}, {("hardware", "node pool large added")}),
    ("a larger home", {"storage/home": "20 GiB"}, {("larger-inside", "size of the home folder 10 GiB → 20 GiB")}),
    ("a home without a bound", {"storage/home": None}, {("larger-inside", "size of the home folder 10 GiB removed")}),
    ("the shared folder", {"storage/team": "read-write"}, {("storage", "the team's shared folder none → read-write")}),
    ("other data", {"data_roles": ["files"]},
     {("data-role-removed", "data role tables removed"), ("data-role-added", "data role files added")}),
    ("a variable", {"environment/LANG": "C"}, {("environment", "variable LANG C added")}),
    ("another branch", {"checkout/ref": "main"}, {("checkout", "checked out at main added")}),
    ("another app", {"app": "rstudio"}, {("app", "what it opens jupyterlab → rstudio")}),
    ("other words", {"purpose": "Else"}, {("text", "purpose Producing the monthly bulletin → Else")}),
    ("a draft", {"visibility": "draft"}, {("visibility", "visibility active → draft")}),
    ("retirement", {"retired_from": "2027-06-30", "successor": "red/next"},
     {("retirement", "retired from 2027-06-30 added"), ("retirement", "successor red/next added")}),
    ("a later review", {"review_by": "2028-01-31"}, {("review-date", "to be reviewed by 2027-01-31 → 2028-01-31")}),
    ("another maintainer", {"maintainers/users": ["ann", "bob"]}, {("people", "maintainer bob added")}),
    ("an acceptance", {"accepted/memory-envelope/until": "2027-01-31"},
     {("acceptance", "acceptance of memory-envelope, until 2027-01-31 added")}),
    ("the recipe", {"image_source/commit": "abcdef2"}, {("image-source", "source of the image, commit abcdef1 → abcdef2")}),
    ("a group fewer", {"only": None}, {("audience", "only for the group /red removed")}),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "expected"), [case[1:] for case in PROFILES], ids=[case[0] for case in PROFILES])
def test_a_change_of_a_profile_has_a_category_and_words(fields: dict[str, Any], expected: set[tuple[str, str]]) -> None:
    assert told(PROFILE, Profile, FULL, fields) == expected


def test_a_digest_that_goes_is_no_mere_version() -> None:
    pinned = profile(image=DIGEST)
    assert {each for each, _ in told(PROFILE, Profile, pinned, {"image": OTHER})} == {"image-version"}
    loose = told(PROFILE, Profile, pinned, {"image": "registry.example.org/analysis/notebook:2"})
    assert {each for each, _ in loose} == {"image-unpinned"}


def test_options_in_another_order_are_a_change_for_a_later_one_replaces_an_earlier_one() -> None:
    image = {"title": "Image", "default": "one", "choices": {"one": {"title": "One"}, "two": {"title": "Two"}}}
    turned = {**image, "choices": dict(reversed(image["choices"].items()))}  # type: ignore[attr-defined]
    before, after = profile(options={"size": SIZES, "image": image}), profile(options={"image": turned, "size": SIZES})
    changes = compare_values(PROFILE, Profile.model_validate(before), Profile.model_validate(after))
    assert [(change.category, change.before, change.after) for change in changes] == [
        ("options", "size, image", "image, size"),
        ("options", "one, two", "two, one"),
    ]


TEAMS: list[tuple[str, dict[str, Any], set[tuple[str, str]]]] = [
    ("a deputy", {"deputies": {"users": ["ann"]}}, {("people", "deputy ann added")}),
    ("everybody", {"members/everyone": True}, {("people", "everybody belongs no → yes")}),
    ("a budget", {"budget": {"memory": "1 TiB", "cpu": 40, "sessions": 20}},
     {("budget", "the team's sessions at one time, memory 1 TiB added"),
      ("budget", "the team's sessions at one time, CPU 40 CPUs added"),
      ("budget", "the team's sessions at one time, number 20 added")}),
    ("a user's budget", {"user_budget": {"gpu": 1}}, {("budget", "one user's sessions at one time, GPUs 1 added")}),
    ("a pool", {"envelope/node_pools": ["large"]}, {("envelope", "node pool that the team may use large added")}),
    ("a home", {"envelope/home": "30 GiB"}, {("envelope", "largest home folder 20 GiB → 30 GiB")}),
    ("words", {"description": "Counting"}, {("text", "description Counting added")}),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "expected"), [case[1:] for case in TEAMS], ids=[case[0] for case in TEAMS])
def test_a_change_of_a_team_has_a_category_and_words(fields: dict[str, Any], expected: set[tuple[str, str]]) -> None:
    assert told(TEAM, Team, team("red"), fields) == expected


GRANTED = data_role("blue", {"red": "2027-03-31"})
RED = "granted_to/red"
ROLES: list[tuple[str, dict[str, Any], set[tuple[str, str]]]] = [
    ("longer", {f"{RED}/until": "2028-03-31"}, {("grant-longer", "grant to red, until 2027-03-31 → 2028-03-31")}),
    ("shorter", {f"{RED}/until": "2026-03-31"}, {("grant-shorter", "grant to red, until 2027-03-31 → 2026-03-31")}),
    ("reviewed", {f"{RED}/review_by": "2026-03-31"}, {("grant-shorter", "grant to red, to be reviewed by 2026-03-31 added")}),
    ("another", {"granted_to/blue": {"until": "2027-01-01"}}, {("grant-added", "grant to blue, until 2027-01-01 added")}),
    ("revoked", {RED: None}, {("grant-removed", "grant to red, until 2027-03-31 removed")}),
    ("a reason", {f"{RED}/reason": "Why"}, {("text", "grant to red, reason Why added")}),
    ("owner", {"owner": "red"}, {("owner", "owner blue → red")}),
    ("binding", {"binding/volume/read_only": False}, {("binding", "binding, read only for sessions yes → no")}),
    ("sensitivity", {"sensitivity": "secret"}, {("classification", "sensitivity public → secret")}),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "expected"), [case[1:] for case in ROLES], ids=[case[0] for case in ROLES])
def test_a_change_of_a_data_role_has_a_category_and_words(
    fields: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    assert told(ROLE, DataRole, GRANTED, fields) == expected


def test_the_policys_amounts_have_units() -> None:
    fields = {
        "ceilings/memory": "128 GiB", "removal_share": 20, "last_good": "7 d", "automatic": {"enabled": True},
        "prices": {"cpu_hour": 0.04}, "gpu_kinds": {"l4": {"title": "L4", "hour": 0.9}},
        "node_pools": {"big": {"title": "Big", "labels": {"pool": "big"}, "tolerations": [{"key": "pool", "value": "big"}]}},
    }  # fmt: skip
    changes = told("policy.yaml", Policy, policy(), fields)
    assert {category for category, _ in changes} == {"policy"}
    assert_golden("policy-changes.txt", (words for _, words in changes))


def leaves(schema: dict[str, Any], field: str = "") -> list[str]:
    """Give every field that a schema knows, names of mappings as `x`."""
    found = []
    for name, inner in schema.get("properties", {}).items():
        found += leaves(inner, f"{field}.{name}" if field else name)
    if isinstance(schema.get("additionalProperties"), dict):
        found += leaves(schema["additionalProperties"], f"{field}.x")
    for inner in schema.get("anyOf", ()):
        found += leaves(inner, field) if inner != {"type": "null"} else []
    return found or [field]


def inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, dict):
        if "$ref" in schema:
            return inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
        return {key: inlined(value, definitions) for key, value in schema.items() if key != "$defs"}
    return [inlined(each, definitions) for each in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize("kind", [Profile, Team, DataRole, Policy])
def test_no_field_is_called_by_its_key(kind: type[Model]) -> None:
    schema = kind.model_json_schema()
    for field in leaves(inlined(schema, schema.get("$defs", {}))):
        label = label_of(field)
        assert "_" not in label, f"add {field} to review/labels.py"
        # A nested field has a label of its own, not the path that the file has.
        assert "." not in field or label != " ".join(field.split(".")).replace("_", " "), (
            f"add {field} to review/labels.py"
        )


def canonical(value: Any) -> Any:
    """Give what a value means: lists in any order, mappings too, but for the options."""
    if isinstance(value, dict):
        return {key: canonical(inner) for key, inner in value.items()} | (
            {"order": list(value)} if value and all(isinstance(each, dict) for each in value.values()) else {}
        )
    return sorted(map(str, value)) if isinstance(value, list) else value


@given(pairs())
def test_there_are_changes_exactly_where_values_differ(both: tuple[Catalog, Catalog]) -> None:
    before, after = both
    assert compare(before, before) == compare(after, after) == []
    changes = compare(before, after)
    told_of = {path for change in changes for path in (change.path, change.moved_from) if path}
    for kind in ("teams", "data_roles", "profiles"):
        olds: dict[str, Entry[Any]] = {each.path: each for each in getattr(before, kind).values()}
        news: dict[str, Entry[Any]] = {each.path: each for each in getattr(after, kind).values()}
        for path in olds.keys() | news.keys():
            old, new = (
                canonical(each[path].value.model_dump(mode="json")) if path in each else None for each in (olds, news)
            )
            assert (old != new) == (path in told_of), path
    assert {change.category for change in changes} <= set(typing.get_args(ChangeType))
    assert all(change.label and "None" not in change.text for change in changes if change.field)


@given(st.lists(st.sampled_from(PROFILES), max_size=4))
def test_what_is_changed_and_changed_back_is_told_both_ways(cases: list[tuple[str, dict[str, Any], Any]]) -> None:
    after = FULL
    for _, fields, _ in cases:
        try:
            after = changed(after, fields)
            one, other = Profile.model_validate(FULL), Profile.model_validate(after)
        except (KeyError, ValueError):
            return
    there, back = (compare_values(PROFILE, *pair) for pair in ((one, other), (other, one))) if cases else ([], [])
    assert {(each.field, each.before, each.after) for each in there} == {
        (each.field, each.after, each.before) for each in back
    }


class _Sealed(Entry[Any]):
    """An entry that must not be read."""

    @property
    def value(self) -> Any:
        raise AssertionError(f"{self.path} was read")


def test_only_what_differs_is_read() -> None:
    sealed = {
        f"red/p{number}": _Sealed(f"red/p{number}", f"teams/red/profiles/p{number}.yaml", None, str(number), b"")
        for number in range(10_000)
    }
    one, other = catalog({"red": team("red")}, {}, {}), catalog({"red": team("red")}, {}, {})
    old, new = (
        entry("red/a", "teams/red/profiles/a.yaml", Profile.model_validate(profile(title=title))) for title in "ab"
    )
    before = Catalog("", one.time, one.policy, one.teams, {**sealed, "red/a": old}, {}, ())
    after = Catalog("", other.time, other.policy, other.teams, {**sealed, "red/a": new}, {}, ())
    assert [change.text for change in compare(before, after)] == ["title a → b"]


def test_a_file_that_no_longer_reads_hides_nothing_of_the_others(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    before = profiles.catalog()
    profiles.push({"data-roles/tables.yaml": "title: [", "teams/red/team.yaml": team("red", title="Reds")})
    changes = {change.path: change for change in compare(before, profiles.catalog())}
    assert changes["data-roles/tables.yaml"].category == "unreadable"
    assert changes["teams/red/team.yaml"].category == "text"


def test_a_change_is_given_whole_to_machines() -> None:
    change = Change("changed", PROFILE, "profile red/desk", "title", "title", "a", "b", "text")
    assert change.as_dict() == {
        "kind": "changed", "category": "text", "path": PROFILE, "moved_from": None, "subject": "profile red/desk",
        "field": "title", "label": "title", "before": "a", "after": "b", "text": "title a → b",
    }  # fmt: skip
