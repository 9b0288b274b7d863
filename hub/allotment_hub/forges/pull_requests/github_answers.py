"""What GitHub answers, as far as it is read, and what it means."""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping

from pydantic import AwareDatetime, BaseModel, Field

from allotment_hub.forges.pull_requests.adapter import sentence
from allotment_hub.forges.pull_requests.values import (
    Act,
    ActKind,
    ForgeAccount,
    Permission,
    PullRequest,
    PullRequestState,
    Status,
    StatusState,
    was_edited,
)

MOST_ANNOTATIONS = 50
"""As many as GitHub takes with one call."""

_REVIEWS = {
    "approved": ActKind.APPROVED, "changes_requested": ActKind.CHANGES_REQUESTED, "commented": ActKind.COMMENTED,
}  # fmt: skip
_EVENTS = {"closed": ActKind.CLOSED, "reopened": ActKind.REOPENED, "merged": ActKind.MERGED}


class UserAnswer(BaseModel):
    """A user, or an App's `slug[bot]`."""

    id: int
    login: str

    @property
    def value(self) -> ForgeAccount:
        """Return the account."""
        return ForgeAccount(str(self.id), self.login)


def account_of(user: UserAnswer | None) -> ForgeAccount | None:
    """Return the account; None where it was deleted."""
    return user.value if user else None


class RepositoryAnswer(BaseModel):
    """A repository, or a fork of it."""

    id: int


class BranchAnswer(BaseModel):
    """A branch of a pull request."""

    ref: str
    sha: str
    repo: RepositoryAnswer | None = None


class LabelAnswer(BaseModel):
    """A label."""

    name: str


class PullRequestAnswer(BaseModel):
    """A pull request, from a list or alone."""

    number: int
    html_url: str
    title: str
    body: str | None = None
    state: str
    user: UserAnswer | None = None
    labels: list[LabelAnswer] = []
    requested_reviewers: list[UserAnswer] | None = None
    head: BranchAnswer
    base: BranchAnswer
    merged_at: AwareDatetime | None = None
    merge_commit_sha: str | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime

    @property
    def value(self) -> PullRequest:
        """Return the pull request. GitHub does not tell how it was merged."""
        merged, own = self.merged_at is not None, self.head.repo is not None and self.head.repo == self.base.repo
        closed = PullRequestState.MERGED if merged else PullRequestState.CLOSED
        return PullRequest(
            number=self.number, address=self.html_url, branch=self.head.ref, foreign=not own, head=self.head.sha,
            base=self.base.ref, title=self.title, body=self.body or "",
            state=PullRequestState.OPEN if self.state == "open" else closed, author=account_of(self.user),
            labels=frozenset(label.name for label in self.labels),
            reviewers=frozenset(user.value for user in self.requested_reviewers or ()), updated=self.updated_at,
            # Of an open one it is a trial merge.
            merge_commit=(self.merge_commit_sha or "") if merged else "", merged_at=self.merged_at,
        )  # fmt: skip


class CommentAnswer(BaseModel):
    """A comment."""

    id: int
    user: UserAnswer | None = None
    body: str | None = None
    updated_at: AwareDatetime | None = None


class LineCommentAnswer(CommentAnswer):
    """A comment at a line of a file."""

    path: str
    line: int | None = None
    original_line: int | None = None
    original_commit_id: str = ""
    pull_request_review_id: int | None = None
    created_at: AwareDatetime

    def value(self, sent: Mapping[int, dt.datetime]) -> Act:
        """Return the act, at the time at which its review was sent: it may have been written long before."""
        time = sent.get(self.pull_request_review_id or 0, self.created_at)
        text = f"{self.path}:{self.line or self.original_line or 1}: {self.body or ''}"
        account = account_of(self.user)
        return Act(f"line-{self.id}", ActKind.COMMENTED, account, time, self.original_commit_id, text)


class DismissedAnswer(BaseModel):
    """Which review was dismissed, and why."""

    review_id: int
    state: str
    """What the review was before."""
    dismissal_message: str | None = None


class EventAnswer(BaseModel):
    """An event of the timeline. Each kind has some of the fields."""

    event: str = ""
    id: int = 0
    actor: UserAnswer | None = None
    user: UserAnswer | None = None
    body: str | None = None
    state: str | None = None
    commit_id: str | None = None
    submitted_at: AwareDatetime | None = None
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None
    dismissed_review: DismissedAnswer | None = None


def acts_of(events: Iterable[EventAnswer], pull_request: PullRequest) -> Iterator[Act]:
    """Yield the acts of a timeline."""
    events = list(events)
    dismissals = {event.dismissed_review.review_id: event for event in events if event.dismissed_review}
    merged = False
    for event in events:
        kind, account = _EVENTS.get(event.event), account_of(event.user or event.actor)
        if event.event == "reviewed" and event.submitted_at:
            yield from _review_acts(event, dismissals.get(event.id), pull_request)
        elif event.event == "commented" and event.created_at:
            time, edited = event.created_at, was_edited(event.updated_at, event.created_at)
            yield Act(f"comment-{event.id}", ActKind.COMMENTED, account, time, "", event.body or "", edited=edited)
        elif kind and event.created_at and not (merged and kind is ActKind.CLOSED):  # a merge closes as well
            merged |= kind is ActKind.MERGED
            yield Act(f"event-{event.id}", kind, account, event.created_at)


