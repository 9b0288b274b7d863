"""Who takes back an approval, on the forge or here, and which one."""

import datetime as dt

import pytest
from support.fakes.platform import NOTEBOOK_PATH, code_of
from support.pull_request_acts import AFTER, LARGEST, OPENED, Window, act, uncounted

from allotment_hub.forges.pull_requests.values import Act, ActKind
from allotment_profiles.git.repository import RefMovedError


async def test_who_takes_an_approval_back_does_not_approve_any_more(window: Window) -> None:
    given = window.approval()
    (approval,) = await window.take(given)
    (record,) = await window.take(act("lena", ActKind.DISMISSED, "I was wrong", about=given.id))
    assert (record.kind, record.by, record.text, record.dismisses) == (
        "dismissed", "lena", "I was wrong", approval.commit,
    )  # fmt: skip
    assert await window.platform.approvers(window.stored) == []
    assert (
        await code_of(
            window.platform.reviews.merge(window.platform.people.actor("leo"), window.stored.id, window.stored.head)
        )
        == "approvals-missing"
    )
    assert [record.kind for record in await window.take(window.approval())] == ["approved"]
    assert await window.platform.approvers(window.stored) == ["lena"]


async def test_who_takes_it_back_on_the_forge_has_taken_back_what_they_gave_on_the_page(window: Window) -> None:
    await window.platform.approved(window.stored)
    window.stored = await window.platform.proposals.stored(window.stored.id)
    given = window.approval()
    await window.take(given)
    back = act("lena", ActKind.DISMISSED, about=given.id, time=dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))
    assert [record.kind for record in await window.take(back)] == ["dismissed"]
    assert await window.platform.approvers(window.stored) == []


@pytest.mark.parametrize("about", ["the review", ""])
async def test_what_was_taken_back_before_ends_no_newer_approval_of_the_page(window: Window, about: str) -> None:
    early = window.approval(time=OPENED)  # before it was shown
    back = act("lena", ActKind.DISMISSED, about=early.id if about else "", time=OPENED + dt.timedelta(seconds=9))
    await window.take(early, back)
    assert await window.platform.approvers(window.stored) == []
    await window.platform.approved(window.stored)
    window.stored = await window.platform.proposals.stored(window.stored.id)
    assert await window.take(back) == []  # forges list it again
    assert await window.take(early, back) == []
    assert await window.platform.approvers(window.stored) == ["lena"]


@pytest.mark.parametrize("about", ["the review", ""])
async def test_what_was_taken_back_before_ends_no_newer_approval_of_the_forge(window: Window, about: str) -> None:
    """Also where both are in one second: then the forge's order tells."""
    early = window.approval(time=OPENED)
    back, given = act("lena", ActKind.DISMISSED, about=early.id if about else ""), window.approval()
    await window.take(early, back, given)
    assert await window.platform.approvers(window.stored) == ["lena"]
    for _ in range(2):
        assert await window.take(early, back, given) == []
    assert await window.platform.approvers(window.stored) == ["lena"]
    later = act("lena", ActKind.DISMISSED, about=given.id if about else "")
    assert [record.kind for record in await window.take(early, back, given, later)] == ["dismissed"]
    assert await window.platform.approvers(window.stored) == []


async def test_gitlab_does_not_say_what_was_taken_back(window: Window) -> None:
    await window.take(window.approval("lena"), window.approval("leo"))
    (record,) = await window.take(act("leo", ActKind.DISMISSED))
    assert (record.kind, record.by) == ("dismissed", "leo")
    assert await window.platform.approvers(window.stored) == ["lena"]


@pytest.mark.parametrize("who", ["ben", "ana", "dora", "mallory", None])
async def test_an_approval_that_anybody_dismissed_on_the_forge_does_not_count_here(
    window: Window, who: str | None
) -> None:
    """The forge let them, and shows it as dismissed: that allows nobody anything."""
    given = act("leo", ActKind.APPROVED, "Fine", head=window.stored.head)
    (approval,) = await window.take(given)
    assert approval.text == "Fine"
    dismissal = act(who, ActKind.DISMISSED, "Not yet", about=given.id)
    (record,) = await window.take(dismissal)
    assert (record.kind, record.text, record.dismisses) == ("dismissed", "Not yet", approval.commit)
    assert record.by in (who, "")
    assert await window.platform.approvers(window.stored) == []
    assert await window.take(dismissal, act(who, ActKind.DISMISSED, about=given.id)) == [], "it has ended already"


