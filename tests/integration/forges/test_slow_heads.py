"""Heads of pull requests that a git server is slow to give keep nobody's acts waiting, whoever pushed them."""

import asyncio
import dataclasses
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from support.fakes.forge_state import Pull
from support.fakes.github_server import GitHubServer
from support.fakes.github_shapes import REPOSITORY
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform
from support.hand_made import changed

from allotment_hub.errors import UnavailableError
from allotment_hub.forges.pull_requests.github import GitHubForge
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.pull_requests import adopting
from allotment_hub.services.pull_requests.adoptions import MAXIMUM_STRANGERS
from allotment_hub.services.pull_requests.mirroring import PullRequests
from allotment_hub.services.pull_requests.showing import ForgePlace
from allotment_profiles.git.repository import NO_OBJECT, RefUpdate, Repository

LARGER, LARGEST = NOTEBOOK.replace(b"4 GiB", b"8 GiB"), NOTEBOOK.replace(b"4 GiB", b"12 GiB")


class HangingServer:
    """A git server that does not answer for some heads of pull requests, until it is let go on: then it has failed."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.slow: set[int] = set()
        self.asked: list[int] = []
        self.goes_on, self.hangs = threading.Event(), threading.Event()

    def fetch_aside(self, reference: str) -> str | None:
        number = int(reference.split("/")[2])
        self.asked.append(number)
        if number not in self.slow:
            return self.repository.resolve(reference)
        self.hangs.set()
        assert self.goes_on.wait(60), "somebody waits for a head that does not come"
        return None

    def drop_aside(self, reference: str) -> None:
        """Forget nothing: the heads are in the repository itself."""


class Window:
    """The services, a stand-in for GitHub, and people with accounts of it who may open pull requests."""

    def __init__(self, folder: Path) -> None:
        self.platform = Platform(folder)
        self.platform.adopting_seconds = 0.2
        self.server = GitHubServer()
        self.state = self.server.state
        self.knows("bot", "admin")
        self.knows("lena", "write")
        self.git = HangingServer(self.platform.repository)
        self.platform.forge.adopted._mirror = self.git  # type: ignore[assignment]
        (folder / "token").write_text(self.state.users["bot"].token)
        forge = GitHubForge(self.server.url, REPOSITORY, token_file=folder / "token")
        self.following = self.platform.followed(forge, ForgePlace("github", "github.example.org", "https://hub/"))
        self.pull_requests = PullRequests(self.following, self.platform.proposals)

    def knows(self, login: str, permission: str = "read") -> None:
        user = self.state.user(login, permission)
        account = {"provider": "github", "host": "github.example.org", "id": str(user.id), "login": login}
        self.platform.people.groups.setdefault(login, ["/housing"])
        self.platform.people.identities[login] = {"account": account}

    def opens(self, login: str, content: bytes = LARGER, *, slow: bool = False) -> Pull:
        """Let somebody open a pull request from a fork."""
        pull = self.state.open(self.state.users[login], f"b{len(self.state.pulls)}", "More", "Why", fork=True)
        self._head(pull, content)
        if slow:
            self.git.slow.add(pull.number)
        return pull

    def pushes(self, pull: Pull, content: bytes) -> None:
        self._head(pull, content)
        pull.updated = self.state.now()

    def _head(self, pull: Pull, content: bytes) -> None:
        repository, name = self.platform.repository, f"refs/pull/{pull.number}/head"
        pull.head = changed(self.platform, {NOTEBOOK_PATH: content})
        now = repository.references(name).get(name, NO_OBJECT)
        repository.update_references([RefUpdate(name, pull.head, now)])

    async def look(self) -> None:
        await self.platform.watcher.refresh()
        await self.following.look()

    async def settled(self) -> None:
        """Look until what became of everything that is being adopted was taken."""
        await self.look()
        while running := [task for *_, task in self.following.adoptions._running.values()]:
            await asyncio.wait(running)
            await self.look()

    async def shown(self) -> StoredProposal:
        """Propose something on the page, and return it with its pull request open."""
        stored = await self.platform.proposed({NOTEBOOK_PATH: LARGER}, "ben")
        self.state.branches[f"propose/{stored.id}"] = stored.head
        for _ in range(2):
            await self.look()
        return stored

    async def approved(self, stored: StoredProposal) -> bool:
        """Let lena approve on the forge, look once, and return whether that was taken."""
        (pull,) = (each for each in self.state.pulls if each.branch == f"propose/{stored.id}")
        self.state.now()
        self.state.act(pull.number, "approved", self.state.users["lena"])
        await self.look()
        assert not self.git.goes_on.is_set()
        kinds = [record.kind for record in (await self.platform.proposals.stored(stored.id)).records]
        return "approved" in kinds

    async def goes_on(self) -> None:
        """Let the server fail, and wait until somebody is to look again."""
        self.pull_requests._woken.clear()
        self.git.goes_on.set()
        await self.pull_requests._woken.wait()

    async def close(self) -> None:
        self.git.goes_on.set()
        await self.following.close()
        await self.platform.close()
        await self.server.close()


@pytest_asyncio.fixture
async def window(tmp_path: Path) -> AsyncIterator[Window]:
    made = Window(tmp_path)
    yield made
    await made.close()


async def test_an_approval_is_taken_whatever_the_heads_of_strangers_cost(window: Window) -> None:
    stored = await window.shown()
    strangers = [f"s{number}" for number in range(MAXIMUM_STRANGERS)]
    for login in strangers:
        window.knows(login)
        window.opens(login, slow=True)
    await window.look()
    assert await window.approved(stored)
    await asyncio.to_thread(window.git.hangs.wait, 60)
    assert len(window.git.asked) == 1, "the server is asked for one at a time, which holds one thread"
    await window.goes_on()
    await window.settled()
    assert all("cannot be fetched" in str(vars(pull)) for pull in window.state.pulls if pull.number in window.git.slow)


async def test_one_person_has_one_head_fetched_at_a_time_and_others_are_adopted(window: Window) -> None:
    window.knows("mallory")
    for _ in range(3):
        window.opens("mallory", slow=True)
    await window.look()
    await asyncio.to_thread(window.git.hangs.wait, 60)
    await window.look()
    assert len(window.following.adoptions._running) == len(window.git.asked) == 1
    window.knows("ana")
    pull = window.opens("ana")
    await window.goes_on()
    await window.settled()
    assert window.platform.forge.adopted.find("github", pull.number) == f"pull-{pull.number}"


async def test_what_became_of_an_earlier_head_is_not_taken_for_what_is_pushed_then(window: Window) -> None:
    window.knows("ana")
    pull = window.opens("ana")
    await window.settled()
    window.git.slow.add(pull.number)
    window.pushes(pull, LARGEST)
    await window.look()
    await window.goes_on()
    window.git.slow.clear()
    window.pushes(pull, LARGEST.replace(b"Notebook", b"Another"))
    await window.settled()
    adopted = window.platform.forge.get(f"pull-{pull.number}")
    assert adopted
    assert adopted.branch == pull.head, "it waits for its author"
    assert window.following.waiting.has(pull.number)


async def test_what_is_pushed_to_an_adopted_one_keeps_nobody_waiting_either(window: Window) -> None:
    stored = await window.shown()
    window.knows("ana")
    pull = window.opens("ana")
    await window.settled()
    adopted = window.platform.forge.get(f"pull-{pull.number}")
    assert adopted
    window.git.slow.add(pull.number)
    window.pushes(pull, LARGEST)
    await window.look()
    assert await window.approved(stored)
    await window.goes_on()
    await window.settled()
    adopted = window.platform.forge.get(adopted.id)
    assert adopted
    assert adopted.branch is None, "nothing is decided without what was pushed"


async def waiting(window: Window) -> Pull:
    """Let what ana has pushed wait for her, and then the server hang at a head of somebody else's."""
    window.knows("ana")
    window.knows("mallory")
    pull = window.opens("ana")
    await window.settled()
    window.pushes(pull, LARGEST)
    await window.settled()
    assert window.following.waiting.has(pull.number)
    window.opens("mallory", slow=True)
    await window.look()
    assert await asyncio.to_thread(window.git.hangs.wait, 60)
    return pull


