"""The R package `allotment`: in a script, in R on a terminal, with RStudio's dialogs; beside a service that answers."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from support.fakes.session_service import TOKEN, SessionService, problem
from support.folders import ROOT
from support.session_command import on_terminal

from allotment_profiles.records.evidence import SessionEvidence

PACKAGE = ROOT / "extensions" / "allotment-r"
GIB = 1024**3
HOSTILE = """$(touch planted) `touch planted` '"; touch planted #\\ %s <b>x</b>"""
PROPOSE = "allotment::propose_this_environment"
RSTUDIO = """
unlockBinding(".Platform", baseenv())
assign(".Platform", replace(.Platform, "GUI", "RStudio"), baseenv())
say <- function(...) cat("DIALOG", ..., "\\n")
attach(list(
    .rs.api.versionInfo = function() list(version = package_version("2023.3.0"), mode = "server"),
    .rs.api.showPrompt = function(title, message, default) { say(message); prompted },
    .rs.api.showQuestion = function(title, message, ok, cancel) { say(message, "/", ok, "/", cancel); answered }
), name = "tools:rstudio")
"""
"""What RStudio adds to R, as far as its package rstudioapi uses it for dialogs."""

R = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.skipif(not shutil.which("R"), reason="R is missing: Debian's package r-base-core has it")


def built(folder: Path) -> Path:
    run_r(folder, "R", "CMD", "build", str(PACKAGE))
    (archive,) = folder.glob("allotment_*.tar.gz")
    return archive


def run_r(folder: Path, *command: str, **variables: str) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", **variables}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def library(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of R with the package, installed as in an image."""
    folder = tmp_path_factory.mktemp("library")
    run_r(folder, "R", "CMD", "INSTALL", f"--library={folder}", str(archive))
    return folder


@pytest.fixture
def session(service: SessionService) -> SessionService:
    """A session whose last one of the same profile has ended for lack of memory."""
    service.session = {
        "user": "analyst", "profile": "housing-statistics/notebook", "title": "Notebook in Python", "memory": 4 * GIB,
        "last": {"reason": "out-of-memory", "memory": 4 * GIB, "at": "2026-01-01T00:00:00Z"},
    }  # fmt: skip
    return service


