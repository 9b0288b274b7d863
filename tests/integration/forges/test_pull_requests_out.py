"""What is proposed, decided and merged here is on one pull request of the forge, which shows what everybody may see."""

import contextlib
import datetime as dt
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from bs4 import BeautifulSoup
from support.fakes.forge_server import Reply, Request
from support.fakes.forge_state import Pull
from support.fakes.github_server import GitHubServer
from support.fakes.github_shapes import REPOSITORY
from support.fakes.platform import HOUSING, NOTEBOOK, NOTEBOOK_PATH, POLICY, Platform
from support.fakes.web_service import WebService

from allotment_hub.forges.pull_requests import client
from allotment_hub.forges.pull_requests.client import Answer, ForgeClient
from allotment_hub.forges.pull_requests.errors import ForgeError, ForgeUnavailableError
from allotment_hub.forges.pull_requests.github import GitHubForge
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.pull_requests import following
from allotment_hub.services.pull_requests.adoptions import MAXIMUM_STRANGERS
from allotment_hub.services.pull_requests.mirroring import PullRequests
from allotment_hub.services.pull_requests.showing import ForgePlace
from allotment_profiles.records.evidence import SessionEvidence, TrialOutcome
from allotment_profiles.records.record import Source

LARGER = NOTEBOOK.replace(b"limit: 2", b"limit: 3")
PEOPLE = {"bot": "admin", "lena": "write", "leo": "write"}
HEADS = "refs/heads/"


class Window:
    """The services over a repository, and a stand-in for GitHub that shows its branches."""

    def __init__(self, folder: Path) -> None:
        self.platform = Platform(folder)
        self.server = GitHubServer()
        self.state = self.server.state
        self.folder = folder
        for login, permission in PEOPLE.items():
            user = self.state.user(login, permission)
            account = {"provider": "github", "host": "github.example.org", "id": str(user.id), "login": login}
            self.platform.people.identities[login] = {"account": account}
        (folder / "token").write_text(self.state.users["bot"].token)
        self.start()

    def start(self) -> None:
        """Start the part that follows the pull requests, as after a restart."""
        forge = GitHubForge(self.server.url, REPOSITORY, token_file=self.folder / "token")
        place = ForgePlace("github", "github.example.org", "https://hub/proposals/")
        self.following = self.platform.followed(forge, place, self.folder / "pull_requests.sqlite")
        self.shown = self.following.shown

    async def look(self) -> None:
        """Let GitHub see the branches, and look once."""
        references = self.platform.repository.references(HEADS)
        self.state.branches = {name.removeprefix(HEADS): commit for name, commit in references.items()}
        for pull in self.state.pulls:
            if pull.state == "open" and pull.head != (head := self.state.branches.get(pull.branch, pull.head)):
                pull.head, pull.updated = head, self.state.now()
        await self.platform.watcher.refresh()
        await self.following.look()

    async def restart(self) -> None:
        await self.following.close()
        self.start()

    async def close(self) -> None:
        await self.following.close()
        await self.platform.close()
        await self.server.close()
        assert not self.server.violations, "\n".join(self.server.violations)

    def pull(self, stored: StoredProposal) -> Pull:
        """Return the one pull request of a proposal."""
        found = [pull for pull in self.state.pulls if pull.branch == f"propose/{stored.id}"]
        assert len(found) == 1
        return found[0]

    def comment(self, stored: StoredProposal) -> str:
        """Return the one comment of the service's."""
        comments = [event.text for event in self.pull(stored).events if event.kind == "comment"]
        assert len(comments) == 1
        return comments[0]

    def texts(self, stored: StoredProposal) -> list[str]:
        """Return all comments of the service's."""
        return [event.text for event in self.pull(stored).events if event.kind == "comment"]

    def statuses(self, stored: StoredProposal) -> dict[str, str]:
        """Return what the statuses of the head say."""
        newest = self.state.newest_statuses(self.pull(stored).head)
        return {status.context: f"{status.state}: {status.description}" for status in newest}


