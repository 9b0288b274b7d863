"""What an assistant drafts goes nowhere before its user has seen all of it, and has confirmed exactly that."""

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any

import httpx
import pytest
from bs4 import BeautifulSoup
from support.fakes.platform import HOUSING, NOTEBOOK, NOTEBOOK_PATH, POLICY, PRICES, PRICES_PATH, Platform
from support.fakes.web_service import WebService

from allotment_hub.errors import ServiceError
from allotment_hub.pages.difference import MAXIMUM_LINES
from allotment_hub.services.drafts.assistant_drafts import MAXIMUM_DRAFTS
from allotment_hub.services.drafts.draft_store import LIFETIME, DraftStore
from allotment_profiles.records.record import read_record

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
BODY: dict[str, Any] = {"team": "housing", "name": "notebook", "content": LARGER.decode(), "reason": "It ran out"}


def told(answer: httpx.Response) -> str:
    """Return the code on an error page."""
    page = BeautifulSoup(answer.text, "html.parser").select_one(".allotment-refusal")
    assert page is not None, (answer.status_code, answer.text[:300])
    return str(page.select("dd code")[-1].text)


async def drafted(service: WebService, by: str = "ana", **changes: Any) -> str:
    answer = await service.program(by, session=True).post("api/v1/drafts", json={**BODY, **changes})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def proposals(platform: Platform) -> list[Any]:
    return list(await platform.proposals.open_ones())


async def test_a_draft_is_proposed_when_its_user_presses_the_button_and_the_reviewers_are_told(
    platform: Platform, service: WebService
) -> None:
    answer = await service.program("ana", session=True).post("api/v1/drafts", json=BODY)
    assert answer.status_code == 201
    draft = answer.json()
    assert draft["url"].endswith(f"/drafts/{draft['id']}")
    assert (draft["server"], draft["paths"], draft["reason"]) == ("", [NOTEBOOK_PATH], "It ran out")
    assert await proposals(platform) == []

    browser = service.browser("ana")
    assert f"drafts/{draft['id']}" in (await browser.get("proposals")).text
    page = await browser.get(f"drafts/{draft['id']}")
    shown = BeautifulSoup(page.text, "html.parser")
    assert shown.select_one("pre.allotment-file").text == LARGER.decode()  # type: ignore[union-attr]
    lines = [row.text for row in shown.select(".allotment-difference tr.is-added, .allotment-difference tr.is-removed")]
    assert ["4 GiB" in lines[0], "8 GiB" in lines[1], len(lines)] == [True, True, 2]
    assert "Who has to approve, and why" in shown.get_text()

    pressed = await browser.press(page, "/propose")
    assert pressed.status_code == 303
    (stored,) = await proposals(platform)
    assert pressed.headers["location"].endswith(f"proposals/{stored.id}")
    assert (stored.proposer, stored.current.text, stored.current.by_assistant) == ("ana", "It ran out", True)
    assert (await platform.proposals.files(stored))[NOTEBOOK_PATH] == LARGER
    assert (await browser.get(f"drafts/{draft['id']}")).status_code == 404

    lead = service.browser("lena")
    assert "An assistant drafted it, and ana confirmed it." in (await lead.get(f"proposals/{stored.id}")).text
    records = (await service.program("lena").get(f"api/v1/proposals/{stored.id}")).json()["records"]
    assert [record["by_assistant"] for record in records] == [True]
    # What its proposer changes afterwards without an assistant does not hide it.
    await platform.proposed({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"6 GiB")})
    told_later = (await lead.get(f"proposals/{stored.id}")).text
    assert "An assistant drafted an earlier version of it, and ana confirmed it." in told_later


def test_the_mark_is_read_from_a_record_only_as_it_is_written() -> None:
    content = '{"proposal": "x", "kind": "proposed", "by": "ana", "head": "h"%s}'
    for written, read in (("", False), (', "by_assistant": true', True), (', "by_assistant": "<b>"', False)):
        record = read_record(content % written, "c", dt.datetime.now(dt.UTC))
        assert record is not None
        assert record.by_assistant is read
        assert ("by_assistant" in record.content()) is read


