"""Between the form and the file: nothing is lost, nothing is made up, and what people wrote around the data stays."""

import copy
import dataclasses
import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.folders import STARTER
from support.properties import examples

from allotment_hub.services.drafts.draft_proposal import (
    Acceptance,
    DraftProposal,
    EditedProfile,
    field_of,
    own_problems,
    with_acceptances,
)
from allotment_hub.services.drafts.form_view import FormView
from allotment_hub.services.drafts.forms import (
    Field,
    ProfileForm,
    document_of,
    fields_of,
    keys_without_field,
    roles_of,
    sections_of,
    values_of,
)
from allotment_hub.services.drafts.grants import Ask, has_grant, with_grant
from allotment_hub.services.drafts.options import option_fields
from allotment_hub.services.drafts.starting_points import blank, from_profile, from_proposal, without_variables
from allotment_profiles.access.form_schema import form_schema
from allotment_profiles.access.people import User
from allotment_profiles.documents.parsing import parse_yaml
from allotment_profiles.documents.rewriting import rewrite
from allotment_profiles.model.problems import Problem
from allotment_profiles.model.values.texts import harmful_character
from allotment_profiles.reference.schema import schema_of
from allotment_profiles.store.loading import load
from allotment_profiles.store.snapshot import in_folder

CATALOG = load(in_folder(STARTER))
ANALYST = User("analyst", frozenset({"/example/housing-statistics", "/example/transport-analysis"}))
NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
FIELDS = fields_of(form_schema(schema_of("profile"), CATALOG, ANALYST, NOW)["schema"])
PROFILES = sorted(CATALOG.profiles)

texts = st.text(max_size=60).filter(lambda text: not harmful_character(text)).map(str.strip)


def field(name: str) -> Field:
    return next(each for each in FIELDS if each.name == name)


# -- fields


def test_every_single_value_of_the_schema_has_a_field() -> None:
    assert {each.name for each in FIELDS} == {
        "title", "description", "purpose", "app", "image", "resources.cpu.guarantee", "resources.cpu.limit",
        "resources.memory.guarantee", "resources.memory.limit", "resources.gpu", "image_source.repository",
        "image_source.commit", "lifetime.idle", "lifetime.total", "review_by", "resources.gpu_kind", "node_pool",
        "storage.home", "storage.team", "checkout.repository", "checkout.ref", "checkout.folder", "only",
        "maintainers.groups", "maintainers.users", "visibility", "successor", "retired_from",
        "environment",
    }  # fmt: skip


def test_fields_take_their_kind_and_their_need_from_the_schema() -> None:
    assert (field("purpose").kind, field("purpose").required) == ("lines", True)
    assert (field("app").kind, field("review_by").kind) == ("choice", "date")
    assert field("resources.cpu.limit").kind == "number"
    assert field("resources.memory.limit").required
    assert not field("lifetime.idle").required
    # Required only where there is a recipe at all.
    assert not field("image_source.commit").required


# -- form and file


@pytest.mark.parametrize("profile_id", PROFILES)
def test_a_form_that_nobody_touched_gives_the_same_file_byte_for_byte(profile_id: str) -> None:
    draft = from_profile(CATALOG, profile_id, FIELDS)
    assert draft.tab == "form"
    assert draft.text(FIELDS).encode() == CATALOG.profiles[profile_id].source


@examples(60)
@given(
    profile_id=st.sampled_from(PROFILES), title=texts, purpose=texts, memory=st.integers(1, 64), cpu=st.integers(1, 16)
)
def test_what_is_typed_comes_out_of_the_file_again(
    profile_id: str, title: str, purpose: str, memory: int, cpu: int
) -> None:
    draft = from_profile(CATALOG, profile_id, FIELDS)
    typed = {**draft.values, "title": title, "purpose": purpose}
    typed |= {"resources.memory.limit": f"{memory} GiB", "resources.cpu.limit": str(cpu)}
    changed = dataclasses.replace(draft, values=typed)
    again = parse_yaml(changed.text(FIELDS).encode())
    assert values_of(again, (*FIELDS, *option_fields(again))) == typed
    # Options, which the form cannot say, are still there, and so is what nobody touched.
    assert {key: again.get(key) for key in ("options", "environment")} == {
        key: draft.source.get(key) for key in ("options", "environment")
    }


