"""The API for changing: dry runs, proposals, and the decisions about them."""

import asyncio
import urllib.parse
from functools import partial
from typing import ClassVar

from allotment_hub.api.handler import ApiHandler, operation
from allotment_hub.api.requests import (
    CheckBody,
    CommentBody,
    DraftBody,
    HeadBody,
    MergeBody,
    ProposalBody,
    RedactionBody,
    RejectionBody,
    RevertBody,
)
from allotment_hub.api.responses import CheckAnswer, DraftAnswer, ProposalAnswer, ProposalLine, WaitingAnswer
from allotment_hub.api.serializers import answer_from, check_answer, proposal_answer, proposal_line, unjudged_answer
from allotment_hub.errors import ServiceError, UnavailableError
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.drafts.draft_store import AssistantDraft
from allotment_hub.services.drafts.requested import requested_files
from allotment_hub.services.judging.checking import Files
from allotment_hub.services.proposals.proposing import Proposed

MAXIMUM_LISTED = 500
"""How many proposals one answer lists."""
_FRESH_SECONDS = 2
"""How long a browser keeps the number in the bar."""


class _ProposalHandler(ApiHandler):
    async def requested_files(self, body: CheckBody) -> Files:
        """Return the files that a body asks to change."""
        return await asyncio.to_thread(requested_files, body.changes(), self.services.watcher.catalog)

    async def answer_proposal(self, stored: StoredProposal, status: int | None = None) -> None:
        """Answer with a proposal as the caller sees it."""
        view = await self.services.proposals.view(stored, self.actor)
        pull_requests = self.services.pull_requests
        pull_request = pull_requests.address(stored.id) if pull_requests else ""
        address = self.address(f"proposals/{stored.id}")
        await self.answer_made(lambda: proposal_answer(view, address, pull_request), status)

    @property
    def merges_at_once(self) -> bool:
        """Whether the request may merge what needs nobody's approval: it has more than a cookie."""
        return bool(self.hub_auth.get_token(self, in_cookie=False))

    async def answer_proposed(self, done: Proposed) -> None:
        """Answer with what was proposed, merged at once where it needs nobody's approval."""
        stored = done.proposal
        # A merge is a decision: with a cookie alone, the proposal waits for its proposer to merge it.
        if done.automatic and self.merges_at_once:
            stored = await self.services.reviews.merge_if_automatic(self.actor, stored)
        await self.answer_done(stored, 201 if done.created else 200)

    async def answer_done(self, stored: StoredProposal, status: int | None = None) -> None:
        """Answer that something was done with a proposal, also where it cannot be judged now.

        Whoever gets a refusal tries again, and does it twice.
        """
        try:
            await self.answer_proposal(stored, status)
        except (ServiceError, UnavailableError):
            self.answer(unjudged_answer(stored, self.address(f"proposals/{stored.id}")), status)


class WaitingHandler(ApiHandler):
    """The number in the bar."""

    @operation(WaitingAnswer)
    async def get(self) -> None:
        """Count what waits for the caller: proposals that they can bring forward, and holds that they may confirm."""
        found = await self.services.waiting.of(self.actor)
        # Every page of the hub asks for it, in all tabs of a browser.
        self.set_header("Cache-Control", f"private, max-age={_FRESH_SECONDS}")
        self.set_header("Vary", "Cookie, Authorization")
        self.answer(WaitingAnswer(count=found.count if found else None, checking=found.checking if found else 0))


class ChecksHandler(_ProposalHandler):
    """Dry runs."""

    @operation(CheckAnswer)
    async def post(self, body: CheckBody) -> None:
        """Check a change without proposing it."""
        check = await self.services.submissions.check(self.actor, await self.requested_files(body))
        await self.answer_made(lambda: check_answer(check))


class DraftsHandler(_ProposalHandler):
    """Drafts of assistants."""

    @operation(DraftAnswer, listed="drafts")
    async def get(self) -> None:
        """List the drafts that wait for the caller, the newest first."""
        await self.answer_list(self._told, await self.services.assistant_drafts.of(self.actor.user))

    @operation(DraftAnswer, status=201)
    async def post(self, body: DraftBody) -> None:
        """Draft a proposal for the user of a session. It is proposed when the user confirms it on its page."""
        files = await self.requested_files(body)
        self.answer(self._told(await self.services.assistant_drafts.add(self.actor, files, body.reason)))

    def _told(self, draft: AssistantDraft) -> DraftAnswer:
        return answer_from(DraftAnswer, draft, url=self.address(f"drafts/{draft.id}"), paths=list(draft.files))


