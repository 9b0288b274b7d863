"""Pull requests with several commits that people open by hand on a real Gitea, and merge with its buttons."""

import asyncio
import base64
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio
from support.conditions import eventually, until
from support.fakes.platform import NOTEBOOK
from support.gitea_window import GiteaWindow
from support.hand_made import commit
from support.servers.forge import needs_forge
from support.servers.git_server import git

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_profiles.git.repository import RefUpdate

pytestmark = needs_forge


class ByHand:
    """What people do on Gitea, and what is looked at of it."""

    def __init__(self, window: GiteaWindow) -> None:
        self.window = window
        self.platform = window.platform

    def push(self, name: str, branch: str, repository: str = "", *, new: bool = True, by: str = "ana") -> None:
        """Let somebody commit a profile to a branch, which is made from main."""
        path = f"repos/{repository or self.window.repository}/contents/teams/housing/profiles/{name}.yaml"
        content = base64.b64encode(NOTEBOOK).decode()
        where = {"branch": "main", "new_branch": branch} if new else {"branch": branch}
        self.window.call(by, "POST", path, {"content": content, "message": f"Add {name}", **where})

    def opened(self, branch: str) -> int:
        """Let ana open a pull request."""
        body = {"head": branch, "base": "main", "title": f"From {branch}", "body": "We need them"}
        return int(self.window.repo("ana", "POST", "pulls", body)["number"])

    async def adopted(self, number: int) -> StoredProposal:
        """Look until a pull request is a proposal."""
        found: list[StoredProposal | None] = [None]

        async def is_adopted() -> bool:
            await self.window.look()
            found[0] = self.platform.forge.get(f"pull-{number}")
            if found[0] is None:
                await self.window.propose_if_asked("ana", number)
            return found[0] is not None

        await eventually(is_adopted, "it is adopted")
        assert found[0]
        return found[0]

    async def stays_at(self, stored: StoredProposal, *, here: bool) -> None:
        """Look until the branch of a proposal is at its head, or not; the head stays."""

        async def found() -> bool:
            await self.window.look()
            now = await self.platform.proposals.stored(stored.id)
            assert now.head == stored.head
            return (now.branch == now.head) is here

        await eventually(found, "its branch has moved")

    async def merged(self, number: int, stored: StoredProposal, style: str) -> StoredProposal:
        """Let leo press one of the buttons, and look what came of it."""
        await eventually(lambda: self._pressed(number, stored.head, style), "Gitea merges")

        async def has_ended() -> bool:
            await self.window.look()
            return not (await self.platform.proposals.stored(stored.id)).open

        await eventually(has_ended, "the merge is seen")
        await self.platform.watcher.refresh()
        return await self.platform.proposals.stored(stored.id)

    def _pressed(self, number: int, head: str, style: str) -> bool:
        """Press a button. Gitea looks first whether it can merge, and has nothing pressed until then."""
        try:
            self.window.repo("leo", "POST", f"pulls/{number}/merge", {"Do": style, "head_commit_id": head})
        except AssertionError as error:
            if "try again later" not in str(error):
                raise
            return False
        return True


@pytest_asyncio.fixture
async def hand(tmp_path: Path) -> AsyncIterator[ByHand]:
    made = GiteaWindow(tmp_path, {"ana": "write", "lena": "write", "leo": "write"})
    yield ByHand(made)
    await made.close()


async def test_one_from_a_fork_is_adopted_and_waits_after_a_push(hand: ByHand) -> None:
    fork = str(hand.window.repo("ana", "POST", "forks", {})["full_name"])
    hand.push("one", "mine", fork)
    stored = await hand.adopted(hand.opened(f"{hand.window.logins['ana']}:mine"))
    assert stored.proposer == "ana"
    hand.push("two", "mine", fork, new=False)
    await hand.stays_at(stored, here=False)