KEYS = st.sampled_from(["resources", "cpu", "limit", "title", "data_roles", "app"])


@examples(60)
@given(
    st.dictionaries(
        KEYS,
        st.recursive(
            st.none() | st.booleans() | st.integers(-5, 5) | texts,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
            max_leaves=12,
        ),
    )
)
def test_any_data_at_all_passes_through_an_untouched_form(data: dict[str, Any]) -> None:
    assert document_of(values_of(data, FIELDS), roles_of(data), data, FIELDS) == data


@examples(60)
@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True), texts | st.text(max_size=12), min_size=1))
def test_variables_are_typed_one_to_a_line_and_no_value_is_lost(variables: dict[str, str]) -> None:
    typed = values_of({"environment": variables}, FIELDS)
    assert len(typed["environment"].splitlines()) == len(variables)
    assert document_of(typed, (), {}, FIELDS) == {"environment": variables}


def test_a_variable_without_a_value_is_said_to_be_none() -> None:
    assert document_of({"environment": "TZ\n\nLANG = C "}, (), {}, FIELDS) == {
        "environment": {"TZ": None, "LANG": " C"}
    }


def test_an_emptied_field_leaves_the_file_with_its_mapping() -> None:
    source = {"title": "A", "lifetime": {"idle": "2 h"}}
    values = {**values_of(source, FIELDS), "lifetime.idle": " "}
    assert document_of(values, (), source, FIELDS) == {"title": "A"}


def test_what_is_no_number_stays_as_it_was_typed_so_that_the_reading_can_say_what_is_wrong() -> None:
    found = document_of({"resources.cpu.limit": "many"}, (), {}, FIELDS)
    assert found == {"resources": {"cpu": {"limit": "many"}}}


def test_a_copy_has_the_data_of_a_file_and_none_of_its_comments() -> None:
    copied = from_profile(CATALOG, "housing-statistics/notebook", FIELDS, copy_to="transport-analysis")
    text = copied.text(FIELDS)
    assert "#" in CATALOG.profiles["housing-statistics/notebook"].source.decode()
    assert "#" not in text
    assert parse_yaml(text.encode()) == parse_yaml(CATALOG.profiles["housing-statistics/notebook"].source)


def test_folded_options_say_the_sizes_of_their_choices() -> None:
    profile = from_profile(CATALOG, "housing-statistics/notebook", FIELDS)
    typed = {**profile.values, "options.size.choices.large.resources.memory.limit": "32 GiB"}
    form = ProfileForm(FIELDS, {})
    view = FormView(dataclasses.replace(profile, values=typed), form, CATALOG, ANALYST)
    assert view.summary("Options") == "Size: Normal, Large (4 CPUs, 32 GiB)"


def test_the_form_names_what_it_keeps_aside() -> None:
    assert keys_without_field(
        {"title": "A", "options": {"size": {}}, "environment": {}, "data_roles": ["a"]}, FIELDS
    ) == ["options"]


def test_switching_tabs_there_and_back_keeps_the_content() -> None:
    draft = from_profile(CATALOG, "transport-analysis/delays", FIELDS)
    draft = draft.filled({**draft.source, "title": "New <b>title</b>"}, FIELDS)
    there = draft.switched("file", FIELDS)
    assert "title: New <b>title</b>" in there.content
    back = there.switched("form", FIELDS)
    assert (back.values, back.roles) == (draft.values, draft.roles)


def test_a_file_that_does_not_read_stays_in_its_tab() -> None:
    draft = EditedProfile("a", "b", tab="file", content="title: [")
    assert draft.switched("form", FIELDS) == draft


