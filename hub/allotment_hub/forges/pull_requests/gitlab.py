"""Merge requests of GitLab: of gitlab.com, and of a server of one's own, with or without a licence.

GitLab does not say which commit an approval was given on. It says when, and since when it showed which commit: the
commit of an approval is the one that was shown then. Whoever has pushed a moment before is not approved by it.
"""

import bisect
import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import AwareDatetime, BaseModel

from allotment_hub.forges.pull_requests.adapter import MAIN, OwnedComment, Protections, PullRequestAdapter, sentence
from allotment_hub.forges.pull_requests.client import ForgeClient, segment
from allotment_hub.forges.pull_requests.credentials import TokenFile
from allotment_hub.forges.pull_requests.errors import ForgeRefusedError
from allotment_hub.forges.pull_requests.markdown import title
from allotment_hub.forges.pull_requests.values import (
    Act,
    ActKind,
    ForgeAccount,
    MergeStyle,
    MissingProtection,
    Permission,
    PullRequest,
    PullRequestState,
    Status,
    StatusState,
    Submission,
    was_edited,
)

_STATES = {"opened": PullRequestState.OPEN, "locked": PullRequestState.OPEN, "merged": PullRequestState.MERGED}
_STATUSES = {"success": StatusState.SUCCESS, "pending": StatusState.PENDING, "running": StatusState.PENDING}
_EVENTS = {"closed": ActKind.CLOSED, "reopened": ActKind.REOPENED, "merged": ActKind.MERGED}
_MAINTAINER, _DEVELOPER = 40, 30
_NO_ONE = 0


class _User(BaseModel):
    id: int
    username: str

    @property
    def value(self) -> ForgeAccount:
        return ForgeAccount(str(self.id), self.username)


class _MergeRequest(BaseModel):
    iid: int
    web_url: str
    source_branch: str
    source_project_id: int | None = None
    target_branch: str
    target_project_id: int
    sha: str | None = None
    title: str
    description: str | None = None
    state: str
    author: _User | None = None
    labels: list[str] = []
    reviewers: list[_User] = []
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    merged_at: AwareDatetime | None = None
    updated_at: AwareDatetime

    @property
    def value(self) -> PullRequest:
        state = _STATES.get(self.state, PullRequestState.CLOSED)
        merged = state is PullRequestState.MERGED
        style = MergeStyle.MERGE if self.merge_commit_sha else MergeStyle.REBASE
        style = MergeStyle.SQUASH if self.squash_commit_sha else style
        commit = self.merge_commit_sha or self.squash_commit_sha or self.sha or ""
        return PullRequest(
            number=self.iid, address=self.web_url, branch=self.source_branch,
            foreign=self.source_project_id != self.target_project_id, head=self.sha or "", base=self.target_branch,
            title=self.title, body=self.description or "", state=state,
            author=self.author.value if self.author else None, labels=frozenset(self.labels),
            reviewers=frozenset(user.value for user in self.reviewers), updated=self.updated_at,
            merge_commit=commit if merged else "", merge_style=style if merged else None, merged_at=self.merged_at,
        )  # fmt: skip


class _Position(BaseModel):
    head_sha: str | None = None
    new_path: str | None = None
    new_line: int | None = None
    old_line: int | None = None


class _Note(BaseModel):
    id: int
    body: str
    author: _User | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime | None = None
    system: bool = False
    internal: bool = False
    confidential: bool = False
    position: _Position | None = None

    @property
    def comment(self) -> Act:
        """Return the act of a note that somebody wrote."""
        at, account = self.position or _Position(), self.author.value if self.author else None
        place = f"{at.new_path}:{at.new_line or at.old_line or 1}: " if at.new_path else ""
        return Act(
            f"note-{self.id}", ActKind.COMMENTED, account, self.created_at, at.head_sha or "", f"{place}{self.body}",
            edited=was_edited(self.updated_at, self.created_at),
        )  # fmt: skip


class _StateEvent(BaseModel):
    id: int
    user: _User | None = None
    created_at: AwareDatetime
    state: str


