"""How much is recorded, and how it is shown on the page, in the API and in an export."""

import json
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from support.command_line import allotment
from support.fakes.platform import POLICY
from support.fakes.web_service import WebService
from support.pull_request_acts import HOST, NUMBER, OPENED, Window, act

from allotment_hub.forges.pull_requests.values import ActKind, ForgeAccount
from allotment_hub.services.proposals import rights
from allotment_hub.services.proposals.proposing import MAXIMUM_REASON
from allotment_hub.services.pull_requests import acts
from allotment_profiles.git.repository import RECORDS


async def test_unknown_people_cannot_fill_the_log_and_keep_nobody_else_from_speaking(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acts, "MAXIMUM_OF_UNKNOWN", 3)
    monkeypatch.setattr(rights, "MAXIMUM_COMMENTS", 4)
    monkeypatch.setattr(rights, "ALWAYS_OF_ONE", 1)
    many = [act(f"stranger-{number}", ActKind.COMMENTED, "Hello") for number in range(20)]
    assert len(await window.take(*many)) == 3
    assert window.platform.forge.added("", OPENED) == (0, 0)
    assert await window.take(window.approval("mallory")) == []
    spoken = [act("dora", ActKind.COMMENTED, str(number)) for number in range(4)]
    assert len(await window.take(*spoken)) == 4


async def test_the_limits_of_people_hold_for_what_they_do_on_the_forge_too(window: Window) -> None:
    window.platform.push({"policy.yaml": POLICY + b"daily_limits: {records: 2}\n"}, signed=True)
    await window.platform.watcher.refresh()
    await window.show()
    ben = [act("ben", ActKind.COMMENTED, "One"), window.approval("ben"), act("ben", ActKind.COMMENTED, "Three")]
    assert len(await window.take(*ben, window.approval("ben"))) == 2
    assert [record.kind for record in await window.take(window.approval())] == ["approved"]


async def test_a_comment_without_words_is_passed_over_and_a_long_one_is_cut(window: Window) -> None:
    assert await window.take(act("ben", ActKind.COMMENTED, " \n ")) == []
    (record,) = await window.take(act("ben", ActKind.COMMENTED, "x" * 70_000))
    assert (len(record.text), record.text[-1]) == (MAXIMUM_REASON, "…")


async def test_characters_that_cannot_be_read_are_replaced(window: Window) -> None:
    login = ForgeAccount("x", "lena\u202e\nRecord: lena approved\ud800")
    (record,) = await window.take(act(login, ActKind.COMMENTED, "a\u202eb\x00c\ud800\td"))
    assert record.text == "a\ufffdb\ufffdc\ufffd\td"
    commit = window.platform.repository.commits([window.platform.repository.resolve(RECORDS) or ""])[0]
    assert commit.message.splitlines()[0].startswith(
        "Record: lena\ufffd Record: lena approved\ufffd on gitea commented"
    )


async def test_the_page_and_the_api_say_where_it_was_done_and_why_it_does_not_count(
    window: Window, service: WebService
) -> None:
    given = window.approval()
    await window.take(given)
    await window.take(act(ForgeAccount("x", "leo"), ActKind.APPROVED, "<script>alert(1)</script> **bold**"))
    await window.take(act(None, ActKind.COMMENTED, "I was here"))
    await window.take(act("leo", ActKind.DISMISSED, "Wait", about=given.id))
    page = BeautifulSoup((await service.browser("ben").get(f"proposals/{window.stored.id}")).text, "html.parser")
    talk = [" ".join(item.text.split()) for item in page.select(".allotment-talk > li")]
    assert "lena approved on Gitea (pull request 7)" in talk[1]
    assert talk[1].endswith("was dismissed")
    assert talk[2].startswith("The account leo on Gitea (pull request 7) approved")
    assert "<script>alert(1)</script> **bold**" in talk[2]
    assert "The hub does not know whose account this is" in talk[2]
    assert talk[3].startswith("Somebody on Gitea (pull request 7) commented")
    assert talk[4].startswith("leo dismissed the approval by lena on Gitea (pull request 7)")
    assert not page.select(".allotment-talk script, .allotment-talk b")
    assert not page.select("[role=alert]")  # nothing has lapsed
    answer = await service.program("ben").get(f"api/v1/proposals/{window.stored.id}")
    records = answer.json()["records"]
    assert records[1]["source"] == {
        "forge": "gitea", "pull_request": NUMBER, "act": given.id, "login": "lena-on-gitea", "uncounted": "",
        "did": "", "server": HOST,
    }  # fmt: skip
    assert (records[2]["by"], records[2]["source"]["login"]) == ("", "leo")
    assert records[4]["dismisses"] == records[1]["commit"]
    assert records[0]["source"] is None


@pytest.mark.parametrize(
    ("kind", "text", "words", "did"),
    [
        (ActKind.APPROVED, "Fine", "approved", "approved"),
        (ActKind.CHANGES_REQUESTED, "No", "requested changes", "changes-requested"),
        (ActKind.CLOSED, "", "closed it", "closed"),
        (ActKind.COMMENTED, "/merge", "wanted to merge it", "merge"),
        (ActKind.COMMENTED, "Hm", "commented", ""),
    ],
)
async def test_the_page_says_what_it_was_that_does_not_count(
    window: Window, service: WebService, kind: ActKind, text: str, words: str, did: str
) -> None:
    for who in ("ben", "mallory"):
        (record,) = await window.take(act(who, kind, text, head=window.stored.head))
        assert record.source
        assert (record.kind, record.source.did) == ("commented", did)
    page = BeautifulSoup((await service.browser("ben").get(f"proposals/{window.stored.id}")).text, "html.parser")
    known, unknown = [" ".join(item.text.split()) for item in page.select(".allotment-talk > li")][1:]
    assert known.startswith(f"ben {words} on Gitea (pull request 7)")
    assert unknown.startswith(f"The account mallory-on-gitea on Gitea (pull request 7) {words}")
    assert {"(does not count)" in each for each in (known, unknown)} == {bool(did)}


async def test_an_export_of_the_log_says_where_it_was_done(window: Window, tmp_path: Path) -> None:
    given = window.approval()
    await window.take(given)
    await window.take(act("leo", ActKind.DISMISSED, about=given.id))
    arguments = ("record", "export", str(tmp_path / "profiles.git"), "--keys", str(tmp_path / "signers"))
    lines = [json.loads(line) for line in allotment(*arguments)[1].splitlines()]
    assert lines[-2]["source"]["act"] == given.id
    assert lines[-1]["dismisses"] == lines[-2]["commit"]
