"""What the three adapters have in common: each call looks first, and does what is missing.

So the same call twice, one after a crash, or one whose answer was lost has the effect of one. An adapter adds how its
forge is asked.
"""

import datetime as dt
import logging
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from allotment_hub.forges.pull_requests.client import ForgeClient
from allotment_hub.forges.pull_requests.errors import (
    ForgeCredentialError,
    ForgeLimitedError,
    ForgeMissingError,
    ForgeRefusedError,
    ForgeUnavailableError,
)
from allotment_hub.forges.pull_requests.markdown import Markdown, inline, title
from allotment_hub.forges.pull_requests.values import (
    Act,
    ActKind,
    AskedReviewers,
    ForgeAccount,
    MissingProtection,
    PassedOver,
    PullRequest,
    Status,
    StatusState,
    Submission,
)

log = logging.getLogger(__name__)

MAIN = "main"
SENTENCE_LENGTH = 140
_SECOND = dt.timedelta(seconds=1)
"""What the clock of a forge leaves out, which is to the second."""
BODY_LENGTH = 60_000
_NOT_THEIRS = (
    "the forge opens no pull request with the token of %s (%s), so it is the service's: if the sign-in asks for another"
    " scope since, they have to revoke the hub's application on the forge and sign in anew"
)
_KEPT, _CLOSING = "<!-- allotment: kept up to date -->", "<!-- allotment: why it was closed -->"
_DOUBLE = "What stood here is kept up to date in another comment of the service."
"""What is left of a second comment: two services that look at the same moment both write one."""


@dataclass(frozen=True, slots=True)
class OwnedComment:
    """A comment, and whose it is."""

    id: int
    account_id: str
    body: str
    updated: dt.datetime | None
    """When it was last written, by whomever; None where the forge does not tell."""