def _review_acts(review: EventAnswer, dismissal: EventAnswer | None, pull_request: PullRequest) -> Iterator[Act]:
    """Yield a review, and that it was dismissed: GitHub then shows in its place only that it was."""
    identifier, time, now = f"review-{review.id}", review.submitted_at or pull_request.updated, review.state or ""
    details = dismissal.dismissed_review if dismissal else None
    kind = _REVIEWS.get((details.state if details else now).lower())
    if kind and (kind is not ActKind.COMMENTED or review.body):
        edited, by = was_edited(review.updated_at, time), account_of(review.user)
        yield Act(identifier, kind, by, time, review.commit_id or "", review.body or "", edited=edited)
    if now.lower() == "dismissed":
        by = account_of(dismissal.actor) if dismissal else None
        when = (dismissal.created_at if dismissal else None) or pull_request.updated
        why = (details.dismissal_message if details else None) or ""
        yield Act(f"{identifier}-dismissed", ActKind.DISMISSED, by, when, "", why, about=identifier)


class StatusAnswer(BaseModel):
    """A commit status."""

    context: str
    state: str
    description: str | None = None
    target_url: str | None = None


class StatusesAnswer(BaseModel):
    """The newest commit status of each context."""

    statuses: list[StatusAnswer]


class CheckRunAnswer(BaseModel):
    """A check run: a status with annotations, which an App can make."""

    external_id: str | None = None


class CheckRunsAnswer(BaseModel):
    """The check runs of a commit."""

    check_runs: list[CheckRunAnswer]


def check_run(head: str, status: Status) -> dict[str, object]:
    """Return a check run. Its `external_id` says what is in it, so that it is made once."""
    shown = status.annotations[:MOST_ANNOTATIONS]
    more = len(status.annotations) - len(shown)
    level = "failure" if status.state is StatusState.FAILURE else "warning"
    output = {
        "title": sentence(status),
        "summary": sentence(status) + (f"\n\n{more} more problems are on the page." if more else ""),
        "annotations": [
            {
                "path": each.path, "start_line": each.line, "end_line": each.line, "annotation_level": level,
                "message": each.message[:1000],
            }
            for each in shown
        ],
    }  # fmt: skip
    run: dict[str, object] = {"name": status.context, "head_sha": head, "details_url": status.address, "output": output}
    if status.state is StatusState.PENDING:
        run["status"] = "in_progress"
    else:
        run |= {"status": "completed", "conclusion": status.state.value}
    run["external_id"] = hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()[:32]
    return run


class AppAnswer(BaseModel):
    """The App that the service is."""

    slug: str


class InstallationAnswer(BaseModel):
    """What the App may do in the repository."""

    permissions: dict[str, str] = {}

    @property
    def value(self) -> Permission:
        """Return what the service can do with it: to write, it needs all three."""
        needed = ("contents", "pull_requests", "checks")
        return Permission.WRITE if all(self.permissions.get(name) == "write" for name in needed) else Permission.READ


class PermissionAnswer(BaseModel):
    """What a user may do."""

    permission: str
    user: UserAnswer | None = None


class RuleAnswer(BaseModel):
    """A rule that a ruleset has for a branch."""

    type: str
    parameters: dict[str, object] | None = None

    @property
    def required(self) -> set[str]:
        """Return the statuses that it requires."""
        checks = (self.parameters or {}).get("required_status_checks")
        found = [check for check in checks if isinstance(check, dict)] if isinstance(checks, list) else []
        return {str(check.get("context")) for check in found}


class EnabledAnswer(BaseModel):
    """A setting that is on or off."""

    enabled: bool = False


class RequiredAnswer(BaseModel):
    """The statuses that a branch protection requires."""

    contexts: list[str] = []


class ProtectionAnswer(BaseModel):
    """The branch protection of before rulesets."""

    required_status_checks: RequiredAnswer = Field(default_factory=RequiredAnswer)
    enforce_admins: EnabledAnswer = Field(default_factory=EnabledAnswer)
    restrictions: dict[str, object] | None = None
    required_pull_request_reviews: dict[str, object] | None = None
    allow_force_pushes: EnabledAnswer = Field(default_factory=EnabledAnswer)
    allow_deletions: EnabledAnswer = Field(default_factory=EnabledAnswer)

    @property
    def closed_to_pushes(self) -> bool:
        """Return whether nobody may push past it, not even an administrator."""
        restricted = self.restrictions is not None or self.required_pull_request_reviews is not None
        return restricted and self.enforce_admins.enabled
