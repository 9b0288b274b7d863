"""`whoami`, `status`, `capture` and `propose --running`, as a process beside a service that answers."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.fakes.session_service import NOTEBOOK, TOKEN, SessionService, problem
from support.folders import ROOT
from support.session_command import Command

from allotment_profiles.records.evidence import SessionEvidence

GIB = 1024**3
RUNNING: dict[str, Any] = {
    "user": "analyst", "server": "", "profile": "housing-statistics/notebook", "title": "Notebook in Python",
    "team": "housing-statistics", "revision": "a" * 40, "newer": True, "options": {}, "app": "jupyterlab",
    "image": "quay.io/jupyter/scipy-notebook:2025-12-31", "digest": "", "cpu": 2.0, "memory": 4 * GIB, "gpu": 0,
    "data_roles": [{"name": "housing-open", "title": "Housing", "until": "2029-12-31", "review_by": None, "state": ""}],
    "started": "2026-01-01T08:00:00Z", "idle": 7200, "larger": [], "url": "/base/services/allotment/profiles/x",
    "ends": [{"kind": "total", "at": "2999-01-01T20:00:00Z", "text": "Its time is over."}],
    "restart": "/base/hub/allotment/restart/analyst",
}  # fmt: skip
_IN_CONTAINER = """
import os, sys
from pathlib import Path
from allotment_session import cli, running
from allotment_session.capture import evidence
planted = Path(sys.argv.pop(1))
running.observed = lambda: evidence.observed(planted / "proc", planted / "cgroup")
cli.run()
"""
"""The command, with a control group and a /proc that a test has planted."""


@pytest.fixture
def session(service: SessionService) -> SessionService:
    service.session = dict(RUNNING)
    return service


@pytest.fixture
def contained(environment: dict[str, str], tmp_path: Path) -> Command:
    """Run the command in a container whose processes the kernel has ended twice."""
    files = {
        "cgroup/memory.max": f"{4 * GIB}", "cgroup/memory.peak": f"{4 * GIB}", "cgroup/memory.current": f"{2 * GIB}",
        "cgroup/memory.events": "oom_kill 2\n", "proc/self/cgroup": "0::/\n", "proc/uptime": "3600 0",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / "planted" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "planted" / name).write_text(text)

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", _IN_CONTAINER, str(tmp_path / "planted"), *arguments],
            env={**environment, "HOME": str(tmp_path), **variables}, cwd=tmp_path, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return run


def dist(home: Path, name: str) -> None:
    (home / f".local/lib/python3.11/site-packages/{name}-1.0.dist-info").mkdir(parents=True)


def test_whoami_says_what_runs_and_when_it_ends(command: Command, session: SessionService) -> None:
    done = command("whoami")
    assert done.returncode == 0, done.stderr
    for said in (
        "housing-statistics/notebook (Notebook in Python)",
        "housing-open until 2029-12-31",
        "4 GiB",
        "2 CPUs",
    ):
        assert said in done.stdout
    assert "2999-01-01 20:00 UTC" in done.stdout
    assert "after 2 h without activity" in done.stdout
    assert "a new start has the newer version" in done.stdout
    assert json.loads(command("whoami", "--json").stdout) == session.session


@pytest.mark.parametrize("name", ["whoami", "status", "capture"])
def test_a_service_that_is_away_is_told_with_what_is_known_here(command: Command, name: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        done = command(name, ALLOTMENT_URL=f"http://127.0.0.1:{unused.getsockname()[1]}/api", ALLOTMENT_COMMIT="c0ffee")
    assert done.returncode == 4
    assert "cannot be reached" in done.stderr
    assert ("c0ffee" in done.stdout) is (name == "whoami")
    assert TOKEN not in done.stdout + done.stderr


def test_another_users_token_an_expired_one_and_none_are_refused(command: Command, service: SessionService) -> None:
    assert command("status").returncode == 3  # the token of no session
    expired = command("whoami", JUPYTERHUB_API_TOKEN="expired")
    assert (expired.returncode, "does not accept this session's token" in expired.stderr) == (3, True)
    assert command("propose", "--running", "--yes", JUPYTERHUB_API_TOKEN="").returncode == 2
    assert not service.proposals


def test_status_shows_use_beside_limits_and_the_next_larger_size(contained: Command, session: SessionService) -> None:
    session.session["larger"] = [
        {
            "profile": "housing-statistics/notebook",
            "options": {"size": "large"},
            "memory": 8 * GIB,
            "url": "https://x/y",
        }
    ]
    session.proposals = {
        "mine": {"id": "mine", "state": "open", "proposer": "analyst", "title": "Mine"},
        "theirs": {"id": "theirs", "state": "open", "proposer": "ben", "title": "Theirs"},
    }
    done = contained("status")
    assert done.returncode == 0, done.stderr
    for said in ("2 GiB now", "at most 4 GiB", "of 2 CPUs", "ended a process of this session 2 times", "https://x/y"):
        assert said in done.stdout
    assert "mine" in done.stdout
    assert "theirs" not in done.stdout
    assert ("GET", "/proposals?proposer=analyst") in session.requests
    told = json.loads(contained("status", "--json").stdout)
    assert told["use"]["out_of_memory"] == 2
    assert told["short_of_memory"][0].startswith("Out of memory: the kernel ended a process of this session 2 times")
    assert "ended a process of this session 2 times" in contained("whoami").stdout


def test_what_runs_is_proposed_with_a_larger_limit_its_evidence_and_a_reason(
    contained: Command, session: SessionService, tmp_path: Path
) -> None:
    dist(tmp_path, "polars")
    done = contained("propose", "--running", "--yes", SECRET_TOKEN="planted-secret")
    assert done.returncode == 0, done.stderr
    body = session.bodies["notebook"]
    memory = {"guarantee": "1 GiB", "limit": "8 GiB"}
    assert body["profile"] == {**NOTEBOOK, "resources": {**NOTEBOOK["resources"], "memory": memory}}
    assert body["reason"] == "It ran out of memory 2 times at its limit of 4 GiB."
    evidence = SessionEvidence.model_validate(body["evidence"])
    assert evidence.use
    assert (evidence.use.out_of_memory, evidence.use.memory_peak) == (2, 4 * GIB)
    assert [package.name for package in evidence.packages] == ["polars"]
    for shown in ("pip polars 1.0", "at most 4 GiB", "Reason: It ran out of memory", "quay.io/jupyter", "housing-open"):
        assert shown in done.stdout
    assert "planted-secret" not in done.stdout + json.dumps(body)
    assert TOKEN not in done.stdout + json.dumps(body)


def test_a_new_profile_from_what_runs_has_a_title_of_its_own(contained: Command, session: SessionService) -> None:
    done = contained("propose", "--running", "--name", "notebook-big", "--reason", "The join of two quarters", "--yes")
    assert done.returncode == 0, done.stderr
    body = session.bodies["notebook-big"]
    assert body["profile"]["title"] == "Notebook in Python, 8 GiB"
    assert body["reason"] == "The join of two quarters"


def test_nothing_is_sent_without_consent_and_capture_sends_nothing(
    contained: Command, session: SessionService, tmp_path: Path
) -> None:
    for number in range(60):
        dist(tmp_path, f"package{number}")
    assert contained("propose", "--running").returncode == 2  # nobody can be asked
    done = contained("capture")
    assert done.returncode == 0
    assert "60 packages that you added" in done.stdout
    assert "pip package59 1.0" in done.stdout
    said = contained("capture", "--json")
    assert len(SessionEvidence.model_validate_json(said.stdout).packages) == 60
    assert {method for method, _ in session.requests} == {"GET"}


def test_without_a_reason_for_another_limit_nothing_is_proposed(command: Command, session: SessionService) -> None:
    done = command("propose", "--running", "--yes")
    assert done.returncode == 0
    assert "suggests no other limit" in done.stdout
    assert not session.proposals
    named = command("propose", "--running", "--set", "memory.limit=6GiB", "--reason", "More", "--yes")
    assert named.returncode == 0, named.stderr
    assert session.bodies["notebook"]["evidence"]["profile"] == "housing-statistics/notebook"


@pytest.mark.parametrize(
    "answered", ["[]", '{"profile": 5, "ends": 7, "larger": "x", "data_roles": [1], "memory": "4"}']
)
def test_answers_of_any_shape_break_nothing(command: Command, service: SessionService, answered: str) -> None:
    service.instead = lambda _method, path: (
        (200, {"Content-Type": "application/json"}, answered.encode()) if path.endswith("/session") else None
    )
    for name in ("whoami", "status", "capture"):
        done = command(name)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode in (0, 4)


def test_a_service_that_refuses_the_evidence_says_why(contained: Command, session: SessionService) -> None:
    refused = problem(422, code="request", title="The request is invalid.", detail="evidence: extra inputs")
    session.instead = lambda method, path: refused if method == "POST" and path.endswith("/proposals") else None
    done = contained("propose", "--running", "--yes")
    assert done.returncode == 3
    assert "evidence: extra inputs" in done.stderr


def test_what_was_saved_is_sent_as_it_was_shown_whatever_the_session_uses_meanwhile(
    contained: Command, session: SessionService, tmp_path: Path
) -> None:
    dist(tmp_path, "polars")
    saved = contained("propose", "--running", "--save", "request.json")
    assert (saved.returncode, session.proposals) == (0, {}), saved.stderr
    for shown in ("memory limit", "pip polars 1.0", "Reason: It ran out of memory 2 times"):
        assert shown in saved.stdout
    request = json.loads((tmp_path / "request.json").read_text())
    as_json = contained("propose", "--running", "--save", "request.json", "--json")
    assert json.loads(as_json.stdout)["request"]["evidence"]["packages"] == request["evidence"]["packages"]

    (tmp_path / "planted/cgroup/memory.events").write_text("oom_kill 3\n")
    (tmp_path / "request.json").write_text(json.dumps(request))
    assert contained("propose", "--send", "request.json").returncode == 2  # nobody can be asked
    sent = contained("propose", "--send", "request.json", "--yes")
    assert sent.returncode == 0, sent.stderr
    assert "Proposed as notebook" in sent.stdout
    assert session.bodies["notebook"] == request
    assert contained("propose", "--send", "request.json", "--reason", "Mine", "--yes").returncode == 0
    assert session.bodies["notebook"] == {**request, "reason": "Mine"}


@pytest.mark.parametrize("content", ["", "[" * 100_000, "[]", '{"team": 1, "name": "x"}', None])
def test_a_file_that_was_not_saved_is_not_sent(
    command: Command, session: SessionService, tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "request.json").write_text(content)
    done = command("propose", "--send", "request.json", "--reason", "x", "--yes")
    assert (done.returncode, "Traceback" in done.stderr, session.requests) == (2, False, [])
    assert command("propose", "--send", "request.json", "--running", "--yes").returncode == 2


def test_a_change_that_cannot_be_proposed_or_saved_leaves_no_file(
    command: Command, session: SessionService, tmp_path: Path
) -> None:
    wrong = command("propose", "--set", "memory.limit=16 GB", "--save", "request.json")
    assert (wrong.returncode, (tmp_path / "request.json").exists()) == (1, False)
    assert command("propose", "--set", "memory.limit=16 GiB", "--save", "not/there").returncode == 2
    assert command("propose", "--set", "memory.limit=16 GiB", "--save", "request.json").returncode == 0
    assert command("propose", "--send", "request.json", "--yes").returncode == 2  # it has no reason
    assert not session.proposals


def test_where_a_program_hides_the_environment_that_of_the_session_is_found_above_it(
    environment: dict[str, str], session: SessionService
) -> None:
    kept = {name: environment[name] for name in ("PATH", "PYTHONPATH", "LC_ALL")}
    below = f"import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:], env={kept!r}).returncode)"
    whoami = [sys.executable, "-m", "allotment_session", "whoami"]
    trial, expired, none = {"ALLOTMENT_TRIAL": "bcdfg"}, {"JUPYTERHUB_API_TOKEN": "expired"}, {"ALLOTMENT_PROFILE": ""}
    for more, status in (({}, 0), (trial, 0), (expired, 3), (none, 2)):
        done = subprocess.run(
            [sys.executable, "-c", below, *whoami], env={**environment, **more}, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        assert ("(Notebook in Python)" in done.stdout) is (status == 0 and "ALLOTMENT_TRIAL" not in more)
        assert ("This is a trial of bcdfg." in done.stdout) is ("ALLOTMENT_TRIAL" in more)


def test_the_example_image_gives_r_in_rstudio_the_environment_of_the_session(tmp_path: Path) -> None:
    (tmp_path / "rsession").write_text('#!/bin/sh\necho "$* $TZ $HOME $R_HOME"\n')
    (tmp_path / "rsession").chmod(0o700)
    kept = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "R_HOME": "of rserver"}
    rserver = f"import subprocess, sys; subprocess.run(sys.argv[1:], env={kept!r}, check=True)"
    wrapper = [sys.executable, str(ROOT / "images" / "rstudio" / "rsession-with-environment"), "-u", "jovyan"]
    variables = {"PATH": os.environ["PATH"], "TZ": "Europe/London", "HOME": "its home", "R_HOME": "of the session"}
    said = subprocess.check_output([sys.executable, "-c", rserver, *wrapper], env=variables, text=True, timeout=60)
    assert said == "-u jovyan Europe/London its home of rserver\n"


def test_a_trial_says_what_it_is_and_asks_the_service_nothing(contained: Command, service: SessionService) -> None:
    trial = {"ALLOTMENT_TRIAL": "bcdfg", "ALLOTMENT_URL": ""}
    for name in ("whoami", "status"):
        done = contained(name, **trial)
        assert (done.returncode, "This is a trial of bcdfg." in done.stdout) == (0, True), done.stderr
    assert "2 GiB now" in contained("status", **trial).stdout
    refused = contained("propose", "--running", "--yes", **trial)
    assert (refused.returncode, "A trial cannot ask the service." in refused.stderr) == (3, True)
    assert service.requests == []
