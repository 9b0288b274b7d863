"""What a change is called, whose approval it needs, and who can give it."""
# ruff: noqa: E501  (the table of cases is read across)

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.catalogs import catalog, pairs
from support.repositories import Content, ProfilesRepository, as_bytes, data_role, policy, profile, small, team

from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.review.approvals import Requirement, can_meet, missing, requirements_of
from allotment_profiles.review.changes import compare

ADMIN = User("root", frozenset(), admin=True)
RED_LEAD, BLUE_LEAD = User("rita", frozenset({"/red/leads"})), User("bert", frozenset({"/blue/leads"}))
RED_MEMBER = User("ann", frozenset({"/red"}))
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


ENVELOPE = {"cpu": 8, "memory": "32 GiB", "images": ["registry.example.org/analysis/*"]}
LARGE = profile(
    resources={"cpu": {"limit": 2}, "memory": {"limit": "48 GiB"}},
    accepted={"memory-envelope": {"reason": "Large tables"}},
)

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
    ("a profile beyond the envelope", {"teams/red/profiles/a.yaml": LARGE}, {"lead:red", "administrator"}),
    ("a profile in a wider envelope", {"teams/red/profiles/a.yaml": profile(resources=LARGE["resources"]),
      "teams/red/team.yaml": team("red", envelope={**ENVELOPE, "memory": "64 GiB"})}, {"lead:red", "administrator"}),
    ("an acceptance alone", {NOTEBOOK: profile(data_roles=["tables"], accepted={"x-y": {"reason": "Why"}})},
     {"lead:red", "administrator"}),
    ("maintainers", {NOTEBOOK: profile(data_roles=["tables"], maintainers={"users": ["ann"]})}, {"lead:red"}),
    ("a group that the profile is for", {NOTEBOOK: profile(data_roles=["tables"], only=["/red"])}, {"lead:red"}),
    ("a deputy who gains data", {"teams/red/team.yaml": team("red", deputies={"users": ["eve"]})}, {"lead:red", "owner:blue"}),
    ("a deputy from among the members", {"teams/red/team.yaml": team("red", deputies={"groups": ["/red"]})}, {"lead:red"}),
    ("a deputy of a team without data", {"teams/blue/team.yaml": team("blue", deputies={"users": ["eve"]})}, {"lead:blue"}),
    ("a member fewer", {"teams/red/team.yaml": team("red", members={"groups": []})}, {"lead:red"}),
    ("another lead instead", {"teams/blue/team.yaml": team("blue", leads={"users": ["eve"]})}, {"administrator"}),
    ("everybody", {"teams/everyone/team.yaml": team("everyone", members={"everyone": True})}, {"administrator"}),
    ("a narrower envelope", {"teams/red/team.yaml": team("red", envelope={**ENVELOPE, "memory": "16 GiB"})}, {"lead:red"}),
    ("one wider, one narrower", {"teams/red/team.yaml": team("red", envelope={**ENVELOPE, "memory": "16 GiB", "cpu": 9})},
     {"lead:red", "administrator"}),
    ("a budget", {"teams/red/team.yaml": team("red", budget={"cpu": 9})}, {"lead:red"}),
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
    Requirement("lead", "red", ("why",), "who", leads_only=True), Requirement("lead", "red", (), "", or_administrator=True),
    Requirement("lead", "red", ("why",), "who"), Requirement("owner", "blue", ("why",), "who"),
    Requirement("lead", "none", (), ""), Requirement("administrator", "", ("why",), "who"),
])  # fmt: skip
PEOPLE = st.builds(
    User, st.sampled_from(["ann", "bob", "eve"]),
    st.frozensets(st.sampled_from(["/red", "/red/leads", "/red/deputies", "/blue/leads", "/blue/deputies"]), max_size=3), st.booleans(),
)  # fmt: skip


