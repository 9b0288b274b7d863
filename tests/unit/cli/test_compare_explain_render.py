"""`allotment compare`, `explain`, `readers`, `render`, and the forms of `check` for pipelines."""

import json
import subprocess
from pathlib import Path

import pytest
from support.command_line import allotment, answer
from support.repositories import ProfilesRepository, data_role, policy, profile, small, team, write_folder

NOTEBOOK = "teams/red/profiles/notebook.yaml"
WRONG = profile(resources={"cpu": {"limit": 2}, "memory": {"limit": "4 GB"}})
LARGE = profile(resources={"cpu": {"limit": 9}, "memory": {"limit": "4 GiB"}}, data_roles=["tables"])


@pytest.fixture
def repository(tmp_path: Path) -> ProfilesRepository:
    profiles = ProfilesRepository(tmp_path)
    profiles.commit({**small(), "policy.yaml": policy(prices={"currency": "GBP", "cpu_hour": 0.5})})
    return profiles


# -- check


def test_sarif_has_a_rule_for_each_code_and_a_place_for_each_result(tmp_path: Path) -> None:
    write_folder(
        tmp_path, small(**{NOTEBOOK: WRONG, "teams/blue/profiles/large.yaml": LARGE, "teams/x/y.yaml": "a: b"})
    )
    code, output = allotment("check", tmp_path, "--format", "sarif")
    assert code == 1
    log = json.loads(output)
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    levels = {result["ruleId"]: result["level"] for result in run["results"]}
    assert levels["memory-unit"] == "error"
    assert levels["cpu-envelope"] == "warning"
    assert levels["path"] == "note"
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["message"]["text"]
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"]
    (unit,) = [result for result in run["results"] if result["ruleId"] == "memory-unit"]
    assert unit["locations"][0]["physicalLocation"]["region"]["startLine"] > 1
    assert len({json.dumps(result["partialFingerprints"]) for result in run["results"]}) == len(run["results"])


def test_a_fingerprint_stays_when_the_line_moves(tmp_path: Path) -> None:
    def fingerprints(folder: Path) -> set[str]:
        results = json.loads(allotment("check", folder, "--format", "sarif")[1])["runs"][0]["results"]
        return {result["partialFingerprints"]["allotment/v1"] for result in results}

    first = write_folder(tmp_path / "first", small(**{NOTEBOOK: WRONG}))
    moved = write_folder(tmp_path / "moved", small(**{NOTEBOOK: WRONG}))
    (moved / NOTEBOOK).write_text("# one line more\n" + (moved / NOTEBOOK).read_text())
    assert fingerprints(first) == fingerprints(moved)


def test_files_are_checked_in_the_repository_around_them(tmp_path: Path) -> None:
    other = "teams/blue/profiles/large.yaml"
    write_folder(tmp_path, small(**{NOTEBOOK: WRONG, other: LARGE}))
    found = answer("check", tmp_path / other, code=1)["problems"]
    assert {problem["path"] for problem in found} == {other}
    assert {problem["code"] for problem in found} == {"cpu-envelope", "grant-missing"}
    assert answer("check", tmp_path / "teams/red/team.yaml") == {"problems": []}