def test_a_blank_draft_is_almost_ready() -> None:
    draft = blank(CATALOG, ANALYST, "transport-analysis", FIELDS)
    assert [each.name for each in FIELDS if each.required and not draft.values[each.name]] == ["title", "purpose"]


def test_a_draft_without_variables_says_nothing_of_them() -> None:
    data = {**parse_yaml(CATALOG.profiles["transport-analysis/delays"].source), "environment": {"TZ": "Secret/Place"}}
    data["options"]["size"]["choices"]["large"]["environment"] = {"B": "hidden"}
    source = b"# Secret/Place\n" + rewrite("profile", b"", data)
    draft = without_variables(EditedProfile(content=source.decode()), FIELDS)
    assert "Secret/Place" not in draft.text(FIELDS)
    assert "hidden" not in draft.content
    assert sorted(draft.source) == sorted(key for key in data if key != "environment")


# -- keeping what people wrote


@examples(60)
@given(profile_id=st.sampled_from(PROFILES), wanted=st.data())
def test_a_changed_file_says_exactly_what_was_wanted(profile_id: str, wanted: st.DataObject) -> None:
    source = CATALOG.profiles[profile_id].source
    data = copy.deepcopy(parse_yaml(source))
    for key in wanted.draw(st.sets(st.sampled_from(sorted(data)))):
        del data[key]
    data |= wanted.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "title": texts,
                "purpose": st.text("ab: \n#'\"{}[],&*!|>-é", min_size=1, max_size=40).map(
                    lambda text: text.strip() or "x"
                ),
                "data_roles": st.lists(texts, max_size=3),
                "review_by": st.sampled_from(["2027-01-01", "012", "no", "1e3"]),
                "resources": st.just({"cpu": {"limit": 3}, "memory": {"limit": "3 GiB"}, "gpu": 1}),
                "environment": st.dictionaries(st.sampled_from(["TZ", "A"]), texts, max_size=2),
            },
        )
    )
    assert parse_yaml(rewrite("profile", source, data)) == data


def test_comments_and_order_stay_around_a_changed_value() -> None:
    source = CATALOG.profiles["housing-statistics/register"].source
    data = parse_yaml(source)
    data["lifetime"]["idle"] = "45 min"
    before, after = source.decode().splitlines(), rewrite("profile", source, data).decode().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1
    assert changed[0][1] == "lifetime: {idle: 45 min, total: 8 h}     # shorter, because of what it reaches"


def test_a_grant_is_one_line_more_in_the_file_of_the_data_role() -> None:
    before = CATALOG.data_roles["housing-register"].source.decode().splitlines()
    after = with_grant(CATALOG, "housing-register", "transport-analysis", Ask("2028-01-31", "Linking, with: care"))
    added = [line for line in after.decode().splitlines() if line not in before]
    assert added == ["  transport-analysis: {until: 2028-01-31, reason: 'Linking, with: care'}"]
    assert len(after.decode().splitlines()) == len(before) + 1


# -- what a draft becomes


def test_data_that_the_team_does_not_have_is_asked_for_in_the_same_proposal() -> None:
    draft = from_profile(CATALOG, "transport-analysis/delays", FIELDS)
    asks = {"housing-open": Ask("2028-01-31", ""), "rail-open": Ask("2028-01-31", "")}
    wanting = dataclasses.replace(draft, roles=(*draft.roles, "housing-open"), asks=asks)
    files = DraftProposal(wanting, reason="Homes by the line").files(FIELDS, CATALOG)
    assert sorted(files) == ["data-roles/housing-open.yaml", "teams/transport-analysis/profiles/delays.yaml"]
    grant = parse_yaml(files["data-roles/housing-open.yaml"] or b"")["granted_to"]["transport-analysis"]
    assert grant == {"until": "2028-01-31", "reason": "Homes by the line"}