async def test_a_session_cannot_confirm_its_draft_in_any_way(platform: Platform, service: WebService) -> None:
    draft = await drafted(service)
    session = service.program("ana", session=True)
    page = await session.get(f"drafts/{draft}")
    assert page.status_code == 200
    assert "one_time" not in page.text
    browser = service.browser("ana")
    fields = {
        str(each["name"]): str(each["value"])
        for each in BeautifulSoup((await browser.get(f"drafts/{draft}")).text, "html.parser").select(
            "form[action$='/propose'] input"
        )
    }
    # Not even with a token of the button that its user was shown, and not with a token that is of no session.
    for caller in (session, service.program("ana")):
        refused = await caller.post(f"drafts/{draft}/propose", data=fields)
        assert (refused.status_code, told(refused)) == (403, "page-needed")
        refused = await caller.post(f"drafts/{draft}/discard", data=fields)
        assert (refused.status_code, told(refused)) == (403, "page-needed")
    # In a browser, a button without its token does nothing.
    refused = await browser.post(f"drafts/{draft}/propose", data={**fields, "one_time": ""})
    assert refused.status_code == 403
    # A page that is fetched by a script, as by the page of a session, has no token.
    fetched = await browser.get(f"drafts/{draft}", headers={"Sec-Fetch-Dest": "empty"})
    assert (await browser.press(fetched, "/propose")).status_code == 403
    assert await proposals(platform) == []


async def test_only_a_session_drafts(service: WebService) -> None:
    for caller in (service.program("ana"), service.browser("ana"), service.stranger()):
        answer = await caller.post("api/v1/drafts", json=BODY)
        assert answer.status_code == 403, answer.text
    answer = await service.program("ana").post("api/v1/drafts", json=BODY)
    assert answer.json()["code"] == "not-a-session"


@pytest.mark.parametrize("other", ["ben", "lena", "adam"])
async def test_a_draft_is_visible_to_nobody_else(service: WebService, other: str) -> None:
    draft = await drafted(service)
    browser = service.browser(other)
    for page in (f"drafts/{draft}", f"propose?draft={draft}"):
        answer = await browser.get(page)
        assert (answer.status_code, told(answer)) == (404, "draft-unknown")
    assert draft not in (await browser.get("proposals")).text
    assert (await service.program(other).get("api/v1/drafts")).json()["drafts"] == []
    token = service.services.one_time_tokens.make(other, "discard-draft", draft, "", "")
    field = BeautifulSoup((await browser.get("stop")).text, "html.parser").select_one("[name=_xsrf]")
    xsrf = str(field["value"]) if field else ""
    sent = {"_xsrf": xsrf, "one_time": token, "digest": "", "automatic": ""}
    await browser.post(f"drafts/{draft}/discard", data=sent)
    assert (await service.browser("ana").get(f"drafts/{draft}")).status_code == 200


async def test_what_was_not_shown_is_not_proposed(platform: Platform, service: WebService) -> None:
    draft, browser = await drafted(service), service.browser("ana")
    page = await browser.get(f"drafts/{draft}")
    platform.push({NOTEBOOK_PATH: NOTEBOOK.replace(b"cpu: {limit: 2}", b"cpu: {limit: 1}")})
    await platform.watcher.refresh()
    refused = await browser.press(page, "/propose")
    assert (refused.status_code, told(refused)) == (409, "draft-changed")
    # A draft never changes: a newer one of the same files has another address, and takes the place of the first.
    newer = await drafted(service, reason="It ran out twice")
    assert newer != draft
    refused = await browser.press(page, "/propose")
    assert (refused.status_code, told(refused)) == (404, "draft-unknown")
    assert await proposals(platform) == []
    assert (await browser.press(await browser.get(f"drafts/{newer}"), "/propose")).status_code == 303


async def test_a_draft_ends_when_it_is_discarded_and_when_its_time_is_over(
    platform: Platform, service: WebService
) -> None:
    first, second = await drafted(service), await drafted(service, name="other")
    browser = service.browser("ana")
    assert (await browser.press(await browser.get(f"drafts/{first}"), "/discard")).status_code == 303
    listed = (await service.program("ana", session=True).get("api/v1/drafts")).json()["drafts"]
    assert [each["id"] for each in listed] == [second]
    page = await browser.get(f"drafts/{second}")
    platform.now = dt.datetime.now(dt.UTC) + LIFETIME
    assert (await browser.get(f"drafts/{second}")).status_code == 404
    assert (await browser.press(page, "/propose")).status_code == 404
    assert (await service.program("ana").get("api/v1/drafts")).json()["drafts"] == []


