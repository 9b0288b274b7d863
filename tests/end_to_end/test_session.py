"""What a user has inside a running session: data, tools, and the way to propose from there."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.folders import ROOT
from support.servers.deployment import Deployment, Person
from support.session_command import on_terminal
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

NOTEBOOK = "housing-statistics/notebook"


@pytest.fixture(scope="module")
def at_work(analyst: Person) -> Iterator[Person]:
    """The analyst, with a running session."""
    analyst.start_session({"profile": NOTEBOOK, "options": {"size": "large"}})
    yield analyst
    analyst.stop_session()


def in_session(at_work: Person, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a terminal of the session would."""
    environment = at_work.session_environment()
    program = shutil.which(command[0], path=environment["PATH"])
    assert program, f"{command[0]} is not on the session's PATH"
    return subprocess.run(
        [program, *command[1:]], env=environment, cwd=environment["HOME"], capture_output=True, text=True, timeout=60,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def proposed(at_work: Person, *arguments: str) -> dict[str, Any]:
    """Propose from a terminal of the session, and return the proposal."""
    done = in_session(at_work, "allotment-session", "propose", *arguments, "--yes", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    proposal: dict[str, Any] = json.loads(done.stdout)["proposal"]
    return proposal


def test_jupyterlab_opens_and_the_session_says_what_it_is(at_work: Person) -> None:
    page = at_work.page("user/analyst/lab")
    assert page.status_code == 200
    assert "JupyterLab" in page.text
    health = at_work.service("GET", "health").json()
    assert at_work.session_environment()["ALLOTMENT_COMMIT"] == health["applied"]["revision"]


def test_the_session_is_told_about_itself_with_its_own_token(at_work: Person) -> None:
    environment = at_work.session_environment()
    headers = {"Authorization": f"token {environment['JUPYTERHUB_API_TOKEN']}"}
    told = httpx.get(f"{environment['ALLOTMENT_URL']}/session", headers=headers, trust_env=False, timeout=60).json()
    assert (told["user"], told["server"], told["profile"]) == ("analyst", "", NOTEBOOK)
    assert told["options"] == {"size": "large"}
    assert told["revision"] == environment["ALLOTMENT_COMMIT"]
    assert [end["kind"] for end in told["ends"]] == ["total"]
    assert (told["image"], told["digest"]) == ("", "")  # a laptop runs no images


def test_the_session_says_what_it_uses_and_proposes_that_with_the_evidence(at_work: Person) -> None:
    whoami = in_session(at_work, "allotment-session", "whoami")
    assert (whoami.returncode, NOTEBOOK in whoami.stdout) == (0, True), whoami.stderr
    status = in_session(at_work, "allotment-session", "status", "--json")
    assert status.returncode == 0, status.stderr
    use = json.loads(status.stdout)["use"]
    assert use["memory_now"] > 0
    settings = ("--set", "memory.limit=6 GiB", "--reason", "Joins of two quarters")
    proposal = proposed(at_work, "--running", "--name", "measured", *settings)
    (evidence,) = proposal["evidence"]
    assert (evidence["by"], evidence["session"]["profile"]) == ("analyst", NOTEBOOK)
    assert evidence["session"]["use"]["memory_peak"] > 0
    page = at_work.page(f"services/allotment/proposals/{proposal['id']}")
    assert "Nobody has checked it." in page.text
    assert in_session(at_work, "allotment-session", "withdraw", proposal["id"], "--yes").returncode == 0


@pytest.mark.skipif(not shutil.which("R"), reason="R is missing: Debian's package r-base-core has it")
def test_what_r_on_a_terminal_has_shown_is_proposed_and_needs_one_approval(
    at_work: Person, lead: Person, tmp_path: Path
) -> None:
    package = ROOT / "extensions" / "allotment-r"
    installed = in_session(at_work, "R", "CMD", "INSTALL", f"--library={tmp_path}", str(package))
    assert installed.returncode == 0, installed.stderr
    typed = (
        f"library(allotment, lib.loc = '{tmp_path}'); my_profile()",
        "propose_this_environment(c(memory.limit = '6 GiB'), name = 'from-r')",
        "Joins of two quarters",
        "y",
        "quit(status = 0)",
    )
    command = ["R", "--quiet", "--no-save", "--no-restore", "--no-readline"]
    status, written = on_terminal(command, at_work.session_environment(), *typed)
    assert status == 0, written
    shown = (f"{NOTEBOOK} (Notebook in Python)", "What is sent about this session", "Propose this?", "Proposed as")
    assert sorted(map(written.index, shown)) == [*map(written.index, shown)]
    (identifier,) = re.findall(r"Proposed as ([a-z0-9-]+)", written)  # the terminal may echo before it
    proposal = lead.service("GET", f"proposals/{identifier}").json()
    assert (proposal["proposer"], proposal["reason"]) == ("analyst", "Joins of two quarters")
    assert [evidence["session"]["profile"] for evidence in proposal["evidence"]] == [NOTEBOOK]
    looked_at = {"head": proposal["head"], "digest": proposal["digest"]}
    assert lead.service("POST", f"proposals/{identifier}/approvals", json=looked_at).json()["state"] == "approved"
    assert in_session(at_work, "allotment-session", "withdraw", identifier, "--yes").returncode == 0


async def test_a_terminal_of_jupyterlab_finds_the_command(at_work: Person) -> None:
    environment = at_work.session_environment()
    address = environment["JUPYTERHUB_SERVICE_URL"]  # behind the proxy: the session's host is a name for browsers
    key = {"Authorization": f"token {environment['JUPYTERHUB_API_TOKEN']}"}
    async with httpx.AsyncClient(headers=key, trust_env=False, timeout=60) as client:
        name = (await client.post(f"{address}api/terminals")).raise_for_status().json()["name"]
    address = f"{address}terminals/websocket/{name}".replace("http", "ws", 1)
    terminal = await websocket_connect(HTTPRequest(address, headers=key))
    await terminal.write_message(json.dumps(["stdin", "command -v allotment-session || echo mi''ssing\r"]))
    written = ""
    while "bin/allotment-session\r" not in written and "missing" not in written:
        message = await terminal.read_message()
        assert message is not None, written
        kind, *text = json.loads(message)
        written += text[0] if kind == "stdout" else ""
    terminal.close()
    while await terminal.read_message() is not None:  # the other side agrees, and the connection is closed
        pass
    assert "missing" not in written


def test_nothing_of_the_hub_is_in_the_session(allotment: Deployment, at_work: Person) -> None:
    kept = json.loads((allotment.folder / "laptop.json").read_text())
    secrets = [kept["service_token"], kept["proxy_password"], kept["cookie_secret"], *kept["passwords"].values()]
    environment = "\n".join(at_work.session_environment().values())
    assert not any(secret in environment for secret in secrets)
    assert not {"CONFIGPROXY_AUTH_TOKEN", "JUPYTERHUB_CRYPT_KEY"} & set(at_work.session_environment())


def test_git_python_and_r_work_and_the_data_is_there(at_work: Person) -> None:
    assert in_session(at_work, "git", "init", "--quiet", "work").returncode == 0
    reading = (
        "import csv, glob; print(sum(len(list(csv.reader(open(f)))) for f in glob.glob('data/housing-open/*.csv')))"
    )
    done = in_session(at_work, "python", "-c", reading)
    assert int(done.stdout) > 10, done.stderr
    if shutil.which("R"):
        done = in_session(at_work, "R", "--vanilla", "--quiet", "-e", "cat(nchar('plot') * 10)")
        assert "40" in done.stdout, done.stderr
    home = Path(at_work.session_environment()["HOME"])
    assert sorted(path.name for path in (home / "data").iterdir()) == ["housing-open"]


def test_a_proposal_from_the_terminal_starts_from_the_profile_that_runs(at_work: Person) -> None:
    shown = in_session(at_work, "allotment-session", "show")
    assert "Notebook in Python" in shown.stdout, shown.stderr
    propose = ("allotment-session", "propose", "--name", "from-terminal", "--set", "memory.limit=6GiB")
    refused = in_session(at_work, *propose, "--set", "memory.limit=6000GiB", "--reason", "Too much", "--yes")
    assert refused.returncode == 1
    assert "memory-envelope" in refused.stdout + refused.stderr
    answer = proposed(at_work, *propose[2:], "--reason", "Larger joins")
    assert answer["proposer"] == "analyst"
    assert answer["reason"] == "Larger joins"
    assert any("memory" in change["text"] and "6 GiB" in change["text"] for change in answer["changes"])
    ended = in_session(at_work, "allotment-session", "withdraw", answer["id"], "--yes")
    assert ended.returncode == 0, ended.stderr


def test_a_proposal_from_the_terminal_can_carry_the_request_for_data(at_work: Person) -> None:
    answer = proposed(
        at_work, "--from", "transport-analysis/scratch", "--name", "transport-analysis/prices",
        "--set", "data_roles+=housing-open", "--grant", "housing-open=2027-12-31",
        "--reason", "Comparing house prices along lines",
    )  # fmt: skip
    assert [need["key"] for need in answer["requirements"]] == ["lead:transport-analysis", "owner:open-data"]
    assert [change["data_role"] for change in answer["access"] if change["gains"]] == ["housing-open"]
    assert at_work.service("POST", f"proposals/{answer['id']}/withdrawal").status_code == 200


def test_the_plain_api_works_with_the_token_of_the_session(at_work: Person) -> None:
    done = in_session(
        at_work, "python", "-c",
        "import os, urllib.request as u; r = u.Request(os.environ['ALLOTMENT_URL'] + '/profiles', "
        "headers={'Authorization': 'token ' + os.environ['JUPYTERHUB_API_TOKEN']}); print(u.urlopen(r).status)",
    )  # fmt: skip
    assert done.stdout.strip() == "200", done.stderr