class PullRequestAdapter(ABC):
    """The part of the protocol `Forge` that does not depend on the forge."""

    def __init__(self, client: ForgeClient) -> None:
        self.client = client

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    @property
    def clock(self) -> dt.datetime:
        """The forge's time of its last answer."""
        return self.client.clock

    # -- how the forge is asked

    @abstractmethod
    async def me(self) -> ForgeAccount:
        """Return the account that the service has."""

    @abstractmethod
    async def get(self, number: int) -> PullRequest:
        """Return a pull request."""

    @abstractmethod
    async def is_as_opened(self, pull_request: PullRequest) -> bool:
        """Return whether nobody has pushed to a pull request since it was opened."""

    @abstractmethod
    async def find(self, branch: str) -> PullRequest | None:
        """Return the first open pull request from a branch, or else the newest."""

    @abstractmethod
    async def _create(self, submission: Submission, body: str, token: str) -> PullRequest: ...

    @abstractmethod
    async def _edit(self, number: int, title: str, body: str) -> None: ...

    @abstractmethod
    async def _close(self, number: int) -> None: ...

    @abstractmethod
    async def _comments(self, number: int) -> Sequence[OwnedComment]: ...

    @abstractmethod
    async def _add_comment(self, number: int, body: str) -> None: ...

    @abstractmethod
    async def _edit_comment(self, number: int, comment_id: int, body: str) -> None: ...

    @abstractmethod
    async def _change_labels(self, number: int, add: Sequence[str], remove: Sequence[str]) -> None: ...

    @abstractmethod
    async def _ask(self, pull_request: PullRequest, accounts: Sequence[ForgeAccount]) -> frozenset[str]:
        """Ask for reviews. Return the ids of those who are asked now."""

    @abstractmethod
    async def _statuses(self, head: str) -> dict[str, tuple[StatusState, str, str]]: ...

    @abstractmethod
    async def _set_status(self, pull_request: PullRequest, status: Status) -> None: ...

    @abstractmethod
    async def _acts(self, pull_request: PullRequest, since: dt.datetime | None) -> Iterable[Act]: ...

    # -- pull requests

    async def open(self, submission: Submission, user_token: str = "") -> PullRequest:
        """Open a pull request, or return the one that is open from that branch, or was for that head."""
        if found := await self._present(submission):
            return found
        if user_token:
            try:
                return await self._created(submission, _body(submission, own=False), user_token)
            except (ForgeCredentialError, ForgeMissingError, ForgeLimitedError, ForgeRefusedError) as error:
                # The person may not do it on the forge: the service does it in its own name.
                log.warning(_NOT_THEIRS, submission.proposed_by, error.refusal.code)
        return await self._created(submission, _body(submission, own=True), "")

    async def _created(self, submission: Submission, body: str, token: str) -> PullRequest:
        try:
            created = await self._create(submission, body, token)
        except (ForgeRefusedError, ForgeUnavailableError):
            # Another call was faster, or only the answer was lost.
            if found := await self._present(submission):
                return found
            raise
        found = await self.find(submission.branch)
        if found is None or not found.is_open or found.number == created.number:
            return created
        # Gitea opens two for those who come at the same moment. All keep the first.
        await self.close(created.number, Markdown(f"This branch has a pull request already: {found.address}"))
        return found

    async def _present(self, submission: Submission) -> PullRequest | None:
        found = await self.find(submission.branch)
        return found if found and (found.is_open or found.head == submission.head) else None

    async def update(self, pull_request: PullRequest, submission: Submission) -> None:
        """Set title and body, if they differ."""
        if not await self._has(pull_request, submission):
            await self._edit(pull_request.number, *await self._texts(pull_request, submission))

    async def mark_merged(self, number: int, commit: str) -> bool:
        """Return False: the forge sees by itself that the head is on main, and cannot be told."""
        return False

    async def close(self, number: int, comment: Markdown) -> None:
        """Close a pull request, with a comment that says why."""
        if (await self.get(number)).is_open:
            await self._keep(number, _CLOSING, comment)
            await self._close(number)

    # -- what is shown on it

    async def keep_comment(self, number: int, text: Markdown) -> None:
        """Keep one comment of the service's up to date."""
        await self._keep(number, _KEPT, text)

    async def is_written(
        self, number: int, submission: Submission | None, comment: Markdown, at: dt.datetime | None = None
    ) -> bool:
        """Return whether title, body and comment are as they were written, and the comment was not edited since."""
        if submission and not await self._has(await self.get(number), submission):
            return False
        me, written = await self.me(), _normal(f"{_KEPT}\n{comment}"[:BODY_LENGTH])
        own = [each for each in await self._comments(number) if each.account_id == me.id]
        marked = _marked(own, _KEPT)
        if at and any(each.updated and each.updated >= at + _SECOND for each in marked):
            return False  # whoever looked at it meanwhile may have read something else
        return [_normal(each.body) for each in marked] == [written, *[f"{_KEPT}\n{_DOUBLE}"] * (len(marked) - 1)]

    async def _has(self, pull_request: PullRequest, submission: Submission) -> bool:
        line, body = await self._texts(pull_request, submission)
        return (pull_request.title, _normal(pull_request.body)) == (line, _normal(body))

    async def _texts(self, pull_request: PullRequest, submission: Submission) -> tuple[str, str]:
        """Return title and body as they are written."""
        own = pull_request.author is not None and pull_request.author.id == (await self.me()).id
        return title(submission.title), _body(submission, own=own)

    async def _keep(self, number: int, mark: str, text: Markdown) -> None:
        body, me = f"{mark}\n{text}"[:BODY_LENGTH], await self.me()
        own = [comment for comment in await self._comments(number) if comment.account_id == me.id]
        # The service writes none without a mark: one that has none was edited by somebody else.
        edited = [comment for comment in own if not comment.body.startswith((_KEPT, _CLOSING))]
        marked = _marked(own, mark)
        kept = next(iter([*marked, *edited]), None)
        if kept is None:
            await self._add_comment(number, body)
        elif _normal(kept.body) != _normal(body):
            await self._edit_comment(number, kept.id, body)
        for double in marked[1:]:
            if _normal(double.body) != f"{mark}\n{_DOUBLE}":
                await self._edit_comment(number, double.id, f"{mark}\n{_DOUBLE}")

    async def set_labels(self, number: int, labels: Iterable[str], among: Iterable[str]) -> None:
        """Set those of the labels `among` that apply."""
        wanted = set(labels)
        present = (await self.get(number)).labels & ({*among} | wanted)
        if wanted != present:
            await self._change_labels(number, sorted(wanted - present), sorted(present - wanted))

    async def ask_for_reviews(self, number: int, accounts: Iterable[ForgeAccount]) -> AskedReviewers:
        """Ask those who have not been asked, and have not reviewed the head yet."""
        pull_request = await self.get(number)
        asked_before = await self._asked_before(pull_request)
        wanted = {account.id: account for account in accounts if account.id not in asked_before}
        if not pull_request.is_open or not wanted:
            return AskedReviewers()
        author = wanted.pop(pull_request.author.id, None) if pull_request.author else None
        for act in await self.acts(pull_request):
            if (
                act.account
                and act.head == pull_request.head
                and act.kind in (ActKind.APPROVED, ActKind.CHANGES_REQUESTED)
            ):
                wanted.pop(act.account.id, None)
        asked, passed_over = await self._asked(pull_request, tuple(wanted.values()))
        if author:
            passed_over.append(PassedOver(author, "It is their own pull request."))
        return AskedReviewers(tuple(asked), tuple(passed_over))

    async def _asked_before(self, pull_request: PullRequest) -> frozenset[str]:
        """Return the ids of those who need not be asked, or cannot be asked again."""
        return frozenset(account.id for account in pull_request.reviewers)

    async def _asked(
        self, pull_request: PullRequest, accounts: Sequence[ForgeAccount]
    ) -> tuple[list[ForgeAccount], list[PassedOver]]:
        """Ask all at once; one by one where the forge refuses all of them because of one."""
        if not accounts:
            return [], []
        try:
            taken = await self._ask(pull_request, accounts)
        except (ForgeRefusedError, ForgeMissingError) as error:
            if len(accounts) == 1:
                why = error.message if isinstance(error, ForgeRefusedError) else "The forge has no such account."
                return [], [PassedOver(accounts[0], why)]
            answers = [await self._asked(pull_request, (account,)) for account in accounts]
            return [one for asked, _ in answers for one in asked], [one for _, over in answers for one in over]
        why = "The forge does not take this account as a reviewer."
        return (
            [account for account in accounts if account.id in taken],
            [PassedOver(account, why) for account in accounts if account.id not in taken],
        )

    async def set_statuses(self, pull_request: PullRequest, statuses: Iterable[Status]) -> None:
        """Set the statuses of its head, if they differ."""
        present = await self._statuses(pull_request.head)
        for status in statuses:
            if present.get(status.context) != (status.state, sentence(status), status.address):
                await self._set_status(pull_request, status)

    # -- what people did

    async def acts(self, pull_request: PullRequest, since: dt.datetime | None = None) -> tuple[Act, ...]:
        """List what people did since a time, oldest first."""
        acts = await self._acts(pull_request, since)
        return tuple(sorted((act for act in acts if since is None or act.time >= since), key=lambda act: act.time))


