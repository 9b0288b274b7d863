"""Proposals: the lists, one of them, and what a reader may do with it."""

import dataclasses
from typing import ClassVar

from allotment_hub.pages.difference import files_of
from allotment_hub.pages.page import Page
from allotment_hub.pages.paging import PAGE_SIZE, Pages
from allotment_hub.services.proposals.overview import overview


class ProposalsPage(Page):
    """What waits for me, what is mine, and all."""

    active: ClassVar[str] = "proposals"

    async def get(self) -> None:
        """GET proposals."""
        found = await overview(self.services.proposals, self.reader)
        held = await self.services.quarantine.seen_by(self.reader.user)
        pages = Pages.of(self.get_query_argument("page", ""), len(found.lines))
        self.show(
            "proposals.html",
            overview=dataclasses.replace(found, lines=found.lines[pages.slice]),
            for_me=found.for_me,
            mine=found.mine[:PAGE_SIZE],
            pages=pages,
            held=[(each, each.refusal(self.reader)) for each in held],
        )


class ConfirmQuarantined(Page):
    """Let what is held apply."""

    active: ClassVar[str] = "proposals"

    async def post(self, commit: str) -> None:
        """POST holds/COMMIT/confirm."""
        await self.services.quarantine.confirm(self.reader, commit, self.field("reason"))
        self.go("proposals")


class ProposalPage(Page):
    """Enough to decide."""

    active: ClassVar[str] = "proposals"

    async def get(self, proposal: str) -> None:
        """GET proposals/ID."""
        stored = await self.services.proposals.stored(proposal)
        view = await self.services.proposals.view(stored, self.reader)
        self.show("proposal.html", view=view, differences=files_of(view.difference), catalog=view.check.after)


class ProposalAction(Page):
    """Something that is done with a proposal; afterwards its page shows it."""

    active: ClassVar[str] = "proposals"

    async def post(self, proposal: str) -> None:
        """POST proposals/ID/DEED."""
        await self.do(proposal)
        self.go(f"proposals/{proposal}")

    async def do(self, proposal: str) -> None:
        """Do it; raises a refusal."""
        raise NotImplementedError


class Approve(ProposalAction):
    """Approve what was looked at."""

    async def do(self, proposal: str) -> None:
        """Approve."""
        await self.services.reviewing.approve(self.reader, proposal, self.field("head"))


class Merge(ProposalAction):
    """Put it on main."""

    async def do(self, proposal: str) -> None:
        """Merge."""
        confirmed = self.field("confirm_removal") == "yes"
        await self.services.reviewing.merge(self.reader, proposal, self.field("head"), confirm_removal=confirmed)


class Reject(ProposalAction):
    """End it with a reason."""

    async def do(self, proposal: str) -> None:
        """Reject."""
        await self.services.reviewing.reject(self.reader, proposal, self.field("reason"))


class Withdraw(ProposalAction):
    """The proposer's way back."""

    async def do(self, proposal: str) -> None:
        """Withdraw."""
        await self.services.proposing.withdraw(self.reader, proposal)


class Comment(ProposalAction):
    """Add to the conversation."""

    async def do(self, proposal: str) -> None:
        """Comment."""
        await self.services.proposing.comment(self.reader, proposal, self.field("text"))