async def test_of_twenty_at_once_a_few_are_kept_and_all_others_are_refused(
    platform: Platform, service: WebService
) -> None:
    session = service.program("ana", session=True)
    answers = await asyncio.gather(
        *(session.post("api/v1/drafts", json={**BODY, "name": f"n{number}"}) for number in range(20))
    )
    kept = [answer for answer in answers if answer.status_code == 201]
    assert len(kept) == MAXIMUM_DRAFTS
    assert {answer.json()["code"] for answer in answers if answer.status_code != 201} <= {"drafts-many", "checks-many"}
    assert {answer.status_code for answer in answers} <= {201, 409, 429}
    # Others have their own, and the same session replaces its own.
    await drafted(service, "ben")
    await drafted(service, name=kept[0].json()["paths"][0].rpartition("/")[2].removesuffix(".yaml"), reason="Once more")
    assert await proposals(platform) == []


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"reason": ""}, 422, "reason-missing"),
        ({"reason": "x" * 1_000_000}, 422, "request"),
        ({"reason": "a\u202eb"}, 422, "reason"),
        ({"content": "x" * 1_000_000}, 422, "request"),
        ({"evidence": {"packages": [{"manager": "pip", "name": "x", "version": "1"}] * 10_000}}, 422, "request"),
        ({"content": "title: ["}, 422, "problems"),
        ({"content": NOTEBOOK.decode()}, 422, "problems"),
        ({"content": NOTEBOOK.decode() + "".join(f"# package-{n}\n" for n in range(10_000))}, 422, "problems"),
        ({"content": NOTEBOOK.replace(b"4 GiB", b"900 GiB").decode()}, 422, "problems"),
        ({"team": "nowhere"}, 422, "problems"),
    ],
)
async def test_what_could_not_be_proposed_is_not_drafted(
    service: WebService, changes: dict[str, Any], status: int, code: str
) -> None:
    session = service.program("ana", session=True)
    answer = await session.post("api/v1/drafts", json={**BODY, **changes})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text[:500]
    assert len(answer.content) < 20_000
    assert (await session.get("api/v1/drafts")).json()["drafts"] == []


async def test_many_large_files_are_no_draft(service: WebService) -> None:
    files = [{"path": f"notes/{n}.md", "content": "x" * 150_000} for n in range(2)]
    session = service.program("ana", session=True)
    answer = await session.post("api/v1/drafts", json={"files": files, "reason": "It is needed"})
    assert (answer.status_code, answer.json()["code"]) == (422, "draft-large")


async def test_a_draft_says_nothing_that_its_user_may_not_see(platform: Platform, service: WebService) -> None:
    platform.push({NOTEBOOK_PATH: NOTEBOOK + b"# the password is swordfish\nenvironment: {KEY: swordfish}\n"})
    await platform.watcher.refresh()
    settings = {"title": "Mine", "purpose": "Mine", "app": "jupyterlab", "image": "quay.io/jupyter/scipy-notebook:1",
                "resources": {"cpu": {"limit": 2}, "memory": {"limit": "4 GiB"}}}  # fmt: skip
    body = {"team": "housing", "name": "notebook", "profile": settings, "reason": "It is needed"}
    refused = await service.program("dora", session=True).post("api/v1/drafts", json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "file-private")
    assert "swordfish" not in refused.text
    prices = PRICES.decode().replace("sub_path: housing", "sub_path: everything")
    files = [{"path": PRICES_PATH, "content": prices}]
    refused = await service.program("ana", session=True).post(
        "api/v1/drafts", json={"files": files, "reason": "It is needed"}
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "file-private")