def test_a_proposal_opens_again_as_the_form_that_it_came_from() -> None:
    grant = with_grant(CATALOG, "housing-open", "transport-analysis", Ask("2028-01-31", "Homes"))
    files = {
        "teams/transport-analysis/profiles/delays.yaml": CATALOG.profiles["transport-analysis/delays"].source,
        "data-roles/housing-open.yaml": grant,
        "teams/transport-analysis/team.yaml": b"title: T\n",
        "teams/open-data/profiles/code.yaml": None,
    }
    draft = from_proposal("p-1", files, "Why", CATALOG, FIELDS)
    profile = draft.profile
    assert profile
    assert (profile.id, profile.new, profile.tab) == ("transport-analysis/delays", False, "form")
    assert (draft.update, draft.reason) == ("p-1", "Why")
    assert profile.asks == {"housing-open": Ask("2028-01-31", "Homes")}
    assert draft.others == {
        "teams/transport-analysis/team.yaml": "title: T\n",
        "teams/open-data/profiles/code.yaml": None,
    }


@pytest.mark.parametrize(
    ("team", "name", "code"),
    [
        ("", "x", "team-missing"),
        ("../x", "x", "name"),
        ("open-data", "", "name-missing"),
        ("open-data", "No Name", "name"),
        ("open-data", "code", "name-taken"),
    ],
)
def test_a_name_that_is_missing_wrong_or_taken_is_told_beside_its_field(team: str, name: str, code: str) -> None:
    assert [
        problem.code for problem in own_problems(DraftProposal(EditedProfile(team, name), reason="x"), CATALOG)
    ] == [code]


def test_a_draft_without_a_reason_says_so() -> None:
    assert [problem.field for problem in own_problems(DraftProposal(reason=" \n"), CATALOG)] == ["reason"]


@pytest.mark.parametrize(
    ("path", "place", "expected"),
    [
        ("teams/a/profiles/b.yaml", "resources.memory.limit", "resources.memory.limit"),
        ("teams/a/profiles/b.yaml", "resources.cpu", "resources.cpu.limit"),
        ("teams/a/profiles/b.yaml", "data_roles.1", "data_roles.rail-open"),
        ("teams/a/profiles/b.yaml", "options.size.default", ""),
        ("teams/a/profiles/other.yaml", "title", ""),
        ("data-roles/rail-open.yaml", "granted_to.a.until", "grant.rail-open.until"),
        ("", "reason", "reason"),
    ],
)
def test_a_problem_stands_beside_the_field_that_it_is_about(path: str, place: str, expected: str) -> None:
    draft = DraftProposal(EditedProfile("a", "b", roles=("housing-open", "rail-open")))
    assert field_of(Problem(path, "x", "", "", field=place), draft, FIELDS) == expected


# -- what an administrator is asked to accept


COMMENTED = b"""\
# Why there are twelve: the census.
title: Large
purpose: Counting
app: jupyterlab
image: quay.io/jupyter/scipy-notebook:1
resources:
  cpu: {limit: 12}   # the envelope has eight
  memory: {limit: 4 GiB}
"""


def test_an_acceptance_is_written_into_the_file_and_leaves_the_rest_as_it_is() -> None:
    asked = {"cpu-envelope": Acceptance("A larger census", "2030-01-31"), "memory-envelope": Acceptance("  ")}
    content = with_acceptances(COMMENTED, asked)
    assert content.startswith(COMMENTED.partition(b"  memory")[0])
    assert parse_yaml(content)["accepted"] == {"cpu-envelope": {"reason": "A larger census", "until": "2030-01-31"}}
    assert with_acceptances(b"title: [", asked) == b"title: ["
    assert with_acceptances(COMMENTED, {}) == COMMENTED


