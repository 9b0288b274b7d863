"""What one reviewer waits for keeps no other from deciding."""

import asyncio

from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, TRANSPORT, Platform

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.event_reader import EventReader
from allotment_hub.services.judging.turns import Turns
from allotment_hub.services.proposals.case import Judgement
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.reviewing import Reviews
from allotment_profiles.access.people import User


class MovedProposals(Proposals):
    """Proposals whose main moves as soon as somebody has judged one of them, a few times."""

    platform: Platform
    by: str
    times = 0

    async def judgement(self, stored: StoredProposal, main: str, by: User) -> Judgement:
        """Judge a proposal."""
        judgement = await super().judgement(stored, main, by)
        if by.name == self.by and self.times:
            self.times -= 1
            path, comment = "teams/transport/team.yaml", f"# {self.times}\n".encode()
            self.platform.push({path: TRANSPORT + comment})
        return judgement


def moved(platform: Platform, by: str, times: int) -> MovedProposals:
    """Let main move after each of the next judgements of a user."""
    events = EventReader(platform.events)
    proposals = MovedProposals(platform.forge, platform.checking, platform.directory, platform.watcher, events)
    proposals.platform, proposals.by, proposals.times = platform, by, times
    platform.reviews = Reviews(proposals, platform.watcher, platform.sign_ins, platform.identities)
    return proposals


async def test_a_reviewer_whose_own_checks_wait_keeps_nobody_else_waiting(platform: Platform) -> None:
    await platform.watcher.refresh()
    platform.checking.turns = Turns(4)  # there are judges for all
    first = await platform.proposed({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"8 GiB")})
    second = await platform.proposed({"teams/housing/profiles/n.yaml": NOTEBOOK}, by="ben")
    moved(platform, "leo", 1)
    leo, lena = platform.people.actor("leo"), platform.people.actor("lena")
    approving = asyncio.ensure_future(platform.reviews.approve(leo, first.id, first.head))
    release = asyncio.Event()

    async def another_page() -> None:
        async with platform.checking.turns.of("leo", "page"):
            await release.wait()

    tabs = [asyncio.ensure_future(another_page()) for _ in range(3)]
    await asyncio.wait_for(platform.reviews.approve(lena, second.id, second.head), 60)
    assert not approving.done()
    release.set()
    await asyncio.gather(approving, *tabs)
    assert await platform.approvers(first) == ["leo"]


async def test_a_decision_is_looked_at_anew_for_as_long_as_main_moves(platform: Platform) -> None:
    await platform.watcher.refresh()
    stored = await platform.proposed({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"8 GiB")})
    proposals = moved(platform, "leo", 3)
    await platform.reviews.approve(platform.people.actor("leo"), stored.id, stored.head)
    assert (proposals.times, await platform.approvers(stored)) == (0, ["leo"])