async def test_a_draft_that_asks_for_data_shows_the_grant_and_not_the_credential(
    platform: Platform, service: WebService
) -> None:
    platform.push({PRICES_PATH: PRICES.replace(b"  housing: {until: 2999-12-31}", b"  transport: {until: 2999-12-31}")})
    await platform.watcher.refresh()
    grant = {"data_role": "prices", "until": "2999-12-31", "reason": "Counting"}
    draft = await drafted(service, content=(LARGER + b"data_roles: [prices]\n").decode(), grants=[grant])
    page = await service.browser("ana").get(f"drafts/{draft}")
    assert "open-data" not in BeautifulSoup(page.text, "html.parser").select_one("#files").parent.get_text()  # type: ignore[union-attr]
    assert "you may not see its text" in page.text
    assert (await service.browser("ana").press(page, "/propose")).status_code in (303, 403)
    browser = service.browser("ana")
    assert (await browser.press(await browser.get(f"drafts/{draft}"), "/propose")).status_code == 303
    (stored,) = await proposals(platform)
    assert set(await platform.proposals.files(stored)) == {NOTEBOOK_PATH, PRICES_PATH}


async def test_the_text_of_a_draft_is_never_markup(service: WebService) -> None:
    title = '"<script>alert(1)</script>"'
    content = (
        LARGER.replace(b"title: Notebook", f"title: {title}".encode()).decode() + "# <img src=x onerror=alert(2)>\n"
    )
    draft = await drafted(service, content=content, reason="<script>alert(3)</script>\n{{ 7 * 7 }}")
    browser = service.browser("ana")
    for page in (f"drafts/{draft}", "proposals", f"propose?draft={draft}"):
        answer = await browser.get(page)
        assert answer.status_code == 200
        assert not [each for each in ("<script>alert", "<img src=x", "49\n") if each in answer.text]
    shown = BeautifulSoup((await browser.get(f"drafts/{draft}")).text, "html.parser")
    assert "<script>alert(3)</script>\n{{ 7 * 7 }}" in shown.blockquote.text  # type: ignore[union-attr]


async def test_a_draft_that_is_edited_in_the_form_keeps_its_mark(platform: Platform, service: WebService) -> None:
    draft, browser = await drafted(service), service.browser("ana")
    page = await browser.get(f"propose?draft={draft}")
    form = BeautifulSoup(page.text, "html.parser").select_one("form.is-form, form[action$='propose']")
    assert form is not None
    hidden = {str(each["name"]): str(each.get("value", "")) for each in form.select("input[type=hidden]")}
    assert hidden["drafted"] == draft
    sent = {**hidden, "team": "housing", "name": "notebook", "new": "no", "tab": "file", "do": "propose",
            "content": NOTEBOOK.replace(b"4 GiB", b"6 GiB").decode(), "reason": "A little more"}  # fmt: skip
    answer = await browser.post("propose", data=sent)
    assert answer.status_code == 303, answer.text[:2000]
    (stored,) = await proposals(platform)
    assert (stored.current.by_assistant, stored.current.text) == (True, "A little more")
    assert (await browser.get(f"drafts/{draft}")).status_code == 404


def form_of(page: httpx.Response, draft: str) -> dict[str, str]:
    """Return what a person sends who changes a draft in the form, in the editor of the file."""
    form = BeautifulSoup(page.text, "html.parser").select_one("form[action$='propose']")
    assert form is not None
    hidden = {str(each["name"]): str(each.get("value", "")) for each in form.select("input[type=hidden]")}
    content = NOTEBOOK.replace(b"4 GiB", b"6 GiB").decode()
    typed = {"team": "housing", "name": "notebook", "new": "no", "tab": "file", "content": content}
    return {**hidden, **typed, "do": "propose", "drafted": draft, "reason": "A little more"}


async def test_only_a_person_on_the_page_says_that_they_confirmed_a_draft(
    platform: Platform, service: WebService
) -> None:
    draft, browser = await drafted(service), service.browser("ana")
    session, program = service.program("ana", session=True), service.program("ana")
    opened = await browser.get(f"propose?draft={draft}")
    for caller in (session, program):
        # A page that was opened with a token has none for a button, and one that a person was shown does not help.
        page = await caller.get(f"propose?draft={draft}")
        assert form_of(page, draft)["one_time"] == ""
        for sent in (form_of(page, draft), form_of(opened, draft), form_of(opened, "draft-of-nobody")):
            answer = await caller.post("propose", data=sent)
            assert (answer.status_code, "page-needed" in answer.text) == (403, True)
    # Neither does a script of a page in the same browser.
    fetched = await browser.get(f"propose?draft={draft}", headers={"Sec-Fetch-Dest": "empty"})
    answer = await browser.post("propose", data=form_of(fetched, draft))
    assert (answer.status_code, "page-outdated" in answer.text) == (403, True)
    assert await proposals(platform) == []
    assert (await browser.get(f"drafts/{draft}")).status_code == 200
    # What a session proposes in the form says nothing of a draft.
    assert (await session.post("propose", data=form_of(opened, ""))).status_code == 303
    (stored,) = await proposals(platform)
    assert stored.drafted is None


