"""What does not count is recorded with the reason; who writes on the forge can edit what others have written there."""

import dataclasses
import datetime as dt

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, POLICY, PRICES_PATH, TRANSPORT, Platform, code_of
from support.pull_request_acts import (
    AFTER,
    BOT,
    GRANTED,
    LARGER,
    LARGEST,
    NUMBER,
    SHOWN_AT,
    Window,
    account_of,
    act,
    has_account,
    uncounted,
)

from allotment_hub.forges.pull_requests.values import ActKind, ForgeAccount
from allotment_hub.services.pull_requests.shown import NEVER, Shown
from allotment_profiles.git.repository import PROPOSE, RefUpdate


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("mallory", "The hub does not know whose account this is, so the approval does not count: sign in"),
        ("shared", "The hub does not know whose account this is"),
        (None, "Gitea does not say who it was, so the approval does not count."),
        (ForgeAccount("", "lena"), "The hub does not know whose account this is"),
        (ForgeAccount(account_of("lena").id.upper(), "lena-on-gitea"), "The hub does not know whose account this is"),
    ],
)
async def test_what_somebody_unknown_does_is_shown_and_does_not_count(
    window: Window, who: str | ForgeAccount | None, why: str
) -> None:
    for name in ("leo", "dora"):
        has_account(window.platform, name, account_of("shared"))
    (record,) = records = await window.take(window.approval(who))
    assert uncounted(records).startswith(why)
    assert record.by == ""
    assert await window.platform.approvers(window.stored) == []
    said = uncounted(await window.take(act(who, ActKind.COMMENTED, "Hello")))
    assert said.startswith(why.partition(",")[0])
    assert "does not count" not in said


async def test_an_account_of_another_forge_with_the_same_id_is_somebody_else(window: Window) -> None:
    account = window.platform.people.identities["lena"]["account"]
    for other in ({"host": "other.example.org"}, {"provider": "github"}):
        window.platform.people.identities["lena"]["account"] = {**account, **other}
        assert "whose account" in uncounted(await window.take(window.approval()))


async def test_what_the_service_itself_does_is_passed_over_also_where_the_account_is_somebodys(window: Window) -> None:
    has_account(window.platform, "leo", BOT)
    kinds = (ActKind.APPROVED, ActKind.COMMENTED, ActKind.CLOSED, ActKind.CHANGES_REQUESTED, ActKind.DISMISSED)
    assert await window.take(*(act(BOT, kind, "/merge", head=window.stored.head) for kind in kinds)) == []


async def test_a_second_account_of_the_proposer_approves_nothing(window: Window) -> None:
    assert "own proposal" in uncounted(await window.take(window.approval("ana")))
    second = ForgeAccount("second", "ana-too")
    assert "whose account" in uncounted(await window.take(window.approval(second)))
    # Signing in to the hub with it makes it her account, or that of another user, who is judged as such.
    has_account(window.platform, "ana", second)
    assert "own proposal" in uncounted(await window.take(window.approval(second)))
    has_account(window.platform, "ana")
    has_account(window.platform, "ben", second)
    assert "not among those who decide" in uncounted(await window.take(window.approval(second)))
    assert await window.platform.approvers(window.stored) == []


async def test_who_lost_the_group_a_moment_ago_approves_nothing(window: Window) -> None:
    window.platform.people.groups["lena"] = ["/housing"]
    assert "not among those who decide" in uncounted(await window.take(window.approval()))
    window.platform.people.identities["leo"]["answer"] = "refused"
    assert "identity provider" in uncounted(await window.take(window.approval("leo")))


async def test_an_approval_of_an_older_head_or_of_none_does_not_count(window: Window) -> None:
    given = window.approval()
    await window.platform.proposed({NOTEBOOK_PATH: LARGEST}, update=window.stored.id)
    await window.show()
    assert "earlier version" in uncounted(await window.take(given))
    assert "which version" in uncounted(await window.take(act("lena", ActKind.APPROVED)))
    assert "nobody has proposed" in uncounted(await window.take(act("lena", ActKind.APPROVED, head="c" * 40)))
    assert "earlier version" in uncounted(
        await window.take(act("lena", ActKind.CHANGES_REQUESTED, "No", head=given.head))
    )
    assert [record.kind for record in await window.take(window.approval())] == ["approved"]


async def test_an_approval_that_races_a_push_does_not_count(window: Window) -> None:
    given = window.approval()
    stale = window.stored
    await window.platform.proposed({NOTEBOOK_PATH: LARGEST}, update=window.stored.id)
    window.stored = stale  # as the loop read it before
    assert "earlier version" in uncounted(await window.take(given))
    assert await window.platform.approvers(window.stored) == []


