"""What people do on a pull request becomes records, by the hub's user whose account it is, or counts for nothing."""

import asyncio
import dataclasses
import datetime as dt
import itertools
import json
from pathlib import Path

import pytest
import pytest_asyncio
from bs4 import BeautifulSoup
from support.command_line import allotment
from support.fakes.platform import (
    HOUSING,
    NOTEBOOK,
    NOTEBOOK_PATH,
    POLICY,
    PRICES,
    PRICES_PATH,
    TRANSPORT,
    Platform,
    code_of,
)
from support.fakes.web_service import WebService

from allotment_hub.errors import UnavailableError
from allotment_hub.forges.pull_requests.values import Act, ActKind, ForgeAccount, PullRequest, PullRequestState
from allotment_hub.forges.record_log import RecordsBrokenError
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.proposals import rights
from allotment_hub.services.proposals.proposing import MAXIMUM_REASON
from allotment_hub.services.pull_requests import acts
from allotment_hub.services.pull_requests.acts import Acts
from allotment_hub.services.pull_requests.shown import NEVER, Shown
from allotment_profiles.git.repository import PROPOSE, RECORDS, RefMovedError, RefUpdate
from allotment_profiles.records.record import Record, Source

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
LARGEST = NOTEBOOK.replace(b"4 GiB", b"12 GiB")
GRANTED = PRICES.replace(b"granted_to:", b"granted_to:\n  transport: {until: 2999-12-31}")
BOT = ForgeAccount("1", "allotment")
HOST = "git.example.org"
NUMBER = 7
OPENED = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SHOWN_AT = OPENED + dt.timedelta(hours=1)
AFTER = SHOWN_AT + dt.timedelta(hours=1)
FOLLOWING = itertools.count(100)


def account_of(name: str) -> ForgeAccount:
    return ForgeAccount(f"id-of-{name}", f"{name}-on-gitea")


def has_account(platform: Platform, user: str, account: ForgeAccount | None = None) -> None:
    """Let a user sign in to the hub with an account of the forge."""
    account = account or account_of(user)
    has = {"provider": "gitea", "host": HOST, "id": account.id, "login": account.login}
    platform.people.identities[user] = {**platform.people.identities.get(user, {}), "account": has}


def act(
    who: ForgeAccount | str | None, kind: ActKind, text: str = "", *, head: str = "", about: str = "",
    time: dt.datetime = AFTER, id_: str = "", edited: bool = False,
) -> Act:  # fmt: skip
    account = account_of(who) if isinstance(who, str) else who
    return Act(id_ or f"act-{next(FOLLOWING)}", kind, account, time, head, text, about, edited)


class Window:
    """A proposal, and the pull request that shows it."""

    def __init__(self, platform: Platform, stored: StoredProposal) -> None:
        self.platform = platform
        self.stored = stored
        self.acts = self.service(platform)
        self.head = stored.head
        self.shown = Shown(stored.id, NUMBER)
        self.state = PullRequestState.OPEN

    @staticmethod
    def service(platform: Platform) -> Acts:
        return Acts(platform.proposals, platform.submissions, platform.reviews, platform.identities, "gitea", HOST)

    @property
    def pull_request(self) -> PullRequest:
        return PullRequest(
            NUMBER, "https://git.example.org/owner/name/pulls/7", f"propose/{self.stored.id}", False, self.head, "main",
            "Title", "Body", self.state, BOT, frozenset(), frozenset(), AFTER,
        )  # fmt: skip

    async def show(self, since: dt.datetime = SHOWN_AT, *, whole: bool = True) -> None:
        """Show what the proposal does now."""
        main, user = await self.platform.proposals.main(), self.platform.people.actor("lena").user
        self.stored = await self.platform.proposals.stored(self.stored.id)
        digest = (await self.platform.proposals.judgement(self.stored, main, user)).sealed
        self.head = self.stored.head
        self.shown = Shown(self.stored.id, NUMBER, self.stored.head, digest, since, whole)

    async def take(self, *those: Act) -> list[Record]:
        """Take acts. Return the records that were added."""
        before = (await self.platform.proposals.stored(self.stored.id)).records
        self.stored = await self.acts.take(self.stored, self.pull_request, those, self.shown, BOT)
        now = await self.platform.proposals.stored(self.stored.id)
        assert self.stored == now
        return list(now.records[len(before) :])

    def approval(self, by: ForgeAccount | str | None = "lena", *, time: dt.datetime = AFTER) -> Act:
        return act(by, ActKind.APPROVED, head=self.stored.head, time=time)