def test_the_form_shows_what_is_accepted_and_drops_what_has_no_reason_any_more() -> None:
    content = with_acceptances(COMMENTED, {"cpu-envelope": Acceptance("A larger census")}).decode()
    draft = EditedProfile(content=content).filled(parse_yaml(content.encode()), FIELDS)
    assert draft.accepts == {"cpu-envelope": Acceptance("A larger census")}
    assert draft.text(FIELDS) == content
    assert draft.without_field(FIELDS) == []
    emptied = dataclasses.replace(draft, accepts={"cpu-envelope": Acceptance("")})
    assert "accepted" not in parse_yaml(emptied.text(FIELDS).encode())


def test_an_acceptance_without_a_reason_of_its_own_has_that_of_the_proposal_where_it_is_wanted() -> None:
    for wanted, why in ((True, "The census"), (False, "")):
        accept = Acceptance("  ", "", wanted, "The census ")
        assert accept.why == why
        draft = EditedProfile(content=COMMENTED.decode(), accepts={"cpu-envelope": accept})
        filled = draft.filled(parse_yaml(COMMENTED), FIELDS)
        assert parse_yaml(filled.text(FIELDS).encode()).get("accepted") == (
            {"cpu-envelope": {"reason": "The census"}} if wanted else None
        )


def test_in_the_file_an_acceptance_that_is_written_is_no_field_any_more() -> None:
    draft = EditedProfile(
        tab="file", content=COMMENTED.decode(), accepts={"cpu-envelope": Acceptance("A larger census")}
    )
    settled = draft.settled()
    assert settled.accepts == {}
    assert parse_yaml(settled.content.encode())["accepted"] == {"cpu-envelope": {"reason": "A larger census"}}
    wished = dataclasses.replace(draft, accepts={"cpu-envelope": Acceptance()}).settled()
    assert wished.accepts == {"cpu-envelope": Acceptance()}
    assert wished.content == COMMENTED.decode()


# -- options

SIZED = (
    COMMENTED
    + b"""options:
  size:   # asked at the start
    title: Size
    default: normal
    choices:
      normal: {title: Normal}
      large: {title: Large, resources: {memory: {limit: 8 GiB}}, environment: {BIG: "yes"}}
"""
)


def edited(content: bytes, **typed: str) -> dict[str, Any]:
    """Return the data of a file after something was typed into the form; `__` stands for a dot."""
    draft = EditedProfile(content=content.decode()).filled(parse_yaml(content), FIELDS)
    values = {**draft.values, **{name.replace("__", "."): text for name, text in typed.items()}}
    return parse_yaml(dataclasses.replace(draft, values=values).text(FIELDS).encode())


def test_a_choice_is_changed_in_the_form_and_keeps_what_the_form_cannot_say() -> None:
    data = edited(
        SIZED, options__size__choices__large__resources__memory__limit="16 GiB", options__size__default="large"
    )
    assert data["options"]["size"]["default"] == "large"
    assert data["options"]["size"]["choices"]["large"] == {
        "title": "Large", "resources": {"memory": {"limit": "16 GiB"}}, "environment": {"BIG": "yes"},
    }  # fmt: skip
    assert EditedProfile(content=SIZED.decode()).without_field(FIELDS) == []


def test_a_choice_is_added_and_one_whose_title_is_emptied_goes() -> None:
    data = edited(
        SIZED,
        options__size__added__title="Very large",
        options__size__added__resources__cpu__limit="4",
        options__size__choices__large__title=" ",
    )
    assert data["options"]["size"]["choices"] == {
        "normal": {"title": "Normal"},
        "very-large": {"title": "Very large", "resources": {"cpu": {"limit": 4}}},
    }
    names = [f"options.size.choices.{choice}.title" for choice in ("normal", "large")]
    assert "options" not in edited(SIZED, **dict.fromkeys((name.replace(".", "__") for name in names), ""))