async def test_those_who_decide_dismiss_an_approval_of_somebody_else(window: Window) -> None:
    given = window.approval("leo")
    await window.take(given)
    (record,) = await window.take(act("lena", ActKind.DISMISSED, about=given.id))
    assert (record.kind, record.by) == ("dismissed", "lena")
    assert await window.platform.approvers(window.stored) == []
    again = window.approval("leo")
    await window.take(again)
    assert [each.kind for each in await window.take(act("adam", ActKind.DISMISSED, about=again.id))] == ["dismissed"]


async def test_an_approval_of_an_earlier_version_that_the_pull_request_still_shows_is_sent_to_the_page(
    window: Window,
) -> None:
    earlier = window.approval()
    await window.platform.proposed({NOTEBOOK_PATH: LARGEST}, update=window.stored.id)
    window.stored = await window.platform.proposals.stored(window.stored.id)
    assert "decide on its page" in uncounted(await window.take(earlier))


async def test_a_dismissal_of_what_does_not_count_anyway_is_passed_over(window: Window) -> None:
    nothing, older = window.approval("ben"), window.approval("lena")
    await window.take(nothing, older)
    await window.platform.proposed({NOTEBOOK_PATH: LARGEST}, update=window.stored.id)
    await window.show()
    await window.take(window.approval("lena"))
    leo = [act("leo", ActKind.DISMISSED, about=about) for about in (nothing.id, older.id, "no such act")]
    assert await window.take(*leo, act(None, ActKind.DISMISSED, about=older.id)) == []
    assert await window.platform.approvers(window.stored) == ["lena"]


async def test_an_approval_that_was_dismissed_does_not_come_back_with_an_earlier_one(window: Window) -> None:
    forge, stored = window.platform.forge, window.stored
    for digest in ("a", "b"):
        stored = forge.record(stored, "approved", by="lena", digest=digest)
    stored = forge.record(stored, "dismissed", by="lena", dismisses=stored.tip)
    assert (stored.approvals("a"), stored.approvals("b")) == ([], [])
    stored = forge.record(stored, "approved", by="lena", digest="a")
    assert [record.by for record in stored.approvals("a")] == ["lena"]


async def test_a_merge_that_races_a_dismissal_does_not_happen(window: Window) -> None:
    await window.take(window.approval())
    stale = window.stored
    main, user = await window.platform.proposals.main(), window.platform.people.actor("leo").user
    judgement = await window.platform.proposals.judgement(stale, main, user)
    await window.platform.reviews.dismiss(window.platform.people.actor("leo"), stale.id, stale.tip)
    assert judgement.candidate
    with pytest.raises(RefMovedError):
        window.platform.forge.merge(stale, judgement.candidate, "Merge: it", by="leo")


async def test_an_approval_that_was_taken_back_before_it_was_read_never_counts(window: Window) -> None:
    given = window.approval()
    back = act("lena", ActKind.DISMISSED, about=given.id, time=AFTER + dt.timedelta(seconds=1))
    merge = act("leo", ActKind.COMMENTED, "/merge", time=AFTER + dt.timedelta(seconds=2))
    first, second = await window.take(given, back, merge)
    assert "dismissed" in uncounted([first])
    assert "It cannot be merged yet" in uncounted([second])


async def test_only_the_last_review_of_somebody_that_is_read_at_once_counts(window: Window) -> None:
    def review(kind: ActKind, second: int, by: str = "lena") -> Act:
        return act(by, kind, head=window.stored.head, time=AFTER + dt.timedelta(seconds=second))

    records = await window.take(
        review(ActKind.CHANGES_REQUESTED, 1), review(ActKind.APPROVED, 2, "leo"), review(ActKind.APPROVED, 3)
    )
    assert [(record.kind, record.by) for record in records] == [
        ("commented", "lena"), ("approved", "leo"), ("approved", "lena"),
    ]  # fmt: skip
    records = await window.take(review(ActKind.APPROVED, 4, "adam"), review(ActKind.CHANGES_REQUESTED, 5, "adam"))
    assert [record.kind for record in records] == ["commented", "rejected"]


async def test_what_was_dismissed_already_is_not_dismissed_again(window: Window) -> None:
    await window.take(window.approval())
    reviews, leo, approval = window.platform.reviews, window.platform.people.actor("leo"), window.stored.tip
    await reviews.dismiss(leo, window.stored.id, approval)
    assert await code_of(reviews.dismiss(leo, window.stored.id, approval)) == "approval-unknown"
    assert await code_of(reviews.dismiss(leo, window.stored.id, window.stored.head)) == "approval-unknown"