async def test_who_may_only_read_brings_no_workflow_to_the_repository(tmp_path: Path) -> None:
    window = GiteaWindow(tmp_path, {"ana": "read"})
    try:
        main, address = window.platform.forge.main(), httpx.URL(f"{window.gitea.url}/{window.repository}.git")
        head = commit(window.platform.repository, [main], {".gitea/workflows/x.yaml": b"on: push\n"})
        login = window.logins["ana"]
        fork = window.repo("ana", "POST", "forks", {"name": f"fork-{login}"})["clone_url"]
        repository = window.platform.repository.path
        for url, target in ((httpx.URL(fork), "refs/heads/mine"), (address, "refs/for/main/mine")):
            own = url.copy_with(username=login, password=window.gitea.passwords[login])
            await asyncio.to_thread(git, repository, "push", "--quiet", str(own), f"{head}:{target}")
        window.repo("ana", "POST", "pulls", {"title": "x", "head": f"{login}:mine", "base": "main"})
        numbers = [pull["number"] for pull in window.pulls()]
        assert len(numbers) == 2

        async def is_said() -> bool:
            await window.look()
            said = [window.repo("bot", "GET", f"issues/{number}/comments") for number in numbers]
            return all(comments and "It is from a fork" in comments[0]["body"] for comments in said)

        await eventually(is_said, "both say why they are no proposals")
        assert [each["name"] for each in window.repo("bot", "GET", "branches")] == ["main"]
    finally:
        await window.close()


async def test_what_somebody_pushed_before_it_was_seen_waits_for_its_author(hand: ByHand) -> None:
    window = hand.window
    hand.push("one", "mine")
    number, opened = hand.opened("mine"), dt.datetime.now(dt.UTC)
    until(lambda: dt.datetime.now(dt.UTC) - opened > dt.timedelta(seconds=2), what="time has passed")
    [pull] = window.pulls()
    hand.push("two", "mine", new=False, by="leo")
    until(lambda: window.pulls()[0]["head"]["sha"] != pull["head"]["sha"], what="Gitea has noticed the push")
    await window.look()
    await window.look()
    assert hand.platform.forge.newest() == ()
    [comment] = window.repo("bot", "GET", f"issues/{number}/comments")
    assert f"(https://hub/pull-requests/{number})" in comment["body"]
    assert (await hand.adopted(number)).proposer == "ana"


async def test_a_push_that_is_taken_back_is_no_matter_any_more(hand: ByHand) -> None:
    platform = hand.platform
    hand.push("one", "mine")
    stored = await hand.adopted(hand.opened("mine"))
    hand.push("two", "mine", new=False)
    await hand.stays_at(stored, here=False)
    pushed = (await platform.proposals.stored(stored.id)).branch
    assert pushed
    assert platform.remote
    back = RefUpdate("refs/heads/mine", stored.head, pushed)
    await asyncio.to_thread(platform.remote.push, platform.repository.path, [back])
    await hand.stays_at(stored, here=True)
    await platform.approved(stored)


async def test_several_commits_are_confirmed_where_they_come_as_one_merge(hand: ByHand) -> None:
    platform = hand.platform
    # The first rebase finds nothing to do, and has the times of the commits; the other one makes new commits.
    for branch, style in {"a": "rebase", "b": "rebase-merge"}.items():
        hand.push(f"{branch}-one", branch)
        hand.push(f"{branch}-two", branch, new=False)
        if branch == "b":
            hand.push("meanwhile", "main", new=False)
        number = hand.opened(branch)
        stored = await hand.adopted(number)
        await platform.approved(stored)
        done = await hand.merged(number, stored, style)
        assert done.unreviewed is (style == "rebase"), (style, done.ending)
        assert done.ending
        for name in ("one", "two"):
            landing = platform.landing(f"teams/housing/profiles/{branch}-{name}.yaml")
            assert landing.approved_by == (() if done.unreviewed else ("lena",)), style
        assert hand.window.repo("bot", "GET", "branches/main")["commit"]["id"] == done.ending.merge