def test_a_file_outside_any_repository_is_no_question(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("title: x\n")
    code, output = allotment("check", tmp_path / "a.yaml")
    assert code == 2
    assert "policy.yaml" in output


def test_with_a_base_only_what_became_worse_is_told(repository: ProfilesRepository) -> None:
    repository.push({NOTEBOOK: WRONG})
    base = repository.head
    repository.push({"teams/blue/profiles/large.yaml": LARGE})
    path = repository.path
    found = answer("check", path, "--base", base, code=1)["problems"]
    assert {problem["path"] for problem in found} == {"teams/blue/profiles/large.yaml"}
    assert answer("check", path, "--base", "main")["problems"] == []


# -- compare


def test_a_comparison_says_what_changes_costs_and_needs(repository: ProfilesRepository) -> None:
    path = repository.path
    base = repository.head
    repository.push({
        NOTEBOOK: profile(data_roles=["tables"], resources={"cpu": {"limit": 4}, "memory": {"limit": "4 GiB"}}),
        "data-roles/tables.yaml": data_role("blue", {"red": "2028-03-31"}),
    })  # fmt: skip
    found = answer("compare", base, "main", "--repository", path)
    assert {change["field"] for change in found["changes"]} == {"resources.cpu.limit", "granted_to.red.until"}
    assert {each["kind"] for each in found["access"]} == {"longer"}
    assert {requirement["kind"] for requirement in found["requirements"]} == {"lead", "owner"}
    (cost,) = found["costs"]
    assert (cost["before"]["hour"], cost["after"]["hour"]) == (1.0, 2.0)
    code, output = allotment("compare", base, "main", "--repository", path)
    assert code == 0
    for word in ("CPU limit", "£1.00 → £2.00 an hour", "Required approvals", "leads of Team blue"):
        assert word in output


def test_a_comparison_with_the_folder_finds_its_mistakes(tmp_path: Path) -> None:
    write_folder(tmp_path, small())
    for command in (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        ["-c", "user.name=A", "-c", "user.email=a@x", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    assert answer("compare", "main", "--repository", tmp_path)["changes"] == []
    write_folder(tmp_path, {NOTEBOOK: WRONG})
    assert [each["code"] for each in answer("compare", "main", "--repository", tmp_path, code=1)["problems"]] == [
        "memory-unit"
    ]


def test_a_file_that_is_valid_on_neither_side_of_a_change_is_said_to_be_so(repository: ProfilesRepository) -> None:
    path = repository.path
    region = profile(resources={"cpu": {"limit": 32}, "memory": {"limit": "4 GiB"}}) | {"region": "north"}
    repository.push({NOTEBOOK: region, "teams/red/profiles/other.yaml": region})
    base = repository.head
    repository.push({NOTEBOOK: region | {"resources": {"cpu": {"limit": 1}, "memory": {"limit": "4 GiB"}}}})
    found = answer("compare", base, "main", "--repository", path, code=1)
    (change,) = found["changes"]
    assert (change["kind"], change["path"]) == ("unreadable", NOTEBOOK)
    assert change["text"].endswith("what it would change is unknown")
    assert {(problem["path"], problem["code"]) for problem in found["problems"]} >= {(NOTEBOOK, "unknown-key")}
    told = answer("check", path, "--base", base, code=1)["problems"]
    assert {problem["path"] for problem in told} == {NOTEBOOK}
    repository.push({NOTEBOOK: None})
    assert [each["kind"] for each in answer("compare", base, "main", "--repository", path)["changes"]] == ["removed"]
    repository.push({NOTEBOOK: profile()})
    assert answer("compare", base, "main", "--repository", path)["changes"]


def test_what_the_policy_lets_a_maintainer_do_needs_nobody(repository: ProfilesRepository) -> None:
    path = repository.path
    kept = {"data_roles": ["tables"], "maintainers": {"users": ["ann"]}}
    repository.commit({
        NOTEBOOK: profile(**kept), "policy.yaml": policy(automatic={"enabled": True, "changes": ["text"]}),
    })  # fmt: skip
    base = repository.head
    repository.push({NOTEBOOK: profile(**kept, description="In other words")})
    ours = answer("compare", base, "main", "--repository", path, "--proposer", "ann")
    assert (ours["requirements"], len(ours["automatic"])) == ([], 1)
    assert answer("compare", base, "main", "--repository", path)["requirements"] != []


@pytest.mark.parametrize("revision", ["nothing", "--output=x", "-h", "main:policy.yaml", ""])
def test_what_names_no_commit_is_no_question(repository: ProfilesRepository, revision: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    code, output = allotment("compare", "--repository", repository.path, "--", revision, "main")
    assert (code, repr(revision) in output) == (2, True)
    assert sorted(tmp_path.iterdir()) == before


# -- explain, readers, render


def test_every_rule_is_told_up_to_the_first_that_refuses(repository: ProfilesRepository) -> None:
    path = repository.path
    found = answer("explain", "ann", "red/notebook", "--group", "/red", "--on", "2026-05-01", "--repository", path)
    assert found["startable"]
    assert all(step["passed"] for step in found["steps"])
    code, output = allotment("explain", "ann", "red/notebook", "--repository", path)
    assert code == 1
    assert output.count("✗") == 1
    assert "[not-a-member]" in output
    found = answer(
        "explain", "ann", "red/notebook", "--group", "/red", "--on", "2027-04-01", "--repository", path, code=1
    )
    assert found["refusal"]["code"] == "grant-expired"


def test_readers_are_named_by_team_group_and_profile(repository: ProfilesRepository) -> None:
    path = repository.path
    (reader,) = answer("readers", "tables", "--on", "2026-05-01", "--repository", path)["readers"]
    assert (reader["team"], reader["profiles"], reader["until"]) == ("red", ["red/notebook"], "2027-03-31")
    assert set(reader["people"]) == {"/red", "/red/leads"}
    assert not reader["ended"]
    code, output = allotment("readers", "tables", "--on", "2028-05-01", "--repository", path)
    assert code == 0
    assert "2027-03-31 (ended)" in output
    assert allotment("readers", "nothing", "--repository", path)[0] == 2


def test_a_launch_is_rendered_exactly(tmp_path: Path) -> None:
    choices = {
        "normal": {"title": "N"},
        "large": {"title": "L", "resources": {"memory": {"limit": "8 GiB"}}, "only": ["/red"]},
    }
    options = {"size": {"title": "Size", "default": "normal", "choices": choices}}
    files = small(**{NOTEBOOK: profile(options=options, environment={"TZ": "UTC"}), "teams/red/team.yaml": team("red")})
    write_folder(tmp_path, files)
    found = answer("render", "red/notebook", "--option", "size=large", "--repository", tmp_path)
    assert found["memory"]["limit"] == "8 GiB"
    assert found["environment"] == {"TZ": "UTC"}
    assert answer("render", "red/notebook", "--repository", tmp_path)["options"] == {"size": "normal"}
    code, output = allotment("render", "red/notebook", "--user", "eve", "--repository", tmp_path)
    assert code == 1
    assert "not-a-member" in output
    code, output = allotment("render", "red/notebook", "--option", "size=huge", "--repository", tmp_path)
    assert code == 1
    assert "choice-unknown" in output
    assert allotment("render", "red/notebook", "--option", "size", "--repository", tmp_path)[0] == 2


def test_text_of_a_file_is_never_markup_of_the_terminal(tmp_path: Path) -> None:
    evil = profile(title="[bold red]x[/]", description="[link=file:///etc/passwd]y[/link]")
    write_folder(tmp_path, small(**{NOTEBOOK: evil}))
    code, output = allotment("render", "red/notebook", "--repository", tmp_path)
    assert code == 0
    assert "[bold red]x[/]" in output