async def test_a_push_past_the_service_is_not_approved(window: Window) -> None:
    main = window.platform.forge.main()
    branch = PROPOSE + window.stored.id
    window.platform.repository.update_references([RefUpdate(branch, main, window.stored.head)])
    assert "outside the hub" in uncounted(await window.take(window.approval()))


@pytest.mark.parametrize("since", [AFTER, AFTER + dt.timedelta(seconds=1)])
async def test_what_was_done_before_it_was_shown_is_asked_for_again(window: Window, since: dt.datetime) -> None:
    await window.show(since)
    assert "then approve it again" in uncounted(await window.take(window.approval()))
    assert "then write “/merge” again" in uncounted(await window.take(act("leo", ActKind.COMMENTED, "/merge")))


async def test_where_not_everything_is_shown_it_is_decided_on_the_page(window: Window) -> None:
    await window.show(whole=False)
    assert "decide on the page" in uncounted(await window.take(window.approval()))
    assert "decide on the page" in uncounted(await window.take(act("leo", ActKind.COMMENTED, "/merge")))


@pytest.mark.parametrize(
    "shown",
    [
        Shown("", NUMBER), Shown("another", NUMBER, "head", "digest", SHOWN_AT, whole=True),
        Shown("{id}", NUMBER, "{head}", "", SHOWN_AT, whole=True), Shown("{id}", NUMBER, "", "x", NEVER, whole=True),
        Shown("{id}", 8, "{head}", "x", SHOWN_AT, whole=True), Shown("{id}", NUMBER, "no", "x", SHOWN_AT, whole=True),
    ],
)  # fmt: skip
async def test_where_nobody_knows_what_was_shown_nothing_is_approved(window: Window, shown: Shown) -> None:
    stored = window.stored
    named = Shown(
        shown.proposal.format(id=stored.id), shown.number, shown.head.format(head=stored.head), shown.digest,
        shown.since, shown.whole,
    )  # fmt: skip
    window.shown = named
    assert "before the pull request showed" in uncounted(await window.take(window.approval()))


async def test_after_main_has_moved_what_was_shown_is_shown_anew(platform: Platform) -> None:
    has_account(platform, "dora")
    window = Window(platform, await platform.proposed({PRICES_PATH: GRANTED}))
    await window.show()
    more = TRANSPORT.replace(b"[/transport]", b"[/transport, /everybody]")
    platform.push({"teams/transport/team.yaml": more})
    await platform.watcher.refresh()
    assert "Main has moved" in uncounted(await window.take(window.approval("dora")))
    await window.show(AFTER)
    later = AFTER + dt.timedelta(seconds=1)
    assert [record.kind for record in await window.take(window.approval("dora", time=later))] == ["approved"]


async def test_a_merge_that_is_refused_says_what_it_waits_for(window: Window) -> None:
    why = uncounted(await window.take(act("leo", ActKind.COMMENTED, "/merge")))
    assert why.startswith("The /merge does not count: It cannot be merged yet. It waits for ")
    assert window.platform.main_file(NOTEBOOK_PATH) == NOTEBOOK
    assert "whose account" in uncounted(await window.take(act("mallory", ActKind.COMMENTED, "/merge")))


async def test_a_merge_while_the_forge_shows_another_commit_is_refused(window: Window) -> None:
    await window.take(window.approval())
    window.head = "c" * 40
    assert "nobody has proposed" in uncounted(await window.take(act("leo", ActKind.COMMENTED, "/merge")))
    written = act("leo", ActKind.COMMENTED, "/merge", head=window.stored.head)  # in a review of the head before
    assert "another commit" in uncounted(await window.take(written))
    assert (await window.platform.proposals.stored(window.stored.id)).open


async def test_a_merge_that_removes_much_is_confirmed_on_the_page(platform: Platform) -> None:
    """A comment may have been edited within the second in which it was written, and nobody sees it."""
    names = [f"teams/housing/profiles/p{number}.yaml" for number in range(12)]
    platform.push(dict.fromkeys(names, NOTEBOOK), signed=True)
    await platform.watcher.refresh()
    has_account(platform, "leo")
    window = Window(platform, await platform.proposed(dict.fromkeys(names)))
    await platform.approved(window.stored)
    await window.show()
    assert "merged on its page" in uncounted(await window.take(act("leo", ActKind.COMMENTED, "/merge")))
    (record,) = await window.take(act("leo", ActKind.COMMENTED, "/merge confirm removal"))
    assert (record.kind, record.source and record.source.uncounted) == ("commented", "")
    assert platform.main_file(names[0]) == NOTEBOOK


