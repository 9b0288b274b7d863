"""Many requests of one user at once keep nobody else waiting, and each of them is answered."""

import asyncio
from pathlib import Path

import pytest
from support.conditions import eventually
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform
from support.fakes.web_service import Visitor, WebService

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.http.request_limit import AT_ONCE, WAITING, RequestLimit
from allotment_hub.services.event_reader import EventReader
from allotment_hub.services.proposals.proposals import Proposals
from allotment_profiles.access.people import User

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")


class HeldProposals(Proposals):
    """Proposals that are found when they may be found."""

    running = most = 0

    def hold(self) -> asyncio.Event:
        """Find no proposal until the event."""
        self.may_go_on = asyncio.Event()
        return self.may_go_on

    async def visible(self, proposal: str, user: User) -> StoredProposal:
        """Return a proposal."""
        self.running += 1
        self.most = max(self.most, self.running)
        await self.may_go_on.wait()
        self.running -= 1
        return await super().visible(proposal, user)


@pytest.mark.parametrize("number", [15, AT_ONCE + WAITING + 5])
async def test_many_calls_of_a_session_keep_nobody_else_waiting(
    platform: Platform, tmp_path: Path, number: int
) -> None:
    stored, proposals = await held(platform)
    may_go_on = proposals.hold()
    async with WebService.opened(platform, tmp_path) as web:
        session = web.program("ana", session=True)
        calls = [asyncio.ensure_future(session.get(f"api/v1/proposals/{stored.id}")) for _ in range(number)]
        await eventually(lambda: proposals.running == AT_ONCE, what="calls that run")
        refused = max(0, number - AT_ONCE - WAITING)
        await eventually(lambda: sum(call.done() for call in calls) == refused, what="calls that are refused")
        for visitor in (web.browser("ben"), web.browser("ana")):
            assert (await answered(visitor)) == 200
        may_go_on.set()
        answers = await asyncio.gather(*calls)
        assert sorted(answer.status_code for answer in answers) == [200] * (number - refused) + [429] * refused
        assert {answer.json()["code"] for answer in answers if answer.status_code == 429} <= {"requests-many"}
        assert proposals.most == AT_ONCE
        assert (await answered(session, "api/v1/profiles")) == 200


async def test_whoever_hangs_up_leaves_room_for_others(platform: Platform, tmp_path: Path) -> None:
    stored, proposals = await held(platform)
    may_go_on = proposals.hold()
    async with WebService.opened(platform, tmp_path) as web:
        session = web.program("ana", session=True)
        calls = [asyncio.ensure_future(session.get(f"api/v1/proposals/{stored.id}")) for _ in range(AT_ONCE + 3)]
        await eventually(lambda: proposals.running == AT_ONCE, what="calls that run")
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        may_go_on.set()
        for _ in range(AT_ONCE + 1):
            assert (await answered(session)) == 200


async def held(platform: Platform) -> tuple[StoredProposal, HeldProposals]:
    """Propose something, and let the platform have proposals that can be held."""
    await platform.watcher.refresh()
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    events = EventReader(platform.events)
    proposals = HeldProposals(platform.forge, platform.checking, platform.directory, platform.watcher, events)
    platform.proposals = proposals
    return stored, proposals


async def answered(visitor: Visitor, path: str = "profiles") -> int:
    """Return the status of an answer."""
    return (await visitor.get(path)).status_code


async def test_whoever_waits_no_more_leaves_no_trace() -> None:
    limit = RequestLimit()
    for _ in range(AT_ONCE):
        await limit.begin("ana")
    waiting = asyncio.ensure_future(limit.begin("ana"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    for _ in range(AT_ONCE):
        limit.end("ana")
    for _ in range(AT_ONCE):
        await limit.begin("ana")