class _Version(BaseModel):
    head_commit_sha: str
    created_at: AwareDatetime


class _Approval(BaseModel):
    user: _User
    approved_at: AwareDatetime | None = None


class _Approvals(BaseModel):
    approved_by: list[_Approval] = []


class _Reviewer(BaseModel):
    user: _User
    state: str


class _Status(BaseModel):
    name: str
    status: str
    description: str | None = None
    target_url: str | None = None


class _Member(BaseModel):
    access_level: int
    state: str = "active"


class _AccessLevel(BaseModel):
    access_level: int | None = None
    user_id: int | None = None
    group_id: int | None = None
    deploy_key_id: int | None = None

    @property
    def for_people(self) -> bool:
        """Return whether it lets more than one named account through."""
        return self.group_id is not None or (
            self.user_id is None and self.deploy_key_id is None and self.access_level != _NO_ONE
        )


class _ProtectedBranch(BaseModel):
    name: str
    push_access_levels: list[_AccessLevel] = []
    allow_force_push: bool = False


class _Project(BaseModel):
    web_url: str
    only_allow_merge_if_pipeline_succeeds: bool = False


class GitLabForge(PullRequestAdapter):
    """A project on GitLab."""

    def __init__(
        self, url: str, repository: str, *, token_file: Path, ca_file: Path | None = None, timeout: float = 20
    ) -> None:
        """Use `group/…/project` at `https://gitlab.com` or another server, with a token of the scope `api`."""
        super().__init__(
            ForgeClient(
                f"{url.rstrip('/')}/api/v4", TokenFile(token_file), headers={"Accept": "application/json"},
                page={"per_page": "100"}, ca_file=ca_file, timeout=timeout,
            )
        )  # fmt: skip
        self._project = f"projects/{segment(repository)}"
        self._requests = f"{self._project}/merge_requests"

    # -- who

    async def me(self) -> ForgeAccount:
        """Return the account that the service has."""
        return (await self.client.get(_User, "user")).value

    async def account(self, account_id: str) -> ForgeAccount | None:
        """Return an account with its login of today."""
        found = await self.client.find(_User, f"users/{segment(account_id)}")
        return found.value if found else None

    async def permission(self, account: ForgeAccount) -> Permission:
        """Return what an account may do in the project now, also by its groups."""
        member = await self.client.find(_Member, f"{self._project}/members/all/{segment(account.id)}")
        if member is None or member.state != "active":
            return Permission.NONE
        if member.access_level >= _MAINTAINER:
            return Permission.ADMIN
        return Permission.WRITE if member.access_level >= _DEVELOPER else Permission.READ

    # -- pull requests

    async def get(self, number: int) -> PullRequest:
        """Return a merge request."""
        return (await self.client.get(_MergeRequest, f"{self._requests}/{number}")).value

    async def is_as_opened(self, pull_request: PullRequest) -> bool:
        """Return whether nobody has pushed to a pull request since it was opened: each push is a version."""
        versions = await self.client.list(_Version, f"{self._requests}/{pull_request.number}/versions")
        return [version.head_commit_sha for version in versions] == [pull_request.head]

    async def find(self, branch: str) -> PullRequest | None:
        """Return the first open merge request from a branch, or else the newest."""
        query = {"source_branch": branch, "state": "all", "sort": "desc"}
        own = [each for each in await self._listed(query) if not each.foreign and each.branch == branch]
        return next((each for each in reversed(own) if each.is_open), own[0] if own else None)

    async def open_pull_requests(self) -> tuple[PullRequest, ...]:
        """List the open ones into main."""
        return tuple(
            {each.number: each for each in await self._listed({"state": "opened", "sort": "asc"}, whole=False)}.values()
        )

    async def _listed(self, query: dict[str, str], *, whole: bool = True) -> list[PullRequest]:
        query = {"target_branch": MAIN, "scope": "all", "order_by": "created_at", **query}
        return [each.value for each in await self.client.list(_MergeRequest, self._requests, query, whole=whole)]

    async def _create(self, submission: Submission, body: str, token: str) -> PullRequest:
        what = {"source_branch": submission.branch, "target_branch": MAIN, "title": title(submission.title)}
        return (
            await self.client.send(_MergeRequest, "POST", self._requests, what | {"description": body}, token)
        ).value

    async def _change(self, number: int, change: dict[str, object]) -> PullRequest:
        return (await self.client.send(_MergeRequest, "PUT", f"{self._requests}/{number}", change)).value

    async def _edit(self, number: int, title: str, body: str) -> None:
        await self._change(number, {"title": title, "description": body})

    async def _close(self, number: int) -> None:
        await self._change(number, {"state_event": "close"})

    # -- what is shown on it

    async def _comments(self, number: int) -> Sequence[OwnedComment]:
        return [
            OwnedComment(note.id, str(note.author.id) if note.author else "", note.body, note.updated_at)
            for note in await self._notes(number)
            if not note.system
        ]

    async def _notes(self, number: int) -> list[_Note]:
        query = {"sort": "asc", "order_by": "created_at"}
        return await self.client.list(_Note, f"{self._requests}/{number}/notes", query)

    async def _add_comment(self, number: int, body: str) -> None:
        await self.client.send(object, "POST", f"{self._requests}/{number}/notes", {"body": body})

    async def _edit_comment(self, number: int, comment_id: int, body: str) -> None:
        await self.client.send(object, "PUT", f"{self._requests}/{number}/notes/{comment_id}", {"body": body})

    async def _change_labels(self, number: int, add: Sequence[str], remove: Sequence[str]) -> None:
        await self._change(number, {"add_labels": ",".join(add), "remove_labels": ",".join(remove)})

    async def _ask(self, pull_request: PullRequest, accounts: Sequence[ForgeAccount]) -> frozenset[str]:
        everybody = {account.id for account in pull_request.reviewers} | {account.id for account in accounts}
        answer = await self._change(pull_request.number, {"reviewer_ids": sorted(map(int, everybody))})
        return frozenset(account.id for account in answer.reviewers)

    async def _statuses(self, head: str) -> dict[str, tuple[StatusState, str, str]]:
        path = f"{self._project}/repository/commits/{segment(head)}/statuses"
        return {
            each.name: (
                _STATUSES.get(each.status, StatusState.FAILURE), each.description or "", each.target_url or "",
            )
            for each in await self.client.list(_Status, path)
        }  # fmt: skip

    async def _set_status(self, pull_request: PullRequest, status: Status) -> None:
        state = "failed" if status.state is StatusState.FAILURE else status.state.value
        body = {
            "state": state, "name": status.context, "description": sentence(status), "target_url": status.address,
        } | ({} if pull_request.foreign else {"ref": pull_request.branch})  # fmt: skip
        try:
            await self.client.send(object, "POST", f"{self._project}/statuses/{segment(pull_request.head)}", body)
        except ForgeRefusedError as error:
            # GitLab does not change the sentence of a status that stays pending. The next state brings its own.
            if status.state is not StatusState.PENDING or "cannot transition" not in error.message.lower():
                raise

    # -- what people did

    async def _acts(self, pull_request: PullRequest, since: dt.datetime | None) -> Iterable[Act]:
        path = f"{self._requests}/{pull_request.number}"
        versions = await self.client.list(_Version, f"{path}/versions")
        # In this order: an approval that is in a note and not in force any more was taken back.
        notes = await self._notes(pull_request.number)
        approvals = (await self.client.get(_Approvals, f"{path}/approvals")).approved_by
        reviewers = await self.client.list(_Reviewer, f"{path}/reviewers")
        events = await self.client.list(_StateEvent, f"{path}/resource_state_events")
        states = (
            Act(f"event-{event.id}", _EVENTS[event.state], event.user.value if event.user else None, event.created_at)
            for event in events
            if event.state in _EVENTS
        )
        return [*_Reviews(pull_request, versions).acts(notes, approvals, reviewers), *states]

    # -- settings

    async def missing_protections(
        self, statuses: Iterable[str], account: ForgeAccount | None = None, branch: str = MAIN
    ) -> tuple[MissingProtection, ...]:
        """List what does not protect a branch. GitLab requires all statuses or none."""
        project = await self.client.get(_Project, self._project)
        branches = await self.client.list(_ProtectedBranch, f"{self._project}/protected_branches")
        rules = [rule for rule in branches if fnmatchcase(branch, rule.name)]
        protections = Protections(f"{project.web_url}/-/settings/repository#js-protected-branches-settings", branch)
        levels = [level for rule in rules for level in rule.push_access_levels]
        protections.pushes(bool(rules) and not any(level.for_people for level in levels))
        protections.forced(bool(rules) and not any(rule.allow_force_push for rule in rules))
        protections.deletion(bool(rules))
        merging = Protections(f"{project.web_url}/-/settings/merge_requests")
        wanted = tuple(statuses)
        merging.statuses(wanted, wanted if project.only_allow_merge_if_pipeline_succeeds else ())
        return protections.missing + merging.missing


