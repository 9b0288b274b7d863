"""What a forge is told and what it answers: pull requests, the acts of people, statuses. Nothing here knows HTTP."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from allotment_hub.forges.pull_requests.markdown import Markdown


@dataclass(frozen=True, slots=True)
class ForgeAccount:
    """An account of the forge."""

    id: str
    """The identifier that outlives a renaming. Compare this one, never the login."""
    login: str
    """The name of the moment. Somebody else may have it tomorrow."""


class Permission(StrEnum):
    """What an account may do in the repository."""

    NONE = "none"
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class PullRequestState(StrEnum):
    """Where a pull request is."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


class MergeStyle(StrEnum):
    """How the forge put a pull request on main."""

    MERGE = "merge"
    SQUASH = "squash"
    REBASE = "rebase"


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request as the forge shows it now."""

    number: int
    """Its number in the repository: what people write as `#7` or `!7`."""
    address: str
    """Its page."""
    branch: str
    """The branch that it asks to merge."""
    foreign: bool
    """Whether that branch is in another repository (a fork), whatever it is called."""
    head: str
    """The commit that the branch is at, as far as the forge has noticed."""
    base: str
    """The branch that it would be merged into."""
    title: str
    body: str
    state: PullRequestState
    author: ForgeAccount | None
    """None: the account was deleted."""
    labels: frozenset[str]
    reviewers: frozenset[ForgeAccount]
    """Who is asked for a review. Some forges drop, others keep those who have given one."""
    updated: dt.datetime
    """When something last happened to it; no act is later. So one that has not moved needs no second look."""
    merge_commit: str = ""
    """The commit of main that it was merged with; of a rebase, the last one. Empty before."""
    merge_style: MergeStyle | None = None
    """None before the merge, and where the forge does not tell: then the commits do."""
    merged_at: dt.datetime | None = None
    """When it was merged, by the forge's clock; None before, and where the forge does not tell."""

    @property
    def is_open(self) -> bool:
        """Return whether it can still be merged."""
        return self.state is PullRequestState.OPEN


@dataclass(frozen=True, slots=True)
class Submission:
    """What a pull request is to be. The branch has been pushed already."""

    branch: str
    head: str
    """The commit that was pushed."""
    title: str
    """Plain text, as somebody wrote it: the adapter makes it harmless."""
    body: Markdown
    proposed_by: str
    """Who proposes, for pull requests that are opened in the service's name."""


class ActKind(StrEnum):
    """What somebody did on a pull request."""

    APPROVED = "approved"
    CHANGES_REQUESTED = "changes-requested"
    DISMISSED = "dismissed"
    COMMENTED = "commented"
    CLOSED = "closed"
    REOPENED = "reopened"
    MERGED = "merged"


@dataclass(frozen=True, slots=True)
class Act:
    """Something that somebody did on a pull request."""

    id: str
    """Stable, and unique within the pull request: the same act read twice has the same id."""
    kind: ActKind
    account: ForgeAccount | None
    """None: the account was deleted, or the forge does not say who."""
    time: dt.datetime
    head: str = ""
    """The commit that a review was given on. Empty where the forge does not tell: then it is of no commit."""
    text: str = ""
    """What they wrote. Hostile input, like everything that people write."""
    about: str = ""
    """The id of the review that was dismissed."""
    edited: bool = True
    """Whether the text may have been changed since it was written, by whomever: also where the forge does not tell."""


def was_edited(updated: dt.datetime | None, written: dt.datetime) -> bool:
    """Return whether a text may have been changed since it was written, by the times that a forge tells of it."""
    return updated is None or updated > written


class StatusState(StrEnum):
    """What a status says."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Annotation:
    """A problem at a line of a file."""

    path: str
    line: int
    """From 1."""
    message: str


@dataclass(frozen=True, slots=True)
class Status:
    """One line among the checks of a commit."""

    context: str
    """Its name, which a branch protection can require: `allotment/check`, `allotment/approval`."""
    state: StatusState
    sentence: str
    """Plain text. Forges show 140 characters at most."""
    address: str
    """The page that says more."""
    annotations: tuple[Annotation, ...] = ()
    """Shown at their lines where the forge can, and passed over elsewhere."""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Somebody whom the forge does not take as a reviewer."""

    account: ForgeAccount
    why: str


@dataclass(frozen=True, slots=True)
class AskedReviewers:
    """What became of asking for reviews."""

    asked: tuple[ForgeAccount, ...] = ()
    """Those who were asked now; nobody is asked twice."""
    passed_over: tuple[PassedOver, ...] = ()


@dataclass(frozen=True, slots=True)
class MissingProtection:
    """A protection of a branch that the forge does not have."""

    code: str
    sentence: str
    """What can happen without it."""
    address: str
    """The page with the setting."""
