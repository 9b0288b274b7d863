"""What main's history makes apply: mass removals and unreviewed pushes are held, denials never."""

import dataclasses

import pytest
from support.removals import GONE, MANY, held
from support.repositories import Content, ProfilesRepository, as_bytes, data_role, policy, profile, small, team
from support.servers.git_server import git

from allotment_profiles.git.repository import MAIN
from allotment_profiles.store.history import fold_history
from allotment_profiles.store.loading import load
from allotment_profiles.store.snapshot import applied, with_commit
from allotment_profiles.store.tracker import Tracker

NOTEBOOK = "teams/red/profiles/notebook.yaml"
TABLES = "data-roles/tables.yaml"
RED = "teams/red/team.yaml"


def test_a_commit_that_removes_many_files_is_held_until_a_later_one_confirms_it(profiles: ProfilesRepository) -> None:
    profiles.commit(small(**MANY))
    before = profiles.catalog().profiles
    deleting = profiles.push({**GONE, "teams/red/profiles/new.yaml": profile()})
    catalog = profiles.catalog()
    assert {*before, "red/new"} == set(catalog.profiles), "what else the commit says applies"
    assert {(hold.path, hold.commit, hold.reason) for hold in catalog.quarantined} == {
        (path, deleting, "removal") for path in MANY
    }
    profiles.push({}, f"Not the whole id\n\nConfirms-removal: {deleting[:12]}")
    assert held(profiles)
    profiles.push({}, f"Yes\n\nConfirms-removal: {deleting}")
    assert set(profiles.catalog().profiles) == {"red/notebook", "red/new"}
    assert profiles.catalog().quarantined == ()


def test_a_removed_file_that_is_written_again_applies_at_once(profiles: ProfilesRepository) -> None:
    profiles.commit(small(**MANY))
    profiles.push(GONE)
    path = next(iter(MANY))
    profiles.push({path: profile(title="Back")})
    catalog = profiles.catalog()
    assert catalog.profiles["red/p00"].value.title == "Back"
    assert path not in {hold.path for hold in catalog.quarantined}


@pytest.mark.parametrize(("removed", "share", "is_held"), [(10, 1, False), (11, 68, True), (11, 69, False)])
def test_few_files_or_a_small_share_are_removed_at_once(
    profiles: ProfilesRepository, removed: int, share: int, is_held: bool
) -> None:
    # 16 files: 11 of them are 68.75 %.
    profiles.commit(small(**MANY, **{"policy.yaml": policy(removal_share=share)}))
    profiles.push(dict.fromkeys(list(MANY)[:removed]))
    assert bool(held(profiles)) == is_held
    assert ("red/p00" in profiles.catalog().profiles) == is_held


def test_a_merge_that_names_the_head_it_merges_confirms_itself(profiles: ProfilesRepository) -> None:
    first = profiles.commit(small(**MANY))
    head = profiles.push(GONE, branch="refs/heads/propose/clear", parents=[first])
    profiles.commit(GONE, f"Merge it\n\nConfirms-removal: {head}", parents=[first, head])
    assert profiles.catalog().quarantined == ()
    assert set(profiles.catalog().profiles) == {"red/notebook"}


def test_an_empty_tree_is_held_as_a_whole(profiles: ProfilesRepository) -> None:
    profiles.commit(small(**MANY))
    profiles.push(dict.fromkeys(small(**MANY)))
    catalog = profiles.catalog()
    assert len(catalog.quarantined) == 16
    assert catalog.policy_reads
    assert len(catalog.profiles) == 12


