"""What a change is called, whose approval it needs, and who can give it."""
# ruff: noqa: E501  (the table of cases is read across)

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.repositories import Content, ProfilesRepository, data_role, policy, profile, small, team

from allotment_profiles.catalog import Catalog
from allotment_profiles.changes import compare, compare_access
from allotment_profiles.requirements import Requirement, can_meet, missing, requirements_of
from allotment_profiles.rules import User

ADMIN = User("root", frozenset(), admin=True)
RED_LEAD, BLUE_LEAD = User("rita", frozenset({"/red/leads"})), User("bert", frozenset({"/blue/leads"}))
RED_MEMBER = User("ann", frozenset({"/red"}))
EVERYBODY = [ADMIN, RED_LEAD, BLUE_LEAD, RED_MEMBER]
NOTEBOOK = "teams/red/profiles/notebook.yaml"


def both(profiles: ProfilesRepository, change: Mapping[str, Content]) -> tuple[Catalog, Catalog]:
    if profiles.repository.resolve("main") is None:
        profiles.commit(small())
    before = profiles.catalog()
    profiles.push(change)
    return before, profiles.catalog()


def needs(profiles: ProfilesRepository, change: Mapping[str, Content]) -> set[str]:
    before, after = both(profiles, change)
    return {requirement.key for requirement in requirements_of(compare(before, after), before, after)}


CHANGES: list[tuple[str, dict[str, Content], set[str]]] = [
    ("a new profile", {"teams/red/profiles/a.yaml": profile()}, {"lead:red"}),
    ("a changed profile", {NOTEBOOK: profile(title="New", data_roles=["tables"])}, {"lead:red"}),
    ("a removed profile", {NOTEBOOK: None}, {"lead:red"}),
    ("a grant", {"data-roles/tables.yaml": data_role("blue", {"red": "2027-03-31", "blue": "2027-03-31"})}, {"owner:blue"}),
    ("a longer grant", {"data-roles/tables.yaml": data_role("blue", {"red": "2028-03-31"})}, {"owner:blue"}),
    ("another binding", {"data-roles/tables.yaml": data_role("blue", {"red": "2027-03-31"}, binding={"secret": {"name": "x"}})},
     {"owner:blue", "administrator"}),
    ("another owner", {"data-roles/tables.yaml": data_role("red", {"red": "2027-03-31"})}, {"owner:blue", "owner:red", "administrator"}),
    ("a new data role", {"data-roles/more.yaml": data_role("blue")}, {"owner:blue", "administrator"}),
    ("a wider envelope", {"teams/red/team.yaml": team("red", envelope={
        "cpu": 16, "memory": "32 GiB", "images": ["registry.example.org/analysis/*"]})}, {"administrator"}),
    ("another title of a team", {"teams/red/team.yaml": team("red", title="Reds")}, {"lead:red"}),
    ("another member of a team with data", {"teams/red/team.yaml": team("red", members={"groups": ["/red", "/more"]})},
     {"owner:blue", "administrator"}),
    ("another lead of a team with data", {"teams/red/team.yaml": team("red", leads={"groups": ["/red/leads"], "users": ["eve"]})},
     {"owner:blue", "administrator"}),
    ("another member of a team without data", {"teams/blue/team.yaml": team("blue", members={"groups": ["/blue", "/more"]})},
     {"administrator"}),
    ("a new team with a profile", {"teams/green/team.yaml": team("green"), "teams/green/profiles/a.yaml": profile()}, {"administrator"}),
    ("the policy", {"policy.yaml": policy(listing="own")}, {"administrator"}),
]  # fmt: skip


@pytest.mark.parametrize(("files", "keys"), [change[1:] for change in CHANGES], ids=[change[0] for change in CHANGES])
def test_a_change_is_routed_to_those_who_decide(
    profiles: ProfilesRepository, files: dict[str, Content], keys: set[str]
) -> None:
    assert needs(profiles, files) == keys


def test_a_proposal_cannot_appoint_its_own_reviewer(profiles: ProfilesRepository) -> None:
    mine = {"users": ["ann"]}
    before, after = both(profiles, {
        "teams/red/team.yaml": team("red", leads=mine), "teams/blue/team.yaml": team("blue", leads=mine),
        "data-roles/tables.yaml": data_role("blue", {"red": "2029-03-31"}),
        NOTEBOOK: profile(data_roles=["tables"], title="New"),
    })  # fmt: skip
    requirements = requirements_of(compare(before, after), before, after)
    assert {each.key for each in requirements} == {"lead:red", "owner:blue", "administrator"}
    friend = User("eve", frozenset())
    assert missing(requirements, [RED_MEMBER, friend], before, friend) == requirements
    assert missing(requirements, [RED_LEAD, BLUE_LEAD, ADMIN], before, RED_MEMBER) == []


