"""Pull requests of GitHub: of github.com, and of a GitHub Enterprise Server."""

import contextlib
import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from allotment_hub.forges.pull_requests.adapter import MAIN, OwnedComment, Protections, PullRequestAdapter, sentence
from allotment_hub.forges.pull_requests.client import ForgeClient, segment
from allotment_hub.forges.pull_requests.credentials import Credential, GitHubApp, GitHubAppKey, TokenFile
from allotment_hub.forges.pull_requests.errors import ForgeCredentialError
from allotment_hub.forges.pull_requests.github_answers import (
    AppAnswer,
    CheckRunsAnswer,
    CommentAnswer,
    EventAnswer,
    InstallationAnswer,
    LineCommentAnswer,
    PermissionAnswer,
    ProtectionAnswer,
    PullRequestAnswer,
    RuleAnswer,
    StatusesAnswer,
    UserAnswer,
    account_of,
    acts_of,
    check_run,
)
from allotment_hub.forges.pull_requests.markdown import title
from allotment_hub.forges.pull_requests.values import (
    Act,
    ForgeAccount,
    MissingProtection,
    Permission,
    PullRequest,
    Status,
    StatusState,
    Submission,
)

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_PAGE = {"per_page": "100"}
_STATES = {"pending": StatusState.PENDING, "success": StatusState.SUCCESS}
_PERMISSIONS = {"admin": Permission.ADMIN, "write": Permission.WRITE, "none": Permission.NONE}


