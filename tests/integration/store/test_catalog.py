"""What applies: a bad file harms only itself, and a denial is never hidden by an earlier version."""
# ruff: noqa: E501  (the table of cases is read across)

import dataclasses
import datetime as dt
import os
import subprocess
from pathlib import Path

import pytest
from support.repositories import (
    START,
    Content,
    ProfilesRepository,
    as_bytes,
    data_role,
    policy,
    profile,
    small,
    team,
    write_folder,
)

from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.offers import offer
from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.store.loading import load
from allotment_profiles.store.snapshot import applied, in_folder, with_files

NOTEBOOK = "teams/red/profiles/notebook.yaml"
TABLES = "data-roles/tables.yaml"
LAPTOP = Capabilities("this laptop", frozenset({"volume"}), {})
ANN = User("ann", frozenset({"/red"}))


def codes(catalog: Catalog, path: str) -> set[str]:
    return {problem.code for problem in catalog.problems_of(path)}


def refusal(
    catalog: Catalog, now: dt.datetime = START, user: User = ANN, profile_id: str = "red/notebook"
) -> str | None:
    found = offer(catalog, user, profile_id, now, LAPTOP).refusal
    return found.code if found else None


def test_a_small_repository_is_right(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    catalog = profiles.catalog()
    assert catalog.problems == ()
    assert catalog.policy_reads
    assert refusal(catalog) is None


MISTAKES: list[tuple[dict[str, Content], str, str, int | None, str]] = [
    ({NOTEBOOK: "title: [oops"}, NOTEBOOK, "syntax", 2, "indentation"),
    ({NOTEBOOK: profile(titel="x")}, NOTEBOOK, "unknown-key", 8, "title"),
    ({NOTEBOOK: profile(resources={"cpu": {"limit": 2}, "memory": {"limit": "4 GB"}})}, NOTEBOOK, "memory-unit", 7, "GiB"),
    ({NOTEBOOK: profile(resources={"cpu": {"limit": 2}, "memory": {"guarantee": "8 GiB", "limit": "4 GiB"}})},
     NOTEBOOK, "memory-order", 7, "Raise"),
    ({NOTEBOOK: profile(resources={"cpu": {"limit": 2}, "memory": {"limit": "33 GiB"}})},
     NOTEBOOK, "memory-envelope", 7, "teams/red/team.yaml"),
    ({NOTEBOOK: profile(resources={"cpu": {"limit": 2}, "memory": {"limit": "65 GiB"}})},
     NOTEBOOK, "memory-ceiling", 7, "administrator"),
    ({NOTEBOOK: profile(resources={"cpu": {"limit": 9}, "memory": {"limit": "4 GiB"}})}, NOTEBOOK, "cpu-envelope", 6, "Choose less"),
    ({NOTEBOOK: profile(resources={"cpu": {"limit": 2}, "memory": {"limit": "4 GiB"}, "gpu": 1})},
     NOTEBOOK, "gpu-envelope", 8, "Choose less"),
    ({NOTEBOOK: profile(data_roles=["tabels"])}, NOTEBOOK, "data-role-unknown", 8, "tables"),
    ({NOTEBOOK: profile(image="docker.io/evil/miner:1")}, NOTEBOOK, "image-registries", 4, "registry.example.org"),
    ({NOTEBOOK: profile(image="registry.example.org/other/x:1")}, NOTEBOOK, "image-envelope", 4, "analysis"),
    ({NOTEBOOK: profile(lifetime={"total": "3 d"})}, NOTEBOOK, "lifetime-ceiling", 8, "shorter"),
    ({"teams/green/profiles/a.yaml": profile()}, "teams/green/profiles/a.yaml", "team-unknown", 1, "team.yaml"),
    ({"teams/blue/profiles/a.yaml": profile(data_roles=["tables"])}, "teams/blue/profiles/a.yaml", "grant-missing", 8, "granted_to"),
    ({TABLES: data_role("green", {"red": "2027-03-31"})}, TABLES, "owner-unknown", 2, "blue, red"),
    ({TABLES: data_role("blue", {"red": "2027-03-31", "green": "2027-03-31"})}, TABLES, "grantee-unknown", 7, "Correct"),
    ({"teams/red/team.yaml": team("red", envelope={"cpu": 99, "memory": "1 GiB", "images": ["registry.example.org/*"]})},
     "teams/red/team.yaml", "cpu-ceiling", 5, "administrator"),
    ({"teams/red/team.yaml": team("red", leads={})}, "teams/red/team.yaml", "team-leads", 1, "group"),
    ({"policy.yaml": policy(format=2)}, "policy.yaml", "not-offered", 1, "1"),
    ({"teams/red/profiles/Notebook.yaml": "x"}, "teams/red/profiles/Notebook.yaml", "path", None, "teams/NAME"),
    ({"teams/red/profiles/notebook.yml": "x"}, "teams/red/profiles/notebook.yml", "path", None, "teams/NAME"),
    ({"Policy.yml": "format: 1"}, "Policy.yml", "path", None, "policy.yaml"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "path", "code", "line", "remedy"), MISTAKES, ids=[mistake[2] for mistake in MISTAKES]
)
def test_a_mistake_is_placed_the_same_in_a_folder_a_commit_and_a_proposal(
    profiles: ProfilesRepository, tmp_path: Path,
    files: dict[str, Content], path: str, code: str, line: int | None, remedy: str,
) -> None:  # fmt: skip
    profiles.commit(small())
    proposed = load(with_files(applied(profiles.repository, profiles.head), {
        path: as_bytes(path, content) for path, content in files.items()
    }))  # fmt: skip
    profiles.push(files)
    folder = load(in_folder(write_folder(tmp_path / "folder", {**small(), **files})))
    for catalog in (folder, profiles.catalog(), proposed):
        problem = next(problem for problem in catalog.problems_of(path) if problem.code == code)
        assert problem.line == line
        assert remedy in problem.remedy


def test_a_profile_that_does_not_read_keeps_its_last_good_version_and_others_move_on(
    profiles: ProfilesRepository,
) -> None:
    profiles.commit(small(**{"teams/red/profiles/other.yaml": profile(title="Old")}))
    profiles.push({NOTEBOOK: "title: [oops"})
    profiles.push({NOTEBOOK: "title: {oops", "teams/red/profiles/other.yaml": profile(title="New")})
    catalog = profiles.catalog()
    entry = catalog.profiles["red/notebook"]
    assert entry.value.title == "Notebook"
    assert entry.outdated_since is not None
    assert entry.outdated_since.time == START + dt.timedelta(minutes=2), "the age counts from the first bad version"
    assert "syntax" in {problem.code for problem in entry.problems}
    assert catalog.profiles["red/other"].value.title == "New"
    decided = offer(catalog, ANN, "red/notebook", START, LAPTOP)
    assert decided.startable
    assert any("earlier version" in warning for warning in decided.warnings)


def test_a_last_good_version_has_its_time(profiles: ProfilesRepository) -> None:
    profiles.commit(small(**{"policy.yaml": policy(last_good="14 d")}))
    profiles.push({NOTEBOOK: "title: [oops"})
    catalog = profiles.catalog()
    assert refusal(catalog, profiles.time + dt.timedelta(days=14)) is None
    assert refusal(catalog, profiles.time + dt.timedelta(days=14, seconds=1)) == "profile-broken"


def test_a_team_and_a_policy_keep_their_last_good_version_for_the_same_time(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    profiles.push({"teams/red/team.yaml": "title: ["})
    assert refusal(profiles.catalog(), profiles.time) is None
    assert refusal(profiles.catalog(), profiles.time + dt.timedelta(days=15)) == "team-broken"
    profiles.push({"teams/red/team.yaml": team("red"), "policy.yaml": "format: ["})
    catalog = profiles.catalog()
    assert not catalog.policy_reads
    assert refusal(catalog, profiles.time) is None
    assert refusal(catalog, profiles.time + dt.timedelta(days=15)) == "policy-missing"


@pytest.mark.parametrize("broken", ["title: [", "", data_role("nobody", {"red": "2027-03-31"}), "binding: {}"])
def test_a_data_role_that_does_not_read_gives_no_access(profiles: ProfilesRepository, broken: Content) -> None:
    profiles.commit(small())
    profiles.push({TABLES: broken})
    catalog = profiles.catalog()
    assert "tables" not in catalog.data_roles
    assert refusal(catalog) == "data-role-broken"
    assert catalog.profiles["red/notebook"].outdated_since is None


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (NOTEBOOK, "profile-unknown"),
        ("teams/red/team.yaml", "profile-broken"),
        (TABLES, "data-role-unknown"),
    ],
)
def test_a_deletion_takes_effect_at_once(profiles: ProfilesRepository, path: str, code: str) -> None:
    profiles.commit(small())
    profiles.push({path: None, "teams/blue/team.yaml": "title: [the rest of the commit is broken"})
    assert refusal(profiles.catalog()) == code


