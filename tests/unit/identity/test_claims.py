"""Groups and accounts as identity providers really send them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.properties import examples

from allotment_hub.identity.claims import MAXIMUM_GROUPS, Account, account_of, claim_at, received_groups
from allotment_profiles.access.people import User, belongs, leads
from allotment_profiles.documents.reading import read
from allotment_profiles.documents.writing import write
from allotment_profiles.model import Team
from allotment_profiles.model.values.texts import listed

AZURE = "8c5a5cbc-5a0b-4c8e-9f3c-2f7a3c9c2b11"
DN = "CN=Prison Analysts,OU=Groups,DC=justice,DC=example,DC=org"
SENT: list[tuple[Any, set[str]]] = [
    (["/moj/team", "/moj/team/leads"], {"/moj/team", "/moj/team/leads"}),  # Keycloak
    (["red:analysts"], {"red:analysts"}),  # Gitea, Forgejo
    ([DN, DN.lower()], {DN, DN.lower()}),  # LDAP
    (["analysts@example.org"], {"analysts@example.org"}),  # Google
    ([{"id": AZURE, "displayName": "Analysts"}], {AZURE}),  # Microsoft Graph
    ([{"email": "a@example.org", "id": "01", "name": "A"}], {"a@example.org"}),  # Google's directory
    ([{"slug": "core", "name": "Core", "organization": {"login": "red"}}], {"red:core"}),  # GitHub
    ([{"full_path": "red/core", "id": 3, "name": "core"}], {"red/core"}),  # GitLab
    ([{"value": "7", "display": "Seven"}], {"7"}),  # SCIM
    ({"admin": {"org": "x"}, "user": {}}, {"admin", "user"}),  # Zitadel
    ("analysts", {"analysts"}),  # one group: JupyterHub would take its letters
    ("a,b c", {"a,b c"}),
    ([["a", ["b"]], "c", 7], {"a", "b", "c", "7"}),
    (["Prison  Analysts", "ÉTÉ", "été", "分析"], {"Prison  Analysts", "ÉTÉ", "été", "分析"}),
    ([], set()),
    (None, set()),
]


@pytest.mark.parametrize(("claim", "names"), SENT)
def test_each_shape_gives_the_names(claim: Any, names: set[str]) -> None:
    assert received_groups(claim).names == names
    assert received_groups(claim).unusable == ()


@pytest.mark.parametrize(
    "claim", [[""], [" "], [None, True], [" admins"], ["admins\n"], ["a\x00b"], ["a\ud800"], ["a" * 256], [{}], [1.5],
              ["\u202eadmins"], [{"organization": {}, "name": "core"}], [{"id": True}]],
)  # fmt: skip
def test_what_no_file_can_name_is_kept_apart_with_the_reason(claim: list[Any]) -> None:
    received = received_groups([*claim, "kept"])
    assert received.names == {"kept"}
    assert len(received.unusable) == 1
    received.unusable[0].encode()  # it can be written down


def test_the_key_of_a_name_can_be_chosen_and_nothing_else_is_taken_then() -> None:
    groups = [{"id": AZURE, "displayName": "Analysts"}, {"id": "x"}]
    assert received_groups(groups, "displayName").names == {"Analysts"}


def test_a_user_has_many_groups_and_a_hostile_claim_is_bounded() -> None:
    names = [f"CN=group {number},OU=Groups,DC=example,DC=org" for number in range(MAXIMUM_GROUPS)]
    assert received_groups(names[:2000]).names == set(names[:2000])
    much = received_groups([*names, "one more", "and one more", names[0]])
    assert (much.names, much.unusable) == (set(names), (f"more than {MAXIMUM_GROUPS} groups",))
    deep: Any = "bottom"
    for _ in range(10_000):
        deep = [deep]
    assert received_groups([deep, "kept", 10**5000]).names == {"kept", "a very long number"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["id", "name", "organization"]), inner),
    max_leaves=20,
)


@examples(300)
@given(JSON)
def test_whatever_is_sent_gives_names_that_a_file_and_a_database_take(claim: Any) -> None:
    received = received_groups(claim)
    for name in received.names:
        assert 0 < len(name) <= 255
        assert "\x00" not in name.encode().decode()
    assert len(received.unusable) <= 20


@examples(150)
@given(st.lists(st.text(min_size=1, max_size=255) | st.sampled_from([DN, "/moj/team", "red:core"]), max_size=5))
def test_each_name_can_be_written_in_a_team_s_file_and_is_matched_exactly(sent: list[str]) -> None:
    for name in received_groups(sent).names:
        text = write("team", {
            "title": "Red", "members": {"groups": [name]}, "leads": {"groups": ["leads"]},
            "envelope": {"cpu": 1, "memory": "1 GiB", "images": ["quay.io/a/*"]},
        })  # fmt: skip
        team = read("team", "teams/red/team.yaml", text).value
        assert isinstance(team, Team)
        assert team.members.groups == (name,)
        assert belongs(User("ann", frozenset([name])), team)
        others = {name.swapcase(), name.casefold(), f"{name}x", name[:-1], f"{name}/leads"} - {name, "leads"}
        assert not any(belongs(User("ann", frozenset([other])), team) for other in others)
        assert not leads(User("ann", frozenset([name])), team) or name == "leads"


def test_names_in_a_line_cannot_pretend_to_be_several() -> None:
    assert listed(["/a", DN, 'x", "y', "a with b"]) == f'/a, "{DN}", "x\\", \\"y", "a with b"'


@pytest.mark.parametrize(
    ("state", "key", "found"),
    [
        ({"oauth_user": {"groups": ["a"]}}, "oauth_user.groups", ["a"]),
        ({"oauth_user": {"https://example.org/groups": ["a"]}}, "oauth_user.https://example.org/groups", ["a"]),
        ({"oauth_user": {"a.b": {"c": 1}}}, "oauth_user.a.b.c", 1),
        ({"teams": []}, "teams", []),
        ({"oauth_user": None}, "oauth_user.groups", None),
        ({}, "", None),
    ],
)
def test_a_claim_is_found_by_its_key_also_where_that_has_dots(state: Any, key: str, found: Any) -> None:
    assert claim_at(state, key) == found


def test_an_account_is_what_the_provider_never_gives_to_somebody_else() -> None:
    github = account_of("github", "github.com", {"id": 583231, "login": "octocat", "sub": "no"})
    assert github == Account("github", "github.com", "583231", "octocat")
    gitea = account_of("gitea", "git.example.org", {"sub": "5", "preferred_username": "ann"})
    assert gitea == Account("gitea", "git.example.org", "5", "ann")
    azure = account_of("azuread", "login.microsoftonline.com", {"sub": "pairwise", "oid": AZURE, "name": "Ann"})
    assert azure is not None
    assert azure.id == AZURE
    assert account_of("oidc", "x", {"preferred_username": "ann"}) is None
    assert account_of("oidc", "x", "ann") is None