@pytest.fixture(scope="module")
def main(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    profiles = ProfilesRepository(tmp_path_factory.mktemp("main"))
    profiles.commit(small(**{
        f"teams/{name}/team.yaml": team(name, deputies={"groups": [f"/{name}/deputies"]}) for name in ("red", "blue")
    }))  # fmt: skip
    return profiles.catalog()


@given(REQUIREMENTS, PEOPLE, PEOPLE, st.frozensets(st.sampled_from(["ann", "bob"])))
def test_an_approval_counts_only_from_those_who_may_and_never_from_the_proposer(
    main: Catalog, requirement: Requirement, user: User, proposer: User, contributors: frozenset[str]
) -> None:
    met = can_meet(requirement, user, main, proposer, contributors)
    deputy = not requirement.leads_only
    may = {
        "lead:red": "/red/leads" in user.groups
        or (deputy and "/red/deputies" in user.groups)
        or (user.admin and ("/red/leads" in proposer.groups or requirement.or_administrator)),
        "owner:blue": not user.groups.isdisjoint({"/blue/leads", "/blue/deputies"}),
        "administrator": user.admin,
        "lead:none": False,
    }[requirement.key]
    assert met == (may and user.name != proposer.name and user.name not in contributors)
    assert (requirement in missing([requirement], [user], main, proposer, contributors)) != met


def test_where_not_everybody_belongs_any_more_nobody_gains_data() -> None:
    roles = {"tables": data_role("blue", {"everyone": "2027-03-31"})}
    teams = [{"blue": team("blue"), "everyone": team("everyone", members={"everyone": each})} for each in (True, False)]
    before, after = (catalog(each, roles, {}) for each in teams)
    assert [each.key for each in requirements_of(compare(before, after), before, after)] == ["administrator"]
    assert [each.key for each in requirements_of(compare(after, before), after, before)] == [
        "owner:blue",
        "administrator",
    ]


def test_the_strictest_reason_decides_who_may_stand_in(profiles: ProfilesRepository) -> None:
    before, after = both(profiles, {"teams/red/team.yaml": team(
        "red", title="Reds", members={"groups": []}, deputies={"groups": ["/red"]}
    )})  # fmt: skip
    (lead,) = requirements_of(compare(before, after), before, after)
    assert (lead.key, lead.leads_only, lead.or_administrator) == ("lead:red", True, False)
    assert not can_meet(lead, ADMIN, before, RED_MEMBER)


def test_taking_away_may_be_approved_by_a_lead_or_an_administrator_and_says_so(profiles: ProfilesRepository) -> None:
    before, after = both(profiles, {"teams/red/team.yaml": team("red", members={"groups": []})})
    (lead,) = requirements_of(compare(before, after), before, after)
    assert (lead.key, lead.leads_only, lead.or_administrator) == ("lead:red", False, True)
    assert all(can_meet(lead, user, before, RED_MEMBER) for user in (RED_LEAD, ADMIN))
    assert not can_meet(lead, BLUE_LEAD, before, RED_MEMBER)


NARROWING: list[tuple[str, dict[str, object], dict[str, object], bool]] = [
    ("no kind named means every kind", {"gpu_kinds": ["l4"]}, {"gpu_kinds": []}, False),
    ("from every kind to one", {"gpu_kinds": []}, {"gpu_kinds": ["l4"]}, True),
    ("one kind fewer", {"gpu_kinds": ["l4", "h100"]}, {"gpu_kinds": ["l4"]}, True),
    ("one kind instead", {"gpu_kinds": ["l4"]}, {"gpu_kinds": ["h100"]}, False),
    ("a pool fewer", {"node_pools": ["big"]}, {}, True),
    ("a pool more", {}, {"node_pools": ["big"]}, False),
    ("images of a folder fewer", {"images": ["r.example.org/a/*", "r.example.org/b/*"]}, {"images": ["r.example.org/a/*"]}, True),
    ("a larger home", {}, {"home": "30 GiB"}, False),
]  # fmt: skip


BUDGETS: list[tuple[dict[str, object], dict[str, object], bool]] = [
    ({}, {"cpu": 1}, True), ({"cpu": 1}, {}, False), ({"cpu": 2}, {"cpu": 1}, True), ({"cpu": 1}, {"cpu": 2}, False),
    ({"cpu": 1}, {"memory": "1 GiB"}, False), ({"sessions": 1}, {"sessions": 1, "gpu": 0}, True),
]  # fmt: skip
KEYS = [("envelope", *case[1:]) for case in NARROWING] + [
    (kind, *case) for kind in ("budget", "user_budget") for case in BUDGETS
]


@pytest.mark.parametrize(("key", "before", "after", "narrower"), KEYS)
def test_a_narrower_envelope_or_budget_is_told_from_a_wider_one(
    key: str, before: dict[str, object], after: dict[str, object], narrower: bool
) -> None:
    limits = ({**ENVELOPE, **each} if key == "envelope" else each for each in (before, after))
    old, new = (catalog({"red": team("red", **({key: each} if each else {}))}, {}, {}) for each in limits)
    keys = {each.key for each in requirements_of(compare(old, new), old, new)}
    assert keys == {"lead:red"} if narrower else "administrator" in keys <= {"administrator", "lead:red"}


BEYOND: list[tuple[str, dict[str, Any], str]] = [
    ("a node pool", {"node_pool": "big"}, "the node pool big"),
    ("a kind of GPU", {"resources": {"cpu": {"limit": 2}, "memory": {"limit": "4 GiB"}, "gpu": 2, "gpu_kind": "h100"}},
     "2 GPUs instead of 1 GPU; GPUs of the kind h100"),
    ("an image", {"image": "registry.example.org/other/x:1"}, "the image registry.example.org/other/x:1"),
    ("a home", {"storage": {"home": "30 GiB"}}, "a home of 30 GiB instead of a home of 20 GiB"),
    ("CPUs", {"resources": {"cpu": {"limit": 9}, "memory": {"limit": "4 GiB"}}}, "9 CPUs instead of 8 CPUs"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "told"), [case[1:] for case in BEYOND], ids=[case[0] for case in BEYOND])
def test_what_goes_further_beyond_the_envelope_asks_an_administrator_once(fields: dict[str, Any], told: str) -> None:
    envelope = {**ENVELOPE, "gpu": 1, "gpu_kinds": ["l4"]}
    before, beyond, later = (
        catalog({"red": team("red", envelope=envelope)}, {}, {"red/a": profile(**each)})
        for each in ({}, fields, {**fields, "title": "Else"})
    )
    lead, administrator = requirements_of(compare(before, beyond), before, beyond)
    (reason,) = administrator.reasons
    assert reason.endswith(f": {told}.")
    assert [each.key for each in requirements_of(compare(beyond, later), beyond, later)] == [lead.key]


def test_an_envelope_that_the_policy_makes_advice_needs_no_administrator() -> None:
    large = {"red/a": profile(resources=LARGE["resources"])}
    for level, keys in (("soft", {"lead:red", "administrator"}), ("advice", {"lead:red"}), ("off", {"lead:red"})):
        before, after = (catalog({"red": team("red")}, {}, each, rules={"envelope": level}) for each in ({}, large))
        assert {each.key for each in requirements_of(compare(before, after), before, after)} == keys
        categories = {change.category for change in compare(before, after) if change.field == "resources.memory.limit"}
        assert categories == {"larger-outside" if level == "soft" else "new"}


@given(pairs(), PEOPLE)
def test_nobody_meets_the_requirements_of_what_they_propose(both: tuple[Catalog, Catalog], proposer: User) -> None:
    before, after = both
    requirements = requirements_of(compare(before, after), before, after, proposer)
    assert missing(requirements, [proposer], before, proposer) == requirements
    friend = User("friend", proposer.groups, proposer.admin)
    assert missing(requirements, [proposer], before, friend, {proposer.name}) == requirements


def test_changes_are_told_with_what_was_and_what_will_be(profiles: ProfilesRepository) -> None:
    larger = profile(
        data_roles=[], resources={"cpu": {"limit": 2}, "memory": {"limit": "8 GiB"}}, environment={"TZ": "UTC"}
    )
    before, after = both(
        profiles, {NOTEBOOK: larger, "data-roles/tables.yaml": data_role("blue", {"red": "2028-01-01"})}
    )
    assert {
        ("resources.memory.limit", "4 GiB", "8 GiB"), ("data_roles", "tables", None), ("environment.TZ", None, "UTC"),
        ("granted_to.red.until", "2027-03-31", "2028-01-01"),
    } <= {(change.field, change.before, change.after) for change in compare(before, after)}  # fmt: skip
    assert compare(after, after) == []


def test_moving_white_space_and_comments_is_no_change_of_meaning(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    before = profiles.catalog()
    source = before.profiles["red/notebook"].source
    _, after = both(profiles, {NOTEBOOK: b"# a comment\n\n" + source.replace(b"Notebook", b'"Notebook"')})
    assert after.profiles["red/notebook"].value == before.profiles["red/notebook"].value
    assert compare(before, after) == []


AWS, EKS = "aws_role", "eks_pod_identity"
ROLE = "arn:aws:iam::000000000000:role/tables"
AZURE = {"client_id": "00000000-0000-0000-0000-000000000001", "tenant_id": "00000000-0000-0000-0000-000000000002"}
VAULT = {"role": "tables", "path": "secret/tables"}


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"volume": {"claim": "c", "sub_path": "a"}}, {"volume": {"claim": "c", "sub_path": "a"}}, True),
        ({"volume": {"claim": "c", "sub_path": "a"}}, {"volume": {"claim": "c", "sub_path": "a/b"}}, True),
        (
            {"volume": {"claim": "c", "sub_path": "a/b"}},
            {"volume": {"claim": "c", "sub_path": "a", "read_only": False}},
            True,
        ),
        ({"volume": {"claim": "c", "sub_path": "a"}}, {"volume": {"claim": "c", "sub_path": "ab"}}, False),
        ({"volume": {"claim": "c", "sub_path": "a"}}, {"volume": {"claim": "d", "sub_path": "a"}}, False),
        ({"secret": {"name": "s"}}, {"secret": {"name": "s", "variables": {"TOKEN": "key"}}}, True),
        (
            {"secret": {"name": "s", "variables": {"TOKEN": "key"}}},
            {"secret": {"name": "s", "variables": {"PASSWORD": "key"}}},
            True,
        ),
        (
            {"secret": {"name": "s", "variables": {"TOKEN": "key"}}},
            {"secret": {"name": "s", "variables": {"TOKEN": "other"}}},
            False,
        ),
        ({AWS: ROLE}, {AWS: ROLE}, True),
        ({AWS: ROLE}, {EKS: ROLE}, True),
        ({AWS: ROLE}, {AWS: f"{ROLE}-2"}, False),
        (
            {"gcp_service_account": "tables@project-1.iam.gserviceaccount.com"},
            {"gcp_service_account": "tables@project-1.iam.gserviceaccount.com"},
            True,
        ),
        ({"azure_identity": AZURE}, {"azure_identity": AZURE}, True),
        ({"azure_identity": AZURE}, {"azure_identity": {**AZURE, "client_id": AZURE["tenant_id"]}}, False),
        ({"vault": VAULT}, {"vault": {**VAULT, "role": "other"}}, True),
        ({"vault": VAULT}, {"vault": {**VAULT, "path": "secret/other"}}, False),
    ],
)
def test_a_second_data_role_with_the_same_credential_asks_the_owner_of_the_first_too(
    profiles: ProfilesRepository, first: dict[str, Any], second: dict[str, Any], same: bool
) -> None:
    profiles.commit(small(**{"data-roles/tables.yaml": data_role("blue", {"red": "2027-03-31"}, binding=first)}))
    both_owners = {"owner:red", "owner:blue"} if same else {"owner:red"}
    more = data_role("red", {"red": "2027-03-31"}, binding=second)
    assert needs(profiles, {"data-roles/more.yaml": more}) == {*both_owners, "administrator"}
    catalog = profiles.catalog()
    assert catalog.also_through("tables") == (("more",) if same else ())
    assert catalog.also_through("more") == (("tables",) if same else ())
    # From then on the second name gives the data of the first to more people.
    longer = data_role("red", {"red": "2028-03-31"}, binding=second)
    assert needs(profiles, {"data-roles/more.yaml": longer}) == both_owners
    shorter = data_role("red", {"red": "2026-03-31"}, binding=second)
    assert needs(profiles, {"data-roles/more.yaml": shorter}) == {"owner:red"}
    members = team("red", members={"groups": ["/red", "/more"]})
    assert needs(profiles, {"teams/red/team.yaml": members}) == {"owner:red", "owner:blue", "administrator"}