class GitHubForge(PullRequestAdapter):
    """A repository on GitHub. An App's statuses are check runs, with annotations; others are commit statuses."""

    def __init__(
        self, url: str, repository: str, *, token_file: Path | None = None, app_id: str = "",
        app_key_file: Path | None = None, ca_file: Path | None = None, timeout: float = 20,
    ) -> None:  # fmt: skip
        """Use `owner/name` at `https://github.com` or another server, with a token or as a GitHub App."""
        api = "https://api.github.com" if urlsplit(url).hostname == "github.com" else f"{url.rstrip('/')}/api/v3"
        owner, name = map(segment, repository.split("/"))

        def client(credential: Credential) -> ForgeClient:
            return ForgeClient(api, credential, headers=_HEADERS, page=_PAGE, ca_file=ca_file, timeout=timeout)

        self._settings = f"{url.rstrip('/')}/{owner}/{name}/settings"
        self._owner = owner
        self._repository = f"repos/{owner}/{name}"
        self._app: GitHubApp | None = None
        credential: Credential
        if app_key_file:
            credential = self._app = GitHubApp(client(GitHubAppKey(app_id, app_key_file)), owner, name)
        elif token_file:
            credential = TokenFile(token_file)
        else:
            raise ValueError("a token or the key of a GitHub App is needed")
        super().__init__(client(credential))

    async def aclose(self) -> None:
        """Close the connections."""
        await super().aclose()
        if self._app:
            await self._app.client.aclose()

    # -- who

    async def me(self) -> ForgeAccount:
        """Return the account that the service has; an App's is called `slug[bot]`."""
        if self._app:
            app = await self._app.client.get(AppAnswer, "app")
            return (await self.client.get(UserAnswer, f"users/{segment(f'{app.slug}[bot]')}")).value
        return (await self.client.get(UserAnswer, "user")).value

    async def account(self, account_id: str) -> ForgeAccount | None:
        """Return an account with its login of today."""
        return account_of(await self.client.find(UserAnswer, f"user/{segment(account_id)}"))

    async def permission(self, account: ForgeAccount) -> Permission:
        """Return what an account may do in the repository now. An App is no collaborator: it is installed."""
        if self._app and account == await self.me():
            return (await self._app.client.get(InstallationAnswer, f"{self._repository}/installation")).value
        path = f"{self._repository}/collaborators/{segment(account.login)}/permission"
        found = await self.client.find(PermissionAnswer, path)
        if found is None or found.user is None or found.user.value.id != account.id:
            return Permission.NONE  # somebody else may have the login now
        return _PERMISSIONS.get(found.permission, Permission.READ)

    # -- pull requests

    async def get(self, number: int) -> PullRequest:
        """Return a pull request."""
        return (await self.client.get(PullRequestAnswer, f"{self._repository}/pulls/{number}")).value

    async def is_as_opened(self, pull_request: PullRequest) -> bool:
        """Return whether nothing has happened to a pull request since it was opened: GitHub does not tell of pushes."""
        path = f"{self._repository}/pulls/{pull_request.number}"
        now = await self.client.get(PullRequestAnswer, path)
        return now.head.sha == pull_request.head and now.updated_at == now.created_at

    async def find(self, branch: str) -> PullRequest | None:
        """Return the first open pull request from a branch, or else the newest."""
        query = {
            "head": f"{self._owner}:{branch}",
            "base": MAIN,
            "state": "all",
            "sort": "created",
            "direction": "desc",
        }
        found = await self.client.list(PullRequestAnswer, f"{self._repository}/pulls", query)
        own = [each.value for each in found if not each.value.foreign and each.value.branch == branch]
        return next((each for each in reversed(own) if each.is_open), own[0] if own else None)

    async def open_pull_requests(self) -> tuple[PullRequest, ...]:
        """List the open ones into main."""
        query = {"base": MAIN, "state": "open", "sort": "created", "direction": "asc"}
        found = await self.client.list(PullRequestAnswer, f"{self._repository}/pulls", query, whole=False)
        return tuple({each.number: each.value for each in found}.values())

    async def _create(self, submission: Submission, body: str, token: str) -> PullRequest:
        what = {"title": title(submission.title), "head": submission.branch, "base": MAIN, "body": body}
        return (await self.client.send(PullRequestAnswer, "POST", f"{self._repository}/pulls", what, token)).value

    async def _edit(self, number: int, title: str, body: str) -> None:
        await self.client.send(object, "PATCH", f"{self._repository}/pulls/{number}", {"title": title, "body": body})

    async def _close(self, number: int) -> None:
        await self.client.send(object, "PATCH", f"{self._repository}/pulls/{number}", {"state": "closed"})

    # -- what is shown on it

    async def _comments(self, number: int) -> Sequence[OwnedComment]:
        found = await self.client.list(CommentAnswer, f"{self._repository}/issues/{number}/comments")
        return [
            OwnedComment(each.id, str(each.user.id) if each.user else "", each.body or "", each.updated_at)
            for each in found
        ]

    async def _add_comment(self, number: int, body: str) -> None:
        await self.client.send(object, "POST", f"{self._repository}/issues/{number}/comments", {"body": body})

    async def _edit_comment(self, number: int, comment_id: int, body: str) -> None:
        await self.client.send(object, "PATCH", f"{self._repository}/issues/comments/{comment_id}", {"body": body})

    async def _change_labels(self, number: int, add: Sequence[str], remove: Sequence[str]) -> None:
        path = f"{self._repository}/issues/{number}/labels"
        if add:
            await self.client.send(object, "POST", path, {"labels": list(add)})
        for label in remove:
            await self.client.delete(f"{path}/{segment(label)}")

    async def _ask(self, pull_request: PullRequest, accounts: Sequence[ForgeAccount]) -> frozenset[str]:
        path = f"{self._repository}/pulls/{pull_request.number}/requested_reviewers"
        body = {"reviewers": [account.login for account in accounts]}
        asked = (await self.client.send(PullRequestAnswer, "POST", path, body)).value.reviewers
        return frozenset(account.id for account in asked)

    async def _statuses(self, head: str) -> dict[str, tuple[StatusState, str, str]]:
        path = f"{self._repository}/commits/{segment(head)}/status"
        return {
            each.context: (
                _STATES.get(each.state, StatusState.FAILURE), each.description or "", each.target_url or "",
            )
            for each in (await self.client.get(StatusesAnswer, path, _PAGE)).statuses
        }  # fmt: skip

    async def _set_status(self, pull_request: PullRequest, status: Status) -> None:
        body = {
            "state": status.state.value, "context": status.context, "description": sentence(status),
            "target_url": status.address,
        }  # fmt: skip
        await self.client.send(object, "POST", f"{self._repository}/statuses/{segment(pull_request.head)}", body)

    async def set_statuses(self, pull_request: PullRequest, statuses: Iterable[Status]) -> None:
        """Set the statuses of its head, if they differ."""
        if not self._app:
            await super().set_statuses(pull_request, statuses)
            return
        for status in statuses:
            path = f"{self._repository}/commits/{segment(pull_request.head)}/check-runs"
            query = {"check_name": status.context, "filter": "latest"}
            runs = (await self.client.get(CheckRunsAnswer, path, query)).check_runs
            run = check_run(pull_request.head, status)
            if run["external_id"] not in [each.external_id for each in runs]:
                await self.client.send(object, "POST", f"{self._repository}/check-runs", run)

    # -- what people did

    async def _acts(self, pull_request: PullRequest, since: dt.datetime | None) -> Iterable[Act]:
        number = pull_request.number
        events = await self.client.list(EventAnswer, f"{self._repository}/issues/{number}/timeline")
        lines = await self.client.list(LineCommentAnswer, f"{self._repository}/pulls/{number}/comments")
        sent = {event.id: event.submitted_at for event in events if event.submitted_at}
        return [*acts_of(events, pull_request), *(line.value(sent) for line in lines)]

    # -- settings

    async def missing_protections(
        self, statuses: Iterable[str], account: ForgeAccount | None = None, branch: str = MAIN
    ) -> tuple[MissingProtection, ...]:
        """List what does not protect a branch, whether rulesets would or the older branch protection."""
        rules = await self.client.list(RuleAnswer, f"{self._repository}/rules/branches/{segment(branch)}")
        classic = None
        with contextlib.suppress(ForgeCredentialError):  # rulesets are shown to everybody, these to administrators
            classic = await self.client.find(
                ProtectionAnswer, f"{self._repository}/branches/{segment(branch)}/protection"
            )
        kinds = {rule.type for rule in rules}
        required = {context for rule in rules for context in rule.required}
        protections = Protections(f"{self._settings}/{'branches' if classic else 'rules'}", branch)
        protections.pushes(bool(kinds & {"pull_request", "update"} or (classic and classic.closed_to_pushes)))
        protections.forced("non_fast_forward" in kinds or bool(classic and not classic.allow_force_pushes.enabled))
        protections.deletion("deletion" in kinds or bool(classic and not classic.allow_deletions.enabled))
        protections.statuses(statuses, required | set(classic.required_status_checks.contexts if classic else ()))
        return protections.missing
