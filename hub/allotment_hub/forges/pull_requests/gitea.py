"""Pull requests of Gitea. Forgejo has the same API, and nobody has tried it."""

import datetime as dt
import sys
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel

from allotment_hub.forges.pull_requests.adapter import MAIN, OwnedComment, Protections, PullRequestAdapter, sentence
from allotment_hub.forges.pull_requests.client import ForgeClient, segment
from allotment_hub.forges.pull_requests.credentials import TokenFile
from allotment_hub.forges.pull_requests.errors import ForgeError
from allotment_hub.forges.pull_requests.markdown import title
from allotment_hub.forges.pull_requests.values import (
    Act,
    ActKind,
    ForgeAccount,
    MissingProtection,
    Permission,
    PullRequest,
    PullRequestState,
    Status,
    StatusState,
    Submission,
    was_edited,
)

_STATUSES = {"success": StatusState.SUCCESS, "pending": StatusState.PENDING}
_PERMISSIONS = {
    "owner": Permission.ADMIN, "admin": Permission.ADMIN, "write": Permission.WRITE, "read": Permission.READ,
}  # fmt: skip
_REVIEWS = {
    "APPROVED": ActKind.APPROVED, "REQUEST_CHANGES": ActKind.CHANGES_REQUESTED, "COMMENT": ActKind.COMMENTED,
}  # fmt: skip
_EVENTS = {"close": ActKind.CLOSED, "reopen": ActKind.REOPENED, "merge_pull": ActKind.MERGED}
_COLOR = "#6a737d"
_GHOST = 0
"""What is no account: of one that was deleted the id is negative."""


class _User(BaseModel):
    id: int
    login: str

    @property
    def value(self) -> ForgeAccount:
        return ForgeAccount(str(self.id), self.login)


def _account(user: _User | None) -> ForgeAccount | None:
    return user.value if user and user.id > _GHOST else None


class _Branch(BaseModel):
    ref: str
    sha: str
    repo_id: int


class _Label(BaseModel):
    id: int
    name: str


class _PullRequest(BaseModel):
    number: int
    html_url: str
    title: str
    body: str
    state: str
    user: _User | None = None
    labels: list[_Label] | None = None
    requested_reviewers: list[_User] | None = None
    head: _Branch
    base: _Branch
    merged: bool
    merge_commit_sha: str | None = None
    merged_at: AwareDatetime | None = None
    updated_at: AwareDatetime

    @property
    def is_foreign(self) -> bool:
        """Whether no branch of the repository has it: also one that was pushed to `refs/for/`, as readers may."""
        return self.head.repo_id != self.base.repo_id or self.head.ref.startswith("refs/")

    @property
    def value(self) -> PullRequest:
        closed = PullRequestState.MERGED if self.merged else PullRequestState.CLOSED
        return PullRequest(
            number=self.number, address=self.html_url, branch=self.head.ref,
            foreign=self.is_foreign, head=self.head.sha, base=self.base.ref, title=self.title,
            body=self.body, state=PullRequestState.OPEN if self.state == "open" else closed,
            author=_account(self.user), labels=frozenset(label.name for label in self.labels or ()),
            reviewers=frozenset(user.value for user in self.requested_reviewers or ()), updated=self.updated_at,
            merge_commit=(self.merge_commit_sha or "") if self.merged else "", merged_at=self.merged_at,
        )  # fmt: skip


class _Comment(BaseModel):
    id: int
    user: _User | None = None
    body: str
    updated_at: AwareDatetime | None = None


class _LineComment(_Comment):
    path: str
    position: int = 0
    original_position: int = 0
    commit_id: str


class _Review(BaseModel):
    id: int
    user: _User | None = None
    state: str
    body: str = ""
    commit_id: str = ""
    dismissed: bool = False
    comments_count: int = 0
    submitted_at: AwareDatetime
    updated_at: AwareDatetime | None = None


class _Event(BaseModel):
    id: int
    type: str
    user: _User | None = None
    body: str = ""
    review_id: int = 0
    created_at: AwareDatetime
    updated_at: AwareDatetime | None = None


class _Status(BaseModel):
    context: str
    status: str
    description: str = ""
    target_url: str = ""


