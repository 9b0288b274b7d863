"""What somebody does on a pull request counts as if it were done on the page, by the hub's user whose account it is."""

import datetime as dt

import pytest
from support.fakes.platform import HOUSING, NOTEBOOK_PATH, Platform
from support.pull_request_acts import AFTER, HOST, LARGER, NUMBER, Window, account_of, act, has_account, uncounted

from allotment_hub.forges.pull_requests.values import ActKind, ForgeAccount, PullRequestState
from allotment_profiles.records.record import Source


async def test_an_approval_is_a_record_by_the_user_with_the_account_on_that_head(window: Window) -> None:
    given = window.approval()
    (record,) = await window.take(given)
    assert (record.kind, record.by, record.head) == ("approved", "lena", window.stored.head)
    assert record.source == Source("gitea", NUMBER, given.id, "lena-on-gitea", server=HOST)
    assert await window.platform.approvers(window.stored) == ["lena"]
    assert "lena" in window.platform.people.asked  # the identity provider confirmed her


async def test_who_was_renamed_on_the_forge_is_still_the_same_and_a_login_decides_nothing(window: Window) -> None:
    renamed = ForgeAccount(account_of("lena").id, "magdalena")
    (record,) = await window.take(window.approval(renamed))
    assert (record.kind, record.by) == ("approved", "lena")
    namesake = ForgeAccount("id-of-somebody-else", "leo-on-gitea")
    assert "whose account this is" in uncounted(await window.take(window.approval(namesake)))


@pytest.mark.parametrize("text", ["/merge", "  /MERGE \r\nThanks!\n"])
async def test_a_comment_merges_what_was_shown(window: Window, text: str) -> None:
    await window.take(window.approval("lena"))
    (record,) = await window.take(act("leo", ActKind.COMMENTED, text))
    assert (record.kind, record.by) == ("merged", "leo")
    assert record.source
    assert window.platform.main_file(NOTEBOOK_PATH) == LARGER


async def test_approvals_and_a_merge_in_one_look_are_taken_in_their_order(window: Window) -> None:
    given, merge = window.approval(), act("leo", ActKind.COMMENTED, "/merge", time=AFTER + dt.timedelta(seconds=1))
    assert [record.kind for record in await window.take(merge, given)] == ["approved", "merged"]


async def test_the_last_approval_merges_by_itself_where_the_team_wants_that(platform: Platform) -> None:
    platform.push({"teams/housing/team.yaml": HOUSING + b"merge: when-approved\n"})
    await platform.watcher.refresh()
    for name in platform.people.groups:
        has_account(platform, name)
    window = Window(platform, await platform.proposed({NOTEBOOK_PATH: LARGER}))
    await window.show()
    merge = act("leo", ActKind.COMMENTED, "/merge", time=AFTER + dt.timedelta(seconds=1))
    records = await window.take(window.approval(), merge)
    assert [(record.kind, record.by) for record in records] == [
        ("approved", "lena"), ("merged", "lena"), ("commented", "leo"),
    ]  # fmt: skip
    assert platform.main_file(NOTEBOOK_PATH) == LARGER


@pytest.mark.parametrize("text", ["please /merge", "/merge it", "`/merge`", "> /merge", "Ready?\n/merge", "/merge\x00"])
async def test_what_only_speaks_of_a_merge_is_a_comment(window: Window, text: str) -> None:
    await window.take(window.approval())
    (record,) = await window.take(act("leo", ActKind.COMMENTED, text))
    assert record.kind == "commented"


@pytest.mark.parametrize(("text", "reason"), [("Too large", "Too large"), ("", "Changes were requested on Gitea.")])
async def test_who_may_reject_rejects_by_requesting_changes(window: Window, text: str, reason: str) -> None:
    (record,) = await window.take(act("lena", ActKind.CHANGES_REQUESTED, text, head=window.stored.head))
    assert (record.kind, record.by, record.text) == ("rejected", "lena", reason)


async def test_a_comment_is_a_comment(window: Window) -> None:
    (record,) = await window.take(act("ben", ActKind.COMMENTED, "Is 8 GiB\r\nenough?"))
    assert (record.kind, record.by, record.text) == ("commented", "ben", "Is 8 GiB\nenough?")
    assert record.source
    assert record.source.uncounted == ""


@pytest.mark.parametrize(("by", "kind", "text"), [("ana", "withdrawn", ""), ("leo", "rejected", "Closed on Gitea.")])
async def test_closing_it_ends_the_proposal(window: Window, by: str, kind: str, text: str) -> None:
    (record,) = await window.take(act(by, ActKind.CLOSED))
    assert (record.kind, record.by, record.text) == (kind, by, text)
    assert await window.take(act("leo", ActKind.CLOSED)) == []  # it has ended


async def test_what_was_opened_again_or_merged_was_not_closed(window: Window) -> None:
    def later(seconds: int) -> dt.datetime:
        return AFTER + dt.timedelta(seconds=seconds)

    closed, opened = act("ana", ActKind.CLOSED, time=later(1)), act("ana", ActKind.REOPENED, time=later(2))
    assert await window.take(closed, opened) == []
    assert await window.take(act("leo", ActKind.MERGED, time=later(3)), act("leo", ActKind.CLOSED, time=later(3))) == []
    window.state = PullRequestState.MERGED
    assert await window.take(act("ana", ActKind.CLOSED, time=later(4))) == []
    window.state = PullRequestState.OPEN
    assert [record.kind for record in await window.take(opened, act("ana", ActKind.CLOSED, time=later(5)))] == [
        "withdrawn"
    ]