@pytest.fixture
def surroundings(environment: dict[str, str], library: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of a session with R in it."""
    path = f"{Path(sys.executable).parent}:{environment['PATH']}"
    added = {"R_LIBS": str(library), "HOME": str(tmp_path), "PATH": path, "TERM": "dumb", "PAGER": "cat"}
    return {**environment, **added, "SECRET_KEY": "planted-secret"}


@pytest.fixture
def r(surroundings: dict[str, str], tmp_path: Path) -> R:
    """Run a piece of R as a script does."""

    def run(code: str, *above: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*above, "Rscript", "-e", code], env={**surroundings, **variables}, cwd=tmp_path, capture_output=True,
            text=True, timeout=150, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    return run


def typed(surroundings: dict[str, str], *lines: str) -> str:
    """Type lines in R on a terminal, and return all that it wrote."""
    command = ["R", "--quiet", "--no-save", "--no-restore", "--no-readline"]
    status, written = on_terminal(command, surroundings, *lines, "quit(status = 0)")
    assert status == 0, written
    return written.replace("\r\n", "\n")


def r_library(home: Path, *names: str) -> None:
    for name in names:
        folder = home / "R" / "x86_64-pc-linux-gnu-library" / "4.2" / name
        folder.mkdir(parents=True)
        (folder / "DESCRIPTION").write_text(f"Package: {name}\nVersion: 1.0\n")


def test_the_profile_that_runs_is_shown_with_what_helps_when_the_memory_did_not_suffice(
    r: R, session: SessionService
) -> None:
    for function in ("my_profile", "session_status"):
        done = r(f"allotment::{function}()")
        assert done.returncode == 0, done.stderr
        assert "ended for lack of memory, at a limit of 4 GiB" in done.stdout
        assert "In R: propose_this_environment()" in done.stdout
    assert "housing-statistics/notebook (Notebook in Python)" in r("allotment::my_profile()").stdout
    assert "\u2192" in r(f"{PROPOSE}()").stdout
    assert "memory limit 4 GiB <U+2192>" in r(f"{PROPOSE}()", LC_ALL="C").stdout  # R cannot write the arrow there


def test_a_script_shows_all_that_would_be_sent_and_sends_it_only_when_told_to(
    r: R, session: SessionService, tmp_path: Path
) -> None:
    r_library(tmp_path, *(f"added{number}" for number in range(60)))
    done = r(f"{PROPOSE}()")
    assert done.returncode == 0, done.stderr
    for shown in ("memory limit", "Who will have to approve", "r added59 1.0", "Reason: The last session ended"):
        assert shown in done.stdout
    assert "Nothing was sent" in done.stdout
    assert not session.proposals

    done = r(f"stopifnot({PROPOSE}(yes = TRUE))")
    assert done.returncode == 0, done.stderr
    assert "Proposed as notebook" in done.stdout
    body = session.bodies["notebook"]
    assert body["profile"]["resources"]["memory"]["limit"] == "8 GiB"
    assert body["reason"] == "The last session ended for lack of memory, at a limit of 4 GiB."
    assert len(SessionEvidence.model_validate(body["evidence"]).packages) == 60
    assert "planted-secret" not in done.stdout + json.dumps(body)
    assert TOKEN not in done.stdout + json.dumps(body)
    assert not list(tmp_path.glob("**/allotment-request-*"))


def test_on_a_terminal_it_is_shown_first_and_sent_after_a_yes_alone(
    surroundings: dict[str, str], session: SessionService
) -> None:
    declined = [line for no in ("", "n", "perhaps") for line in (f"{PROPOSE}()", "", no)]
    assert typed(surroundings, *declined).count("Nothing was proposed.") == 3
    assert not session.proposals
    written = typed(surroundings, f"{PROPOSE}()", "The join of two quarters", "y")
    shown = written.index("What is sent about this session")
    assert written.index("memory limit") < shown < written.index("Reason: The last session")
    assert written.index("Reason: The last session") < written.index("Propose this?") < written.index("Proposed as")
    assert session.bodies["notebook"]["reason"] == "The join of two quarters"


def test_where_nothing_suggests_another_limit_a_terminal_asks_for_one_and_a_script_does_not(
    r: R, surroundings: dict[str, str], session: SessionService
) -> None:
    del session.session["last"]
    done = r(f"stopifnot(!{PROPOSE}(yes = TRUE))")
    assert (done.returncode, "suggests no other limit" in done.stdout) == (0, True), done.stderr
    no_limit, no_reason = (f"{PROPOSE}()", ""), (f"{PROPOSE}()", "16 GiB", "")
    assert typed(surroundings, *no_limit, *no_reason).count("Nothing was proposed.") == 2
    assert not session.proposals
    assert "Proposed as" in typed(surroundings, f"{PROPOSE}()", "16 GiB", "More quarters", "y")
    body = session.bodies["notebook"]
    assert (body["profile"]["resources"]["memory"]["limit"], body["reason"]) == ("16 GiB", "More quarters")


def test_more_lines_than_a_console_keeps_are_shown_in_a_pager(
    surroundings: dict[str, str], session: SessionService, tmp_path: Path
) -> None:
    r_library(tmp_path, *(f"added{number}" for number in range(600)))
    pager = tmp_path / "pager"
    pager.write_text('#!/bin/sh\necho "PAGED $(grep -c added)"\n')
    pager.chmod(0o700)
    written = typed(surroundings, f'options(pager = "{pager}")', f"{PROPOSE}()", "", "n")
    assert written.index("PAGED 60") < written.index("Propose this?")
    assert "r added599" not in written


@pytest.mark.parametrize(
    ("prompted", "answered", "typed_then", "reason"),
    [
        ('""', "TRUE", [], "The last session ended for lack of memory, at a limit of 4 GiB."),
        ('"Because"', "FALSE", ["y"], "Because"),
        ('"Because"', "FALSE", [""], None),
        ("NULL", "TRUE", [], None),
    ],
)
def test_in_rstudio_dialogs_ask_and_the_console_asks_who_wants_to_read_first(
    surroundings: dict[str, str],
    session: SessionService,
    tmp_path: Path,
    prompted: str,
    answered: str,
    typed_then: list[str],
    reason: str | None,
) -> None:
    if subprocess.run(["Rscript", "-e", "library(rstudioapi)"], capture_output=True, check=False).returncode:
        pytest.skip("R's package rstudioapi is missing: Debian's package r-cran-rstudioapi has it")
    (tmp_path / "rstudio.R").write_text(f"prompted <- {prompted}; answered <- {answered}\n{RSTUDIO}")
    written = typed(surroundings, f'source("{tmp_path}/rstudio.R")', f"{PROPOSE}()", *typed_then)
    assert "DIALOG Another reason" in written
    assert ("DIALOG Propose this?" in written) is (prompted != "NULL")
    assert session.bodies.get("notebook", {}).get("reason") == reason


def test_text_reaches_no_shell_no_format_and_no_terminal_control(r: R, session: SessionService, tmp_path: Path) -> None:
    session.session["title"] = f"\x1b[31m{HOSTILE}\u202e"
    done = r("allotment::my_profile()")
    assert (done.returncode, HOSTILE in done.stdout) == (0, True), done.stderr
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    text = json.dumps(HOSTILE)
    done = r(f"{PROPOSE}(c(description = {text}), reason = {text}, yes = TRUE)")
    assert done.returncode == 0, done.stderr
    body = session.bodies["notebook"]
    assert (body["profile"]["description"], body["reason"]) == (HOSTILE, HOSTILE)
    assert r(f"allotment::try_proposal({text})").returncode == 0
    assert ("POST", f"/proposals/{quote(HOSTILE, safe='')}/trial") in session.requests
    assert not (tmp_path / "planted").exists()


def unreachable() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/api"


@pytest.mark.parametrize(
    ("variables", "status", "said"),
    [
        ({"JUPYTERHUB_API_TOKEN": ""}, 2, "There is no token of this session (JUPYTERHUB_API_TOKEN)."),
        ({"JUPYTERHUB_API_TOKEN": "expired"}, 3, "does not accept this session's token"),
        ({"ALLOTMENT_URL": ""}, 2, "no usable address of the service (ALLOTMENT_URL)"),
        ({"ALLOTMENT_URL": "away"}, 4, "cannot be reached"),
    ],
)
def test_without_a_token_or_a_service_the_error_says_what_helps(
    r: R, session: SessionService, variables: dict[str, str], status: int, said: str
) -> None:
    if variables.get("ALLOTMENT_URL") == "away":
        variables = {"ALLOTMENT_URL": unreachable()}
    caught = "tryCatch(call(), allotment_error = function(e) cat('CAUGHT', e$status, conditionMessage(e), '\\n'))"
    done = r(f"for (call in list(allotment::my_profile, {PROPOSE})) {caught}; allotment::my_profile()", **variables)
    assert (done.returncode, said in done.stderr) == (1, True)
    assert done.stdout.count(f"CAUGHT {status}") == done.stdout.count("What helps") == 2
    assert done.stdout.count(said) == 2


def test_a_problem_or_a_refusal_is_an_error_and_nothing_is_proposed(r: R, session: SessionService) -> None:
    done = r(f'{PROPOSE}(c(memory.limit = "16 GB"), reason = "x", yes = TRUE)')
    assert (done.returncode, "[memory-unit]" in done.stdout) == (1, True)
    refused = problem(422, code="request", title="The request is invalid.", detail="evidence: extra inputs")
    session.instead = lambda method, path: refused if method == "POST" and path.endswith("/proposals") else None
    done = r(f"{PROPOSE}(yes = TRUE)")
    assert (done.returncode, "evidence: extra inputs" in done.stderr) == (1, True)
    assert not session.proposals


def test_a_proposal_is_tried_and_its_trial_ended(r: R, session: SessionService) -> None:
    done = r('allotment::try_proposal("notebook", c(size = "large"))')
    assert (done.returncode, "It started in 41" in done.stdout) == (0, True), done.stderr
    assert session.bodies["trial"]["options"] == {"size": "large"}
    assert "No trial runs." in r("allotment::try_proposal(end = TRUE)").stdout


def test_r_in_rstudio_finds_its_session_though_rstudio_hides_its_environment(
    r: R, surroundings: dict[str, str], session: SessionService
) -> None:
    kept = [f"{name}={surroundings[name]}" for name in ("PATH", "HOME", "R_LIBS", "PYTHONPATH")]
    above = """import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"""
    done = r("allotment::my_profile()", sys.executable, "-c", above, "env", "-i", "LANG=C.UTF-8", *kept)
    assert (done.returncode, "housing-statistics/notebook" in done.stdout) == (0, True), done.stderr


def test_the_package_passes_r_cmd_check(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "src" / "contrib").mkdir(parents=True)
    (tmp_path / "src" / "contrib" / "PACKAGES").touch()
    (tmp_path / "profile.R").write_text(f'options(repos = c(none = "file://{tmp_path}"))\n')  # it asks no network
    variables: dict[str, Any] = {"R_PROFILE": str(tmp_path / "profile.R"), "_R_CHECK_FORCE_SUGGESTS_": "false"}
    said = run_r(tmp_path, "R", "CMD", "check", "--no-manual", str(archive), **variables)
    assert "\nStatus: OK" in said, said