class _Statuses(BaseModel):
    statuses: list[_Status] | None = None


class _Permission(BaseModel):
    permission: str
    user: _User


class _Users(BaseModel):
    data: list[_User] | None = None


class _Protection(BaseModel):
    rule_name: str
    enable_push: bool
    enable_push_whitelist: bool
    push_whitelist_usernames: list[str] | None = None
    push_whitelist_teams: list[str] | None = None
    enable_force_push: bool = False
    enable_status_check: bool
    status_check_contexts: list[str] | None = None


class GiteaForge(PullRequestAdapter):
    """A repository on Gitea."""

    def __init__(
        self, url: str, repository: str, *, token_file: Path, ca_file: Path | None = None, timeout: float = 20
    ) -> None:
        """Use `owner/name` at a server, with a token that may write the repository and issues, and read users."""
        super().__init__(
            ForgeClient(
                f"{url.rstrip('/')}/api/v1", TokenFile(token_file), headers={"Accept": "application/json"},
                page={"limit": "50"}, ca_file=ca_file, timeout=timeout,
            )
        )  # fmt: skip
        owner, name = map(segment, repository.split("/"))
        self._repository = f"repos/{owner}/{name}"
        self._settings = f"{url.rstrip('/')}/{owner}/{name}/settings/branches"

    # -- who

    async def me(self) -> ForgeAccount:
        """Return the account that the service has."""
        return (await self.client.get(_User, "user")).value

    async def account(self, account_id: str) -> ForgeAccount | None:
        """Return an account with its login of today."""
        if not account_id.isdecimal() or int(account_id) <= _GHOST:
            return None
        found = (await self.client.get(_Users, "users/search", {"uid": account_id})).data or []
        return next((user.value for user in found if user.value.id == account_id), None)

    async def permission(self, account: ForgeAccount) -> Permission:
        """Return what an account may do in the repository now."""
        path = f"{self._repository}/collaborators/{segment(account.login)}/permission"
        found = await self.client.find(_Permission, path)
        if found is None or found.user.value.id != account.id:
            return Permission.NONE  # somebody else may have the login now
        return _PERMISSIONS.get(found.permission, Permission.NONE)

    # -- pull requests

    async def get(self, number: int) -> PullRequest:
        """Return a pull request."""
        return (await self.client.get(_PullRequest, f"{self._repository}/pulls/{number}")).value

    async def is_as_opened(self, pull_request: PullRequest) -> bool:
        """Return whether nobody has pushed to a pull request since it was opened.

        The timeline has each push with its commits; the first of them is what it was opened with.
        """
        timeline = f"{self._repository}/issues/{pull_request.number}/timeline"
        events = await self.client.list(_Event, timeline, linked=False)
        pushes = [event.body for event in events if event.type == "pull_push"]
        return len(pushes) == 1 and f'"{pull_request.head}"' in pushes[0]

    async def find(self, branch: str) -> PullRequest | None:
        """Return the first open pull request from a branch, or else the newest."""
        found = await self.client.find(_PullRequest, f"{self._repository}/pulls/{MAIN}/{quote(branch)}")
        if found is None:
            return None
        # Gitea shows any of them: of a closed one there may be others, and of an open one, too.
        query = {"state": "open" if found.value.is_open else "all", "sort": "recentupdate", "base_branch": MAIN}
        listed = await self.client.list(_PullRequest, f"{self._repository}/pulls", query, whole=False)
        own = [each.value for each in listed if each.value.branch == branch and not each.value.foreign]
        own.sort(key=lambda each: -each.number)
        return min(
            (each for each in own if each.is_open), key=lambda each: each.number, default=own[0] if own else None
        )

    async def open_pull_requests(self) -> tuple[PullRequest, ...]:
        """List the open ones into main."""
        query = {"state": "open", "sort": "oldest", "base_branch": MAIN}
        found = await self.client.list(_PullRequest, f"{self._repository}/pulls", query, whole=False)
        # Older versions do not know the filter.
        return tuple({each.number: each.value for each in found if each.base.ref == MAIN}.values())

    async def _create(self, submission: Submission, body: str, token: str) -> PullRequest:
        what = {"title": title(submission.title), "head": submission.branch, "base": MAIN, "body": body}
        return (await self.client.send(_PullRequest, "POST", f"{self._repository}/pulls", what, token)).value

    async def _edit(self, number: int, title: str, body: str) -> None:
        await self.client.send(object, "PATCH", f"{self._repository}/pulls/{number}", {"title": title, "body": body})

    async def mark_merged(self, number: int, commit: str) -> bool:
        """Mark it as merged by hand. Return False where the repository's settings do not allow that."""
        path, body = f"{self._repository}/pulls/{number}/merge", {"Do": "manually-merged", "MergeCommitID": commit}
        try:
            await self.client.send(object, "POST", path, body)
        except ForgeError:
            return not (await self.get(number)).is_open
        return True

    async def _close(self, number: int) -> None:
        await self.client.send(object, "PATCH", f"{self._repository}/pulls/{number}", {"state": "closed"})

    # -- what is shown on it

    async def _comments(self, number: int) -> Sequence[OwnedComment]:
        # Gitea gives all comments at once, whatever page is asked for.
        found = await self.client.get(list[_Comment], f"{self._repository}/issues/{number}/comments")
        return [
            OwnedComment(each.id, str(each.user.id) if each.user else "", each.body, each.updated_at) for each in found
        ]

    async def _add_comment(self, number: int, body: str) -> None:
        await self.client.send(object, "POST", f"{self._repository}/issues/{number}/comments", {"body": body})

    async def _edit_comment(self, number: int, comment_id: int, body: str) -> None:
        await self.client.send(object, "PATCH", f"{self._repository}/issues/comments/{comment_id}", {"body": body})

    async def _change_labels(self, number: int, add: Sequence[str], remove: Sequence[str]) -> None:
        known = {each.name: each.id for each in await self.client.list(_Label, f"{self._repository}/labels")}
        for name in add:
            if name not in known:
                what = {"name": name, "color": _COLOR}
                known[name] = (await self.client.send(_Label, "POST", f"{self._repository}/labels", what)).id
        path = f"{self._repository}/issues/{number}/labels"
        if add:
            await self.client.send(object, "POST", path, {"labels": [known[name] for name in add]})
        for name in remove:
            if name in known:
                await self.client.delete(f"{path}/{known[name]}")

    async def _asked_before(self, pull_request: PullRequest) -> frozenset[str]:
        # Its reviewers are also those who have given a review, maybe of an older head.
        path = f"{self._repository}/pulls/{pull_request.number}/reviews"
        reviews = await self.client.list(_Review, path)
        return frozenset(str(each.user.id) for each in reviews if each.user and each.state == "REQUEST_REVIEW")

    async def _ask(self, pull_request: PullRequest, accounts: Sequence[ForgeAccount]) -> frozenset[str]:
        path = f"{self._repository}/pulls/{pull_request.number}/requested_reviewers"
        await self.client.send(object, "POST", path, {"reviewers": [account.login for account in accounts]})
        return frozenset(account.id for account in (await self.get(pull_request.number)).reviewers)

    async def _statuses(self, head: str) -> dict[str, tuple[StatusState, str, str]]:
        path = f"{self._repository}/commits/{segment(head)}/status"
        return {
            each.context: (_STATUSES.get(each.status, StatusState.FAILURE), each.description, each.target_url)
            for each in (await self.client.get(_Statuses, path, {"limit": "50"})).statuses or ()
        }

    async def _set_status(self, pull_request: PullRequest, status: Status) -> None:
        body = {
            "state": status.state.value, "context": status.context, "description": sentence(status),
            "target_url": status.address,
        }  # fmt: skip
        await self.client.send(object, "POST", f"{self._repository}/statuses/{segment(pull_request.head)}", body)

    # -- what people did

    async def _acts(self, pull_request: PullRequest, since: dt.datetime | None) -> Iterable[Act]:
        path = f"{self._repository}/pulls/{pull_request.number}"
        timeline = f"{self._repository}/issues/{pull_request.number}/timeline"
        # Its pages do not say whether another one follows, and leave out what they do not show.
        events = await self.client.list(_Event, timeline, linked=False)
        reviews = await self.client.list(_Review, f"{path}/reviews")
        acts = [*_events(events), *_reviews(reviews, events, pull_request)]
        sent = {event.review_id: event for event in events if event.type == "review"}
        for review in reviews:
            time = sent[review.id].created_at if review.id in sent else review.submitted_at
            if review.comments_count and review.state in _REVIEWS and (since is None or time >= since):
                lines = await self.client.get(list[_LineComment], f"{path}/reviews/{review.id}/comments")
                acts += ((line.id, _line(line, time)) for line in lines)
        # Times are whole seconds; the numbers of comments and events say what was first.
        return [act for _, act in sorted(acts, key=lambda pair: pair[0])]

    # -- settings

    async def missing_protections(
        self, statuses: Iterable[str], account: ForgeAccount | None = None, branch: str = MAIN
    ) -> tuple[MissingProtection, ...]:
        """List what does not protect a branch."""
        rules = await self.client.get(list[_Protection], f"{self._repository}/branch_protections")
        exact = [rule for rule in rules if rule.rule_name == branch]
        rule = next(iter(exact or [rule for rule in rules if _fits(branch, rule.rule_name)]), None)
        me = (account or await self.me()).login
        allowed = set(rule.push_whitelist_usernames or ()) | set(rule.push_whitelist_teams or ()) if rule else set()
        closed = rule is not None and (not rule.enable_push or (rule.enable_push_whitelist and allowed <= {me}))
        protections = Protections(self._settings, branch)
        protections.pushes(closed)
        protections.forced(rule is not None and not rule.enable_force_push)
        protections.deletion(rule is not None)
        required = rule.status_check_contexts or () if rule and rule.enable_status_check else ()
        protections.statuses(statuses, required)
        return protections.missing


