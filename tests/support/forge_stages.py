"""Where the contract of the adapters is tried: a real Gitea, and stand-ins for GitHub and GitLab, all by one interface.

On each there are `bot`, whose account the service has, `ann` and `lea`, who may write, and `stranger`, who may not even
look. Between the adapter and the forge stands a front that can spoil what goes through.
"""

import base64
import datetime as dt
import secrets
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any
from urllib.parse import quote

from support.conditions import until
from support.fakes.faulty_front import FaultyFront
from support.fakes.forge_server import ForgeServer
from support.fakes.github_server import APP_ID, GitHubServer
from support.fakes.github_shapes import REPOSITORY
from support.fakes.gitlab_server import PROJECT, GitLabServer
from support.servers.forge import Forge as Gitea

from allotment_hub.forges.pull_requests.adapter import PullRequestAdapter
from allotment_hub.forges.pull_requests.gitea import GiteaForge
from allotment_hub.forges.pull_requests.github import GitHubForge
from allotment_hub.forges.pull_requests.gitlab import GitLabForge
from allotment_hub.forges.pull_requests.values import ForgeAccount

PEOPLE = {"bot": "admin", "ann": "write", "lea": "write", "stranger": "none"}


class Stage(ABC):
    """A forge with people who do something on it."""

    keeps_reviewers = True
    """Whether who has reviewed stays among the reviewers."""
    reports_style = False
    asks_again = True
    """Whether somebody who has reviewed can be asked again by the API."""

    def __init__(self, front: FaultyFront, folder: Path) -> None:
        self.front = front
        self.token_file = folder / "token"
        self.adapters: list[PullRequestAdapter] = []

    def use_token(self, token: str) -> None:
        self.token_file.write_text(f"{token}\n")

    def forge(self, *, timeout: float = 20) -> PullRequestAdapter:
        adapter = self.adapter(timeout)
        self.adapters.append(adapter)
        return adapter

    async def close(self) -> None:
        for adapter in self.adapters:
            await adapter.aclose()
        await self.front.close()

    @abstractmethod
    def adapter(self, timeout: float) -> PullRequestAdapter: ...

    @property
    @abstractmethod
    def configuration(self) -> dict[str, Any]:
        """The keys `forge` of the service's file."""

    @abstractmethod
    def token(self, who: str) -> str: ...

    @abstractmethod
    def account(self, who: str) -> ForgeAccount: ...

    @abstractmethod
    def push(self, branch: str) -> str:
        """Push a commit to a branch; returns it."""

    @abstractmethod
    def open_by_hand(self, who: str, branch: str, title: str, *, fork: bool = False) -> int: ...

    @abstractmethod
    def review(self, number: int, who: str, kind: str, text: str = "") -> None:
        """`approved` or `changes_requested`."""

    @abstractmethod
    def dismiss(self, number: int, reviewer: str) -> None: ...

    @abstractmethod
    def comment(self, number: int, who: str, text: str) -> None: ...

    @abstractmethod
    def edit_comment(self, number: int, who: str, text: str) -> None:
        """Let somebody give the newest comment another text."""

    @abstractmethod
    def remark(self, number: int, who: str, path: str, line: int, text: str) -> None:
        """Comment at a line."""

    @abstractmethod
    def end(self, number: int, who: str, kind: str) -> None:
        """`closed` or `reopened`."""

    @abstractmethod
    def merge(self, number: int, who: str, style: str) -> None: ...

    @abstractmethod
    def numbers(self, branch: str) -> list[int]:
        """Return the pull requests from a branch."""

    @abstractmethod
    def comments(self, number: int) -> list[str]: ...

    @abstractmethod
    def add_label(self, number: int, label: str) -> None: ...

    @abstractmethod
    def protect(self, statuses: list[str], *, records: bool = True) -> None:
        """Protect main and the log of records as the guide says, but for pushes of the service."""

    @abstractmethod
    def add_webhook(self, address: str, *, pushes_only: bool = False) -> None: ...

    def configured(self, kind: str, repository: str) -> dict[str, Any]:
        return {
            "kind": kind, "url": self.front.url, "repository": repository, "plain_http": True,
            "token_file": str(self.token_file),
        }  # fmt: skip


