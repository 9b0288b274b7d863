"""The pages of proposals: the list, one proposal, and the actions on it."""

import dataclasses
from typing import ClassVar

from allotment_hub.pages.difference import files_of
from allotment_hub.pages.page import PAGE_SIZE, Page, Pages
from allotment_hub.services.proposals.overview import overview


class ProposalsPage(Page):
    """The list: what waits for the reader, their own proposals, and all of them."""

    active: ClassVar[str] = "proposals"

    async def get(self) -> None:
        """GET proposals."""
        lists = await overview(self.services.proposals, self.reader)
        quarantined = await self.services.quarantine.seen_by(self.reader.user)
        pages = Pages.of(self.get_query_argument("page", ""), len(lists.lines))
        self.show(
            "proposals.html",
            overview=dataclasses.replace(lists, lines=lists.lines[pages.slice]),
            for_me=lists.for_me,
            mine=lists.mine[:PAGE_SIZE],
            pages=pages,
            held=[(commit, commit.refusal(self.reader)) for commit in quarantined],
        )


class ConfirmQuarantined(Page):
    """Let a quarantined commit apply."""

    active: ClassVar[str] = "proposals"

    async def post(self, commit: str) -> None:
        """POST holds/COMMIT/confirm."""
        await self.services.quarantine.confirm(self.reader, commit, self.field("reason"))
        self.go("proposals")


class ProposalPage(Page):
    """One proposal, with all that is needed to decide about it."""

    active: ClassVar[str] = "proposals"

    async def get(self, proposal: str) -> None:
        """GET proposals/ID."""
        stored = await self.services.proposals.stored(proposal)
        view = await self.services.proposals.view(stored, self.reader)
        self.show("proposal.html", view=view, differences=files_of(view.difference))


class ProposalAction(Page):
    """An action on a proposal. Afterwards the browser goes to its page."""

    active: ClassVar[str] = "proposals"

    async def post(self, proposal: str) -> None:
        """POST proposals/ID/ACTION."""
        await self.do(proposal)
        self.go(f"proposals/{proposal}")

    async def do(self, proposal: str) -> None:
        """Carry out the action. Raise a refusal."""
        raise NotImplementedError


class Approve(ProposalAction):
    """Approve the head that the page showed."""

    async def do(self, proposal: str) -> None:
        """Approve."""
        await self.services.reviewing.approve(self.reader, proposal, self.field("head"))


class Merge(ProposalAction):
    """Merge the proposal into main."""

    async def do(self, proposal: str) -> None:
        """Merge."""
        confirmed = self.field("confirm_removal") == "yes"
        await self.services.reviewing.merge(self.reader, proposal, self.field("head"), confirm_removal=confirmed)


class Reject(ProposalAction):
    """Reject the proposal with a reason."""

    async def do(self, proposal: str) -> None:
        """Reject."""
        await self.services.reviewing.reject(self.reader, proposal, self.field("reason"))


class Withdraw(ProposalAction):
    """Withdraw one's own proposal."""

    async def do(self, proposal: str) -> None:
        """Withdraw."""
        await self.services.proposing.withdraw(self.reader, proposal)


class Comment(ProposalAction):
    """Add a comment."""

    async def do(self, proposal: str) -> None:
        """Comment."""
        await self.services.proposing.comment(self.reader, proposal, self.field("text"))