@pytest_asyncio.fixture
async def window(tmp_path: Path) -> AsyncIterator[Window]:
    made = Window(tmp_path)
    yield made
    await made.close()


async def test_a_pull_request_is_its_proposers_where_the_hub_gives_their_token(
    window: Window, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    token = window.state.user("ana").token
    window.platform.people.user_tokens = {"ana": token, "ben": "ended-and-secret"}
    own = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    others = await window.platform.proposed({"teams/housing/profiles/desk.yaml": NOTEBOOK}, by="ben")
    await window.look()
    await window.look()
    assert window.pull(own).author.login == "ana"
    assert "Proposed-by" not in window.pull(own).body
    assert set(window.statuses(own)) == {"allotment/check", "allotment/approval"}
    assert window.pull(others).author.login == "bot", "where the forge does not take it, it is the service's"
    assert "Proposed-by: ben" in window.pull(others).body
    lines = "".join(f"{record.getMessage()}{record.exc_text}" for record in caplog.records)
    assert token not in lines
    assert "ended-and-secret" not in lines
    assert "opens no pull request with the token of ben (forge-credential)" in lines


async def test_what_changes_is_grouped_by_file(window: Window) -> None:
    both = LARGER.replace(b"4 GiB", b"8 GiB")
    new = NOTEBOOK.replace(b"Notebook", b"Other")
    stored = await window.platform.proposed({NOTEBOOK_PATH: both, "teams/housing/profiles/other.yaml": new})
    await window.look()
    body = window.pull(stored).body.replace("\\", "").replace("\u200b", "").replace("`", "")
    changes = body.partition("**What changes**")[2].partition("**Who")[0].strip().splitlines()
    assert changes[:3] == [
        "- Profile housing/notebook", "  - CPU limit 2 CPUs → 3 CPUs", "  - Memory limit 4 GiB → 8 GiB",
    ]  # fmt: skip
    assert changes[3:5] == ["- Profile housing/other added", "  - Title: Other"]


async def test_a_proposal_is_a_pull_request_that_says_what_it_means(window: Window) -> None:
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    pull = window.pull(stored)
    assert pull.title == "Change housing/notebook: CPU limit 2 CPUs → 3 CPUs"
    for text in ("CPU limit 2 CPUs → 3 CPUs", "It is needed", "leads of Housing", f"https://hub/proposals/{stored.id}"):
        assert text in pull.body.replace("\\", "").replace("\u200b", ""), text
    assert "Proposed-by: ana" in pull.body
    assert "waiting for" in window.comment(stored)
    assert pull.labels == ["allotment: waiting"]
    assert [user.login for user in pull.reviewers] == ["lena", "leo"]
    assert window.statuses(stored) == {
        "allotment/check": "success: No problems.",
        "allotment/approval": "pending: Waiting for the leads of Housing (/housing/leads).",
    }


async def test_what_is_decided_here_is_told_there(window: Window) -> None:
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    await window.platform.approved(stored)
    await window.look()
    assert window.statuses(stored)["allotment/approval"] == "success: Approved by lena."
    assert window.pull(stored).labels == ["allotment: approved"]
    await window.platform.reviews.merge(window.platform.people.actor("leo"), stored.id, stored.head)
    await window.look()
    assert "Merged by leo" in window.comment(stored)
    assert window.pull(stored).labels == ["allotment: merged"]
    # GitHub sees the head on main; only then is the branch removed, as it would take the merge for a closing otherwise.
    assert stored.id in window.platform.forge.ended_branches()
    assert window.platform.forge.unrecorded() == {}
    window.state.merge(window.pull(stored).number, window.state.users["bot"], "merge")
    await window.look()
    assert window.platform.forge.ended_branches() == {}


async def test_a_merge_that_the_forge_does_not_notice_closes_the_pull_request(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    stored = await window.platform.merged(stored)
    monkeypatch.setattr(following, "NOTICE", dt.timedelta(0))
    await window.look()
    assert window.pull(stored).state == "closed"
    assert stored.ending
    assert any(stored.ending.merge in event.text for event in window.pull(stored).events)


@pytest.mark.parametrize("ending", ["rejected", "withdrawn"])
async def test_the_end_of_a_proposal_closes_its_pull_request(window: Window, ending: str) -> None:
    platform = window.platform
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    if ending == "rejected":
        await platform.reviews.reject(platform.people.actor("lena"), stored.id, "Not now @everyone")
    else:
        await platform.submissions.withdraw(platform.people.actor("ana"), stored.id)
    await window.look()
    pull = window.pull(stored)
    assert (pull.state, pull.labels) == ("closed", [f"allotment: {ending}"])
    assert f"{ending.capitalize()} by" in window.texts(stored)[0]
    assert window.shown.all() == ()
    before = len(window.server.requests)
    await window.look()
    assert [method for method, _ in window.server.requests[before:] if method != "GET"] == []


async def test_a_second_look_writes_nothing(window: Window) -> None:
    await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    for _ in range(2):
        before = len(window.server.requests)
        await window.look()
        assert [method for method, _ in window.server.requests[before:] if method != "GET"] == []
        await window.restart()


async def test_nothing_is_there_twice_after_its_file_was_lost(window: Window) -> None:
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    (window.folder / "pull_requests.sqlite").unlink()
    await window.look()
    await window.restart()
    await window.look()
    assert "waiting for" in window.comment(stored)


async def test_a_pull_request_of_an_ended_proposal_is_found_after_its_file_was_lost(window: Window) -> None:
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    await window.platform.submissions.withdraw(window.platform.people.actor("ana"), stored.id)
    (window.folder / "pull_requests.sqlite").unlink()
    await window.look()
    assert window.pull(stored).state == "closed"


async def test_a_new_version_is_shown_in_the_same_pull_request(window: Window) -> None:
    platform = window.platform
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    first = window.shown.of(stored.id)
    await platform.proposed({NOTEBOOK_PATH: NOTEBOOK.replace(b"limit: 2", b"limit: 4")}, update=stored.id)
    await window.look()
    second = window.shown.of(stored.id)
    assert first
    assert second
    assert first.head != second.head
    assert first.since < second.since
    assert "CPU limit 2 CPUs → 4 CPUs" in window.pull(stored).body.replace("\\", "")


async def test_a_main_that_changes_what_it_means_is_shown(window: Window) -> None:
    platform = window.platform
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    platform.push({NOTEBOOK_PATH: NOTEBOOK.replace(b"limit: 2", b"limit: 4")})
    await window.look()
    assert window.pull(stored).labels == ["allotment: conflict"]
    assert window.statuses(stored)["allotment/check"].startswith("failure: Main has changed")
    shown = window.shown.of(stored.id)
    assert shown
    assert shown.digest == ""


async def test_a_push_to_its_branch_past_the_hub_is_said_and_cannot_be_approved(window: Window) -> None:
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    window.state.push(f"propose/{stored.id}")
    await window.following.look()
    shown = window.shown.of(stored.id)
    assert shown
    assert shown.digest == ""
    assert window.statuses(stored)["allotment/check"].startswith("failure: Nothing is decided here now")
    assert "outside the hub" in window.comment(stored)
    assert window.pull(stored).labels == ["allotment: decided in Allotment"]
    assert "What changes (the version on its page)" in window.pull(stored).body.replace("\\", "")


async def test_what_was_merged_there_without_a_review_is_not_said_to_be_reviewed(
    window: Window, tmp_path: Path
) -> None:
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    merge = window.platform.push({NOTEBOOK_PATH: LARGER})
    source = Source("github", window.pull(stored).number, "merged", "ana-there", server="git.example.org")
    why = "It was merged with GitHub's own button by ana, who proposed it."
    window.platform.forge.merged_there(stored, merge, by="ana", source=source, text=why)
    await window.look()
    assert f"**Not reviewed here. {why}**" in window.texts(stored)[0].replace("\\", "").replace("\u200b", "")
    assert window.pull(stored).labels == ["allotment: not reviewed here"]
    assert window.statuses(stored)["allotment/approval"].startswith("failure: ")
    async with WebService.opened(window.platform, tmp_path) as web:
        browser = web.browser("lena")
        pages = [
            await browser.get(path) for path in ("proposals", f"proposals/{stored.id}", "profiles/housing/notebook")
        ]
        for page in pages:
            assert "not reviewed here" in page.text.casefold()
            assert "pushed directly" not in page.text


@pytest.mark.parametrize("merged", [False, True])
async def test_one_that_is_set_to_another_branch_is_said_and_cannot_be_approved(
    window: Window, *, merged: bool
) -> None:
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    pull, pull_requests = window.pull(stored), PullRequests(window.following, window.platform.proposals)
    pull.base, pull.updated = "side", window.state.now()
    if merged:
        main = window.platform.forge.main()
        window.state.merge(pull.number, window.state.users["leo"], "merge")
        assert window.platform.forge.main() == main
    else:
        window.state.act(pull.number, "approved", window.state.users["lena"])
    await window.look()
    assert await window.platform.approvers(stored) == []
    what = "merged into another branch than main"
    assert what in window.comment(stored)
    assert "failure: Nothing is decided here now" in window.statuses(stored)["allotment/check"]
    async with WebService.opened(window.platform, window.folder, pull_requests=pull_requests) as service:
        health = (await service.stranger().get("api/v1/health")).json()
        assert (health["forge"]["open"], health["forge"]["elsewhere"]) == (0, 1)
        page = await service.browser("ben").get(f"proposals/{stored.id}")
        assert what in BeautifulSoup(page.text, "html.parser").select_one("#elsewhere").text  # type: ignore[union-attr]
    if merged:
        await window.platform.merged(stored)
        await window.look()
        return
    assert "The approval does not count" in window.comment(stored).replace("\\", "")
    pull.base, pull.updated = "main", window.state.now()
    await window.look()
    assert what not in window.comment(stored).partition("What does not count")[0]
    assert pull_requests.elsewhere(stored.id) == ""
    window.state.act(pull.number, "approved", window.state.users["lena"])
    await window.look()
    assert await window.platform.approvers(stored) == ["lena"]


async def test_values_and_hidden_profiles_do_not_leave_the_hub(window: Window) -> None:
    draft = b"visibility: draft\n" + NOTEBOOK.replace(b"Notebook", b"Secret study")
    variables = LARGER + b"environment: {PLACE: the-hidden-place}\n"
    both = await window.platform.proposed(
        {"teams/housing/profiles/study.yaml": draft, NOTEBOOK_PATH: variables}, by="ana"
    )
    await window.look()
    pull = window.pull(both)
    written = " ".join([pull.title, pull.body, window.comment(both), *window.statuses(both).values()])
    for secret in ("Secret study", "study", "the-hidden-place"):
        assert secret not in written.replace("\\", "").replace("\u200b", "")
    shown = window.shown.of(both.id)
    assert shown
    assert not shown.whole


async def test_where_each_sees_their_own_a_pull_request_tells_nothing(window: Window) -> None:
    window.platform.push({"policy.yaml": POLICY + b"listing: own\n"})
    await window.platform.watcher.refresh()
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    pull = window.pull(stored)
    written = " ".join([pull.title, pull.body, window.comment(stored), *window.statuses(stored).values()])
    for word in ("housing", "notebook", "It is needed", "CPU"):
        assert word.lower() not in written.lower()


async def test_what_people_write_does_nothing_there(window: Window) -> None:
    hostile = b"<script>alert(1)</script> @everyone fixes #1 ![x](https://evil.example.org/x.png)"
    stored = await window.platform.proposed(
        {NOTEBOOK_PATH: NOTEBOOK.replace(b"Counting houses", b'"' + hostile + b'"')}
    )
    await window.look()
    for text in (window.pull(stored).body, window.comment(stored)):
        acted_on = re.sub("`[^`]*`", "", text)  # forges pass over code
        for piece in (" <script", "@everyone", "fixes #1", "](https://evil"):
            assert piece not in acted_on
        assert "@everyone" not in text


async def test_a_forge_that_is_away_delays_nothing_here(window: Window) -> None:
    platform = window.platform
    await window.server.close()
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    with pytest.raises(ForgeError):
        await window.look()
    await platform.approved(stored)
    assert await platform.approvers(stored) == ["lena"]


async def test_one_that_the_forge_refuses_keeps_no_other_from_being_shown(window: Window) -> None:
    first = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    second = await window.platform.proposed(
        {"teams/housing/team.yaml": HOUSING.replace(b"cpu: 4", b"cpu: 5")}, by="lena"
    )
    window.platform.people.identities["lena"] = {}
    references = window.platform.repository.references(HEADS)
    window.state.branches = {name.removeprefix(HEADS): commit for name, commit in references.items()}
    del window.state.branches[f"propose/{second.id}"]
    await window.platform.watcher.refresh()
    await window.following.look()
    assert window.pull(first).state == "open"


async def test_after_a_fault_at_any_call_the_next_look_does_the_rest(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange, place, calls = ForgeClient._exchange, [0], [0]

    async def faulty(forge: ForgeClient, method: str, *rest: Any) -> Answer:
        """Carry out a call, and lose the answer of one of them."""
        answer = await exchange(forge, method, *rest)
        calls[0] += 1
        if calls[0] == place[0]:
            raise ForgeUnavailableError("The answer was lost.")
        return answer

    monkeypatch.setattr(ForgeClient, "_exchange", faulty)
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    lost = 0
    for number in range(1, 60):
        stored = await window.platform.proposed({f"teams/housing/profiles/n{number}.yaml": NOTEBOOK})
        place[0], calls[0] = number, 0
        with contextlib.suppress(ForgeError):
            await window.look()
        if calls[0] < number:
            break
        lost = number
        place[0] = 0
        await window.look()
        assert "waiting for" in window.comment(stored)
        assert window.pull(stored).labels == ["allotment: waiting"]
        assert [user.login for user in window.pull(stored).reviewers] == ["lena", "leo"]
        assert set(window.statuses(stored)) == {"allotment/check", "allotment/approval"}
        await window.platform.submissions.withdraw(window.platform.people.actor("ana"), stored.id)
        await window.look()
        assert window.pull(stored).state == "closed"
    assert lost > 8


async def test_what_is_redacted_here_goes_from_an_open_pull_request(window: Window) -> None:
    platform = window.platform
    await platform.watcher.refresh()
    done = await platform.submissions.propose(platform.people.actor("ana"), {NOTEBOOK_PATH: LARGER}, "For Smith")
    stored = await platform.submissions.comment(platform.people.actor("ben"), done.proposal.id, "Smith is a patient")
    await window.look()
    assert "Smith" in window.pull(stored).body
    assert "Smith" in window.comment(stored)
    for record in stored.records:
        await platform.reviews.redact(platform.people.actor("adam"), stored.id, record.commit, "It names a person")
    await window.look()
    for text in (window.pull(stored).body, window.comment(stored)):
        assert "Smith" not in text
        assert "Redacted by adam" in text


async def test_the_comment_says_when_the_last_approval_merges(window: Window) -> None:
    window.platform.push({"teams/housing/team.yaml": HOUSING + b"merge: when-approved\n"})
    await window.platform.watcher.refresh()
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    assert "merged by itself" in window.comment(stored)


@pytest.mark.parametrize("status", [500, 403])
async def test_one_that_the_forge_cannot_show_stops_no_other(window: Window, status: int) -> None:
    first = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    number = window.pull(first).number
    route = next(route for route in window.server.routes if "timeline" in route.path.pattern)
    answer = route.answer
    route.answer = lambda request: (
        Reply(status, {"message": "x"}) if int(request.part("number")) == number else answer(request)
    )
    window.pull(first).updated = window.state.now()
    other = await window.platform.proposed({"teams/housing/profiles/other.yaml": LARGER})
    older = await window.platform.proposed({"teams/housing/profiles/older.yaml": LARGER}, by="ben")
    await window.platform.submissions.comment(window.platform.people.actor("ana"), first.id, "The newest one now")
    with pytest.raises(ForgeError):
        await window.look()
    assert window.pull(other).labels == window.pull(older).labels == ["allotment: waiting"]


async def test_what_was_put_back_after_somebody_had_read_something_else_is_not_approved(window: Window) -> None:
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    for _ in range(2):
        await window.look()
    pull, lena = window.pull(stored), window.state.users["lena"]
    (comment,) = (event for event in pull.events if event.user.login == "bot")
    true = comment.text
    window.state.edit(pull.number, comment, "Nobody gains anything")
    window.state.act(pull.number, "approved", lena)
    window.state.edit(pull.number, comment, true)

    async def approvals() -> list[str]:
        await window.look()
        records = (await window.platform.proposals.stored(stored.id)).records
        return [record.by if record.kind == "approved" else record.source.uncounted for record in records[1:]]

    (why,) = await approvals()
    assert "before the pull request showed what the proposal does now" in why
    window.state.now()
    window.state.act(pull.number, "approved", lena)
    assert (await approvals())[1:] == ["lena"]


FAULTS = ["long comments", "many comments", "500", "another shape"]


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_is_on_some_pull_requests_stops_no_other(
    window: Window, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    others = [
        await window.platform.proposed({f"teams/housing/profiles/m{number}.yaml": NOTEBOOK}, by="ben")
        for number in range(following.MAXIMUM_FAILURES + 1)
    ]
    await window.look()
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    monkeypatch.setattr(client, "LARGEST_ANSWER", 200_000)
    monkeypatch.setattr(client, "MOST_PAGES", 2)
    numbers = {window.pull(stored).number for stored in others}
    many, text = {"long comments": (5, "€" * 65_536), "many comments": (250, "Hm")}.get(fault, (0, ""))
    for number in numbers:
        for _ in range(many):
            window.state.act(number, "comment", window.state.users["leo"], text)
    replies = {"500": Reply(500, {"message": "x"}), "another shape": Reply(200, [{"event": 5, "id": []}])}
    route = next(route for route in window.server.routes if "timeline" in route.path.pattern)
    answer = route.answer
    if fault in replies:
        route.answer = lambda request: replies[fault] if int(request.part("number")) in numbers else answer(request)
    for number in numbers:
        window.state.pulls[number - 1].updated = window.state.now()
    pull = window.pull(victim)
    window.state.act(pull.number, "approved", window.state.users["lena"])
    for _ in range(2):
        with contextlib.suppress(ForgeError):
            await window.look()
    kinds = [record.kind for record in (await window.platform.proposals.stored(victim.id)).records]
    assert "approved" in kinds
    assert set(window.following.elsewhere) == ({stored.id for stored in others} if many else set())
    # When the fault is gone, all are followed again.
    route.answer = answer
    for number in numbers:
        found = window.state.pulls[number - 1]
        found.events = [event for event in found.events if event.user.login != "leo"]
        window.state.act(number, "comment", window.state.users["lena"], "At last")
    for _ in range(2):
        await window.look()
    for stored in others:
        assert (await window.platform.proposals.stored(stored.id)).records[-1].text == "At last"
    assert not window.following.elsewhere


async def test_what_is_too_long_for_a_pull_request_is_decided_on_the_page(window: Window) -> None:
    files = {f"teams/housing/profiles/a{number:02}.yaml": NOTEBOOK for number in range(45)}
    stored = await window.platform.proposed(files)
    await window.look()
    assert "more, which its page shows" in window.pull(stored).body
    assert "decided on its page" in window.pull(stored).body
    shown = window.shown.of(stored.id)
    assert shown
    assert not shown.whole


async def test_an_act_that_is_done_while_the_forge_is_asked_is_not_lost(window: Window) -> None:
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    pull, lena, leo = window.pull(stored), window.state.users["lena"], window.state.users["leo"]
    route = next(
        each for each in window.server.routes if each.path.pattern.endswith("/pulls/(?P<number>[^/]+)/comments")
    )
    answer, done = route.answer, list[bool]()

    def slowly(request: Request) -> Any:
        """Answer, after somebody has done something that the first list does not have any more."""
        if not done:
            done.append(True)
            window.state.act(pull.number, "changes_requested", lena, "Never")
            window.state.act(pull.number, "commented", leo, "Nice", path="a.yaml", line=1)
        return answer(request)

    route.answer = slowly
    window.state.act(pull.number, "comment", leo, "Hm")
    for _ in range(3):
        await window.look()
    assert [record.kind for record in (await window.platform.proposals.stored(stored.id)).records][-1] == "rejected"


async def test_pull_requests_of_strangers_wait_for_everybody_elses(window: Window) -> None:
    stranger = window.state.user("mallory", "read")
    for number in range(15):
        window.state.open(stranger, f"b{number}", "Buy!", fork=True)
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    assert window.pull(stored).state == "open"
    said = [pull for pull in window.state.pulls if pull.author is stranger and pull.events]
    assert len(said) == MAXIMUM_STRANGERS
    await window.look()
    assert all(pull.events for pull in window.state.pulls)
    for _ in range(3):  # what was written changed them once more
        await window.look()
    before = len(window.server.requests)
    await window.look()
    await window.look()
    assert len(window.server.requests) - before < 20


async def test_evidence_is_on_no_pull_request_and_the_outcome_of_a_trial_changes_nothing_there(window: Window) -> None:
    platform = window.platform
    packages = [{"manager": "pip", "name": "planted-package", "version": "1.2.3"}]
    said = SessionEvidence.model_validate({"profile": "housing/notebook", "packages": packages})
    propose = platform.submissions.propose
    done = await propose(platform.people.actor("ana"), {NOTEBOOK_PATH: LARGER}, "It is needed", evidence=said)
    stored = done.proposal
    await window.look()
    before = [*window.texts(stored)]
    failed = TrialOutcome(code="image-pull", text="planted-package is missing")
    await platform.submissions.tried(stored.id, stored.head, "lena", failed)
    await window.look()
    assert window.texts(stored) == before
    assert "planted-package" not in f"{vars(window.pull(stored))} {window.statuses(stored)}"
    assert "evidence.json" not in platform.repository.tree(stored.head)


async def test_on_a_new_server_of_the_kind_nobody_elses_pull_request_is_taken_for_the_proposals(window: Window) -> None:
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    assert window.pull(stored).number == 1
    # The numbers begin again: the first one there is somebody else's.
    window.state.pulls.clear()
    stranger = window.state.user("mallory", "write")
    window.state.branches["hers"] = window.platform.forge.main()
    window.state.open(stranger, "hers", "Mine")
    for _ in range(2):
        await window.look()
    assert window.pull(stored).number == 2
    assert (window.state.pulls[0].title, window.state.pulls[0].body) == ("Mine", "")
    shown = window.shown.of(stored.id)
    assert shown
    assert shown.number == 2
