"""The pages of proposals: the list, one proposal, what waits to be proposed, and the actions on them."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import ClassVar

from allotment_hub.errors import ServiceError, UnavailableError, refused
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.pages.difference import files_of
from allotment_hub.pages.evidence import shown_evidence
from allotment_hub.pages.page import Page
from allotment_hub.pages.proposing import ProposingPage
from allotment_hub.services.drafts.draft_store import AssistantDraft
from allotment_hub.services.drafts.panel import panel_of
from allotment_hub.services.proposals.overview import overview
from allotment_hub.services.pull_requests.mirroring import PullRequests, web_address
from allotment_hub.services.trials.trying import Wish

STATES = ("open", "merged", "rejected", "withdrawn")
"""What the list can be narrowed to."""
_OPTION = "option."


class ProposalsPage(Page):
    """The list: what waits for the reader, their own proposals, and all of them."""

    active: ClassVar[str] = "proposals"

    async def get(self) -> None:
        """GET proposals?state=STATE&before=NUMBER."""
        state, before = self.get_query_argument("state", ""), self.get_query_argument("before", "")
        state = state if state in STATES else ""
        start = int(before) if before.isdecimal() and len(before) < 16 else 0
        lists = await overview(self.services.proposals, self.actor, state=state, before=start)
        quarantined = await self.services.quarantine.seen_by(self.actor.user)
        await self.show(
            "proposals.html",
            overview=lists,
            for_me=lists.for_me,
            mine=lists.mine,
            states=STATES,
            state=state,
            start=start,
            drafts=await self._drafts(),
            held=[(commit, commit.refusal(self.actor)) for commit in quarantined],
            one_time=self.one_time,
        )

    async def _drafts(self) -> Sequence[AssistantDraft]:
        """Return the drafts that wait for the reader. The list does without them where they cannot be read."""
        try:
            return await self.services.assistant_drafts.of(self.actor.user)
        except UnavailableError:
            return ()


class ConfirmQuarantined(Page):
    """Let a quarantined commit apply."""

    active: ClassVar[str] = "proposals"

    async def post(self, commit: str) -> None:
        """POST holds/COMMIT/confirm."""
        kind = self.field("kind")
        with self.deciding("confirm", commit, kind):
            await self.services.quarantine.confirm(self.actor, commit, self.field("reason"), kind)
        self.go("proposals")


class ProposalPage(Page):
    """One proposal, with all that is needed to decide about it."""

    active: ClassVar[str] = "proposals"

    async def get(self, proposal: str) -> None:
        """GET proposals/ID."""
        stored = await self.services.proposals.visible(proposal, self.actor.user)
        view = await self.services.proposals.view(stored, self.actor)
        decides = view.actions["approve"] is None or view.actions["merge"] is None
        await self.show(
            "proposal.html",
            sign_in=await self.services.reviews.sign_in_due(view.case, self.actor) if decides else None,
            view=view,
            evidence=await asyncio.to_thread(shown_evidence, view),
            pushed_page=self._pushed_page(stored),
            trial=await self.services.trials.view(view, self.actor),
            pull_request=self.services.pull_requests.address(proposal) if self.services.pull_requests else "",
            elsewhere=self.services.pull_requests.elsewhere(proposal) if self.services.pull_requests else "",
            differences=await asyncio.to_thread(files_of, view.difference),
            one_time=self.one_time,
        )

    def _pushed_page(self, stored: StoredProposal) -> str:
        """Return the page of what was pushed to the pull request, where that waits for the reader; else nothing."""
        source, pull_requests = stored.records[0].source, self.services.pull_requests
        if source is None or pull_requests is None or self.actor.user.name != stored.proposer:
            return ""
        number = source.pull_request
        return f"pull-requests/{number}" if pull_requests.waiting.has(number) else ""


class PullRequestPage(Page):
    """What was pushed to one's own pull request, and waits until one proposes it."""

    active: ClassVar[str] = "proposals"

    async def get(self, number: str) -> None:
        """GET pull-requests/NUMBER."""
        view = await self._pull_requests.waiting.shown(self.actor, int(number))
        await self.show(
            "pull_request.html",
            view=view,
            adopted=len(view.case.stored.records) > 1,
            address=web_address(view.pull_request.address),
            differences=await asyncio.to_thread(files_of, view.difference),
            one_time=self.one_time,
        )

    async def post(self, number: str) -> None:
        """POST pull-requests/NUMBER: propose exactly what the page showed."""
        self.require_person(f"pull-requests/{number}")
        head, words, pull_requests = self.field("head"), self.field("words"), self._pull_requests
        with self.deciding("propose-pushed", number, head, words):
            stored = await pull_requests.waiting.propose(self.actor, int(number), head, words)
        pull_requests.wake(int(number))
        self.go(f"proposals/{stored.id}")

    @property
    def _pull_requests(self) -> PullRequests:
        if self.services.pull_requests is None:
            why = "Proposals have no pull requests here."
            raise refused(404, "pull-request-unknown", "There is nothing to propose here.", why)
        return self.services.pull_requests