def test_the_policy_alone_is_held_until_its_removal_is_confirmed(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    removal = profiles.push({"policy.yaml": None, NOTEBOOK: None})
    catalog = profiles.catalog()
    assert catalog.policy_reads
    assert "red/notebook" not in catalog.profiles, "the other file is gone at once"
    assert [(hold.path, hold.reason, hold.commit) for hold in catalog.quarantined] == [
        ("policy.yaml", "removal", removal)
    ]
    profiles.commit({}, f"We mean it\n\nConfirms-removal: {removal}")
    assert profiles.catalog().policy is None
    profiles.push({"policy.yaml": policy()})
    assert profiles.catalog().policy_reads


def test_a_link_a_folder_or_another_name_in_place_of_the_policy_is_its_removal(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    for files in (
        {"policy.yaml": None, "policy.yaml/policy.yaml": b"x"},
        {"policy.yaml/policy.yaml": None, "policy.yaml": policy()},
        {"policy.yaml": None, "attic/policy.yaml": as_bytes("policy.yaml", policy())},
        {"policy.yaml": policy()},
    ):
        profiles.commit(files)
        assert profiles.catalog().policy_reads
    index = profiles.repository.tree(profiles.head)["policy.yaml"].blob
    git(profiles.path, "read-tree", "main")
    git(profiles.path, "update-index", "--cacheinfo", f"120000,{index},policy.yaml")
    link = git(profiles.path, "commit-tree", git(profiles.path, "write-tree"), "-p", "main", "-m", "A link")
    git(profiles.path, "update-ref", MAIN, link)
    catalog = profiles.catalog()
    assert catalog.policy_reads
    assert [(hold.path, hold.commit) for hold in catalog.quarantined] == [("policy.yaml", link)]


HOLD: dict[str, Content] = {"policy.yaml": policy(direct_push="hold")}


def test_what_came_past_the_review_is_shown_or_held_as_the_policy_says(profiles: ProfilesRepository) -> None:
    profiles.commit(small(), "Set up")
    profiles.push({NOTEBOOK: profile(title="Pushed")})
    assert profiles.catalog().profiles["red/notebook"].value.title == "Pushed"
    profiles.commit(HOLD, "Merge the rule")
    profiles.push({NOTEBOOK: profile(title="Again"), "teams/red/profiles/new.yaml": profile()})
    profiles.commit({NOTEBOOK: profile(title="Signed, and no merge")}, "Record something")
    catalog = profiles.catalog()
    assert catalog.profiles["red/notebook"].value.title == "Pushed"
    assert "red/new" not in catalog.profiles
    assert "teams/red/profiles/new.yaml" not in catalog.broken
    assert [(hold.path, hold.reason) for hold in catalog.quarantined] == [
        ("teams/red/profiles/new.yaml", "direct-push"), (NOTEBOOK, "direct-push"), (NOTEBOOK, "direct-push"),
    ]  # fmt: skip


def test_a_reviewed_commit_ends_the_hold_of_the_files_that_it_touches(profiles: ProfilesRepository) -> None:
    profiles.commit(small(**HOLD), "Set up")
    profiles.push({NOTEBOOK: profile(title="Pushed"), RED: team("red", title="Pushed")})
    profiles.commit({NOTEBOOK: profile(title="Reviewed")}, "Merge it")
    catalog = profiles.catalog()
    assert catalog.profiles["red/notebook"].value.title == "Reviewed"
    assert catalog.teams["red"].value.title == "Team red"
    assert held(profiles) == {(RED, "direct-push")}


def test_only_a_reviewed_commit_confirms_a_push(profiles: ProfilesRepository) -> None:
    profiles.commit(small(**HOLD), "Set up")
    pushed = profiles.push({NOTEBOOK: profile(title="First")})
    later = profiles.push({NOTEBOOK: profile(title="Second")})
    profiles.push({}, f"Merge my own\n\nConfirms-push: {pushed}")
    assert profiles.catalog().profiles["red/notebook"].value.title == "Notebook"
    profiles.commit({}, f"Merge the push\n\nConfirms-push: {pushed}")
    catalog = profiles.catalog()
    assert catalog.profiles["red/notebook"].value.title == "First"
    assert [hold.commit for hold in catalog.quarantined] == [later]


def test_a_push_cannot_lift_the_rule_that_holds_it(profiles: ProfilesRepository) -> None:
    profiles.commit(small(**HOLD), "Set up")
    profiles.push({"policy.yaml": policy()})
    profiles.push({"policy.yaml": None})
    profiles.push({"policy.yaml": policy(), NOTEBOOK: profile(title="Pushed")})
    catalog = profiles.catalog()
    assert catalog.policy is not None
    assert catalog.policy.value.direct_push == "hold"
    assert catalog.profiles["red/notebook"].value.title == "Notebook"


def test_the_policy_s_own_commit_is_judged_by_the_one_before(profiles: ProfilesRepository) -> None:
    profiles.commit(small(), "Set up")
    profiles.push({**HOLD, NOTEBOOK: profile(title="With the rule")})
    assert profiles.catalog().profiles["red/notebook"].value.title == "With the rule"


def test_without_the_keys_every_commit_counts_as_pushed(profiles: ProfilesRepository) -> None:
    profiles.commit(small(**HOLD), "Set up")
    profiles.commit({NOTEBOOK: profile(title="Reviewed")}, "Merge it")
    keyless = type(profiles.repository)(profiles.path)
    assert load(applied(keyless, profiles.head)).profiles["red/notebook"].value.title == "Notebook"


def test_denials_in_a_held_push_take_effect_at_once(profiles: ProfilesRepository) -> None:
    roles = data_role("blue", {"red": "2027-03-31", "blue": "2027-03-31"})
    members = {"groups": ["/red", "/more"], "users": ["ann", "bob"]}
    profiles.commit(small(**HOLD, **{RED: team("red", members=members), TABLES: roles, **MANY}), "Set up")
    profiles.push({
        RED: team("red", members={"groups": ["/red", "/mine"], "users": ["ann"]}, title="Mine"),
        TABLES: data_role("blue", {"red": "2026-02-01", "evil": "2027-03-31"}),
        "teams/red/profiles/p00.yaml": None,
    })  # fmt: skip
    catalog = profiles.catalog()
    red = catalog.teams["red"].value
    assert (red.title, red.members.groups, red.members.users) == ("Team red", ("/red",), ("ann",))
    granted = catalog.data_roles["tables"].value.granted_to
    assert {name: grant.until.isoformat() for name, grant in granted.items()} == {"red": "2026-02-01"}
    assert "red/p00" not in catalog.profiles


def test_a_held_data_role_that_does_not_read_gives_no_access(profiles: ProfilesRepository) -> None:
    profiles.commit(small(**HOLD), "Set up")
    profiles.push({TABLES: "x"})
    catalog = profiles.catalog()
    assert "tables" not in catalog.data_roles
    assert TABLES in catalog.broken
    assert catalog.problems_of(TABLES)


def test_a_last_good_version_is_never_a_held_one(profiles: ProfilesRepository) -> None:
    profiles.commit(small(**HOLD), "Set up")
    profiles.push({NOTEBOOK: profile(title="Pushed")})
    profiles.commit({NOTEBOOK: "title: ["}, "Merge something broken")
    assert profiles.catalog().profiles["red/notebook"].value.title == "Notebook"


@pytest.mark.parametrize(
    "rest", ["envelope: [", "envelope: {cpu: 99, memory: 1 GiB, images: [registry.example.org/*]}"]
)
def test_a_removed_member_loses_access_though_the_rest_of_the_file_is_broken(
    profiles: ProfilesRepository, rest: str
) -> None:
    people = {"groups": ["/red"], "users": ["ann", "bob"]}
    profiles.commit(small(**{RED: team("red", members=people, leads=people, deputies=people)}))
    profiles.push({RED: f"title: Red\nmembers: {{users: [bob]}}\nleads: oops\n{rest}\n"})
    red = profiles.catalog().teams["red"]
    assert red.outdated_since is not None
    if rest.endswith("["):
        assert red.value.members.users == ("ann", "bob"), "nothing can be told apart in what is no YAML"
    else:
        assert (red.value.members.groups, red.value.members.users) == ((), ("bob",))
        assert red.value.leads.users == ("ann", "bob"), "this part does not read by itself"
        assert red.value.deputies.users == (), "a part that is left out names nobody"


def test_the_age_of_a_last_good_version_counts_from_the_cause(profiles: ProfilesRepository) -> None:
    profiles.commit(small(**{NOTEBOOK: profile()}))
    profiles.push({NOTEBOOK: profile(title="New", image="registry.example.org/analysis/notebook:2")})
    narrow = {"cpu": 8, "memory": "32 GiB", "images": ["registry.example.org/analysis/notebook:1"]}
    profiles.push({"docs/nothing": "x"})
    cause = profiles.push({RED: team("red", envelope=narrow)})
    profiles.push({"teams/blue/team.yaml": team("blue", title="Other")})
    entry = profiles.catalog().profiles["red/notebook"]
    assert entry.value.title == "Notebook"
    assert entry.outdated_since is not None
    assert entry.outdated_since.commit == cause


def test_a_proposal_lays_its_changes_over_what_applies_and_nothing_of_it_is_held(profiles: ProfilesRepository) -> None:
    profiles.commit(small(**HOLD, **MANY), "Set up")
    main = profiles.push({NOTEBOOK: profile(title="Held")})
    commit = profiles.push(GONE, branch="refs/heads/propose/clear", parents=[main])
    catalog = load(with_commit(profiles.repository, applied(profiles.repository, main), commit))
    assert set(catalog.profiles) == {"red/notebook"}
    assert catalog.profiles["red/notebook"].value.title == "Notebook"


def test_a_history_known_in_part_is_folded_as_from_nothing(profiles: ProfilesRepository) -> None:
    first = profiles.commit(small(**MANY))
    side = profiles.push({NOTEBOOK: "x"}, branch="refs/heads/side", parents=[first])
    profiles.push(GONE)
    merge = profiles.push({}, parents=[profiles.head, side])
    for known in (first, side, merge):
        found = fold_history(profiles.repository, merge, fold_history(profiles.repository, known))
        assert dataclasses.asdict(found) == dataclasses.asdict(fold_history(profiles.repository, merge))
    rewound = fold_history(profiles.repository, first, found)
    assert dataclasses.asdict(rewound) == dataclasses.asdict(fold_history(profiles.repository, first))


def test_a_dry_run_on_an_older_commit_leaves_the_tracker_at_its_own(profiles: ProfilesRepository) -> None:
    old = profiles.commit(small(**MANY))
    new = profiles.push(GONE)
    tracker = Tracker(profiles.repository)
    loaded = tracker.at(new)
    earlier, history = tracker.peek(old)
    assert history == fold_history(profiles.repository, old)
    assert earlier.catalog == Tracker(profiles.repository).at(old).catalog
    assert tracker.at(new) is loaded
    assert tracker.peek(new)[0] is loaded