class StandInStage(Stage):
    """A stand-in: people act on its state."""

    def __init__(self, server: ForgeServer, front: FaultyFront, folder: Path) -> None:
        super().__init__(front, folder)
        self.server = server
        for login, permission in PEOPLE.items():
            server.state.user(login, permission)
        server.state.branches["main"] = secrets.token_hex(20)
        self.use_token(self.token("bot"))

    async def close(self) -> None:
        await super().close()
        await self.server.close()
        assert not self.server.violations, "\n".join(self.server.violations)

    def token(self, who: str) -> str:
        return self.server.state.users[who].token

    def account(self, who: str) -> ForgeAccount:
        user = self.server.state.users[who]
        return ForgeAccount(str(user.id), user.login)

    def push(self, branch: str) -> str:
        return self.server.state.push(branch)

    def open_by_hand(self, who: str, branch: str, title: str, *, fork: bool = False) -> int:
        return self.server.state.open(self.server.state.users[who], branch, title, fork=fork).number

    def review(self, number: int, who: str, kind: str, text: str = "") -> None:
        pull = self.server.state.pull(number)
        assert pull
        if not self.keeps_reviewers:
            pull.reviewers = [user for user in pull.reviewers if user.login != who]
        self.server.state.act(number, kind, self.server.state.users[who], text)

    def dismiss(self, number: int, reviewer: str) -> None:
        state = self.server.state
        pull = state.pull(number)
        assert pull
        given = [event for event in pull.events if event.kind == "approved" and event.user.login == reviewer]
        by = state.users[reviewer if isinstance(self.server, GitLabServer) else "ann"]
        state.dismiss(number, given[-1].id, by, "Too early")

    def comment(self, number: int, who: str, text: str) -> None:
        self.server.state.act(number, "comment", self.server.state.users[who], text)

    def edit_comment(self, number: int, who: str, text: str) -> None:
        pull = self.server.state.pull(number)
        assert pull
        self.server.state.edit(number, [event for event in pull.events if event.kind == "comment"][-1], text)

    def remark(self, number: int, who: str, path: str, line: int, text: str) -> None:
        self.server.state.act(number, "comment", self.server.state.users[who], text, path=path, line=line)

    def end(self, number: int, who: str, kind: str) -> None:
        self.server.state.act(number, kind, self.server.state.users[who])

    def merge(self, number: int, who: str, style: str) -> None:
        self.server.state.merge(number, self.server.state.users[who], style)

    def numbers(self, branch: str) -> list[int]:
        return [pull.number for pull in self.server.state.pulls if pull.branch == branch]

    def comments(self, number: int) -> list[str]:
        pull = self.server.state.pull(number)
        assert pull
        return [event.text for event in pull.events if event.kind == "comment"]

    def add_label(self, number: int, label: str) -> None:
        pull = self.server.state.pull(number)
        assert pull
        pull.labels.append(label)

    def add_webhook(self, address: str, *, pushes_only: bool = False) -> None:
        self.server.state.webhooks.append(address)
        self.server.state.webhook_sends_everything = not pushes_only


class GitHubStage(StandInStage):
    """GitHub, with a token or as an App."""

    keeps_reviewers = False
    server: GitHubServer

    def __init__(self, front: FaultyFront, server: GitHubServer, folder: Path, *, app: bool = False) -> None:
        super().__init__(server, front, folder)
        self.key_file = folder / "app.pem"
        self.key_file.write_text(server.app_key_text())
        self.app = app
        if app:
            server.state.users["bot"] = server.app_user

    def adapter(self, timeout: float) -> PullRequestAdapter:
        if self.app:
            return GitHubForge(self.front.url, REPOSITORY, app_id=APP_ID, app_key_file=self.key_file, timeout=timeout)
        return GitHubForge(self.front.url, REPOSITORY, token_file=self.token_file, timeout=timeout)

    @property
    def configuration(self) -> dict[str, Any]:
        app = {"token_file": None, "app_id": APP_ID, "app_key_file": str(self.key_file)} if self.app else {}
        return self.configured("github", REPOSITORY) | app

    def protect(self, statuses: list[str], *, records: bool = True) -> None:
        rules = ["pull_request", "non_fast_forward", "deletion"]
        self.server.state.protected = {
            "rules": rules, "statuses": statuses, "rules of records": rules if records else [],
        }  # fmt: skip