class Protections:
    """Collects what is missing of a branch. `address` is the page with the settings."""

    def __init__(self, address: str, branch: str = MAIN) -> None:
        self._address, self._branch = address, branch
        self._missing: list[MissingProtection] = []

    @property
    def missing(self) -> tuple[MissingProtection, ...]:
        """Return what is missing."""
        return tuple(self._missing)

    def pushes(self, protected: bool) -> None:
        """Note whether it is closed to pushes of people."""
        then = " past every review" if self._branch == MAIN else ", and then nothing is decided"
        self._note("main-open", f"People who may write can push to {self._branch}{then}.", protected)

    def forced(self, protected: bool) -> None:
        """Note whether it cannot be rewound."""
        self._note("main-forced", f"A forced push can take commits away from {self._branch}.", protected)

    def deletion(self, protected: bool) -> None:
        """Note whether it cannot be deleted."""
        self._note("main-deletion", f"The branch {self._branch} can be deleted.", protected)

    def statuses(self, wanted: Iterable[str], required: Collection[str]) -> None:
        """Note which statuses a merge does not wait for."""
        for status in wanted:
            sentence = f"The forge's own button merges without waiting for {status}."
            self._note("status-optional", sentence, status in required)

    def _note(self, code: str, sentence: str, protected: bool) -> None:
        if not protected:
            code = code if self._branch == MAIN else code.replace("main", "records")
            self._missing.append(MissingProtection(code, sentence, self._address))


def sentence(status: Status) -> str:
    """Return the sentence of a status as forges show it: one short line."""
    line = " ".join(status.sentence.split())
    return line if len(line) <= SENTENCE_LENGTH else line[: SENTENCE_LENGTH - 1] + "…"


def _body(submission: Submission, *, own: bool) -> str:
    """Return the text of a pull request; one in the service's name says who proposes."""
    signed = f"\n\nProposed-by: {inline(submission.proposed_by, 100)}" if own else ""
    return submission.body[: BODY_LENGTH - len(signed)] + signed


def _marked(comments: Iterable[OwnedComment], mark: str) -> list[OwnedComment]:
    """Return those with a mark, the first one first: whoever looks takes the same one for the one that is kept."""
    return sorted((each for each in comments if each.body.startswith(mark)), key=lambda each: each.id)


def _normal(text: str) -> str:
    """Return a text without what forges change in it."""
    return text.replace("\r\n", "\n").strip()
