"""What was pushed to a pull request after its opening is proposed by its author on the hub's page, and nowhere else."""

import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio
from bs4 import BeautifulSoup
from support.fakes.forge_state import Pull
from support.fakes.github_server import REPOSITORY, GitHubServer
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform
from support.fakes.web_service import Visitor, WebService
from support.hand_made import changed, commit

from allotment_hub.forges.pull_requests.github import GitHubForge
from allotment_hub.services.pull_requests.mirroring import PullRequests
from allotment_hub.services.pull_requests.showing import ForgePlace
from allotment_profiles.git.repository import NO_OBJECT, RefUpdate

LARGER, LARGEST = NOTEBOOK.replace(b"4 GiB", b"8 GiB"), NOTEBOOK.replace(b"4 GiB", b"12 GiB")
PEOPLE = {"bot": "admin", "ana": "read", "lena": "write"}
PROPOSAL = "pull-1"


class Author:
    """Ana's pull request on a stand-in for GitHub, and the pages of the hub."""

    def __init__(self, folder: Path) -> None:
        self.platform = Platform(folder)
        self.server = GitHubServer()
        self.state = self.server.state
        for login, permission in PEOPLE.items():
            user = self.state.user(login, permission)
            account = {"provider": "github", "host": "github.example.org", "id": str(user.id), "login": login}
            self.platform.people.identities[login] = {"account": account}
        (folder / "token").write_text(self.state.users["bot"].token)
        forge = GitHubForge(self.server.url, REPOSITORY, token_file=folder / "token")
        place = ForgePlace("github", "github.example.org", "https://hub/services/allotment/proposals/")
        self.following = self.platform.followed(forge, place)
        self.service = WebService(
            self.platform, folder, pull_requests=PullRequests(self.following, self.platform.proposals)
        )

    def opens(self, head: str) -> Pull:
        """Let ana open a pull request from a fork of hers."""
        pull = self.state.open(self.state.users["ana"], "larger", "More memory", "It does not fit", fork=True)
        pull.head = self.at(head)
        return pull

    def pushes(self, files: dict[str, bytes | None]) -> str:
        """Let somebody push to the branch of her pull request."""
        [pull] = self.state.pulls
        pull.head = self.at(commit(self.platform.repository, [pull.head], files))
        pull.updated = self.state.now()
        return pull.head

    def at(self, head: str) -> str:
        repository, name = self.platform.repository, "refs/pull/1/head"
        now = repository.references(name).get(name, NO_OBJECT)
        repository.update_references([RefUpdate(name, head, now)])
        return head

    async def look(self) -> None:
        await self.platform.watcher.refresh()
        await self.following.look()

    @property
    def comment(self) -> str:
        """Return the service's comment."""
        [comment] = [
            event.text for event in self.state.pulls[0].events if event.kind == "comment" and event.user.login == "bot"
        ]
        return comment

    async def page(self, who: str = "ana") -> httpx.Response:
        return await self.service.browser(who).get("pull-requests/1")

    async def close(self) -> None:
        await self.service.close()
        await self.following.close()
        await self.platform.close()
        await self.server.close()


@pytest_asyncio.fixture
async def author(tmp_path: Path) -> AsyncIterator[Author]:
    made = Author(tmp_path)
    yield made
    await made.close()


def words(page: httpx.Response, selector: str) -> str:
    return " ".join(" ".join(each.text.split()) for each in BeautifulSoup(page.text, "html.parser").select(selector))


async def adopted(author: Author) -> None:
    author.opens(changed(author.platform, {NOTEBOOK_PATH: LARGER}))
    await author.look()
    await author.look()
    assert author.platform.forge.get(PROPOSAL)


async def waiting(author: Author) -> tuple[Visitor, httpx.Response]:
    """Push to an adopted pull request. Return its author's browser, and the page of what waits there."""
    await adopted(author)
    author.pushes({NOTEBOOK_PATH: LARGEST})
    await author.look()
    browser = author.service.browser("ana")
    return browser, await browser.get("pull-requests/1")


