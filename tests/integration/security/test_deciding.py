"""What a decision needs besides a sign-in: a request from a page of the service, and the token of its button."""

import httpx
import pytest
from bs4 import BeautifulSoup
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, PRICES, PRICES_PATH, Platform
from support.fakes.web_service import Visitor, WebService

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.http.one_time import OneTimeTokens

LARGER = NOTEBOOK.replace(b"4 GiB", b"5 GiB")
DECISIONS = ("approve", "merge", "reject", "withdraw", "redact")


def told(answer: httpx.Response) -> str:
    """Return the code on an error page; it says what helps."""
    page = BeautifulSoup(answer.text, "html.parser").select_one(".allotment-refusal")
    assert page is not None, (answer.status_code, answer.text[:300])
    assert page.dd is not None
    assert page.dd.text
    return str(page.select("dd code")[-1].text)


async def proposed(platform: Platform) -> StoredProposal:
    return await platform.proposed({NOTEBOOK_PATH: LARGER})


def shown_digest(page: httpx.Response) -> str:
    """Return the digest that the forms of a page send."""
    field = BeautifulSoup(page.text, "html.parser").find("input", attrs={"name": "digest"})
    assert field is not None
    return str(field["value"])


async def kinds(platform: Platform, proposal: str) -> list[str]:
    """Return what has been recorded of a proposal."""
    return [record.kind for record in (await platform.proposals.stored(proposal)).records]


async def test_a_page_decides_once_and_says_what_helps_when_its_button_is_pressed_again(
    platform: Platform, service: WebService
) -> None:
    stored = await proposed(platform)
    lead = service.browser("lena")
    page, same = await lead.get(f"proposals/{stored.id}"), await lead.get(f"proposals/{stored.id}")
    assert (await lead.press(page, "/approve")).status_code == 303
    again = await lead.press(page, "/approve")
    assert (again.status_code, told(again)) == (409, "page-used")
    # The same page in another tab has a token of its own, and is told what has become of the proposal.
    other = await lead.press(same, "/approve")
    assert (other.status_code, told(other)) == (409, "already-approved")
    assert await kinds(platform, stored.id) == ["proposed", "approved"]
    assert (await lead.press(await lead.get(f"proposals/{stored.id}"), "/merge")).status_code == 303
    assert b"5 GiB" in (platform.main_file(NOTEBOOK_PATH) or b"")


async def test_a_button_whose_decision_was_refused_can_be_pressed_again(
    platform: Platform, service: WebService
) -> None:
    stored = await proposed(platform)
    lead = service.browser("lena")
    page = await lead.get(f"proposals/{stored.id}")
    refused = await lead.press(page, "/reject", reason="")
    assert told(refused) not in ("page-used", "page-outdated")
    assert (await lead.press(page, "/reject", reason="It is not needed")).status_code == 303


@pytest.mark.parametrize("action", DECISIONS)
async def test_the_token_of_another_button_person_head_proposal_or_start_decides_nothing(
    platform: Platform, service: WebService, action: str
) -> None:
    stored = await proposed(platform)
    who = {"withdraw": "ana", "redact": "adam"}.get(action, "lena")
    visitor = service.browser(who)
    if action == "merge":
        await platform.reviews.approve(platform.people.actor("leo"), stored.id, stored.head)
    page = await visitor.get(f"proposals/{stored.id}")
    tokens, shown = service.services.one_time_tokens, (stored.head, shown_digest(page))
    others = {
        "none": "",
        "nonsense": "x.y.z",
        "signed by nobody": "9999999999.abc." + "0" * 64,
        "another button": tokens.make(who, "comment", stored.id, *shown),
        "another person": tokens.make("leo", action, stored.id, *shown),
        "another head": tokens.make(who, action, stored.id, "0" * 40, shown[1]),
        "another digest": tokens.make(who, action, stored.id, shown[0], "0" * 64),
        "another proposal": tokens.make(who, action, "other-1", *shown),
        "before a restart": OneTimeTokens().make(who, action, stored.id, *shown),
        "strange": "é.9.\N{SNOWMAN}",
    }
    for name, token in others.items():
        answer = await visitor.press(page, f"/{action}", one_time=token, reason="No", record=stored.tip)
        assert (answer.status_code, told(answer)) == (403, "page-outdated"), name
    assert "proposed" in await kinds(platform, stored.id)
    now = await platform.proposals.stored(stored.id)
    assert now.open
    assert not any(record.redacted for record in now.records)
    assert (await visitor.press(page, f"/{action}", reason="Yes", record=stored.tip)).status_code == 303


