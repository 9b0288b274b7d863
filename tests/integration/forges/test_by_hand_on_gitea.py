"""Pull requests that people open by hand on a real Gitea, and merge there with each of its buttons."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio
from support.conditions import eventually
from support.fakes.platform import NOTEBOOK
from support.gitea_window import GiteaWindow
from support.servers.forge import needs_forge

from allotment_hub.forges.pull_requests.values import PullRequest
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.pull_requests.adopting import Adopting, Adoption
from allotment_hub.services.pull_requests.merged_there import MergedThere
from allotment_profiles.git.repository import MAIN

pytestmark = needs_forge


class ByHand:
    """What people do on Gitea, and what is looked at of it."""

    def __init__(self, window: GiteaWindow) -> None:
        self.window = window
        self.platform = window.platform
        host = httpx.URL(window.gitea.url).netloc.decode()
        self.adopting = Adopting(
            self.platform.proposals, self.platform.submissions, self.platform.identities, "gitea", host
        )
        self.there = MergedThere(self.platform.proposals, "gitea", self.platform.identities)

    def push(self, name: str, branch: str, repository: str = "", *, new: bool = True) -> None:
        """Let ana commit a profile to a branch, which is made from main."""
        path = f"repos/{repository or self.window.repository}/contents/teams/housing/profiles/{name}.yaml"
        content = base64.b64encode(NOTEBOOK).decode()
        where = {"branch": "main", "new_branch": branch} if new else {"branch": branch}
        self.window.call("ana", "POST", path, {"content": content, "message": f"Add {name}", **where})

    def opened(self, branch: str) -> int:
        """Let ana open a pull request."""
        body = {"head": branch, "base": "main", "title": f"From {branch}", "body": "We need them"}
        return int(self.window.repo("ana", "POST", "pulls", body)["number"])

    async def told(self, number: int) -> PullRequest:
        """Return what Gitea tells of a pull request, after a fetch."""
        await asyncio.to_thread(self.window.fetch)
        await self.platform.watcher.refresh()
        return await self.window.pull_requests.forge.get(number)

    async def look(self, number: int, *, confirmed: bool = False) -> Adoption:
        return await self.adopting.look(await self.told(number), confirmed_by_author=confirmed)

    async def adopted(self, number: int) -> StoredProposal:
        found = await self.look(number)
        assert found.stored, found.why_not
        return found.stored

    def pressed(self, number: int, head: str, style: str) -> bool:
        """Press one of the buttons. Gitea looks first whether it can merge, and has nothing pressed until then."""
        try:
            self.window.repo("leo", "POST", f"pulls/{number}/merge", {"Do": style, "head_commit_id": head})
        except AssertionError as error:
            if "try again later" not in str(error):
                raise
            return False
        return True

    async def merged(self, number: int, stored: StoredProposal, style: str) -> StoredProposal:
        """Let leo press one of the buttons, and look what came of it."""
        await eventually(lambda: self.pressed(number, stored.head, style), "Gitea merges")
        found = [stored]

        async def seen() -> bool:
            found[0] = await self.there.look(stored, await self.told(number), "leo")
            return not found[0].open

        await eventually(seen, "the merge is seen")
        await self.platform.watcher.refresh()
        return found[0]


@pytest_asyncio.fixture
async def hand(tmp_path: Path) -> AsyncIterator[ByHand]:
    made = GiteaWindow(tmp_path, {"ana": "write", "lena": "write", "leo": "write"})
    yield ByHand(made)
    await made.close()


async def test_one_from_a_fork_is_adopted_and_waits_after_a_push(hand: ByHand) -> None:
    window = hand.window
    fork = str(window.repo("ana", "POST", "forks", {})["full_name"])
    hand.push("one", "mine", fork)
    number = hand.opened(f"{window.logins['ana']}:mine")
    stored = await hand.adopted(number)
    assert (stored.proposer, stored.id) == ("ana", f"pull-{number}")
    await hand.platform.approved(stored)
    hand.push("two", "mine", fork, new=False)

    async def waits() -> bool:
        found = await hand.look(number)
        return "/propose" in found.why_not and found.stored is not None and found.stored.branch != stored.head

    await eventually(waits, "what was pushed waits")
    done = await hand.look(number, confirmed=True)
    assert done.stored
    assert set(await hand.platform.proposals.files(done.stored)) == {
        f"teams/housing/profiles/{name}.yaml" for name in ("one", "two")
    }
    await hand.platform.merged(done.stored)
    assert "housing/two" in (await hand.platform.watcher.refresh()).profiles


async def test_what_is_merged_with_its_buttons_is_confirmed_where_it_was_approved(hand: ByHand) -> None:
    platform = hand.platform
    for style in ("merge", "squash", "rebase", "rebase-merge"):
        for name in ("one", "two"):
            hand.push(f"{style}-{name}", style, new=name == "one")
        number = hand.opened(style)
        stored = await hand.adopted(number)
        await platform.approved(stored)
        done = await hand.merged(number, stored, style)
        assert not done.unreviewed, (style, done.ending)
        assert done.ending
        for name in ("one", "two"):
            assert platform.landing(f"teams/housing/profiles/{style}-{name}.yaml").approved_by == ("lena",), style
        assert hand.window.repo("bot", "GET", "branches/main")["commit"]["id"] == done.ending.merge
    hand.push("later", "later")
    number = hand.opened("later")
    done = await hand.merged(number, await hand.adopted(number), "merge")
    assert done.unreviewed
    assert not platform.landing("teams/housing/profiles/later.yaml").reviewed
    assert platform.repository.resolve(MAIN) == hand.window.repo("bot", "GET", "branches/main")["commit"]["id"]