class _Reviews:
    """Reads reviews from what GitLab keeps of them: notes of its own for the past, lists for what is in force."""

    def __init__(self, pull_request: PullRequest, versions: Sequence[_Version]) -> None:
        self._pull_request = pull_request
        ordered = sorted(versions, key=lambda version: version.created_at)
        self._times = [version.created_at for version in ordered]
        self._heads = [version.head_commit_sha for version in ordered]

    def _head(self, time: dt.datetime) -> str:
        """Return the commit that GitLab showed at a time; empty if it showed none."""
        place = bisect.bisect_right(self._times, time)
        return self._heads[place - 1] if place else ""

    def acts(
        self, notes: Iterable[_Note], approvals: Iterable[_Approval], reviewers: Iterable[_Reviewer]
    ) -> Iterator[Act]:
        """Yield comments and reviews."""
        given: dict[str, str] = {}
        asking: dict[str, str] = {}
        for note in notes:
            account, identifier = note.author.value if note.author else None, f"note-{note.id}"
            if not note.system:
                if not (note.internal or note.confidential):  # not for everybody who reads the records
                    yield note.comment
            elif account is None:
                continue
            elif note.body == "approved this merge request":
                given[account.id] = identifier
                asking.pop(account.id, None)
                yield Act(identifier, ActKind.APPROVED, account, note.created_at, self._head(note.created_at))
            elif note.body == "unapproved this merge request":
                about = given.pop(account.id, "")
                yield Act(identifier, ActKind.DISMISSED, account, note.created_at, about=about)
            elif note.body.endswith("requested changes"):
                asking[account.id] = identifier
                yield Act(identifier, ActKind.CHANGES_REQUESTED, account, note.created_at, self._head(note.created_at))
        yield from self._in_force(given, asking, approvals, reviewers)

    def _in_force(
        self, given: dict[str, str], asking: dict[str, str], approvals: Iterable[_Approval],
        reviewers: Iterable[_Reviewer],
    ) -> Iterator[Act]:  # fmt: skip
        """Yield what no note says: what lapsed by a push or a setting, and what is in force without a note."""
        now, in_force = self._pull_request.updated, {str(approval.user.id): approval for approval in approvals}
        for account_id, about in given.items():
            if account_id not in in_force:
                yield Act(f"{about}-lapsed", ActKind.DISMISSED, None, now, about=about)
        for account_id, approval in in_force.items():
            if account_id not in given:
                time = approval.approved_at or now
                head = self._head(approval.approved_at) if approval.approved_at else ""
                yield Act(f"approval-{account_id}-{head}", ActKind.APPROVED, approval.user.value, time, head)
        head = self._pull_request.head
        for reviewer in reviewers:
            account = reviewer.user.value
            if reviewer.state == "requested_changes" and account.id not in asking:
                yield Act(f"changes-{account.id}-{head}", ActKind.CHANGES_REQUESTED, account, now, head)