def test_a_first_option_is_added() -> None:
    typed = {"title": "Size", "choice__title": "Large", "choice__resources__memory__limit": "8 GiB"}
    assert edited(COMMENTED, **{f"option__added__{key}": value for key, value in typed.items()})["options"] == {
        "size": {
            "title": "Size", "default": "normal",
            "choices": {
                "normal": {"title": "Normal"}, "large": {"title": "Large", "resources": {"memory": {"limit": "8 GiB"}}},
            },
        }
    }  # fmt: skip


def test_two_choices_of_the_same_title_have_two_names() -> None:
    data = edited(SIZED, options__size__added__title="Large", options__size__added__resources__cpu__limit="many")
    assert data["options"]["size"]["choices"]["large-2"] == {"title": "Large", "resources": {"cpu": {"limit": "many"}}}


@pytest.mark.parametrize(
    "options",
    [b"[a]", b"{size: 1}", b"{size: {choices: [a]}}", b"{size: {choices: {a: 1}}}", b"{A.b: {choices: {c: {}}}}"],
)
def test_options_that_are_none_are_kept_as_they_are_and_have_no_field(options: bytes) -> None:
    content = COMMENTED + b"options: " + options
    assert option_fields(parse_yaml(content)) == ()
    assert edited(content)["options"] == parse_yaml(content)["options"]


# -- lists and choices


def test_a_list_is_typed_one_to_a_line_or_with_commas_and_an_untouched_one_stays() -> None:
    source = {"maintainers": {"users": ["ana", "ben"]}, "only": ["/a/b"]}
    values = values_of(source, FIELDS)
    assert values["maintainers.users"] == "ana\nben"
    assert document_of(values, (), source, FIELDS) == source
    changed = document_of({**values, "maintainers.users": "ana, cleo\r\n\nana", "only": ""}, (), source, FIELDS)
    assert changed == {"maintainers": {"users": ["ana", "cleo"]}}


def test_the_names_of_groups_keep_their_commas() -> None:
    distinguished = "CN=Data,OU=Groups,DC=example,DC=org"
    typed = {"maintainers.groups": f"{distinguished}\n/a/b", "only": distinguished}
    assert document_of(typed, (), {}, FIELDS) == {
        "only": [distinguished],
        "maintainers": {"groups": [distinguished, "/a/b"]},
    }


def test_the_form_offers_what_the_team_may_use_and_hides_what_nobody_could_choose() -> None:
    bounds = {
        "gpu_kinds": ["l4"], "node_pools": [], "groups": ["/a"], "maximum": {"gpu": 0}, "repositories": [],
    }  # fmt: skip
    sections = sections_of(FIELDS, {}, bounds)
    names = {each.name: each for fields in sections.values() for each in fields}
    assert names["resources.gpu_kind"].choices == ("l4",)
    assert names["only"].choices == ("/a",)
    assert not {"node_pool", "resources.gpu", "checkout.repository"} & set(names)
    said = sections_of(FIELDS, {"node_pool": "large", "checkout.repository": "https://x"}, bounds)
    assert {"node_pool", "checkout.repository"} <= {each.name for fields in said.values() for each in fields}


@pytest.mark.parametrize(("review_by", "kept", "held"), [("2999-01-31", True, True), ("2026-01-31", False, False)])
def test_a_renewal_keeps_the_day_of_the_owners_review_while_it_is_to_come(
    tmp_path: Path, review_by: str, kept: bool, held: bool
) -> None:
    shutil.copytree(STARTER, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "data-roles" / "housing-open.yaml"
    until = next(line for line in path.read_text().splitlines() if line.strip().startswith("housing-statistics:"))
    path.write_text(
        path.read_text().replace(until, f"  housing-statistics: {{until: 2999-12-31, review_by: {review_by}}}")
    )
    catalog = load(in_folder(tmp_path))
    assert has_grant(catalog, "housing-open", "housing-statistics") is held
    renewed = parse_yaml(with_grant(catalog, "housing-open", "housing-statistics", Ask("2999-12-31", "")))
    assert ("review_by" in renewed["granted_to"]["housing-statistics"]) is kept
