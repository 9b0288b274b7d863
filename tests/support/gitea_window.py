"""The services over a mirror of a repository on a real Gitea, whose pull requests show the proposals."""

import asyncio
import base64
import datetime as dt
import functools
import secrets
from pathlib import Path
from typing import Any

import httpx
from support.conditions import until
from support.fakes.platform import Platform
from support.servers.forge import Forge as Gitea

from allotment_hub.forges.pull_requests.gitea import GiteaForge
from allotment_hub.services.pull_requests.showing import ForgePlace
from allotment_profiles.git.remotes import Remote
from allotment_profiles.git.repository import MAIN, NO_OBJECT, RefUpdate


@functools.cache
def _gitea() -> Gitea:
    return Gitea()


class Account:
    """An account of somebody. Its login is the name with a mark, so that tests can run side by side."""

    def __init__(self, name: str) -> None:
        self.login = _gitea().user(name)
        self.id = str(_gitea().call("GET", f"users/{self.login}")["id"])

    @functools.cached_property
    def token(self) -> str:
        return _gitea().token_of(self.login)


@functools.cache
def _account(name: str) -> Account:
    """Return an account that all windows of this process have: Gitea takes long to make one."""
    return Account(name)


class GiteaWindow:
    """One repository, and the platform whose proposals are shown there."""

    def __init__(self, folder: Path, people: dict[str, str]) -> None:
        """With people of the hub who have an account, and what they may do in the repository."""
        self.folder = folder
        self.gitea = _gitea()
        self.logins = {name: _account(name).login for name in ("bot", *people)}
        self.repository = self._made(people)
        self.platform = Platform(folder)
        (folder / "token").write_text(_account("bot").token)
        self.platform.remote = Remote(
            f"{self.gitea.url}/{self.repository}.git", user=self.logins["bot"], token_file=folder / "token",
            plain_http=True,
        )  # fmt: skip
        first = self.platform.repository.resolve(MAIN)
        assert first
        self.platform.remote.push(folder / "profiles.git", [RefUpdate(MAIN, first, NO_OBJECT)])
        # Gitea shows no pull requests of a repository that it takes for empty.
        until(lambda: not self.repo("bot", "GET", "")["empty"], what="Gitea has seen main")
        self.platform.build(folder)
        self.fetch()
        for name in people:
            self.knows(name, name)
        self.start()

    def _made(self, people: dict[str, str]) -> str:
        made = self.call("bot", "POST", "user/repos", {"name": f"profiles-{secrets.token_hex(3)}", "private": True})
        name = str(made["full_name"])
        self.call("bot", "PATCH", f"repos/{name}", {"default_branch": "main", "allow_manual_merge": True})
        for person, permission in people.items():
            path = f"repos/{name}/collaborators/{self.logins[person]}"
            self.call("bot", "PUT", path, {"permission": permission})
        return name

    def call(self, who: str, method: str, path: str, body: dict[str, Any] | None = None, **request: Any) -> Any:
        """Let somebody call Gitea's API."""
        return self.gitea.as_person(self.logins[who], method, path, body, **request)

    def repo(self, who: str, method: str, path: str, body: dict[str, Any] | None = None, **request: Any) -> Any:
        """Let somebody call Gitea's API about the repository."""
        return self.call(who, method, f"repos/{self.repository}/{path}".rstrip("/"), body, **request)

    def knows(self, user: str, account: str) -> None:
        """Let the hub know a user by an account of Gitea."""
        host = str(httpx.URL(self.gitea.url).netloc.decode())
        said = {"provider": "gitea", "host": host, "id": _account(account).id, "login": self.logins[account]}
        self.platform.people.identities[user] = {"account": said}

    def start(self) -> None:
        """Start the part that follows the pull requests, as after a restart."""
        forge = GiteaForge(self.gitea.url, self.repository, token_file=self.folder / "token")
        place = ForgePlace("gitea", httpx.URL(self.gitea.url).netloc.decode(), "https://hub/proposals/")
        self.following = self.platform.followed(forge, place, self.folder / "pull_requests.sqlite")
        self.shown = self.following.shown

    def fetch(self) -> None:
        assert self.platform.mirror
        self.platform.mirror.fetch()

    async def look(self) -> None:
        """Fetch from Gitea, and look once."""
        await asyncio.to_thread(self.fetch)
        await self.platform.watcher.refresh()
        await self.following.look()

    def pulls(self, state: str = "all") -> list[dict[str, Any]]:
        """Return the pull requests, the first first."""
        found = self.repo("bot", "GET", f"pulls?state={state}&limit=50")
        return sorted(found, key=lambda pull: int(pull["number"]))

    def statuses(self, head: str) -> list[dict[str, Any]]:
        """Return the newest status of each kind of a commit."""
        newest = {each["context"]: each for each in self.repo("bot", "GET", f"statuses/{head}?sort=oldest&limit=50")}
        return list(newest.values())

    def review(self, who: str, number: int, event: str) -> None:
        """Let somebody review the head of a pull request."""
        self.repo(who, "POST", f"pulls/{number}/reviews", {"event": event, "body": ""})

    async def propose_if_asked(self, who: str, number: int) -> None:
        """Let the author propose on the hub's page what the service waits for.

        That is also a pull request that was opened before Gitea had seen the push before it: it then takes the push
        for one that came later.
        """
        waiting = self.following.waiting
        if waiting.has(number):
            actor = self.platform.people.actor(who)
            shown = await waiting.shown(actor, number)
            await waiting.propose(actor, number, shown.pull_request.head, shown.words)

    def press(self, who: str, number: int, style: str) -> None:
        """Let somebody press Gitea's own button. It asks to try again while it still looks at what was pushed."""

        def pressed() -> bool:
            try:
                self.repo(who, "POST", f"pulls/{number}/merge", {"Do": style})
            except AssertionError as error:
                if "try again later" not in str(error):
                    raise
                return False
            return True

        until(pressed, what="the merge")

    def write(self, who: str, branch: str, path: str, content: bytes) -> None:
        """Let somebody write a file to a branch."""
        branches = {each["name"] for each in self.repo("bot", "GET", "branches?limit=50")}
        there = self.repo("bot", "GET", f"contents/{path}?ref={branch if branch in branches else 'main'}")
        body = {"content": base64.b64encode(content).decode(), "message": "Change it", "sha": there["sha"]}
        where = {"branch": branch} if branch in branches else {"branch": "main", "new_branch": branch}
        self.repo(who, "PUT", f"contents/{path}", {**body, **where})

    def wait_a_second(self, written: str = "") -> None:
        """Wait until Gitea's clock, whose acts are to the second, has moved on since its last answer, or a time."""
        clock = dt.datetime.fromisoformat(written) if written else self.following.forge.clock
        until(lambda: dt.datetime.now(dt.UTC).replace(microsecond=0) > clock, what="a second has passed")

    async def close(self) -> None:
        await self.following.close()
        await self.platform.close()