async def test_an_author_sees_and_proposes_what_was_pushed_while_others_heads_hang(window: Window) -> None:
    pull, ana = await waiting(window), window.platform.people.actor("ana")
    fetched = len(window.git.asked)
    async with asyncio.timeout(30):
        view = await window.following.waiting.shown(ana, pull.number)
        stored = await window.following.waiting.propose(ana, pull.number, pull.head, view.words)
    assert (stored.head, view.pull_request.head) == (pull.head, pull.head)
    assert len(window.git.asked) == fetched
    assert not window.git.goes_on.is_set()


async def test_where_a_page_would_wait_for_others_heads_it_says_so(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopting, "PAGE_SECONDS", 0.1)
    pull, ana, waits = await waiting(window), window.platform.people.actor("ana"), window.following.waiting
    view = await waits.shown(ana, pull.number)
    waits.note(dataclasses.replace(view.pull_request, head="f" * 40), waits=True)
    with pytest.raises(UnavailableError) as gone:  # it was removed here since
        await asyncio.wait_for(waits.shown(ana, pull.number), 30)
    waits.note(view.pull_request, waits=True)
    with pytest.raises(UnavailableError) as looked_at:
        async with waits._adopting._lock(view.pull_request):  # as a look has it that waits for its turn
            await asyncio.wait_for(waits.propose(ana, pull.number, pull.head, view.words), 30)
    assert {each.value.refusal.code for each in (gone, looked_at)} == {"forge-busy"}
    assert (await waits.propose(ana, pull.number, pull.head, view.words)).head == pull.head


async def test_a_stop_does_not_wait_for_a_head(window: Window) -> None:
    window.knows("mallory")
    window.opens("mallory", slow=True)
    await window.look()
    await window.following.adoptions.close()
    assert not window.git.goes_on.is_set()
