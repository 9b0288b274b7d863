"""Writes to a pull request what its proposal is now, if it says anything else."""

import asyncio
import dataclasses
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from allotment_hub.forges.pull_requests.adapter import MAIN
from allotment_hub.forges.pull_requests.errors import ForgeMissingError, ForgeRefusedError
from allotment_hub.forges.pull_requests.forge import Forge
from allotment_hub.forges.pull_requests.markdown import Markdown, inline
from allotment_hub.forges.pull_requests.values import (
    ForgeAccount,
    PullRequest,
    PullRequestState,
    Status,
    StatusState,
    Submission,
)
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.forges.webhooks import ForgeKind
from allotment_hub.services.identities import Identities
from allotment_hub.services.judging.checking import Check
from allotment_hub.services.proposals.case import Case
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.stages import waiting
from allotment_hub.services.pull_requests.adopting import Adoption
from allotment_hub.services.pull_requests.shown import Shown
from allotment_hub.services.pull_requests.wording import (
    APPROVAL,
    CHECK,
    LABELS,
    PullRequestText,
    Shareable,
    push_link,
    text_of,
)
from allotment_profiles.access.people import User

log = logging.getLogger(__name__)

EVERYBODY = User("", frozenset())
"""Stands for everybody: in no group, and no administrator. What they may see may stand in a pull request."""
MAXIMUM_ASKED = 10
"""How many people are asked for a review of one proposal."""


@dataclass(frozen=True, slots=True)
class ForgePlace:
    """Which forge it is, and where the pages of the proposals are."""

    kind: ForgeKind
    host: str
    """As the accounts of the identity provider have it."""
    pages: str
    """What stands before the id in the address of a proposal's page."""
    repository: str = ""
    """Its name there."""