class DraftPage(Page):
    """What an assistant in one's own session has drafted, and waits until one proposes it."""

    active: ClassVar[str] = "proposals"

    async def get(self, draft: str) -> None:
        """GET drafts/ID."""
        view = await self.services.assistant_drafts.shown(self.actor, draft)
        differences = await asyncio.to_thread(files_of, view.difference)
        panel, one_time = panel_of(view.check), self.one_time if self.is_person else None
        await self.show("draft.html", view=view, panel=panel, differences=differences, one_time=one_time)


class DraftAction(ProposingPage):
    """A button on the page of a draft: a session may fill in what a person then proposes, and no more."""

    active: ClassVar[str] = "proposals"

    async def post(self, draft: str, action: str) -> None:
        """POST drafts/ID/ACTION, for exactly what the page showed."""
        self.require_person(f"drafts/{draft}")
        drafts, digest, automatic = self.services.assistant_drafts, self.field("digest"), self.field("automatic")
        with self.deciding(f"{action}-draft", draft, digest, automatic):
            if action == "discard":
                await drafts.discard(self.actor.user, draft)
                self.go("proposals")
                return
            done = await drafts.propose(self.actor, draft, digest, decides=automatic == "yes")
        if done.automatic and automatic == "yes":
            with contextlib.suppress(ServiceError):  # then it waits for its proposer to merge it
                await self.services.reviews.merge_if_automatic(self.actor, done.proposal)
        self.go(f"proposals/{done.proposal.id}")


class ProposalAction(ProposingPage):
    """An action on a proposal. Afterwards the browser goes to its page."""

    active: ClassVar[str] = "proposals"

    async def post(self, proposal: str, action: str) -> None:
        """POST proposals/ID/ACTION. A decision is about exactly what the page showed."""
        submissions, shown = self.services.submissions, (self.field("head"), self.field("digest"))
        match action:
            case "comment":
                await submissions.comment(self.actor, proposal, self.field("text"))
            case "revert":
                decides = self.may_decide(action, proposal, *shown)
                done = await submissions.revert(self.actor, proposal, self.field("reason"), decides=decides)
                await self.go_to_proposed(done, action, proposal, *shown)
                return
            case "try":
                with self.deciding(action, proposal, *shown):
                    await self.services.trials.start(self.actor, proposal, self._wish(), shown[0])
            case "end-trial":
                await self.services.trials.end(self.actor)
            case "update":
                await submissions.bring_up_to_date(self.actor, proposal)
            case _:
                with self.deciding(action, proposal, *shown):
                    await self._decide(proposal, action, *shown)
        self.go(f"proposals/{proposal}{'#trial' if action in ('try', 'end-trial') else ''}")

    def _wish(self) -> Wish:
        names = [name for name in self.request.body_arguments if name.startswith(_OPTION)]
        options = {name.removeprefix(_OPTION): self.field(name) for name in names}
        roles = self.get_body_arguments("data_role")
        return Wish(self.field("profile"), {name: choice for name, choice in options.items() if choice}, tuple(roles))

    async def _decide(self, proposal: str, action: str, head: str, digest: str) -> None:
        reviews = self.services.reviews
        match action:
            case "approve":
                await reviews.approve(self.actor, proposal, head, digest)
            case "merge":
                confirmed = self.field("confirm_removal") == "yes"
                await reviews.merge(self.actor, proposal, head, digest, confirm_removal=confirmed)
            case "redact":
                await reviews.redact(self.actor, proposal, self.field("record"), self.field("reason"))
            case "reject":
                await reviews.reject(self.actor, proposal, self.field("reason"))
            case _:
                await self.services.submissions.withdraw(self.actor, proposal)