def test_a_deletion_is_not_undone_by_a_broken_file_in_its_place(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    profiles.push({NOTEBOOK: None})
    profiles.push({NOTEBOOK: "title: ["})
    assert refusal(profiles.catalog()) == "profile-broken"


def test_a_revoked_grant_is_not_hidden_by_an_earlier_version_of_the_profile(profiles: ProfilesRepository) -> None:
    profiles.commit(small(**{NOTEBOOK: profile(title="Without data")}))
    profiles.commit({NOTEBOOK: profile(title="With data", data_roles=["tables"])})
    profiles.push({TABLES: data_role("blue", {})})
    catalog = profiles.catalog()
    assert catalog.profiles["red/notebook"].value.title == "With data"
    assert refusal(catalog) == "grant-missing"
    profiles.push({TABLES: None})
    catalog = profiles.catalog()
    assert catalog.profiles["red/notebook"].value.title == "With data"
    assert refusal(catalog) == "data-role-unknown"


def test_a_data_role_that_never_was_is_a_mistake_of_the_profile(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    profiles.push({NOTEBOOK: profile(title="New", data_roles=["tabels"])})
    catalog = profiles.catalog()
    assert catalog.profiles["red/notebook"].value.title == "Notebook"
    assert "data-role-unknown" in codes(catalog, NOTEBOOK)


def test_a_removed_member_loses_access_at_once(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    profiles.push({"teams/red/team.yaml": team("red", members={"groups": ["/others"]}), NOTEBOOK: "title: ["})
    assert refusal(profiles.catalog()) == "not-a-member"


def test_links_and_submodules_are_reported_and_never_followed(profiles: ProfilesRepository, tmp_path: Path) -> None:
    def git(*arguments: str, given: str = "") -> str:
        environment = {"GIT_INDEX_FILE": str(tmp_path / "index"), "PATH": os.environ["PATH"]}
        command = ["git", *arguments]
        done = subprocess.run(
            command, cwd=profiles.path, env=environment, input=given, capture_output=True, check=True, text=True
        )
        return done.stdout.strip()

    first = profiles.commit(small())
    target = git("hash-object", "-w", "--stdin", given="/etc/passwd")
    lines = git("ls-tree", "-r", first).replace("blob ", "") + "".join((
        f"\n120000 {target} 0\t{NOTEBOOK}\n", f"160000 {first} 0\tteams/blue/profiles/sub.yaml\n",
        f"120000 {target} 0\tteams/green\n",
    ))  # fmt: skip
    git("update-index", "--index-info", given=lines)
    tree = git("write-tree")
    profiles.push({}, base=tree, parents=[first])
    catalog = profiles.catalog()
    assert codes(catalog, NOTEBOOK) == {"not-a-file"}
    assert codes(catalog, "teams/blue/profiles/sub.yaml") == {"not-a-file"}
    assert codes(catalog, "teams/green") == {"path"}
    assert refusal(catalog) == "profile-broken"


def test_links_in_a_folder_are_reported_and_never_followed(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder", small())
    outside = write_folder(tmp_path / "outside", {"teams/green/team.yaml": team("green"), "policy.yaml": policy()})
    (folder / NOTEBOOK).unlink()
    (folder / NOTEBOOK).symlink_to(outside / "policy.yaml")
    (folder / "teams/green").symlink_to(outside / "teams/green")
    catalog = load(in_folder(folder))
    assert codes(catalog, NOTEBOOK) == {"not-a-file"}
    assert codes(catalog, "teams/green") == {"path"}
    assert "green" not in catalog.teams


def test_notes_beside_the_files_are_nobody_s_mistake(profiles: ProfilesRepository) -> None:
    profiles.commit(small(**{"README.md": "x", "teams/README.md": "x", "data-roles/.gitkeep": "", "docs/teams/a": "x"}))
    assert profiles.catalog().problems == ()


def test_a_file_that_is_too_large_is_refused_wherever_it_lies(profiles: ProfilesRepository, tmp_path: Path) -> None:
    large = b"# " + b"x" * 10_000_000
    profiles.commit(small(**{NOTEBOOK: large}))
    assert codes(profiles.catalog(), NOTEBOOK) == {"too-large"}
    assert codes(load(in_folder(write_folder(tmp_path / "folder", {NOTEBOOK: large}))), NOTEBOOK) == {"too-large"}


def test_an_empty_tree_offers_nothing(profiles: ProfilesRepository) -> None:
    profiles.commit({})
    catalog = profiles.catalog()
    assert codes(catalog, "policy.yaml") == {"policy-missing"}
    assert refusal(catalog) == "policy-missing"


def test_the_files_of_all_kinds_are_read_with_one_git_process_and_the_profiles_with_another(
    profiles: ProfilesRepository, counted: list[str]
) -> None:
    profiles.commit(small())
    snapshot = applied(profiles.repository, profiles.head)
    counted.clear()
    assert load(snapshot).problems == ()
    assert counted == ["cat-file", "cat-file"]


def test_paths_that_no_name_allows_are_shown_harmlessly(profiles: ProfilesRepository) -> None:
    profiles.commit(small(**{"teams/red/profiles/\x1b[31m\n<b>.yaml": "x", "teams/\u202ered/team.yaml": "x"}))
    catalog = profiles.catalog()
    assert {problem.code for problem in catalog.problems} == {"path"}
    assert all(str(problem).isprintable() for problem in catalog.problems)


def test_a_cache_changes_the_time_and_never_the_answer(profiles: ProfilesRepository) -> None:
    steps: list[dict[str, Content]] = [
        small(), {NOTEBOOK: "title: ["}, {TABLES: data_role("blue", {})}, {NOTEBOOK: profile()}, {"policy.yaml": "x"},
        {"teams/red/team.yaml": None}, {"teams/red/team.yaml": team("red"), "policy.yaml": policy()},
    ]  # fmt: skip
    for step in steps:
        profiles.push(step)
        assert dataclasses.asdict(profiles.catalog()) == dataclasses.asdict(profiles.catalog(fresh=True))