def test_a_binding_that_becomes_that_of_another_data_role_asks_its_owner(profiles: ProfilesRepository) -> None:
    other = {"volume": {"claim": "other", "sub_path": "main"}}
    profiles.commit(small(**{"data-roles/more.yaml": data_role("red", {"red": "2027-03-31"}, binding=other)}))
    before, after = both(profiles, {"data-roles/more.yaml": data_role("red", {"red": "2027-03-31"})})
    needed = {each.key: each for each in requirements_of(compare(before, after), before, after)}
    assert set(needed) == {"owner:red", "owner:blue", "administrator"}
    assert "tables" in needed["owner:blue"].text
    assert "sub_path" not in needed["owner:blue"].text  # who may read the requirements may not read the binding


@pytest.mark.parametrize("broken", ["oops", {**data_role("blue"), "owner": "nobody"}], ids=["unreadable", "ownerless"])
def test_a_second_name_asks_the_owner_of_a_first_one_that_is_not_valid_on_main(
    profiles: ProfilesRepository, broken: Any
) -> None:
    """Its last version that was valid says whose the data is."""
    profiles.commit(small())
    profiles.push({"data-roles/tables.yaml": as_bytes("data-roles/tables.yaml", broken)})
    assert "data-roles/tables.yaml" in profiles.catalog().broken
    more = data_role("red", {"red": "2027-03-31"})
    assert needs(profiles, {"data-roles/more.yaml": more}) == {"owner:red", "owner:blue", "administrator"}
