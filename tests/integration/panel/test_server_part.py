"""The server's part of JupyterLab's panel: a real Jupyter server, and the service at its edge."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from allotment_session.errors import SessionError
from support.conditions import until
from support.fakes.session_service import TOKEN, Reply, SessionService, answer, problem, running_service
from support.folders import PROGRAMS
from support.servers.jupyter import BASE, JupyterServer, jupyter_server

calls_of = pytest.importorskip("jupyterlab_allotment.service", reason="JupyterLab's panel is not installed here")

NOTEBOOK = "housing-statistics/notebook"
CHANGE = {"team": "housing-statistics", "name": "larger", "profile": {"title": "Larger"}}


def session_of(url: str) -> dict[str, str]:
    """Return what the hub gives a session."""
    return {
        "ALLOTMENT_URL": url,
        "ALLOTMENT_PROFILE": NOTEBOOK,
        "ALLOTMENT_DATA_ROLES": "housing-open",
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "JUPYTERHUB_SERVICE_PREFIX": BASE,
        "JUPYTERHUB_USER": "analyst",
        "JUPYTERHUB_SERVER_NAME": "second",
        "JUPYTERHUB_PUBLIC_HUB_URL": "https://hub.example.org/hub/",
    }


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SessionService, JupyterServer]]:
    folder = tmp_path_factory.mktemp("jupyter")
    with running_service() as service, jupyter_server(folder, session_of(service.url)) as server:
        (folder / "home" / "data" / "housing-open").mkdir(parents=True)
        yield service, server


@pytest.fixture
def service(running: tuple[SessionService, JupyterServer]) -> Iterator[SessionService]:
    service = running[0]
    yield service
    service.proposals.clear()
    service.session = {}
    service.tried = {"state": "none"}
    service.instead = lambda method, path: None


@pytest.fixture
def server(running: tuple[SessionService, JupyterServer]) -> JupyterServer:
    return running[1]


OWN = {
    "user": "analyst", "server": "second", "profile": NOTEBOOK, "title": "Notebook in Python", "newer": True,
    "memory": 4 * 1024**3, "cpu": 2.0, "gpu": 0, "options": {}, "ends": [], "larger": [], "revision": "1" * 40,
    "data_roles": [{"name": "housing-open", "until": "2029-12-31", "review_by": None, "state": ""}],
}  # fmt: skip


def test_the_panel_is_told_what_runs_and_never_the_token(service: SessionService, server: JupyterServer) -> None:
    service.session = OWN
    status, session = server.call("session")
    assert status == 200
    assert (session["inside"], session["profile"], session["server"]) == (True, NOTEBOOK, "second")
    assert session["own"] == OWN
    assert session["details"]["title"] == "Notebook in Python"
    assert session["hub"] == "https://hub.example.org/hub/"
    (role,) = session["data"]
    assert (role["name"], role["until"], role["state"]) == ("housing-open", "2029-12-31", "")
    assert role["path"].endswith("/data/housing-open")
    assert TOKEN not in str(session)
    assert set(service.tokens) == {f"token {TOKEN}"}


def test_the_session_is_described_after_its_profile_was_removed(service: SessionService, server: JupyterServer) -> None:
    service.session = OWN
    gone = problem(404, code="profile-unknown", title="There is none.")
    service.instead = lambda method, path: gone if "/profiles/" in path else None
    status, session = server.call("session")
    assert (status, session["details"], session["own"]["title"]) == (200, None, "Notebook in Python")


def test_memory_and_cpu_are_those_of_the_session(server: JupyterServer) -> None:
    status, use = server.call("use")
    assert status == 200
    assert 10 * 1024**2 < use["memory_now"] < 8 * 1024**3
    assert use["cpu_now"] is None  # there was no look before


def test_a_killed_kernel_is_counted_and_one_that_its_user_ends_is_not(server: JupyterServer) -> None:
    def kernel() -> tuple[str, psutil.Process]:
        number = server.client.post("api/kernels", json={}).raise_for_status().json()["id"]
        assert server.call("use")[1]["kernels_killed"] == 0  # it is watched from now on
        everything = psutil.process_iter(["cmdline"])
        (process,) = (each for each in everything if number in " ".join(each.info["cmdline"] or []))
        return number, process

    ended, process = kernel()
    server.client.delete(f"api/kernels/{ended}").raise_for_status()
    until(lambda: not process.is_running(), what="the end of a kernel")
    killed, process = kernel()
    process.send_signal(signal.SIGKILL)
    until(lambda: server.call("use")[1]["kernels_killed"] == 1, what="the count")
    server.client.delete(f"api/kernels/{killed}").raise_for_status()


def test_what_runs_is_drafted_with_its_evidence_and_proposed_as_it_was_shown(
    service: SessionService, server: JupyterServer
) -> None:
    service.session = OWN
    status, captured = server.call("capture")
    assert status == 200
    assert captured["profile"]["title"] == "Notebook in Python"
    assert captured["evidence"]["profile"] == NOTEBOOK
    assert captured["evidence"]["use"]["memory_peak"] > 0
    body = {"team": "housing-statistics", "name": "larger", "profile": captured["profile"], "reason": "Because"}
    assert server.call("proposals", {**body, "evidence": captured["evidence"]})[0] == 200
    assert service.bodies["larger"]["evidence"] == captured["evidence"]


def test_a_change_is_checked_proposed_listed_and_withdrawn(service: SessionService, server: JupyterServer) -> None:
    status, check = server.call("checks", CHANGE)
    assert status == 200
    assert check["changes"]
    status, proposal = server.call("proposals", {**CHANGE, "reason": "More memory"})
    assert (status, proposal["state"]) == (200, "checked")
    assert service.bodies["larger"] == {**CHANGE, "reason": "More memory"}
    (own,) = server.call("proposals")[1]["proposals"]
    assert (own["id"], own["state"], own["withdrawable"]) == ("larger", "checked", True)
    assert server.call("proposals/larger/withdrawal", {})[0] == 200
    (own,) = server.call("proposals")[1]["proposals"]
    assert (own["state"], own["withdrawable"]) == ("withdrawn", False)


def test_a_proposal_is_tried_followed_and_ended(service: SessionService, server: JupyterServer) -> None:
    assert server.call("trials")[1]["state"] == "none"
    status, trial = server.call("proposals/larger/trial", {"profile": NOTEBOOK})
    assert (status, trial["state"], trial["proposal"]) == (200, "starting", "larger")
    assert service.bodies["trial"] == {"profile": NOTEBOOK}
    trial = server.call("trials")[1]
    assert (trial["state"], trial["started_in"]) == ("running", 41.0)
    assert trial["url"] == "https://hub.example.org/user/analyst/trial/"
    status, trial = server.call("trials", method="DELETE")
    assert (status, trial["state"], trial["why"]) == (200, "ended", "Its user has ended it.")
    assert TOKEN not in str(trial)


def test_a_draft_is_tried_and_never_with_data(service: SessionService, server: JupyterServer) -> None:
    draft = {"profile": NOTEBOOK, "settings": {"title": "Larger"}}
    assert server.call("trials", draft)[1]["proposal"] == ""
    assert service.bodies["trial"] == draft
    before = len(service.requests)
    for path in ("trials", "proposals/larger/trial"):
        assert server.call(path, {**draft, "data_roles": ["housing-open"]})[0] == 400
    assert len(service.requests) == before


def test_why_a_trial_is_refused_is_said_in_full(service: SessionService, server: JupyterServer) -> None:
    refused = problem(
        409, code="trial-not-isolated", title="You cannot try this.", detail="Sessions are not isolated here.",
        remedy="Leave a comment instead.", decides="an administrator",
    )  # fmt: skip
    service.instead = lambda method, path: refused if path.endswith("/trial") else None
    status, told = server.call("proposals/theirs/trial", {})
    assert status == 409
    assert (told["error"]["code"], told["error"]["why"]) == ("trial-not-isolated", "Sessions are not isolated here.")
    assert told["error"]["remedy"] == "Leave a comment instead. Who decides: an administrator."


def test_a_trial_says_what_it_is_and_asks_the_service_nothing(tmp_path: Path) -> None:
    with jupyter_server(tmp_path, {"ALLOTMENT_TRIAL": "larger", "ALLOTMENT_PROFILE": NOTEBOOK}) as server:
        status, session = server.call("session")
        assert (status, session["inside"], session["trial"]) == (200, False, "larger")


def test_the_proposals_of_others_are_not_listed_as_own(service: SessionService, server: JupyterServer) -> None:
    service.proposals["theirs"] = {"id": "theirs", "proposer": "lead", "state": "checked"}
    assert server.call("proposals") == (200, {"proposals": []})


def test_a_panel_that_asks_keeps_no_session_from_being_idle(service: SessionService, server: JupyterServer) -> None:
    before = server.client.get("api/status").json()["last_activity"]
    assert [server.call(path)[0] for path in ("use", "schema", "proposals")] == [200, 200, 200]
    assert server.client.get("api/status").json()["last_activity"] == before


@pytest.mark.parametrize("path", ["proposals/larger/approvals", "proposals/larger/merge", "profiles", "stops"])
def test_nothing_else_reaches_the_service(service: SessionService, server: JupyterServer, path: str) -> None:
    before = len(service.requests)
    assert server.client.post(f"jupyterlab-allotment/{path}", json={}).status_code == 404
    assert len(service.requests) == before


def test_a_browser_without_the_key_gets_nothing(service: SessionService, server: JupyterServer) -> None:
    before = len(service.requests)
    address = f"{server.client.base_url}jupyterlab-allotment"
    for headers in ({}, {"Authorization": "token wrong"}):
        assert httpx.get(f"{address}/session", headers=headers, trust_env=False).status_code == 403
        assert httpx.post(f"{address}/checks", headers=headers, json=CHANGE, trust_env=False).status_code == 403
    # The cookie that the first answer set is not enough for a POST from another page.
    assert server.client.get("jupyterlab-allotment/schema", headers={"Authorization": ""}).status_code == 200
    before = len(service.requests)
    posted = server.client.post("jupyterlab-allotment/checks", headers={"Authorization": ""}, json=CHANGE)
    assert posted.status_code == 403
    assert len(service.requests) == before


@pytest.mark.parametrize(
    "content",
    [b"[]", b"no JSON", b"\xff", b"[" * 100_000, b'{"files": []}', b'{"reason": "' + b"x" * 1_100_000 + b'"}'],
)
def test_bodies_that_are_none_are_refused_here(service: SessionService, server: JupyterServer, content: bytes) -> None:
    before = len(service.requests)
    answered = server.client.post("jupyterlab-allotment/checks", content=content)
    assert answered.status_code == 400
    assert answered.json()["error"]["what"]
    assert len(service.requests) == before


def test_a_refusal_keeps_its_code_and_its_words(service: SessionService, server: JupyterServer) -> None:
    service.proposals["larger"] = {"id": "larger", "proposer": "somebody-else", "state": "checked"}
    status, told = server.call("proposals", {**CHANGE, "reason": "More memory"})
    assert (status, told["error"]["code"]) == (409, "proposal-exists")
    assert told["error"]["url"].endswith("/base/services/allotment/proposals/1")


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ((503, {}, b"away"), 502),
        ((200, {}, b"<html>"), 502),
        ((302, {"Location": "http://127.0.0.1:1/stolen"}, b""), 502),
        (problem(401, code="not-signed-in", title="Who are you?"), 409),
        (problem(403, code="not-signed-in", title="Who are you?"), 409),
        (problem(404, code="profile-unknown", title="There is none."), 409),
    ],
)
def test_what_goes_wrong_with_the_service_is_said(
    service: SessionService, server: JupyterServer, reply: Reply, status: int
) -> None:
    service.instead = lambda method, path: reply
    answered, told = server.call("session")
    assert answered == status
    assert told["error"]["what"]
    assert server.client.get("api/status").is_success


def test_a_slow_service_is_given_up_and_its_calls_do_not_pile_up() -> None:
    released = threading.Event()

    def slow(method: str, path: str) -> Reply:
        released.wait(60)
        return answer(200, {})

    async def calls(service: Any) -> list[str]:
        several = (service.get("profiles") for _ in range(calls_of.AT_ONCE + 2))
        results = await asyncio.gather(*several, return_exceptions=True)
        assert all(isinstance(result, SessionError) for result in results)
        return [result.why for result in results if isinstance(result, SessionError)]

    with running_service() as fake:
        fake.instead = slow
        whys = asyncio.run(calls(calls_of.Service(session_of(fake.url), seconds=0.2)))
        released.set()
    assert sum("Too many" in why for why in whys) == 2


def shown_by_the_launcher(server: JupyterServer) -> dict[str, bool]:
    listed = server.client.get("server-proxy/servers-info").raise_for_status().json()["server_processes"]
    return {each["name"]: each["launcher_entry"]["enabled"] for each in listed}


def test_the_launcher_shows_rstudio_and_vs_code_only_where_they_are_there(tmp_path: Path) -> None:
    # It is looked for beside the PATH, too.
    installed = any(Path(f"/usr/lib/{each}/bin/rserver").exists() for each in ("rstudio-server", "rstudio"))
    other = tmp_path / "other"
    other.mkdir()
    with jupyter_server(tmp_path / "without", {"PATH": str(other)}) as server:
        assert shown_by_the_launcher(server) == {"rstudio": installed, "vscode": False}
    (other / "openvscode-server").write_text("#!/bin/sh\n")
    (other / "openvscode-server").chmod(0o755)
    with jupyter_server(
        tmp_path / "other-code", {"PATH": f"{other}", "CODE_EXECUTABLE": "openvscode-server"}
    ) as server:
        assert shown_by_the_launcher(server) == {"rstudio": installed, "vscode": True}
    with jupyter_server(tmp_path / "with", {"PATH": str(PROGRAMS)}) as server:
        assert shown_by_the_launcher(server) == {"rstudio": True, "vscode": True}


def test_a_server_that_allotment_did_not_start_is_unharmed(tmp_path: Path) -> None:
    with jupyter_server(tmp_path, {}) as server:
        status, session = server.call("session")
        assert (status, session["inside"]) == (200, False)
        assert server.call("checks", CHANGE)[0] == 400
        assert server.client.base_url.path == BASE
