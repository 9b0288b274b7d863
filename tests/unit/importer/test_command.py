"""`allotment import` as a command: what it writes, what it says, and what it refuses."""

import json
from pathlib import Path

import pytest
from support.command_line import allotment, answer
from support.folders import DATA

from allotment_profiles.documents.parsing import parse_yaml

VALUES = DATA / "values"


def test_the_command_writes_the_files_and_tells_what_is_missing(tmp_path: Path) -> None:
    code, output = allotment("import", VALUES / "umbrella.yaml", "--into", tmp_path / "new", "--team", "analysts")
    assert code == 0
    assert "3 profiles" in output
    assert answer("check", tmp_path / "new") == {"problems": []}
    report = (tmp_path / "new" / "IMPORT.md").read_text()
    assert "jupyterhub.singleuser.profileList[2].allowed_users" in report


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    assert allotment("import", VALUES / "plain.yaml", "--into", tmp_path)[0] == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert allotment("import", VALUES / "gpus.yaml", "--into", tmp_path)[0] == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_machines_get_the_findings_as_json(tmp_path: Path) -> None:
    code, output = allotment("import", VALUES / "gpus.yaml", "--into", tmp_path, "--format", "json")
    answer = json.loads(output)
    assert code == 0
    assert set(answer) == {"files", "profiles", "findings"}
    assert set(answer["findings"][0]) == {"path", "line", "column", "outcome", "why"}


def test_where_nothing_can_be_carried_over_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("singleuser: {profileList: [text, [a, list]]}")
    code, output = allotment("import", tmp_path / "values.yaml", "--into", tmp_path / "new")
    assert code == 1
    assert "singleuser.profileList[0]" in output
    assert not (tmp_path / "new").exists()


def test_a_team_that_the_values_do_not_name_gets_the_leads_that_are_said(tmp_path: Path) -> None:
    arguments = ["--team", "lab", "--lead-group", "/lab/leads"]
    assert allotment("import", VALUES / "gpus.yaml", "--into", tmp_path, *arguments)[0] == 0
    team = parse_yaml((tmp_path / "teams/lab/team.yaml").read_bytes())
    assert team["leads"] == {"groups": ["/lab/leads"]}
    assert team["members"] == {"groups": ["lab"]}
    assert " lab" in (tmp_path / "IMPORT.md").read_text()


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_values_say_reaches_the_terminal_as_text_only(tmp_path: Path, form: str) -> None:
    values = (
        '"\\e[31m": 1\nsingleuser: {"[red]a\\u202e": x, profileList: [{"\\e]0;x\\a|<b>": 1, display_name: "\\e[0m"}]}\n'
    )
    (tmp_path / "values.yaml").write_text(values)
    code, output = allotment("import", tmp_path / "values.yaml", "--into", tmp_path / "new", "--format", form)
    assert code == 0
    assert all(character.isprintable() or character == "\n" for character in output)
    report = (tmp_path / "new" / "IMPORT.md").read_text()
    assert all(character.isprintable() or character == "\n" for character in report)
    assert "<b>" not in report


@pytest.mark.parametrize("arguments", [["--team", "No Name"], ["--lead-group", "a\x07b"]])
def test_a_question_without_sense_ends_with_2(arguments: list[str], tmp_path: Path) -> None:
    assert allotment("import", VALUES / "plain.yaml", "--into", tmp_path / "x", *arguments)[0] == 2
    (tmp_path / "no.yaml").write_text("a: [")
    assert allotment("import", tmp_path / "no.yaml", "--into", tmp_path / "x")[0] == 2
    assert not (tmp_path / "x").exists()
