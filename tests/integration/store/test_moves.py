"""Files that are moved in one commit: they are removed ones where somebody cannot start them any more, or has less."""

import pytest
from support.removals import GONE, MANY, held
from support.repositories import Content, ProfilesRepository, as_bytes, data_role, policy, profile, small, team
from support.servers.git_server import git

from allotment_profiles.git.repository import MAIN

TABLES = "data-roles/tables.yaml"
RED = "teams/red/team.yaml"


@pytest.mark.parametrize(
    ("old", "new", "removed"), [("profiles/p", "profiles/q", 0), ("/red/", "/blue/", 11), ("teams/", "attic/", 11)]
)
def test_moved_files_are_removed_ones_where_their_people_do_not_find_them(
    profiles: ProfilesRepository, old: str, new: str, removed: int
) -> None:
    profiles.commit(small(**MANY))
    profiles.push({**GONE, **{path.replace(old, new): as_bytes(path, content) for path, content in MANY.items()}})
    catalog = profiles.catalog()
    assert len(catalog.quarantined) == removed
    assert ("red/q00" in catalog.profiles, "red/p00" in catalog.profiles) == (not removed, bool(removed))


@pytest.mark.parametrize(
    ("new", "more"),
    [
        ("teams/nobody/profiles/", {}),
        ("data-roles/", {}),
        ("teams/blue/profiles/", {"teams/blue/team.yaml": None}),
    ],
    ids=["no such team", "another kind", "a team that goes as well"],
)
def test_files_moved_to_where_they_do_not_apply_are_removed_ones(
    profiles: ProfilesRepository, new: str, more: dict[str, Content]
) -> None:
    profiles.commit(small(**MANY))
    moved = {new + path.rpartition("/")[2]: as_bytes(path, content) for path, content in MANY.items()}
    profiles.push({**GONE, **moved, **more})
    assert {path for path, _ in held(profiles)} >= MANY.keys()
    assert "red/p00" in profiles.catalog().profiles


def test_a_team_may_move_with_its_profiles(profiles: ProfilesRepository) -> None:
    profiles.commit(small(**MANY))
    moved = {path.replace("/red/", "/olive/"): as_bytes(path, content) for path, content in MANY.items()}
    profiles.push({**GONE, **moved, RED: None, "teams/olive/team.yaml": team("red")})
    assert held(profiles) == set()
    assert "olive/p00" in profiles.catalog().profiles


LEADS = {"groups": ["/olive/leads"]}
GRANTED = data_role("blue", {"red": "2027-03-31", "olive": "2027-03-31"})
AWS = {"aws_role": "arn:aws:iam::000000000000:role/tables"}
SIZES = {
    "size": {
        "title": "Size",
        "default": "small",
        "choices": {"small": {"title": "Small"}, "large": {"title": "Large", "resources": {"cpu": {"limit": 4}}}},
    }
}