@pytest_asyncio.fixture
async def window(platform: Platform) -> Window:
    for name in platform.people.groups:
        has_account(platform, name)
    window = Window(platform, await platform.proposed({NOTEBOOK_PATH: LARGER}))
    await window.show()
    return window


async def beside(window: Window, folder: Path) -> Acts:
    """Return the acts of another service over the same repository."""
    other = window.platform.beside(folder)
    await other.watcher.refresh()
    return window.service(other)


def uncounted(records: list[Record]) -> str:
    """Return why the one record that was added does not count."""
    (record,) = records
    assert record.kind == "commented"
    assert record.source
    return record.source.uncounted


# -- what counts


async def test_an_approval_is_a_record_by_the_user_with_the_account_on_that_head(window: Window) -> None:
    given = window.approval()
    (record,) = await window.take(given)
    assert (record.kind, record.by, record.head) == ("approved", "lena", window.stored.head)
    assert record.source == Source("gitea", NUMBER, given.id, "lena-on-gitea")
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


# -- each act once


async def test_an_act_is_recorded_once_however_often_and_in_whatever_order_it_comes(window: Window) -> None:
    these = [
        act("ben", ActKind.COMMENTED, "One"), window.approval(), act("mallory", ActKind.COMMENTED, "Two"),
        act("ben", ActKind.APPROVED, head=window.stored.head),
    ]  # fmt: skip
    assert len(await window.take(*these)) == 4
    for order in itertools.permutations(these):
        assert await window.take(*order) == []
    assert await Window(window.platform, window.stored).take(*these) == []  # nobody knows what was shown


async def test_of_two_services_that_take_an_act_at_once_one_records_it(window: Window, tmp_path: Path) -> None:
    these = [act("ben", ActKind.COMMENTED, "One"), act("mallory", ActKind.COMMENTED, "Two"), window.approval()]
    other = await beside(window, tmp_path)
    both = (window.acts, other)
    await asyncio.gather(*(each.take(window.stored, window.pull_request, these, window.shown, BOT) for each in both))
    stored = await window.platform.proposals.stored(window.stored.id)
    assert sorted(record.source.act for record in stored.records if record.source) == sorted(each.id for each in these)


async def test_of_two_who_merge_at_once_one_merges_and_the_other_is_told(window: Window, tmp_path: Path) -> None:
    await window.take(window.approval())
    other = await beside(window, tmp_path)
    both = {window.acts: act("leo", ActKind.COMMENTED, "/merge"), other: act("adam", ActKind.COMMENTED, "/merge")}
    await asyncio.gather(
        *(each.take(window.stored, window.pull_request, [merge], window.shown, BOT) for each, merge in both.items())
    )
    records = (await window.platform.proposals.stored(window.stored.id)).records[2:]
    assert sorted(record.kind for record in records) == ["commented", "merged"]
    assert "It was merged." in uncounted([record for record in records if record.kind == "commented"])


async def test_a_dismissal_in_the_moment_of_the_merge_is_before_it_or_too_late(window: Window, tmp_path: Path) -> None:
    given = window.approval()
    await window.take(given)
    other = await beside(window, tmp_path)
    acts = {
        window.acts: act("leo", ActKind.COMMENTED, "/merge"), other: act("lena", ActKind.DISMISSED, about=given.id),
    }  # fmt: skip
    await asyncio.gather(
        *(each.take(window.stored, window.pull_request, [one], window.shown, BOT) for each, one in acts.items())
    )
    kinds = [record.kind for record in (await window.platform.proposals.stored(window.stored.id)).records[2:]]
    assert kinds in (["dismissed", "commented"], ["merged", "commented"])