async def test_a_comment_proposes_nothing_however_new_it_is(author: Author) -> None:
    """Whoever may write on the forge can have edited it within the second in which it was written."""
    await adopted(author)
    author.pushes({NOTEBOOK_PATH: LARGEST})
    await author.look()
    author.state.act(1, "comment", author.state.users["ana"], "/propose")
    for _ in range(3):
        await author.look()
    stored = author.platform.forge.get(PROPOSAL)
    assert stored
    assert (len(stored.records), stored.records[-1].kind) == (2, "commented")


async def test_the_author_sees_what_was_pushed_and_proposes_it(author: Author) -> None:
    await adopted(author)
    head = author.pushes({NOTEBOOK_PATH: LARGEST})
    await author.look()
    assert "(https://hub/services/allotment/pull-requests/1)" in author.comment
    assert "What changes (the version before)" in author.comment.replace("\\", "")
    assert author.state.pulls[0].labels == ["allotment: to be proposed"]
    browser = author.service.browser("ana")
    proposal = await browser.get(f"proposals/{PROPOSAL}")
    assert 'href="/services/allotment/pull-requests/1"' in proposal.text
    assert "pull-requests/1" not in (await author.service.browser("lena").get(f"proposals/{PROPOSAL}")).text
    page = await browser.get("pull-requests/1")
    assert page.status_code == 200
    assert "12 GiB" in words(page, "main .allotment-difference")
    assert "12 GiB" in words(page, "main section")
    [since] = [each for each in BeautifulSoup(page.text, "html.parser").select("main section") if each.find(id="since")]
    assert ("8 GiB" in since.text, "12 GiB" in since.text, "4 GiB" in since.text) == (True, True, False)
    assert words(page, "main form button") == "Propose this"
    done = await browser.press(page, "pull-requests/1")
    assert (done.status_code, done.headers["Location"]) == (303, f"/services/allotment/proposals/{PROPOSAL}")
    stored = author.platform.forge.get(PROPOSAL)
    assert stored
    assert [(record.kind, record.by) for record in stored.records] == [("adopted", "ana"), ("updated", "ana")]
    assert stored.head == stored.branch == head
    await author.look()
    assert "waiting for" in author.comment
    assert (await author.page()).status_code == 404
    await author.platform.merged(stored)


async def test_one_that_was_changed_before_it_was_seen_is_proposed_there_too(author: Author) -> None:
    author.opens(changed(author.platform, {NOTEBOOK_PATH: LARGER}))
    author.pushes({NOTEBOOK_PATH: LARGEST})
    await author.look()
    assert author.platform.forge.newest() == ()
    assert "(https://hub/services/allotment/pull-requests/1)" in author.comment
    browser = author.service.browser("ana")
    page = await browser.get("pull-requests/1")
    assert "12 GiB" in words(page, "main .allotment-difference")
    assert "Since what you proposed" not in page.text
    assert author.platform.forge.newest() == ()
    assert (await browser.press(page, "pull-requests/1")).status_code == 303
    [stored] = author.platform.forge.newest()
    assert (stored.id, stored.proposer, stored.current.title) == (PROPOSAL, "ana", "More memory")


async def test_nobody_else_proposes_it(author: Author) -> None:
    await adopted(author)
    author.pushes({NOTEBOOK_PATH: LARGEST})
    await author.look()
    page = await author.page()
    form = {
        str(each["name"]): str(each["value"]) for each in BeautifulSoup(page.text, "html.parser").select("form input")
    }
    for who in ("lena", "ben", "adam"):
        browser = author.service.browser(who)
        answer = await browser.get("pull-requests/1")
        assert (answer.status_code, "12 GiB" in answer.text) == (200, True), "as they may see the proposal"
        assert words(answer, "main form button") == ""
        assert "Only ana" in words(answer, "main .allotment-note")
        own = await browser.get("proposals")
        assert own.status_code == 200
        xsrf = browser.cookies.get("_xsrf") or ""
        assert (await browser.post("pull-requests/1", data={**form, "_xsrf": xsrf})).status_code == 403
    for number in ("2", "0", "x", "99999999999"):
        assert (await author.service.browser("ana").get(f"pull-requests/{number}")).status_code == 404
    stored = author.platform.forge.get(PROPOSAL)
    assert stored
    assert len(stored.records) == 1