class GitLabStage(StandInStage):
    """GitLab."""

    reports_style = True
    asks_again = False
    server: GitLabServer

    def __init__(self, front: FaultyFront, server: GitLabServer, folder: Path) -> None:
        super().__init__(server, front, folder)

    def adapter(self, timeout: float) -> PullRequestAdapter:
        return GitLabForge(self.front.url, PROJECT, token_file=self.token_file, timeout=timeout)

    @property
    def configuration(self) -> dict[str, Any]:
        return self.configured("gitlab", PROJECT)

    def protect(self, statuses: list[str], *, records: bool = True) -> None:
        bot = self.server.state.users["bot"].id
        self.server.state.protected = {
            "push_access_levels": [{"access_level": 40, "user_id": bot, "group_id": None}], "pipeline": True,
            "records": records,
        }  # fmt: skip


class GiteaRepository:
    """A real repository with real people, made once."""

    def __init__(self) -> None:
        self.gitea = Gitea()
        self.logins = {name: self.gitea.user(name) for name in PEOPLE}
        self.ids = {name: str(self.gitea.call("GET", f"users/{login}")["id"]) for name, login in self.logins.items()}
        self.tokens = {name: self.gitea.token_of(login) for name, login in self.logins.items()}
        name = f"profiles-{secrets.token_hex(3)}"
        made = self.gitea.call("POST", "user/repos", {"name": name, "private": True, "auto_init": True})
        self.name = made["full_name"]
        self.gitea.call("PATCH", f"repos/{self.name}", {"default_branch": "main"})
        for person, permission in PEOPLE.items():
            if permission != "none":
                path = f"repos/{self.name}/collaborators/{self.logins[person]}"
                self.gitea.call("PUT", path, {"permission": permission})


