"""Each act is recorded once, whoever reads it and in whatever order, and waits while it cannot be judged."""

import asyncio
import itertools
from pathlib import Path

import pytest
from support.fakes.platform import HOUSING, NOTEBOOK_PATH, Platform
from support.pull_request_acts import BOT, LARGER, NUMBER, Window, act, beside, has_account, uncounted

from allotment_hub.errors import UnavailableError
from allotment_hub.forges.pull_requests.values import ActKind
from allotment_hub.forges.record_log import RecordsBrokenError
from allotment_profiles.git.repository import RECORDS, RefMovedError, RefUpdate
from allotment_profiles.records.record import Source


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


def moved(window: Window) -> None:
    """Let the forge have another host, where everybody signs in with the account that they have there."""
    window.acts = window.service(window.platform, "new.example.org")
    for name in window.platform.people.groups:
        has_account(window.platform, name, host="new.example.org")


async def test_on_another_server_of_the_kind_an_act_with_the_id_of_an_earlier_one_is_another_act(
    window: Window,
) -> None:
    await window.take(act("ben", ActKind.COMMENTED, "One", id_="5"), window.approval())
    moved(window)
    rejected = act("leo", ActKind.CHANGES_REQUESTED, "Too large", head=window.stored.head, id_="5")
    (record,) = await window.take(rejected)
    assert (record.kind, record.by) == ("rejected", "leo")
    assert record.source
    assert record.source.server == "new.example.org"
    assert await window.take(rejected) == []


async def test_on_a_server_that_was_renamed_an_act_is_the_same_and_an_approval_can_be_dismissed(window: Window) -> None:
    given = window.approval()
    before = [act("ben", ActKind.COMMENTED, "One"), given]
    await window.take(*before)
    moved(window)
    assert await window.take(*before) == []
    (record,) = await window.take(*before, act("leo", ActKind.DISMISSED, "Not yet", about=given.id))
    assert record.kind == "dismissed"
    assert await window.platform.approvers(window.stored) == []


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
