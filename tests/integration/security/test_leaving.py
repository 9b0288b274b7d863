"""Somebody who leaves decides nothing any more: what counts is the groups of now, whatever token they still have."""

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform
from support.fakes.web_service import WebService

LARGER = NOTEBOOK.replace(b"4 GiB", b"5 GiB")


@pytest.mark.parametrize("kind", ["program", "browser"])
async def test_a_lead_who_left_the_group_decides_nothing_and_sees_what_others_see(
    platform: Platform, service: WebService, kind: str
) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    visitor = getattr(service, kind)("lena")
    page = await visitor.get(f"proposals/{stored.id}")
    assert "5 GiB" in page.text
    platform.people.groups["lena"] = []
    body = {"head": stored.head}
    if kind == "program":
        answer = await visitor.post(f"api/v1/proposals/{stored.id}/approvals", json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "not-a-reviewer")
        answer = await visitor.post("api/v1/stops", json={"profile": "housing/notebook", "reason": "x"})
        assert (answer.status_code, answer.json()["code"]) == (403, "not-yours-to-stop")
    else:
        answer = await visitor.press(page, "/approve")
        assert (answer.status_code, "not-a-reviewer" in answer.text) == (403, True)
    own = (await visitor.get("api/v1/profiles/housing/notebook")).json()
    assert (own["startable"], own["content"]) == (False, None)


async def test_the_token_of_somebody_whom_the_hub_has_forgotten_is_nobody_s(
    platform: Platform, service: WebService
) -> None:
    visitor = service.program("lena")
    assert (await visitor.get("api/v1/profiles")).status_code == 200
    del platform.people.groups["lena"]
    service.hub.tokens.clear()
    answer = await visitor.get("api/v1/profiles")
    assert (answer.status_code, answer.json()["code"]) == (403, "not-signed-in")