@pytest.mark.parametrize(
    ("changes", "olive", "more", "moved"),
    [
        ({}, {}, {}, True),
        ({}, {"members": {"groups": ["/red", "/olive"]}}, {}, True),
        ({}, {"members": {"groups": ["/olive"]}}, {}, False),
        ({}, {"members": {"users": ["ann"]}}, {}, False),
        ({}, {"leads": LEADS}, {}, False),
        ({"visibility": "draft"}, {"deputies": {"groups": ["/red"]}, "leads": LEADS}, {}, False),
        ({"data_roles": ["tables"]}, {}, {}, False),
        ({"data_roles": ["tables"]}, {}, {TABLES: GRANTED}, True),
        ({"data_roles": ["tables"]}, {}, {TABLES: data_role("blue", {"olive": "2027-03-30"})}, False),
        ({"data_roles": ["tables"]}, {}, {TABLES: {**GRANTED, "owner": "nobody"}}, False),
        ({"data_roles": ["tables"]}, {}, {TABLES: "oops"}, False),
        ({}, {"envelope": {"cpu": 1, "memory": "1 GiB", "images": ["registry.example.org/*"]}}, {}, False),
        ({}, {"title": 1}, {}, False),
        ({}, {"members": {"everyone": True}}, {}, False),
        ({}, {}, {"teams/0live/team.yaml": team("olive")}, False),
        ({}, {}, {"policy.yaml": policy(ceilings={"cpu": 1, "memory": "1 GiB"})}, False),
        ({}, {}, {"policy.yaml": "oops"}, False),
        ({}, {"budget": {"cpu": 0.1}}, {}, False),
        ({}, {"user_budget": {"memory": "100 MiB"}}, {}, False),
        ({}, {"user_budget": {"sessions": 0}}, {}, False),
        ({}, {"budget": {"cpu": 3}}, {}, False),
        ({}, {"budget": {"cpu": 4, "memory": "16 GiB", "gpu": 0, "sessions": 1}}, {}, True),
        ({}, {"user_budget": {"cpu": 4}}, {}, True),
        ({"storage": {"team": "read-only"}}, {}, {}, False),
        ({"data_roles": ["tables"]}, {}, {TABLES: {**GRANTED, "binding": AWS}}, False),
        ({"data_roles": ["tables"]}, {}, {TABLES: {**GRANTED, "binding": {"secret": {"name": "tables"}}}}, True),
    ],
    ids=[
        "the same people", "more people", "others", "one user", "a lead less", "a hidden profile, other leads",
        "data without a grant", "data with a grant", "a grant that ends before", "data that nobody owns",
        "data that does not read", "a small envelope", "a team that does not read", "a team that may not be",
        "a team of a like name", "a low ceiling", "a policy that does not read",
        "no room in the team's budget", "no room in each user's budget", "no session", "no room for the largest size",
        "room in the team's budget", "room in each user's budget", "the folder of the team",
        "a credential that trusts the team's service account", "a Secret",
    ],
)  # fmt: skip
def test_files_moved_to_another_team_are_removed_ones_where_somebody_loses_them(
    profiles: ProfilesRepository, changes: dict[str, str], olive: dict[str, str], more: dict[str, Content], moved: bool
) -> None:
    many = {path: profile(title=path[-8:-5], options=SIZES, **changes) for path in MANY}
    profiles.commit(small(**many))
    files = {path.replace("/red/", "/olive/"): as_bytes(path, content) for path, content in many.items()}
    files["teams/olive/team.yaml"] = as_bytes(RED, {**team("red"), **olive})
    profiles.push({**GONE, **files, **more})
    assert held(profiles) == (set() if moved else {(path, "removal") for path in MANY})


@pytest.mark.parametrize(("was", "now"), [({"cpu": 1}, {"cpu": 1}), ({"cpu": 1}, {"cpu": 2}), ({"gpu": 1}, {})])
def test_a_budget_that_is_no_smaller_stops_no_move(
    profiles: ProfilesRepository, was: dict[str, int], now: dict[str, int]
) -> None:
    many = {path: profile(title=path[-8:-5], options=SIZES) for path in MANY}
    profiles.commit(small(**many, **{RED: team("red", user_budget=was)}))
    moved = {path.replace("/red/", "/olive/"): as_bytes(path, content) for path, content in many.items()}
    more = {"user_budget": now} if now else {}
    profiles.push({**GONE, **moved, "teams/olive/team.yaml": team("red", **more)})
    assert held(profiles) == set()


def test_a_profile_with_the_folder_of_its_team_moves_within_the_team(profiles: ProfilesRepository) -> None:
    many = {path: profile(title=path[-8:-5], storage={"team": "read-write"}) for path in MANY}
    profiles.commit(small(**many))
    profiles.push(
        {**GONE, **{path.replace("profiles/p", "profiles/q"): as_bytes(path, each) for path, each in many.items()}}
    )
    assert held(profiles) == set()


def test_files_moved_to_names_that_are_not_read_are_removed_ones(profiles: ProfilesRepository) -> None:
    others = {path.replace("/p0", "/o0").replace("/p1", "/o1"): profile(title="Other") for path in MANY}
    profiles.commit(small(**MANY, **others))
    moved = {
        path.replace("/p0", "/00").replace("/p1", "/01"): as_bytes(path, content) for path, content in MANY.items()
    }
    profiles.push({**GONE, **moved})
    assert {path for path, _ in held(profiles)} == MANY.keys()


def test_files_that_become_links_are_removed_ones(profiles: ProfilesRepository) -> None:
    profiles.commit(small(**MANY))
    git(profiles.path, "read-tree", "main")
    tree = profiles.repository.tree(profiles.head)
    for path in MANY:
        git(profiles.path, "update-index", "--cacheinfo", f"120000,{tree[path].blob},{path}")
    links = git(profiles.path, "commit-tree", git(profiles.path, "write-tree"), "-p", "main", "-m", "Links")
    git(profiles.path, "update-ref", MAIN, links)
    catalog = profiles.catalog()
    assert {(hold.path, hold.commit, hold.reason) for hold in catalog.quarantined} == {
        (path, links, "removal") for path in MANY
    }
    assert "red/p00" in catalog.profiles
    profiles.push({}, f"Yes\n\nConfirms-removal: {links}")
    assert set(profiles.catalog().profiles) == {"red/notebook"}