async def test_a_draft_that_does_not_wait_any_more_is_confirmed_by_nobody(
    platform: Platform, service: WebService
) -> None:
    draft, browser = await drafted(service), service.browser("ana")
    page = await browser.get(f"propose?draft={draft}")
    for other in (draft, "draft-of-nobody", await drafted(service, "ben")):
        await service.services.assistant_drafts.discard(platform.people.actor("ana").user, draft)
        answer = await browser.post("propose", data=form_of(page, other))
        assert (answer.status_code, "draft-unknown" in answer.text) == (404, True)
    assert await proposals(platform) == []
    # What was typed is still there, and is proposed as what it is now.
    again = form_of(answer, "")
    field = BeautifulSoup(answer.text, "html.parser").select_one("input[name=drafted]")
    assert field is not None
    assert field["value"] == ""
    assert (await browser.post("propose", data=again)).status_code == 303
    (stored,) = await proposals(platform)
    assert stored.drafted is None


def replaced(page: httpx.Response) -> str:
    """Return what a page says of the proposal that would be replaced; it says so once."""
    notes = BeautifulSoup(page.text, "html.parser").select("#replaces")
    assert len(notes) < 2
    return " ".join(notes[0].text.split()) if notes else ""


async def test_a_draft_replaces_its_users_proposal_only_as_the_page_showed_it(
    platform: Platform, service: WebService
) -> None:
    draft, browser = await drafted(service), service.browser("ana")
    before = await browser.get(f"drafts/{draft}")
    assert replaced(before) == ""
    # Proposed in another tab, since the page was opened.
    own = await platform.proposed({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"6 GiB")})
    refused = await browser.press(before, "/propose")
    assert (refused.status_code, told(refused)) == (409, "draft-changed")
    unapproved = await browser.get(f"drafts/{draft}")
    assert own.id in replaced(unapproved)
    assert "approved" not in replaced(unapproved)
    await platform.approved(own)
    refused = await browser.press(unapproved, "/propose")
    assert (refused.status_code, told(refused)) == (409, "draft-changed")
    assert await platform.approvers(own) == ["lena"]
    page = await browser.get(f"drafts/{draft}")
    assert "lena approved that; it has to be approved again." in replaced(page)
    assert (await browser.press(page, "/propose")).status_code == 303
    (stored,) = await proposals(platform)
    assert (stored.id, await platform.approvers(stored)) == (own.id, [])
    assert (await platform.proposals.files(stored))[NOTEBOOK_PATH] == LARGER


async def test_the_proposal_that_a_draft_replaces_is_the_one_that_was_compared(platform: Platform) -> None:
    own = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await platform.approved(own)
    for tip in ("", own.tip):
        with pytest.raises(ServiceError) as error:
            await platform.submissions.propose(
                platform.people.actor("ana"), {NOTEBOOK_PATH: NOTEBOOK + b"#"}, "Once more", replaces=tip
            )
        assert error.value.refusal.code == "moved"
    assert await platform.approvers(own) == ["lena"]


async def test_every_form_says_which_own_proposal_it_replaces(platform: Platform, service: WebService) -> None:
    browser, draft = service.browser("ana"), await drafted(service)
    pages = [f"propose?draft={draft}", "propose?from=housing/notebook", "profiles/housing/notebook/retire"]
    assert [replaced(await browser.get(page)) for page in pages] == ["", "", ""]
    own = await platform.proposed({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"6 GiB")})
    await platform.approved(own)
    for page in pages:
        assert "lena approved that" in replaced(await browser.get(page)), page
    # Whoever changes that proposal knows, and others are told of it as of somebody else's.
    assert replaced(await browser.get(f"propose?proposal={own.id}")) == ""
    assert replaced(await service.browser("ben").get("propose?from=housing/notebook")) == ""