class GiteaStage(Stage):
    """The real one: people act through its API, with tokens of their own."""

    def __init__(self, front: FaultyFront, repository: GiteaRepository, folder: Path) -> None:
        super().__init__(front, folder)
        self.repository = repository
        self.protected: list[str] = []
        self.webhooks: list[int] = []
        self.use_token(self.token("bot"))

    async def close(self) -> None:
        for rule in self.protected:
            self.call("bot", "DELETE", f"branch_protections/{quote(rule, safe='')}")
        for number in self.webhooks:
            self.call("bot", "DELETE", f"hooks/{number}")
        await super().close()

    def adapter(self, timeout: float) -> PullRequestAdapter:
        return GiteaForge(self.front.url, self.repository.name, token_file=self.token_file, timeout=timeout)

    @property
    def configuration(self) -> dict[str, Any]:
        return self.configured("gitea", self.repository.name)

    def call(self, who: str, method: str, path: str, body: dict[str, Any] | None = None, **request: Any) -> Any:
        where = f"repos/{self.repository.name}/{path}"
        return self.repository.gitea.as_person(self.repository.logins[who], method, where, body, **request)

    def token(self, who: str) -> str:
        return str(self.repository.tokens[who])

    def account(self, who: str) -> ForgeAccount:
        return ForgeAccount(self.repository.ids[who], self.repository.logins[who])

    def push(self, branch: str) -> str:
        branches = self.call("bot", "GET", "branches?limit=50")
        there = any(each["name"] == branch for each in branches)
        body = {
            "content": base64.b64encode(b"one\ntwo\nthree\n").decode(), "message": "Change a profile",
            "branch": branch if there else "main",
        } | ({} if there else {"new_branch": branch})  # fmt: skip
        made = self.call("ann", "POST", f"contents/{branch}-{secrets.token_hex(4)}.yaml", body)
        return str(made["commit"]["sha"])

    def open_by_hand(self, who: str, branch: str, title: str, *, fork: bool = False) -> int:
        return int(self.call(who, "POST", "pulls", {"title": title, "head": branch, "base": "main"})["number"])

    def review(self, number: int, who: str, kind: str, text: str = "") -> None:
        event = {"approved": "APPROVED", "changes_requested": "REQUEST_CHANGES"}[kind]
        self.call(who, "POST", f"pulls/{number}/reviews", {"event": event, "body": text})

    def dismiss(self, number: int, reviewer: str) -> None:
        login = self.repository.logins[reviewer]
        reviews = self.call("bot", "GET", f"pulls/{number}/reviews")
        review = next(each for each in reviews if each["user"]["login"] == login and each["state"] == "APPROVED")
        self.call("bot", "POST", f"pulls/{number}/reviews/{review['id']}/dismissals", {"message": "Too early"})

    def comment(self, number: int, who: str, text: str) -> None:
        self.call(who, "POST", f"issues/{number}/comments", {"body": text})

    def edit_comment(self, number: int, who: str, text: str) -> None:
        comment = self.call("bot", "GET", f"issues/{number}/comments")[-1]
        written = dt.datetime.fromisoformat(comment["created_at"])
        until(lambda: dt.datetime.now(dt.UTC) >= written + dt.timedelta(seconds=1), what="the times tell them apart")
        self.call(who, "PATCH", f"issues/comments/{comment['id']}", {"body": text})

    def remark(self, number: int, who: str, path: str, line: int, text: str) -> None:
        files = self.call("bot", "GET", f"pulls/{number}/files")
        remark = {"path": files[0]["filename"], "new_position": line, "body": text}
        self.call(who, "POST", f"pulls/{number}/reviews", {"event": "COMMENT", "body": "", "comments": [remark]})

    def end(self, number: int, who: str, kind: str) -> None:
        self.call(who, "PATCH", f"issues/{number}", {"state": "closed" if kind == "closed" else "open"})

    def merge(self, number: int, who: str, style: str) -> None:
        self.call(who, "POST", f"pulls/{number}/merge", {"Do": style})

    def numbers(self, branch: str) -> list[int]:
        found = self.call("bot", "GET", "pulls?state=all&sort=oldest&limit=50")
        return [each["number"] for each in found if each["head"]["ref"] == branch]

    def comments(self, number: int) -> list[str]:
        return [each["body"] for each in self.call("bot", "GET", f"issues/{number}/comments")]

    def add_label(self, number: int, label: str) -> None:
        made = self.call("bot", "POST", "labels", {"name": label, "color": "#ff0000"})
        self.call("bot", "POST", f"issues/{number}/labels", {"labels": [made["id"]]})

    def protect(self, statuses: list[str], *, records: bool = True) -> None:
        for rule, required in {"main": statuses, **({"allotment/records": []} if records else {})}.items():
            body = {
                "rule_name": rule, "enable_push": True, "enable_push_whitelist": True,
                "push_whitelist_usernames": [self.repository.logins["bot"]], "enable_status_check": bool(required),
                "status_check_contexts": required,
            }  # fmt: skip
            self.call("bot", "POST", "branch_protections", body)
            self.protected.append(rule)
        self.notice_merges(True)

    def notice_merges(self, notice: bool) -> None:
        """Set whether Gitea notices what is merged outside it."""
        self.call("bot", "PATCH", "", {"allow_manual_merge": notice, "autodetect_manual_merge": notice})

    def add_webhook(self, address: str, *, pushes_only: bool = False) -> None:
        events = ["push"] if pushes_only else ["push", "pull_request"]
        hook = {"type": "gitea", "active": True, "config": {"url": address, "content_type": "json"}, "events": events}
        made = self.call("bot", "POST", "hooks", hook)
        self.webhooks.append(int(made["id"]))
