"""The schema says what the models do; what is generated from them is fresh."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.answers import as_json
from support.folders import ROOT
from support.repositories import START, data_role, policy, profile, small, team, write_folder

import allotment_hub
import allotment_profiles
from allotment_profiles.access.form_schema import form_schema
from allotment_profiles.access.people import User
from allotment_profiles.access.rules import REFUSALS
from allotment_profiles.catalog import codes as catalog
from allotment_profiles.documents import codes as documents
from allotment_profiles.documents.reading import read
from allotment_profiles.documents.writing import write
from allotment_profiles.model import MODELS
from allotment_profiles.model import codes as model
from allotment_profiles.reference.document import EXAMPLES, PATHS, PROBLEMS
from allotment_profiles.reference.generated import generated
from allotment_profiles.reference.schema import KINDS, schema_of
from allotment_profiles.store.loading import load
from allotment_profiles.store.snapshot import in_folder

VALID = {
    "profile": profile(),
    "team": team("red"),
    "data role": data_role("red", {"red": "2027-03-31"}),
    "policy": policy(),
}


@pytest.mark.parametrize("path", sorted(generated()))
def test_a_generated_file_is_fresh(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == generated()[path], (
        "python -m allotment_profiles.reference --write"
    )


@pytest.mark.parametrize("kind", KINDS.values())
def test_a_schema_is_valid_and_takes_what_the_models_take(kind: Any) -> None:
    schema = schema_of(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(VALID[kind])
    model = MODELS[kind].model_validate(VALID[kind])
    validator.validate(as_json(model))
    validator.validate(model.model_dump(mode="json"))


@given(st.sampled_from(sorted(VALID)), st.data())
def test_what_the_models_take_the_schema_takes(kind: Any, data: st.DataObject) -> None:
    """The other way round the models know more: orders, characters, calendars."""
    value = dict(VALID[kind])
    key = data.draw(st.sampled_from([*value, "unknown"]))
    value[key] = data.draw(
        st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | st.lists(st.text(max_size=3))
    )
    reading = read(kind, "a.yaml", json.dumps(value).encode())
    valid = jsonschema.Draft202012Validator(schema_of(kind)).is_valid(value)
    # The format is the one number that may come as `true`, which Python holds for 1.
    if reading.value is not None and not (key == "format" and value[key] is True):
        assert valid


@pytest.mark.parametrize("kind", KINDS.values())
def test_defaults_are_written_as_a_file_would(kind: Any) -> None:
    def walk(part: Any) -> None:
        if isinstance(part, dict):
            for described in part.get("properties", {}).values():
                if "default" in described and "$ref" not in described:
                    jsonschema.Draft202012Validator(described).validate(described["default"])
            for each in part.values():
                walk(each)

    walk(schema_of(kind))
    assert schema_of("profile")["$defs"]["CpuRange"]["properties"]["guarantee"]["default"] == 0.1


@pytest.mark.parametrize("kind", MODELS)
def test_the_examples_of_the_reference_read(kind: Any) -> None:
    assert read(kind, PATHS[kind], EXAMPLES[kind].encode()).problems == ()


# What makes problems and refusals in the package → which of the two, and which argument is the code.
CODES = {
    "refuse": ("problem", 0), "_DocumentError": ("problem", 0), "Problem": ("problem", 1), "_levelled": ("problem", 2),
    "_matching": ("problem", 0), "Refusal": ("refusal", 0), "_Bound": ("refusal", 0), "refusal": ("refusal", 0),
}  # fmt: skip
# Where the problems of a table are found, as well as in the package that has the table.
ALSO = {"catalog": ("allotment_profiles/store", "allotment_hub/services/proposals")}
TABLES = {"model": model.PROBLEMS, "documents": documents.PROBLEMS, "catalog": catalog.PROBLEMS}


def sources(folder: Path) -> Iterator[ast.AST]:
    for path in folder.rglob("*.py"):
        if path.name != "codes.py":
            yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def test_every_code_that_is_raised_is_in_the_reference() -> None:
    found: dict[str, set[str]] = {"problem": set(), "refusal": set()}
    for node in sources(Path(allotment_profiles.__file__).parent):
        function = getattr(node, "func", None)
        name = getattr(function, "id", "") or getattr(function, "attr", "")
        if name in CODES:
            kind, place = CODES[name]
            given = node.args  # type: ignore[attr-defined]
            code = given[place] if place < len(given) else None
            if isinstance(code, ast.Constant):
                found[kind].add(str(code.value))
    assert found["refusal"] == set(REFUSALS)
    assert found["problem"] - set(PROBLEMS) == set()


@pytest.mark.parametrize("package", TABLES)
def test_every_code_of_a_table_is_raised_where_the_table_is(package: str) -> None:
    product = [Path(allotment_profiles.__file__).parents[1], Path(allotment_hub.__file__).parents[1]]
    folders = [root / name for root in product for name in (f"allotment_profiles/{package}", *ALSO.get(package, ()))]
    nodes = [node for folder in folders for node in sources(folder)]
    written = {node.value for node in nodes if isinstance(node, ast.Constant)}
    endings = {part.value for node in nodes if isinstance(node, ast.JoinedStr)
               for part in node.values if isinstance(part, ast.Constant)}  # fmt: skip
    assert {code for code in TABLES[package] if code not in written and f"-{code.rpartition('-')[2]}" not in endings} \
        == set()  # fmt: skip
    others = {code for name, table in TABLES.items() for code in table if name != package}
    assert not others & TABLES[package].keys(), "each code has one explanation"


def test_a_form_learns_what_the_callers_teams_may_ask_for(tmp_path: Path) -> None:
    catalog = load(in_folder(write_folder(tmp_path, small(**{
        "policy.yaml": policy(
            ceilings={"cpu": 4, "memory": "64 GiB"}, tools={"desktop": {"title": "Desktop", "address": "/desktop/"}},
            gpu_kinds={"l4": {"title": "L4"}, "a100": {"title": "A100"}}, rules={"envelope": "hard"},
            node_pools={"large": {"title": "Large", "labels": {"pool": "large"}}},
        ),
        "teams/red/team.yaml": team("red", envelope={
            "cpu": 4, "memory": "8 GiB", "images": ["registry.example.org/analysis/*"], "gpu_kinds": ["l4"],
        }),
        "teams/blue/team.yaml": team("blue", envelope={
            "cpu": 2, "memory": "32 GiB", "images": ["registry.example.org/other/*"],
        }),
        "data-roles/ended.yaml": data_role("blue", {"red": "2025-12-31"}),
        "data-roles/never.yaml": data_role("blue"),
    }))))  # fmt: skip
    assert catalog.problems == ()
    answer = form_schema(schema_of("profile"), catalog, User("ann", frozenset({"/red"})), START)
    red = answer["teams"]["red"]
    assert list(answer["teams"]) == answer["team"]["enum"] == ["red"]
    assert red["title"] == "Team red"
    assert red["maximum"] == {"cpu": 4, "memory": "8 GiB", "memory_bytes": 8 * 2**30, "gpu": 0}
    assert red["images"] == {
        "patterns": ["registry.example.org/analysis/*"], "known": ["registry.example.org/analysis/notebook:1"],
    }  # fmt: skip
    assert [role["name"] for role in red["data_roles"]["granted"]] == ["tables"]
    assert [(role["name"], role["until"]) for role in red["data_roles"]["askable"]] == [
        ("ended", "2025-12-31"),
        ("never", None),
    ]
    assert (red["gpu_kinds"], red["node_pools"], red["groups"]) == (["l4"], [], ["/red", "/red/leads"])
    schema = answer["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(profile(data_roles=["tables"]))
    assert validator.is_valid(profile(app="desktop", node_pool="large"))
    assert not validator.is_valid(profile(app="emacs"))
    assert not validator.is_valid(profile(node_pool="small"))
    assert not validator.is_valid(profile(data_roles=["tabels"]))
    assert not validator.is_valid(profile(resources={"cpu": {"limit": 5}, "memory": {"limit": "4 GiB"}}))
    assert not validator.is_valid(profile(resources={"cpu": {"limit": 1}, "memory": {"limit": "4 GiB"}, "gpu": 1}))
    assert schema["$defs"]["MemoryRange"]["properties"]["limit"]["x-maximum"] == "8 GiB"
    assert form_schema(schema_of("profile"), catalog, User("eve", frozenset()), START)["teams"] == {}
    assert list(form_schema(schema_of("profile"), catalog, User("root", frozenset(), admin=True), START)["teams"]) == [
        "blue",
        "red",
    ]
    assert schema_of("profile")["properties"]["data_roles"]["items"].get("enum") is None, "the next caller's is fresh"


def test_a_form_goes_up_to_the_ceiling_where_an_administrator_may_accept_more_than_the_envelope(tmp_path: Path) -> None:
    catalog = load(in_folder(write_folder(tmp_path, small())))
    answer = form_schema(schema_of("profile"), catalog, User("ann", frozenset({"/red"})), START)
    assert answer["teams"]["red"]["envelope"]["cpu"] == 8
    assert answer["teams"]["red"]["maximum"]["cpu"] == 16


def test_what_the_writer_writes_for_the_examples_reads_the_same() -> None:
    for kind, text in EXAMPLES.items():
        value = read(kind, PATHS[kind], text.encode()).value
        assert value is not None
        assert read(kind, PATHS[kind], write(kind, as_json(value))).value == value
