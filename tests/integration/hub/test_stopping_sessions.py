"""Who may stop all sessions of a user, a profile, an image or a data role, and what they are shown before and after."""

from typing import Any

import pytest
from bs4 import BeautifulSoup
from support.fakes.platform import NOTEBOOK, PRICES, PRICES_PATH, Platform, code_of, refusal_of
from support.fakes.web_service import WebService

from allotment_hub.errors import ServiceError
from allotment_profiles.stops import RESULTS, StopTarget

PROFILE = StopTarget("profile", "housing/notebook")
ROLE = StopTarget("data-role", "prices")
USER = StopTarget("user", "ben")
IMAGE = StopTarget("image", "quay.io/jupyter/scipy-notebook:1")
GONE = StopTarget("profile", "housing/gone")
REASON = "A key was published"


def session(user: str = "ben", profile: str = "housing/notebook", **more: Any) -> dict[str, Any]:
    return {"user": user, "server": "", "profile": profile, "started": "2026-06-01T12:00:00+00:00", **more}


async def stopping(platform: Platform, by: str, target: StopTarget, **options: Any) -> str:
    """Return `stopped`, or the code of the refusal."""
    try:
        await platform.stops.stop(platform.people.actor(by, **options), target, REASON)
    except ServiceError as error:
        return error.refusal.code
    return "stopped"


@pytest.mark.parametrize(
    ("target", "deciding"),
    [
        (PROFILE, {"lena", "leo", "adam"}),
        (GONE, {"lena", "leo", "adam"}),
        (ROLE, {"dora", "adam"}),
        (StopTarget("data-role", "gone"), {"adam"}),
        (USER, {"adam"}),
        (IMAGE, {"adam"}),
    ],
    ids=lambda value: str(value) if isinstance(value, StopTarget) else "by",
)
async def test_sessions_are_stopped_by_those_who_answer_for_what_they_have_in_common(
    platform: Platform, target: StopTarget, deciding: set[str]
) -> None:
    for name in ("ana", "ben", "lena", "leo", "dora", "adam"):
        expected = "stopped" if name in deciding else "not-yours-to-stop"
        assert await stopping(platform, name, target) == expected, name
        assert await stopping(platform, name, target, session=True) == "scope-missing"
        if name not in deciding:
            refused = await refusal_of(platform.stops.preview(platform.people.actor(name).user, target))
            assert (refused.refusal.code, refused.refusal.status) == ("not-yours-to-stop", 403)
            assert refused.refusal.decides
    assert {order["by"] for order in platform.people.stops} == deciding


async def test_the_owner_of_data_decides_about_it_while_its_file_is_not_valid(platform: Platform) -> None:
    platform.push({PRICES_PATH: PRICES + b"nonsense: 1\n"})
    catalog = await platform.watcher.refresh()
    assert "prices" not in catalog.data_roles
    deciding = {name for name in platform.people.groups if await stopping(platform, name, ROLE) == "stopped"}
    assert deciding == {"dora", "adam", "anne"} & platform.people.groups.keys()
    platform.push({PRICES_PATH: None})
    await platform.watcher.refresh()
    assert await stopping(platform, "dora", ROLE) == "not-yours-to-stop", "there is no such data role any more"


async def test_the_order_says_who_gave_it_and_why(platform: Platform) -> None:
    await platform.stops.stop(platform.people.actor("lena"), PROFILE, f" {REASON}\n")
    assert platform.people.stops == [{"kind": "profile", "name": PROFILE.name, "by": "lena", "reason": REASON}]
    wrong = {"": "reason-missing", " ": "reason-missing", "x" * 2001: "reason", "a\u202eb": "reason"}
    for reason, code in wrong.items():
        action = platform.stops.stop(platform.people.actor("lena"), PROFILE, reason)
        assert await code_of(action) == code
    assert len(platform.people.stops) == 1


async def test_an_owner_of_data_is_not_told_the_names_of_hidden_profiles(platform: Platform) -> None:
    platform.push({"teams/housing/profiles/secret.yaml": NOTEBOOK + b"visibility: draft\n"})
    await platform.watcher.refresh()
    platform.people.sessions = [session(), session(profile="housing/secret"), session(profile="housing/removed")]
    told = await platform.stops.preview(platform.people.actor("dora").user, ROLE)
    assert [each.profile for each in told.sessions] == ["housing/notebook", "", ""]
    told = await platform.stops.preview(platform.people.actor("adam").user, ROLE)
    assert [each.profile for each in told.sessions] == ["housing/notebook", "housing/secret", "housing/removed"]


async def test_a_page_shows_the_sessions_then_stops_them_once_and_says_what_became_of_each(
    platform: Platform, service: WebService
) -> None:
    platform.people.sessions = [session(f"user-{result}", result=result) for result in RESULTS]
    lead = service.browser("lena")
    profile = BeautifulSoup((await lead.get("profiles/housing/notebook")).text, "html.parser")
    link = profile.find("a", string="Stop sessions")
    assert link is not None
    address = f"{service.url}{link['href']}"
    page = await lead.get(address)
    assert all(f"user-{result}" in page.text for result in RESULTS)
    assert platform.people.stops == []
    empty = await lead.press(page, "stop", reason=" ")
    assert empty.status_code == 422
    refused = await lead.press(page, "stop", reason=REASON, one_time="")
    assert refused.status_code == 403
    done = await lead.press(page, "stop", reason=REASON)
    assert done.status_code == 200
    sections = {
        str(section.h2["id"]): section.td.text
        for section in BeautifulSoup(done.text, "html.parser").find_all("section")
        if section.h2 and section.td
    }
    assert sections == {result: f"user-{result}" for result in RESULTS}
    assert (await lead.press(page, "stop", reason=REASON)).status_code == 409
    assert [order["reason"] for order in platform.people.stops] == [REASON]
    # The token is for this target.
    other = await lead.press(await lead.get(address), "stop", reason=REASON, name="housing/other")
    assert (other.status_code, len(platform.people.stops)) == (403, 1)


async def test_a_call_answers_what_became_of_each_session(platform: Platform, service: WebService) -> None:
    platform.people.sessions = [session(), session("ana", result="failed")]
    admin = service.program("adam")
    listed = (await admin.get("api/v1/stops?user=ben")).json()["sessions"]
    assert [each["user"] for each in listed] == ["ben", "ana"]
    answer = await admin.post("api/v1/stops", json={"user": "ben", "reason": REASON})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() >= set(RESULTS)
    assert ([each["user"] for each in body["stopped"]], body["order"]) == (["ben"], "c0ffee")
    assert [(each["user"], bool(each["why"])) for each in body["failed"]] == [("ana", True)]
    for wrong in ({}, {"user": "ben", "profile": "a/b"}, {"profile": "../x"}, {"image": "a\nb"}):
        answer = await admin.post("api/v1/stops", json={**wrong, "reason": REASON})
        assert (answer.status_code, answer.json()["code"]) == (400, "stop-target")
    assert len(platform.people.stops) == 1


async def test_a_hub_that_does_not_answer_or_is_older_is_said(platform: Platform, service: WebService) -> None:
    admin = service.program("adam")
    for fault, code in (("503", "hub-unavailable"), ("404", "hub-cannot-stop"), ("no JSON", "hub-unavailable")):
        service.hub.faults["allotment"] = fault
        answer = await admin.post("api/v1/stops", json={"user": "ben", "reason": REASON})
        assert (answer.status_code, answer.json()["code"]) == (503, code)
        assert ("again in a moment" in answer.json()["remedy"]) == (fault != "404")
