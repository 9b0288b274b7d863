"""A list of proposals shows what is known of them at once, however long it takes to check them, and nothing untrue."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.conditions import eventually
from support.fakes.platform import HOUSING, NOTEBOOK, Platform
from support.fakes.web_service import WebService
from support.held_judges import HeldJudges

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.proposals.overview import Overview, overview

NUMBER = 4


@pytest.fixture
async def held(platform: Platform, tmp_path: Path) -> AsyncIterator[tuple[Platform, HeldJudges, list[StoredProposal]]]:
    """A service that has just started, over some open proposals."""
    await platform.watcher.refresh()
    path = "teams/housing/profiles/{}.yaml"
    stored = [await platform.proposed({path.format(f"new-{number}"): NOTEBOOK}) for number in range(NUMBER)]
    with contextlib.closing(HeldJudges()) as judges:
        platform.judges, platform.list_seconds = judges, 0
        other = platform.beside(tmp_path)
        await other.watcher.refresh()
        yield other, judges, stored
        judges.may_answer.set()
        await seen(other, "lena")


async def seen(platform: Platform, name: str) -> Overview:
    """Return the list when all has been checked."""

    found: list[Overview] = []

    async def checked() -> bool:
        found.append(await overview(platform.proposals, platform.people.actor(name)))
        return all(line.state != "checking" for line in found[-1].lines)

    await eventually(checked, what="a list in which nothing is being checked")
    return found[-1]


async def test_a_list_shows_what_is_known_and_says_what_is_being_checked(
    held: tuple[Platform, HeldJudges, list[StoredProposal]],
) -> None:
    platform, judges, stored = held
    leo, ana = platform.people.actor("leo"), platform.people.actor("ana")
    lists = await overview(platform.proposals, leo)
    assert [(line.state, line.waits_for, line.for_me) for line in lists.lines] == [("checking", "", False)] * NUMBER
    assert (lists.for_me, lists.checking) == ((), NUMBER)
    own = await overview(platform.proposals, ana)
    assert [line.state for line in own.mine] == ["checking"] * NUMBER
    await platform.submissions.withdraw(ana, stored[0].id)
    assert "withdrawn" in [line.state for line in (await overview(platform.proposals, leo)).lines]
    judges.may_answer.set()
    lists = await seen(platform, "leo")
    assert len(lists.for_me) == NUMBER - 1
    assert lists.checking == 0
    # For both readers together, each was checked once.
    assert len(judges.mains) == NUMBER


async def test_what_main_has_left_behind_is_not_checked_any_more(
    held: tuple[Platform, HeldJudges, list[StoredProposal]],
) -> None:
    platform, judges, _ = held
    leo = platform.people.actor("leo")
    await overview(platform.proposals, leo)
    before = platform.forge.main()
    platform.push({"teams/housing/team.yaml": HOUSING + b"# another layout\n"})
    await platform.watcher.refresh()
    await overview(platform.proposals, leo)
    judges.may_answer.set()
    await seen(platform, "leo")
    assert judges.mains.count(before) <= 1
    assert judges.mains.count(platform.forge.main()) == NUMBER


async def test_the_page_answers_while_the_checks_are_being_made(
    held: tuple[Platform, HeldJudges, list[StoredProposal]], tmp_path: Path
) -> None:
    platform, judges, _ = held
    async with WebService.opened(platform, tmp_path) as web:
        page = await asyncio.wait_for(web.browser("leo").get("proposals"), 60)
        assert f"{NUMBER} more are being checked" in page.text
        assert "waits for approval" not in page.text
        judges.may_answer.set()
        await seen(platform, "leo")
        page = await web.browser("leo").get("proposals")
        assert "being checked" not in page.text
        assert "waits for approval" in page.text
