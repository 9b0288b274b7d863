"""What the service needs of a forge with pull requests: the protocol that every adapter fulfils."""

import datetime as dt
from collections.abc import Iterable
from typing import Protocol

from allotment_hub.forges.pull_requests.markdown import Markdown
from allotment_hub.forges.pull_requests.values import (
    Act,
    AskedReviewers,
    ForgeAccount,
    MissingProtection,
    Permission,
    PullRequest,
    Status,
    Submission,
)


class Forge(Protocol):
    """A forge with pull requests. Every call can be made again: what is there already is left as it is.

    Calls raise `ForgeError` (see `errors.py`). After one that failed nobody knows whether it happened: make it again.
    """

    # -- who

    @property
    def clock(self) -> dt.datetime:
        """The forge's time of its last answer, to the second. An act with a later time was done after that."""

    async def me(self) -> ForgeAccount:
        """Return the account that the service has."""

    async def account(self, account_id: str) -> ForgeAccount | None:
        """Return an account with its login of today; None if it is gone."""

    async def permission(self, account: ForgeAccount) -> Permission:
        """Return what an account may do in the repository now."""

    # -- pull requests

    async def get(self, number: int) -> PullRequest:
        """Return a pull request. Raise ForgeMissingError where there is none."""

    async def is_as_opened(self, pull_request: PullRequest) -> bool:
        """Return whether nobody has pushed to a pull request since it was opened. False where that is not known."""

    async def find(self, branch: str) -> PullRequest | None:
        """Return the pull request from a branch of this repository into main: the first open, or else the newest."""

    async def open_pull_requests(self) -> tuple[PullRequest, ...]:
        """List the open ones into main, oldest first, whoever opened them.

        One that is closed while the pages are read can hide another: ask for it by number before it counts as closed.
        """

    async def open(self, submission: Submission, user_token: str = "") -> PullRequest:
        """Open a pull request, or return the one that is open from that branch, or was for that head.

        With a token of the person it is opened in their name; where the forge does not take it, in the service's.
        """

    async def update(self, pull_request: PullRequest, submission: Submission) -> None:
        """Set title and body, if they differ."""

    async def mark_merged(self, number: int, commit: str) -> bool:
        """Mark an open one as merged with a commit of main, where the forge can be told. Return whether it is so."""

    async def close(self, number: int, comment: Markdown) -> None:
        """Close a pull request, with a comment that says why."""

    # -- what is shown on it

    async def keep_comment(self, number: int, text: Markdown) -> None:
        """Keep one comment of the service's up to date. It is recognised by a hidden mark and by its account."""

    async def is_written(
        self, number: int, submission: Submission | None, comment: Markdown, at: dt.datetime | None = None
    ) -> bool:
        """Return whether title, body and comment are as they were written, and the comment was not edited since.

        `at` is the forge's time after the service wrote it last: what was edited and put back is not as written.
        Without a submission, title and body are somebody else's, and may be anything.
        """

    async def set_labels(self, number: int, labels: Iterable[str], among: Iterable[str]) -> None:
        """Set those of the labels `among` that apply. Other labels belong to other people and stay."""

    async def ask_for_reviews(self, number: int, accounts: Iterable[ForgeAccount]) -> AskedReviewers:
        """Ask those who have not been asked, and have not reviewed the head yet."""

    async def set_statuses(self, pull_request: PullRequest, statuses: Iterable[Status]) -> None:
        """Set the statuses of its head, if they differ."""

    # -- what people did

    async def acts(self, pull_request: PullRequest, since: dt.datetime | None = None) -> tuple[Act, ...]:
        """List what people did since a time, oldest first; an act of exactly that time again: its id tells.

        The service's own acts are among them.
        """

    # -- settings

    async def missing_protections(
        self, statuses: Iterable[str], account: ForgeAccount | None = None, branch: str = "main"
    ) -> tuple[MissingProtection, ...]:
        """List what does not protect a branch: against pushes, forced pushes, deletion, merges without these statuses.

        The service itself may push. `account` is its own, where somebody else's credential looks.
        """

    async def aclose(self) -> None:
        """Close the connections."""