def test_a_team_that_is_deleted_and_comes_back_asks_the_owner_of_its_data_again(profiles: ProfilesRepository) -> None:
    both(profiles, {"teams/red/team.yaml": None, NOTEBOOK: None})
    assert needs(profiles, {"teams/red/team.yaml": team("red", members={"users": ["eve"]})}) == {
        "owner:blue",
        "administrator",
    }


def test_a_data_role_that_does_not_read_cannot_be_taken_over_without_an_administrator(
    profiles: ProfilesRepository,
) -> None:
    both(profiles, {"data-roles/tables.yaml": "title: ["})
    assert "administrator" in needs(profiles, {"data-roles/tables.yaml": data_role("red", {"red": "2027-03-31"})})


def test_the_owner_is_the_one_on_main_and_not_the_proposed_one(profiles: ProfilesRepository) -> None:
    before, after = both(profiles, {"data-roles/tables.yaml": data_role("red", {"red": "2099-03-31"})})
    requirements = requirements_of(compare(before, after), before, after)
    assert [each.key for each in missing(requirements, [RED_LEAD, ADMIN], before, RED_MEMBER)] == ["owner:blue"]


REQUIREMENTS = st.sampled_from([
    Requirement("lead", "red", ("why",), "who"), Requirement("owner", "blue", ("why",), "who"),
    Requirement("lead", "none", (), ""), Requirement("administrator", "", ("why",), "who"),
])  # fmt: skip
PEOPLE = st.builds(
    User, st.sampled_from(["ann", "bob", "eve"]),
    st.frozensets(st.sampled_from(["/red", "/red/leads", "/blue/leads"]), max_size=3), st.booleans(),
)  # fmt: skip


@pytest.fixture(scope="module")
def main(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    profiles = ProfilesRepository(tmp_path_factory.mktemp("main"))
    profiles.commit(small())
    return profiles.catalog()


@given(REQUIREMENTS, PEOPLE, PEOPLE)
def test_an_approval_counts_only_from_those_who_may_and_never_from_the_proposer(
    main: Catalog, requirement: Requirement, user: User, proposer: User
) -> None:
    met = can_meet(requirement, user, main, proposer)
    may = {
        "lead:red": "/red/leads" in user.groups or (user.admin and "/red/leads" in proposer.groups),
        "owner:blue": "/blue/leads" in user.groups,
        "administrator": user.admin,
        "lead:none": False,
    }[requirement.key]
    assert met == (may and user.name != proposer.name)
    assert (requirement in missing([requirement], [user], main, proposer)) != met


def test_changes_are_told_in_the_words_of_people(profiles: ProfilesRepository) -> None:
    larger = profile(
        data_roles=[], resources={"cpu": {"limit": 2}, "memory": {"limit": "8 GiB"}}, environment={"TZ": "UTC"}
    )
    before, after = both(
        profiles, {NOTEBOOK: larger, "data-roles/tables.yaml": data_role("blue", {"red": "2028-01-01"})}
    )
    texts = {change.text for change in compare(before, after)}
    assert {"memory limit 4 GiB → 8 GiB", "data role tables removed", "variable TZ UTC added"} <= texts
    assert "grant to red, until 2027-03-31 → 2028-01-01" in texts
    assert compare(after, after) == []


def test_moving_white_space_and_comments_is_no_change_of_meaning(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    before = profiles.catalog()
    source = before.profiles["red/notebook"].source
    _, after = both(profiles, {NOTEBOOK: b"# a comment\n\n" + source.replace(b"Notebook", b'"Notebook"')})
    assert after.profiles["red/notebook"].value == before.profiles["red/notebook"].value
    assert compare(before, after) == []


def test_who_gains_and_who_loses_data_is_part_of_a_comparison(profiles: ProfilesRepository) -> None:
    before, after = both(profiles, {"data-roles/tables.yaml": data_role("blue", {"blue": "2027-03-31"})})
    told = {(change.gains, change.team, change.data_role) for change in compare_access(before, after)}
    assert told == {(True, "blue", "tables"), (False, "red", "tables")}