@pytest.mark.platform(
    {
        "policy.yaml": POLICY + b"automatic: {enabled: true, changes: [text]}\n",
        NOTEBOOK_PATH: NOTEBOOK + b"maintainers: {users: [ana]}\n",
    }
)
async def test_what_nobody_has_to_approve_is_merged_on_the_page(platform: Platform) -> None:
    """Else whoever edits the comment of its proposer within a second merges what nobody has looked at."""
    has_account(platform, "ana")
    before = platform.main_file(NOTEBOOK_PATH) or b""
    window = Window(platform, await platform.proposed({NOTEBOOK_PATH: before.replace(b"title: ", b"title: New ")}))
    await window.show()
    assert "merged on its page" in uncounted(await window.take(act("ana", ActKind.COMMENTED, "/merge")))
    assert platform.main_file(NOTEBOOK_PATH) == before


async def test_where_the_policy_asks_for_a_new_sign_in_it_is_decided_on_the_page(platform: Platform) -> None:
    platform.push({"policy.yaml": POLICY + b"fresh_sign_in: 15 min\n"}, signed=True)
    await platform.watcher.refresh()
    has_account(platform, "dora")
    window = Window(platform, await platform.proposed({PRICES_PATH: GRANTED}))
    await window.show()
    assert "decided on the page" in uncounted(await window.take(window.approval("dora")))


@pytest.mark.parametrize("kind", [ActKind.CLOSED, ActKind.CHANGES_REQUESTED])
async def test_who_may_not_end_a_proposal_only_says_so(window: Window, kind: ActKind) -> None:
    for who in ("ben", "mallory"):
        assert "does not count" in uncounted(await window.take(act(who, kind, "No", head=window.stored.head)))
    if kind is ActKind.CHANGES_REQUESTED:
        assert "own proposal" in uncounted(await window.take(act("ana", kind, "No", head=window.stored.head)))
    assert window.stored.open


async def test_what_comes_after_the_end_does_not_count(window: Window) -> None:
    await window.platform.reviews.reject(window.platform.people.actor("leo"), window.stored.id, "No")
    assert "It was rejected." in uncounted(await window.take(window.approval()))
    assert await window.take(act("mallory", ActKind.COMMENTED, "Pity"), act("ana", ActKind.CLOSED)) == []
    assert [record.kind for record in await window.take(act("ana", ActKind.COMMENTED, "Pity"))] == ["commented"]


async def test_who_may_not_see_it_here_is_heard_and_decides_nothing(platform: Platform) -> None:
    has_account(platform, "dora")
    window = Window(platform, await platform.proposed({NOTEBOOK_PATH: LARGER + b"visibility: draft\n"}))
    await window.show()
    assert await code_of(platform.proposals.visible(window.stored.id, platform.people.actor("dora").user)) == (
        "proposal-unknown"
    )
    assert "may not see the proposal" in uncounted(await window.take(window.approval("dora")))
    assert "may not see the proposal" in uncounted(await window.take(act("dora", ActKind.CLOSED)))
    (record,) = await window.take(act("dora", ActKind.COMMENTED, "What is it for?"))
    assert (record.by, record.text) == ("dora", "What is it for?")


async def test_who_approved_on_the_page_has_approved(window: Window) -> None:
    await window.platform.approved(window.stored)
    window.stored = await window.platform.proposals.stored(window.stored.id)
    assert "approved it already" in uncounted(await window.take(window.approval()))


async def test_an_edited_comment_merges_nothing(window: Window) -> None:
    await window.take(window.approval())
    why = uncounted(await window.take(act("leo", ActKind.COMMENTED, "/merge", edited=True)))
    assert why == "The /merge does not count: It was edited: write it again in a new comment."
    assert (await window.platform.proposals.stored(window.stored.id)).open
    assert [record.kind for record in await window.take(act("leo", ActKind.COMMENTED, "/merge"))] == ["merged"]


async def test_the_words_of_a_review_may_have_been_edited_its_decision_stands(window: Window) -> None:
    given = dataclasses.replace(window.approval(), text="Fine", edited=True)
    assert [record.kind for record in await window.take(given)] == ["approved"]
    rejection = act("leo", ActKind.CHANGES_REQUESTED, "Too large", head=window.stored.head, edited=True)
    assert [(record.kind, record.by) for record in await window.take(rejection)] == [("rejected", "leo")]