class ProposalsHandler(_ProposalHandler):
    """All proposals."""

    @operation(
        ProposalLine,
        listed="proposals",
        query={
            "state": "Only proposals in this state: `open`, `merged`, `rejected`, `withdrawn`, `ended` or `all`.",
            "proposer": "Only proposals of this user.",
            "before": f"The next part of a long list: an answer has at most {MAXIMUM_LISTED}, and its `Link` leads on.",
        },
    )
    async def get(self) -> None:
        """List the proposals that the caller may see, those with the newest record first."""
        state, before = self.get_query_argument("state", "all"), self.get_query_argument("before", "0")
        proposer = self.get_query_argument("proposer", "")
        part = await self.services.proposals.readable(
            self.actor.user,
            state="" if state == "all" else state,
            proposer=proposer,
            before=int(before) if before.isdecimal() and len(before) < 16 else 0,
            limit=MAXIMUM_LISTED,
        )
        if part.before:
            query = urllib.parse.urlencode({"state": state, "proposer": proposer, "before": part.before})
            self.set_header("Link", f'<{self.address("api/v1/proposals")}?{query}>; rel="next"')
        await self.answer_list(
            lambda stored: proposal_line(stored, self.address(f"proposals/{stored.id}")), part.proposals
        )

    @operation(ProposalAnswer, status=201)
    async def post(self, body: ProposalBody) -> None:
        """Propose a change, or update an open proposal: 200 instead of 201."""
        files = await self.requested_files(body)
        propose = partial(
            self.services.submissions.propose, update=body.update, undoes=body.undoes, decides=self.merges_at_once
        )
        await self.answer_proposed(await propose(self.actor, files, body.reason, evidence=body.evidence))


class ProposalHandler(_ProposalHandler):
    """One proposal."""

    @operation(ProposalAnswer)
    async def get(self, proposal: str) -> None:
        """Return one proposal."""
        await self.answer_proposal(await self.services.proposals.visible(proposal, self.actor.user))


class CommentsHandler(_ProposalHandler):
    """The comments on a proposal."""

    @operation(ProposalAnswer, status=201)
    async def post(self, proposal: str, body: CommentBody) -> None:
        """Comment on a proposal."""
        await self.answer_done(await self.services.submissions.comment(self.actor, proposal, body.text))


class UpdateHandler(_ProposalHandler):
    """An update of a proposal to main as it is now."""

    @operation(ProposalAnswer)
    async def post(self, proposal: str) -> None:
        """Carry a proposal of one's own over to the files that main has changed since. Its approvals end."""
        await self.answer_done(await self.services.submissions.bring_up_to_date(self.actor, proposal))


class WithdrawalHandler(_ProposalHandler):
    """The withdrawal of a proposal."""

    decides: ClassVar[bool] = True

    @operation(ProposalAnswer)
    async def post(self, proposal: str) -> None:
        """Withdraw a proposal of one's own."""
        await self.answer_done(await self.services.submissions.withdraw(self.actor, proposal))


class ApprovalsHandler(_ProposalHandler):
    """The approvals of a proposal."""

    decides: ClassVar[bool] = True

    @operation(ProposalAnswer, status=201)
    async def post(self, proposal: str, body: HeadBody) -> None:
        """Approve a proposal at exactly one head."""
        await self.answer_done(await self.services.reviews.approve(self.actor, proposal, body.head, body.digest))


class RejectionHandler(_ProposalHandler):
    """The rejection of a proposal."""

    decides: ClassVar[bool] = True

    @operation(ProposalAnswer)
    async def post(self, proposal: str, body: RejectionBody) -> None:
        """Reject a proposal with a reason."""
        await self.answer_done(await self.services.reviews.reject(self.actor, proposal, body.reason))


class MergeHandler(_ProposalHandler):
    """The merge of a proposal."""

    decides: ClassVar[bool] = True

    @operation(ProposalAnswer)
    async def post(self, proposal: str, body: MergeBody) -> None:
        """Merge a proposal at exactly one head."""
        merge = self.services.reviews.merge
        confirmed = body.confirm_removal
        await self.answer_done(await merge(self.actor, proposal, body.head, body.digest, confirm_removal=confirmed))


class RevertHandler(_ProposalHandler):
    """A proposal that undoes a merged one."""

    @operation(ProposalAnswer, status=201)
    async def post(self, proposal: str, body: RevertBody) -> None:
        """Propose to undo a merged proposal; where that is proposed already, answer with the open proposal: 200."""
        revert = self.services.submissions.revert
        await self.answer_proposed(await revert(self.actor, proposal, body.reason, decides=self.merges_at_once))


class RedactionsHandler(_ProposalHandler):
    """The redaction of texts of a proposal."""

    decides: ClassVar[bool] = True

    @operation(ProposalAnswer, status=201)
    async def post(self, proposal: str, body: RedactionBody) -> None:
        """Redact a text: who redacted it, when and why stands in its place from now on. For administrators."""
        await self.answer_done(await self.services.reviews.redact(self.actor, proposal, body.record, body.reason))