def _fits(branch: str, pattern: str) -> bool:
    """Return whether a rule is of a branch: `*` stands for no slash, and `**` for all."""
    if "**" in pattern or branch.count("/") != pattern.count("/"):
        return "**" in pattern and fnmatchcase(branch, pattern)
    return all(map(fnmatchcase, branch.split("/"), pattern.split("/")))


def _events(events: Iterable[_Event]) -> Iterator[tuple[int, Act]]:
    for event in events:
        account = _account(event.user)
        if event.type == "comment":
            time, edited = event.created_at, was_edited(event.updated_at, event.created_at)
            yield event.id, Act(f"comment-{event.id}", ActKind.COMMENTED, account, time, "", event.body, edited=edited)
        elif event.type in _EVENTS:
            yield event.id, Act(f"event-{event.id}", _EVENTS[event.type], account, event.created_at)


def _reviews(
    reviews: Iterable[_Review], events: Iterable[_Event], pull_request: PullRequest
) -> Iterator[tuple[int, Act]]:
    """Yield reviews, which begin with the first remark at a line, at the time at which they were sent; dismissals."""
    sent = {event.review_id: event for event in events if event.type == "review"}
    dismissals = {event.review_id: event for event in events if event.type == "dismiss_review"}
    for review in reviews:
        kind, identifier, event = _REVIEWS.get(review.state), f"review-{review.id}", sent.get(review.id)
        if kind and (kind is not ActKind.COMMENTED or review.body):
            time = event.created_at if event else review.submitted_at
            # A review is updated when it is sent; a dismissal of it updates it as well.
            edited = was_edited(review.updated_at, time) or bool(event and was_edited(event.updated_at, time))
            act = Act(identifier, kind, _account(review.user), time, review.commit_id, review.body, edited=edited)
            yield event.id if event else 0, act
        if review.dismissed:
            by = dismissals.get(review.id)
            account, time = (_account(by.user), by.created_at) if by else (None, pull_request.updated)
            text = by.body if by else ""
            act = Act(f"{identifier}-dismissed", ActKind.DISMISSED, account, time, "", text, about=identifier)
            yield by.id if by else sys.maxsize, act


def _line(comment: _LineComment, time: dt.datetime) -> Act:
    text = f"{comment.path}:{comment.position or comment.original_position or 1}: {comment.body}"
    account = _account(comment.user)
    return Act(f"line-{comment.id}", ActKind.COMMENTED, account, time, comment.commit_id, text)