async def test_who_may_not_see_the_proposal_learns_nothing_of_what_was_pushed(author: Author) -> None:
    await adopted(author)
    author.pushes({NOTEBOOK_PATH: LARGEST + b"visibility: draft\n"})
    await author.look()
    unknown = await author.service.browser("dora").get("pull-requests/2")
    answer = await author.service.browser("dora").get("pull-requests/1")
    assert (answer.status_code, "12 GiB" in answer.text) == (404, False)
    assert answer.text.count("It does not fit") == 0
    assert words(answer, "main").replace("request 1", "request 2") == words(unknown, "main")
    assert (await author.service.browser("lena").get("pull-requests/1")).status_code == 200


async def test_it_counts_once_and_for_what_was_shown(author: Author) -> None:
    browser, page = await waiting(author)
    for fields in ({"one_time": ""}, {"head": "0" * 40}, {"_xsrf": ""}):
        assert (await browser.press(page, "pull-requests/1", **fields)).status_code == 403
    # A program proposes nothing with its author's token, not even with that of the button which they were shown.
    for program in (author.service.program("ana"), author.service.program("ana", session=True)):
        opened = await program.get("pull-requests/1")
        for shown in (opened, page):
            answer = await program.press(shown, "pull-requests/1")
            assert (answer.status_code, "page-needed" in answer.text) == (403, True)
    # A script that fetches the page gets no token.
    fetched = await browser.get("pull-requests/1", headers={"Sec-Fetch-Dest": "empty"})
    assert (await browser.press(fetched, "pull-requests/1")).status_code == 403
    newer = author.pushes({NOTEBOOK_PATH: LARGEST + b"#\n"})
    answer = await browser.press(page, "pull-requests/1")
    assert (answer.status_code, "Somebody has pushed again" in answer.text) == (409, True)
    stored = author.platform.forge.get(PROPOSAL)
    assert stored
    assert len(stored.records) == 1
    await author.look()
    page = await browser.get("pull-requests/1")
    assert (await browser.press(page, "pull-requests/1")).status_code == 303
    assert (await browser.press(page, "pull-requests/1")).status_code in (404, 409)
    stored = author.platform.forge.get(PROPOSAL)
    assert stored
    assert (len(stored.records), stored.head) == (2, newer)


async def test_words_that_were_edited_since_are_not_made_the_authors(author: Author) -> None:
    browser, page = await waiting(author)
    author.state.pulls[0].body = "Falsified"
    answer = await browser.press(page, "pull-requests/1")
    assert (answer.status_code, "edited its title or text" in answer.text) == (409, True)
    stored = author.platform.forge.get(PROPOSAL)
    assert stored
    assert len(stored.records) == 1


async def test_what_cannot_be_proposed_is_said_on_the_page(author: Author) -> None:
    await adopted(author)
    author.pushes(
        {"teams/nowhere/team.yaml": b"x", **{f"teams/housing/profiles/p{n}.yaml": NOTEBOOK for n in range(60)}}
    )
    await author.look()
    answer = await author.page()
    assert (answer.status_code, "50 are allowed" in answer.text) == (422, True)


async def test_what_is_larger_than_anybody_may_propose_is_not_read_for_the_page(author: Author) -> None:
    """What is fetched is small: git compresses it."""
    await adopted(author)
    author.pushes({NOTEBOOK_PATH: b"#" * (32 << 20)})
    await author.look()
    tracemalloc.start()
    answer = await author.page()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (answer.status_code, "8 MiB are allowed" in answer.text) == (409, True)
    assert peak < 16 << 20


async def test_a_forge_that_is_away_proposes_nothing(author: Author) -> None:
    browser, page = await waiting(author)

    def away(request: Any) -> Any:
        raise ConnectionError

    route = next(each for each in author.server.routes if each.path.pattern.endswith("/pulls/(?P<number>[^/]+)"))
    answer, route.answer = route.answer, away
    assert (await browser.press(page, "pull-requests/1")).status_code == 503
    route.answer = answer
    assert (await browser.press(page, "pull-requests/1")).status_code == 303  # the token was not used up
