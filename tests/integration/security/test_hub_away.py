"""A hub that cannot answer who somebody is: the service says so, and never that there is no such person."""

import asyncio
import logging
from typing import get_args

import pytest
from support.conditions import eventually
from support.fakes.platform import Platform
from support.fakes.web_service import Fault, WebService

FAULTS = get_args(Fault)


@pytest.mark.parametrize("part", ["user", "users"])
async def test_a_hub_without_an_answer_is_a_503(
    service: WebService, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    for fault in FAULTS:
        if part == "user" and fault in ("403", "another user"):
            continue  # these are answers
        visitors = [service.browser("ana"), service.program("ana"), service.program("ana", session=True)]
        service.hub.faults = {part: fault}
        if fault == "no answer":
            monkeypatch.setattr("allotment_hub.http.hub_auth.ANSWER_SECONDS", 0.1)
            service.hub_client.timeout = 0.1
        for visitor in visitors:
            for path in ("api/v1/profiles", "profiles", "api/v1/proposals/none-1"):
                answer = await visitor.get(path)
                assert answer.status_code == 503, (fault, path, answer.text[:300])
                assert answer.headers["Retry-After"]
                assert "hub-unavailable" in answer.text
        body = {"files": [{"path": "policy.yaml", "content": ""}]}
        assert (await visitors[1].post("api/v1/checks", json=body)).status_code == 503, fault
        service.hub.faults = {}
        monkeypatch.undo()
        service.hub_client.timeout = 30
        for visitor in visitors:
            assert (await visitor.get("api/v1/profiles")).status_code == 200, fault


async def test_somebody_whom_the_hub_does_not_know_is_not_signed_in(platform: Platform, service: WebService) -> None:
    program, browser = service.program("ben"), service.browser("ben")
    assert (await program.get("api/v1/profiles")).status_code == 200
    assert (await browser.get("profiles")).status_code == 200
    # The user is deleted, and the service still remembers the answer about the token.
    service.hub.tokens.clear()
    del platform.people.groups["ben"]
    answer = await program.get("api/v1/profiles")
    assert (answer.status_code, answer.json()["code"]) == (403, "not-signed-in")
    page = await browser.get("profiles")
    assert (page.status_code, "oauth2/authorize" in page.headers["Location"]) == (302, True)


async def test_that_the_hub_did_not_know_a_token_is_not_remembered(service: WebService) -> None:
    program = service.program("ana")
    service.hub.faults = {"user": "403"}  # as while it starts, or while the provider cannot be asked
    assert (await program.get("api/v1/profiles")).status_code == 403
    service.hub.faults = {}
    assert (await program.get("api/v1/profiles")).status_code == 200


async def test_a_sign_in_that_the_hub_cannot_finish_is_a_page_that_says_so(
    service: WebService, monkeypatch: pytest.MonkeyPatch
) -> None:
    for fault in FAULTS:
        stranger = service.stranger()
        sent = await stranger.get("profiles")
        state = sent.headers["Location"].rpartition("state=")[2]
        service.hub.faults = {"oauth2": fault}
        if fault == "no answer":
            monkeypatch.setattr("allotment_hub.http.hub_auth.ANSWER_SECONDS", 0.1)
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in stranger.cookies.jar)
        answer = await stranger.get(f"oauth_callback?code=x&state={state}", headers={"Cookie": cookies})
        assert answer.status_code == 503, (fault, answer.text)
        assert "hub-unavailable" in answer.text
        assert answer.headers["Content-Type"].startswith("text/html")
        monkeypatch.undo()


@pytest.mark.parametrize("cached", [False, True], ids=["token", "user"])
async def test_a_hub_that_cannot_be_reached_for_a_moment_delays_an_answer(
    service: WebService, caplog: pytest.LogCaptureFixture, cached: bool
) -> None:
    program = service.program("ana")
    if cached:  # the answer about the token: what is left to ask for is the user
        assert (await program.get("api/v1/profiles")).status_code == 200
    caplog.set_level(logging.DEBUG)
    await service.stop_hub()
    caplog.clear()
    asked = asyncio.create_task(program.get("api/v1/profiles"))
    failed = "connect_tcp.failed" if cached else "Error connecting"
    await eventually(lambda: failed in caplog.text, "a connection that was refused")
    service.start_hub()
    assert (await asked).status_code == 200


async def test_a_hub_that_stays_away_is_a_503(service: WebService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allotment_hub.http.hub_auth.CONNECT_SECONDS", 0.2)
    program = service.program("ana")
    await service.stop_hub()
    answer = await program.get("api/v1/profiles")
    assert (answer.status_code, answer.json()["code"]) == (503, "hub-unavailable")