class Showing:
    """Keeps what pull requests say up to date."""

    def __init__(self, forge: Forge, proposals: Proposals, identities: Identities, place: ForgePlace) -> None:
        self._forge = forge
        self._proposals = proposals
        self._identities = identities
        self._provider = (place.kind, place.host)
        self._pages = place.pages

    async def text(
        self, stored: StoredProposal, strange: str = "", push_page: str = ""
    ) -> tuple[Case, PullRequestText]:
        """Judge a proposal, and return what everybody may see of it. The case has everything."""
        main = await self._proposals.main()
        judgement = await self._proposals.judgement(stored, main, EVERYBODY) if stored.open else None
        case = await self._proposals.case(stored, EVERYBODY, judgement)
        case = await self._proposals.told(case, EVERYBODY)
        check = await self._proposals.seen_check(case, EVERYBODY)
        listed = await self._proposals.listed(stored, EVERYBODY)
        whole = listed and case.check.made and _is_whole(check, case.check)
        shared = Shareable(case, check, listed, whole, waiting(case)[0], strange, push_page, _is_adopted(stored))
        return case, text_of(shared, self._pages + stored.id)

    async def open(self, stored: StoredProposal) -> PullRequest:
        """Open the pull request of a proposal, or return the one that it has.

        It is its proposer's, where the hub gives their own token of the forge.
        """
        _, text = await self.text(stored)
        token = await self._identities.user_token(stored.proposer, *self._provider)
        return await self._forge.open(_submission(stored, text), token)

    async def show(self, stored: StoredProposal, pull_request: PullRequest, was: Shown, adoption: Adoption) -> Shown:
        """Write what differs. Return what it shows then, and since when.

        `adoption` says why what was pushed to an adopted pull request is not proposed.
        """
        strange = stored.open and not stored.head == stored.branch == pull_request.head
        why_not = said_elsewhere(pull_request) if stored.open else ""
        if strange and not why_not:
            why_not = adoption.why_not or _pushed(stored)
        push_page = self._push_page(pull_request) if strange and adoption.waits else ""
        case, text = await self.text(stored, why_not, push_page)
        if (was.text, was.head) == (text.hash, pull_request.head):
            await self._forge.set_statuses(pull_request, text.statuses)  # others can set them, too
            return was
        if not _is_adopted(stored):  # what people wrote themselves stays as they wrote it
            await self._forge.update(pull_request, _submission(stored, text))
        await self._forge.keep_comment(pull_request.number, text.comment)
        commented = self._forge.clock
        await self._forge.set_labels(pull_request.number, text.labels, set(LABELS.values()))
        await self._forge.set_statuses(pull_request, text.statuses)
        if stored.open and text.digest:
            await self._ask(case, pull_request)
        same = (was.head, was.digest, was.whole) == (pull_request.head, text.digest, text.whole)
        return dataclasses.replace(
            was,
            number=pull_request.number,
            head=pull_request.head,
            digest=text.digest,
            since=was.since if same else self._forge.clock,
            whole=text.whole,
            text=text.hash,
            written=json.dumps([text.title, text.body, text.comment]),
            commented=commented,
        )

    async def is_as_written(self, stored: StoredProposal, pull_request: PullRequest, was: Shown) -> bool:
        """Return whether a pull request still says what was written to it last, and did all the time.

        Others can edit it, and put back what stood there. The forge tells that of comments.
        """
        title, body, comment = json.loads(was.written) if was.written else ("", "", "")
        written = Submission(pull_request.branch, stored.head, title, Markdown(body), stored.proposer)
        submission = None if _is_adopted(stored) else written
        if not was.written:
            return True
        return await self._forge.is_written(pull_request.number, submission, Markdown(comment), was.commented)

    async def say(self, pull_request: PullRequest, adoption: Adoption) -> None:
        """Write on a pull request that is no proposal why it is none."""
        why_not, page = adoption.why_not, self._pages.removesuffix("proposals/")
        parts = [f"**{inline(why_not)}**"]
        if adoption.waits:
            page = self._push_page(pull_request)
            parts.append(push_link(page))
        await self._forge.keep_comment(pull_request.number, Markdown("\n\n".join(parts)))
        statuses = (
            Status(CHECK, StatusState.FAILURE, why_not, page),
            Status(APPROVAL, StatusState.PENDING, "It is no proposal yet.", page),
        )
        await self._forge.set_statuses(pull_request, statuses)

    def _push_page(self, pull_request: PullRequest) -> str:
        """Return the address of the page on which the author proposes what was pushed."""
        return f"{self._pages.removesuffix('proposals/')}pull-requests/{pull_request.number}"

    async def _ask(self, case: Case, pull_request: PullRequest) -> None:
        """Ask those for a review whose approval is needed, as far as they have an account on the forge."""
        try:
            accounts = await self._accounts(case)
            if accounts:
                asked = await self._forge.ask_for_reviews(pull_request.number, accounts)
                for each in asked.passed_over:
                    log.info("%s is not asked for a review on the forge: %s", each.account.login, each.why)
        except (ForgeRefusedError, ForgeMissingError) as error:
            # Nobody needs to be asked to be allowed to decide.
            log.warning("nobody was asked to review the pull request %d: %s", pull_request.number, error)

    async def _accounts(self, case: Case) -> Sequence[ForgeAccount]:
        people = [
            user
            for user in (await self._proposals.approvers.everyone() if case.unmet else [])
            if any(case.can_meet(requirement, user) for requirement in case.unmet)
        ]
        found = await asyncio.gather(*(self._identities.known(user.name) for user in people[: 5 * MAXIMUM_ASKED]))
        accounts = (identity.account for identity in found if identity and identity.account)
        ours = [each for each in accounts if (each.provider, each.host) == self._provider]
        return [ForgeAccount(account.id, account.login) for account in ours[:MAXIMUM_ASKED]]


def _is_whole(seen: Check, check: Check) -> bool:
    """Return whether nothing is left out but values that stand in the files."""
    changes = [(change.kind, change.path, change.field, change.subject) for change in seen.changes]
    whole = changes == [(change.kind, change.path, change.field, change.subject) for change in check.changes]
    return whole and (seen.access, seen.starts) == (check.access, check.starts)


def said_elsewhere(pull_request: PullRequest) -> str:
    """Return why nothing is decided on a pull request that is not into main any more; empty for one that is."""
    if pull_request.base == MAIN:
        return ""
    if pull_request.state is PullRequestState.MERGED:
        return (
            f"It was merged into another branch than {MAIN}, so {MAIN} has nothing of it. It is decided in Allotment."
        )
    what = f"Somebody has set it to be merged into another branch than {MAIN}, and nothing is decided on it meanwhile."
    return f"{what} Set its base to {MAIN} again, or decide in Allotment."


def _pushed(stored: StoredProposal) -> str:
    what = "Somebody pushed to this branch outside the hub, and nothing is decided here."
    return f"{what} {stored.proposer} can propose again, which sets the branch."


def _submission(stored: StoredProposal, text: PullRequestText) -> Submission:
    return Submission(f"propose/{stored.id}", stored.head, text.title, text.body, stored.proposer)


def _is_adopted(stored: StoredProposal) -> bool:
    return stored.records[0].kind == "adopted"