async def test_the_log_takes_an_act_once_whoever_writes_it(window: Window) -> None:
    source = Source("gitea", NUMBER, "act-1", "mallory")
    forge = window.platform.forge
    forge.record(window.stored, "commented", by="", text="One", source=source)
    with pytest.raises(RefMovedError, match="recorded already"):
        forge.record(window.stored, "commented", by="", text="One", source=source)


async def test_what_nobody_can_answer_now_waits_and_what_was_before_is_not_recorded_again(window: Window) -> None:
    before, given, after = act("ben", ActKind.COMMENTED, "One"), window.approval(), act("ben", ActKind.COMMENTED, "Two")
    said = window.platform.people.identities["lena"]
    said["answer"] = "no-answer"
    with pytest.raises(UnavailableError):
        await window.take(before, given, after)
    stored = await window.platform.proposals.stored(window.stored.id)
    assert [record.kind for record in stored.records] == ["proposed", "commented"]
    del said["answer"]
    assert [record.kind for record in await window.take(before, given, after)] == ["approved", "commented"]


async def test_while_the_hub_is_away_every_act_waits(window: Window) -> None:
    window.platform.people.away = True
    for waiting in (window.approval(), act("mallory", ActKind.COMMENTED, "Hello"), act("ana", ActKind.CLOSED)):
        with pytest.raises(UnavailableError):
            await window.take(waiting)
    window.platform.people.away = False
    assert len((await window.platform.proposals.stored(window.stored.id)).records) == 1


async def test_what_a_service_that_has_just_started_cannot_judge_yet_waits(window: Window, tmp_path: Path) -> None:
    started = window.platform.beside(tmp_path)
    taken = window.service(started).take(window.stored, window.pull_request, [window.approval()], window.shown, BOT)
    with pytest.raises(UnavailableError):
        await taken


async def test_who_may_see_it_by_a_main_that_is_not_loaded_yet_waits(platform: Platform) -> None:
    has_account(platform, "leo")
    window = Window(platform, await platform.proposed({NOTEBOOK_PATH: LARGER + b"visibility: draft\n"}))
    await window.show()
    platform.people.groups["leo"] = ["/new"]
    platform.push({"teams/housing/team.yaml": HOUSING.replace(b"[/housing/leads]", b"[/housing/leads, /new]")})
    await window.show()  # main has moved, and what applies has not been loaded again
    with pytest.raises(UnavailableError):
        await window.take(window.approval("leo"))
    await platform.watcher.refresh()
    assert [record.kind for record in await window.take(window.approval("leo"))] == ["approved"]


async def test_while_the_log_is_broken_every_act_waits(window: Window) -> None:
    repository = window.platform.repository
    good = repository.resolve(RECORDS) or ""
    repository.update_references([RefUpdate(RECORDS, window.stored.head, good)])
    for waiting in (window.approval(), act("mallory", ActKind.COMMENTED, "Hello"), act("ben", ActKind.COMMENTED, "Hi")):
        with pytest.raises(RecordsBrokenError):
            await window.take(waiting)
    repository.update_references([RefUpdate(RECORDS, good, window.stored.head)])
    assert [record.kind for record in await window.take(window.approval())] == ["approved"]


# -- what does not count


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


# -- comments that somebody has edited, who may be anybody who writes on the forge


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


# -- dismissals


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


async def test_those_who_decide_dismiss_an_approval_of_somebody_else_and_nobody_else_does(window: Window) -> None:
    given = window.approval("leo")
    await window.take(given)
    for who in ("ben", "ana", "dora", "mallory", None):
        assert "does not count" in uncounted(await window.take(act(who, ActKind.DISMISSED, about=given.id)))
    assert await window.platform.approvers(window.stored) == ["leo"]
    (record,) = await window.take(act("lena", ActKind.DISMISSED, about=given.id))
    assert (record.kind, record.by) == ("dismissed", "lena")
    assert await window.platform.approvers(window.stored) == []
    again = window.approval("leo")
    await window.take(again)
    assert [each.kind for each in await window.take(act("adam", ActKind.DISMISSED, about=again.id))] == ["dismissed"]


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


# -- limits and words


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
        "did": "",
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