async def test_a_page_that_a_script_fetched_or_framed_has_no_token(platform: Platform, service: WebService) -> None:
    stored = await proposed(platform)
    lead = service.browser("lena")
    await lead.get(f"proposals/{stored.id}")
    xsrf = lead.cookies["_xsrf"]
    for destination in ("empty", "iframe", "embed", "object", "script"):
        headers = {"Sec-Fetch-Dest": destination, "Sec-Fetch-Mode": "cors", "X-XSRFToken": xsrf}
        page = await lead.get(f"proposals/{stored.id}", headers=headers)
        assert page.status_code == 200
        answer = await lead.press(page, "/approve")
        assert told(answer) == "page-outdated"
    opened = await lead.get(f"proposals/{stored.id}", headers={"Sec-Fetch-Dest": "document"})
    assert (await lead.press(opened, "/approve")).status_code == 303


@pytest.mark.parametrize("site", ["same-site", "cross-site", "none"])
async def test_nothing_is_changed_from_another_origin(platform: Platform, service: WebService, site: str) -> None:
    stored = await proposed(platform)
    lead = service.browser("lena")
    page = await lead.get(f"proposals/{stored.id}", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Dest": "document"})
    for action in ("approve", "reject", "comment"):
        answer = await lead.press(page, f"/{action}", headers={"Sec-Fetch-Site": site})
        assert (answer.status_code, told(answer)) == (403, "other-origin")
    call = {"headers": {"Sec-Fetch-Site": site}, "json": {"head": stored.head}}
    for visitor in (lead, service.program("lena")):
        answer = await visitor.post(f"api/v1/proposals/{stored.id}/approvals", **call)
        assert (answer.status_code, answer.json()["code"]) == (403, "other-origin")
    assert await kinds(platform, stored.id) == ["proposed"]
    assert (await lead.press(page, "/approve", headers={"Sec-Fetch-Site": "same-origin"})).status_code == 303


async def test_a_call_decides_with_a_token_and_not_with_a_cookie(platform: Platform, service: WebService) -> None:
    stored = await proposed(platform)
    lead, program = service.browser("lena"), service.program("lena")
    await lead.get("profiles")
    headers = {"X-XSRFToken": lead.cookies["_xsrf"]}
    path, head = f"api/v1/proposals/{stored.id}", {"head": stored.head}
    calls = {
        "approvals": head, "merge": head, "rejection": {"reason": "No"}, "withdrawal": None,
        f"../../holds/{'0' * 40}/confirmation": {"reason": "Yes"}, "../../stops": {"user": "ben", "reason": "Yes"},
    }  # fmt: skip
    for call, body in calls.items():
        answer = await lead.post(f"{path}/{call}", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "token-needed"), call
    # A header that names no token is no way round it: the cookie does not count beside it.
    wrong = await lead.post(f"{path}/approvals", json=head, headers={**headers, "Authorization": "token wrong"})
    assert (wrong.status_code, wrong.json()["code"]) == (403, "not-signed-in")
    assert await kinds(platform, stored.id) == ["proposed"]
    assert (await lead.post(f"{path}/comments", json={"text": "Fine"}, headers=headers)).status_code == 201
    looked_at = {**head, "digest": (await program.get(path)).json()["digest"]}
    assert (await program.post(f"{path}/approvals", json=looked_at)).status_code == 201
    session = service.program("ana", session=True)
    answer = await session.post(f"api/v1/proposals/{stored.id}/withdrawal")
    assert answer.json()["state"] == "withdrawn"


async def test_a_quarantined_change_is_confirmed_by_the_button_of_its_page(
    platform: Platform, service: WebService
) -> None:
    many = {f"teams/housing/profiles/more-{number}.yaml": LARGER for number in range(12)}
    platform.push(many, signed=True)
    commit = platform.push(dict.fromkeys(many))
    await platform.watcher.refresh()
    admin: Visitor = service.browser("adam")
    page = await admin.get("proposals")
    answer = await admin.press(page, f"{commit}/confirm", reason="Right", one_time="")
    assert told(answer) == "page-outdated"
    assert platform.watcher.catalog.quarantined
    assert (await admin.press(page, f"{commit}/confirm", reason="Right")).status_code == 303
    assert not platform.watcher.catalog.quarantined
    assert told(await admin.press(page, f"{commit}/confirm", reason="Right")) == "page-used"


@pytest.mark.parametrize("call", ["approvals", "merge"])
async def test_a_call_decides_nothing_without_the_digest_of_what_was_looked_at(
    platform: Platform, service: WebService, call: str
) -> None:
    stored = await proposed(platform)
    if call == "merge":
        await platform.reviews.approve(platform.people.actor("leo"), stored.id, stored.head)
    lead, path = service.program("lena"), f"api/v1/proposals/{stored.id}"
    seen = (await lead.get(path)).json()["digest"]
    for body in ({}, {"digest": ""}):
        answer = await lead.post(f"{path}/{call}", json={"head": stored.head, **body})
        assert (answer.status_code, answer.json()["code"]) == (400, "digest-missing")
        assert answer.json()["link"].endswith(f"proposals/{stored.id}")
    assert "merged" not in await kinds(platform, stored.id)
    answer = await lead.post(f"{path}/{call}", json={"head": stored.head, "digest": seen})
    assert answer.is_success


ENDS_IT = {"do": "propose", "team": "housing", "until": "", "reason": "It leaked"}


@pytest.mark.parametrize(("opened", "ended"), [("document", True), ("empty", False)])
async def test_what_merges_by_itself_needs_the_token_of_a_page_that_was_opened(
    platform: Platform, service: WebService, opened: str, ended: bool
) -> None:
    """Otherwise a script that knows `_xsrf` ends a grant in the name of its owner. It waits for their press."""
    await platform.watcher.refresh()
    dora = service.browser("dora")
    fetched = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": opened}
    page = await dora.get("data-roles/prices/end?team=housing", headers=fetched)
    answer = await dora.press(page, "prices/end", **ENDS_IT)
    assert answer.status_code == 303
    proposal = answer.headers["location"].rpartition("/")[2]
    assert (b"2999-12-31" not in (platform.main_file(PRICES_PATH) or b"")) == ended
    assert await kinds(platform, proposal) == ["proposed", *(["merged"] if ended else [])]
    if not ended:
        page = await dora.get(f"proposals/{proposal}")
        assert (await dora.press(page, "/merge")).status_code == 303
        assert await kinds(platform, proposal) == ["proposed", "merged"]


@pytest.mark.parametrize(("opened", "merged"), [("document", True), ("empty", False)])
async def test_undoing_by_itself_needs_the_token_of_a_page_that_was_opened(
    platform: Platform, service: WebService, opened: str, merged: bool
) -> None:
    await platform.watcher.refresh()
    longer = await platform.proposed({PRICES_PATH: PRICES.replace(b"2999-12-31", b"3000-12-31")})
    lead = platform.people.actor("dora")
    await platform.reviews.approve(lead, longer.id, longer.head)
    await platform.reviews.merge(lead, longer.id, longer.head)
    dora, fetched = service.browser("dora"), {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": opened}
    page = await dora.get(f"proposals/{longer.id}", headers=fetched)
    answer = await dora.press(page, "/revert", reason="Too long")
    assert answer.status_code == 303
    proposal = answer.headers["location"].rpartition("/")[2]
    assert await kinds(platform, proposal) == ["proposed", *(["merged"] if merged else [])]
    assert (platform.main_file(PRICES_PATH) == PRICES) == merged


@pytest.mark.parametrize(("with_token", "state"), [(True, "live"), (False, "approved")])
async def test_a_call_with_a_cookie_merges_nothing_by_itself(
    platform: Platform, service: WebService, with_token: bool, state: str
) -> None:
    await platform.watcher.refresh()
    caller = service.program("dora") if with_token else service.browser("dora")
    headers = {}
    if not with_token:
        await caller.get("proposals")
        headers = {"X-XSRFToken": next(str(each.value) for each in caller.cookies.jar if each.name == "_xsrf")}
    content = PRICES.replace(b"2999-12-31", b"2998-12-31").decode()
    body = {"files": [{"path": PRICES_PATH, "content": content}], "reason": "Sooner"}
    answer = await caller.post("api/v1/proposals", json=body, headers=headers)
    assert (answer.status_code, answer.json()["state"]) == (201, state)