async def test_what_a_draft_removes_is_told_behind_any_number_of_lines(platform: Platform, service: WebService) -> None:
    new, gone = "teams/housing/profiles/a.yaml", "teams/housing/profiles/maps.yaml"
    platform.push({gone: NOTEBOOK})
    await platform.watcher.refresh()
    lines = NOTEBOOK.decode() + "#\n" * MAXIMUM_LINES
    files = [{"path": new, "content": lines}, *({"path": path, "content": None} for path in (NOTEBOOK_PATH, gone))]
    body = {"files": files, "reason": "Tidied"}
    answer = await service.program("ana", session=True).post("api/v1/drafts", json=body)
    assert answer.status_code == 201, answer.text
    page = BeautifulSoup((await service.browser("ana").get(f"drafts/{answer.json()['id']}")).text, "html.parser")
    told_of = [" ".join(each.text.split()) for each in page.select(".allotment-difference summary")]
    assert [each.partition(" is removed")[0] for each in told_of[1:]] == [NOTEBOOK_PATH, gone]
    assert "lines that are not shown" in told_of[0]
    assert "is removed" not in told_of[0]


async def test_what_nobody_has_to_approve_takes_effect_only_where_the_page_said_so(
    platform: Platform, service: WebService
) -> None:
    maintained = NOTEBOOK + b"maintainers: {users: [ana]}\n"
    platform.push({NOTEBOOK_PATH: maintained})
    await platform.watcher.refresh()
    newer = maintained.replace(b"notebook:1", b"notebook:2")
    draft, browser = await drafted(service, content=newer.decode()), service.browser("ana")
    before = await browser.get(f"drafts/{draft}")
    platform.push({"policy.yaml": POLICY + b"automatic: {enabled: true, changes: [image-version]}\n"})
    await platform.watcher.refresh()
    page = await browser.get(f"drafts/{draft}")
    assert ["takes effect at once" in each.text for each in (before, page)] == [False, True]
    assert (await browser.press(before, "/propose", automatic="yes")).status_code == 403
    assert (await browser.press(before, "/propose")).status_code == 303
    (stored,) = await proposals(platform)
    assert platform.main_file(NOTEBOOK_PATH) == maintained
    await platform.submissions.withdraw(platform.people.actor("ana"), stored.id)
    draft = await drafted(service, content=newer.decode())
    assert (await browser.press(await browser.get(f"drafts/{draft}"), "/propose")).status_code == 303
    assert platform.main_file(NOTEBOOK_PATH) == newer


async def test_drafts_are_there_after_a_kill(platform: Platform, tmp_path: Path) -> None:
    async with WebService.opened(platform, tmp_path) as service:
        draft = await drafted(service)
        # Nothing is closed: the next process opens the file as a killed one has left it.
        store = DraftStore(service.services.configuration.drafts)
        kept = store.of("ana", dt.datetime.now(dt.UTC))
        assert [(each.id, each.files, each.reason) for each in kept] == [(draft, {NOTEBOOK_PATH: LARGER}, "It ran out")]
        store.close()


async def test_a_damaged_file_of_drafts_is_begun_anew_and_keeps_nobody_from_the_proposals(
    platform: Platform, service: WebService
) -> None:
    await drafted(service)
    service.services.assistant_drafts.close()
    service.services.configuration.drafts.write_bytes(b"no database" * 1000)
    browser, session = service.browser("ana"), service.program("ana", session=True)
    assert (await browser.get("proposals")).status_code == 200
    assert (await session.get("api/v1/drafts")).json()["drafts"] == []
    service.services.assistant_drafts.close()
    service.services.configuration.drafts.write_bytes(b"no database" * 1000)
    answer = await session.get("api/v1/drafts")
    assert (answer.status_code, answer.json()["code"]) == (503, "drafts-unavailable")
    assert await drafted(service)


async def test_a_draft_that_cannot_be_proposed_any_more_can_be_discarded(
    platform: Platform, service: WebService
) -> None:
    draft, browser = await drafted(service), service.browser("ana")
    platform.push({"teams/housing/team.yaml": HOUSING.replace(b"memory: 16 GiB", b"memory: 6 GiB")})
    await platform.watcher.refresh()
    page = await browser.get(f"drafts/{draft}")
    assert page.status_code == 200
    assert f"drafts/{draft}/propose" not in page.text
    assert (await browser.press(page, "/discard")).status_code == 303
