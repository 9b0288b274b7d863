"""`allotment-session try`: a proposal or a file is tried, its address is told, and it is ended."""

import json
from pathlib import Path

from support.fakes.session_service import NOTEBOOK_FILE, SessionService, problem
from support.session_command import Command


def test_a_proposal_is_tried_and_its_address_is_told_once_it_answers(command: Command, service: SessionService) -> None:
    done = command("try", "abc", "--option", "size=large", "--name", "housing-statistics/notebook")
    assert done.returncode == 0, done.stderr
    assert "41.0 s: https://hub.example.org/user/analyst/trial/" in done.stdout
    assert service.bodies["trial"] == {"profile": "housing-statistics/notebook", "options": {"size": "large"}}
    assert service.tried["proposal"] == "abc"
    assert json.loads(command("try", "abc", "--json").stdout)["state"] == "running"
    ended = command("try", "abc", "--end")
    assert (ended.returncode, service.tried["state"]) == (0, "ended")


def test_a_file_is_tried_as_the_running_profile_or_as_the_one_that_is_named(
    command: Command, service: SessionService, tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text(NOTEBOOK_FILE)
    assert command("try", "--file", "mine.yaml").returncode == 0
    assert service.bodies["trial"] == {
        "profile": "housing-statistics/notebook", "content": NOTEBOOK_FILE, "options": {},
    }  # fmt: skip
    assert command("try", "--file", "mine.yaml", "--name", "other/mine").returncode == 0
    assert service.bodies["trial"]["profile"] == "other/mine"


def test_a_trial_that_does_not_start_says_why(command: Command, service: SessionService) -> None:
    why = "There is no \x1b[31mimage."
    service.becomes = {"state": "ended", "why": why, "code": "image-missing"}
    done = command("try", "abc")
    assert done.returncode == 3
    assert "image-missing" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    service.instead = lambda _method, _path: problem(409, code="trial-running", title="You have one.", remedy="End it.")
    refused = command("try", "abc")
    assert (refused.returncode, "trial-running" in refused.stderr) == (3, True)


def test_wrong_usage_asks_the_service_nothing(command: Command, service: SessionService) -> None:
    for arguments in ((), ("abc", "--file", "x"), ("abc", "--option", "size"), ("--file", "not-there")):
        assert command("try", *arguments).returncode == 2, arguments
    assert service.requests == []
