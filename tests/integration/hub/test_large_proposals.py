"""A proposal with very many changes: what is shown and sent is bounded, and what is decided is of all of it."""

import contextlib
import dataclasses
import datetime as dt
import gc
import io
import threading
from pathlib import Path
from typing import ClassVar

import pytest
from bs4 import BeautifulSoup
from support.costly import costly_profile
from support.fakes.platform import HOUSING, JUDGES, NOTEBOOK, NOTEBOOK_PATH, PRICES, Platform
from support.fakes.web_service import WebService

from allotment_hub.forges.stored_proposal import Candidate
from allotment_hub.services.event_reader import EventReader
from allotment_hub.services.judging.checking import MAXIMUM_SHOWN, ChangeChecker, Check
from allotment_hub.services.judging.judges import Judges
from allotment_hub.services.judging.worker import Result, Task, receive, send
from allotment_hub.services.proposals import judgements
from allotment_hub.services.proposals.overview import overview
from allotment_hub.services.proposals.proposals import Proposals
from allotment_profiles.access.people import User
from allotment_profiles.documents.writing import write
from allotment_profiles.model.base import attributes
from allotment_profiles.review.approvals import Requirement

COSTLY = {"teams/housing/profiles/costly.yaml": write("profile", costly_profile("Costly"))}
LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")


async def test_the_page_and_the_api_show_the_first_changes_and_say_how_many_there_are(
    platform: Platform, tmp_path: Path
) -> None:
    await platform.watcher.refresh()
    stored = await platform.proposed(COSTLY)
    total = len((await platform.proposals.case(stored, platform.people.actor("leo").user)).check.changes)
    assert total > MAXIMUM_SHOWN
    async with WebService.opened(platform, tmp_path) as web:
        page = BeautifulSoup((await web.browser("leo").get(f"proposals/{stored.id}")).content, "html.parser")
        rows = page.select(".allotment-changes td ins")
        assert len(rows) <= MAXIMUM_SHOWN + 10
        assert f"And {total - MAXIMUM_SHOWN} more of {total} in all" in " ".join(page.get_text().split())
        answer = (await web.program("leo").get(f"api/v1/proposals/{stored.id}")).json()
        assert (len(answer["changes"]), answer["totals"]["changes"]) == (MAXIMUM_SHOWN, total)
        files = {path: data.decode() for path, data in COSTLY.items()}
        body = {"files": [{"path": path, "content": data} for path, data in files.items()]}
        checked = (await web.program("ben").post("api/v1/checks", json=body)).json()
        assert (len(checked["changes"]), checked["totals"]["changes"]) == (MAXIMUM_SHOWN, total)


async def test_a_change_that_is_not_shown_counts_for_what_is_approved_and_needed(platform: Platform) -> None:
    """A reviewer approves all of a proposal: another value of what is left out is another digest."""
    await platform.watcher.refresh()
    leo = platform.people.actor("leo")
    profile = costly_profile("Costly")
    first = await platform.proposed(COSTLY)
    before = await platform.proposals.view(first, leo)
    profile["options"]["option-h"]["choices"]["choice-t"]["environment"] = {"COLOUR": "other"}
    second = await platform.proposed({path: write("profile", profile) for path in COSTLY})
    after = await platform.proposals.view(second, leo)
    assert after.check.changes == before.check.changes
    assert after.case.judgement.digest != before.case.judgement.digest
    assert after.case.requirements == before.case.requirements != ()


async def test_many_people_and_many_grants_make_a_page_of_bounded_size(platform: Platform, tmp_path: Path) -> None:
    """Each person times each data role would be a reason."""
    roles = {
        f"data-roles/r{number}.yaml": PRICES.replace(b"sub_path: housing", b"sub_path: folder%d" % number)
        for number in range(40)
    }
    platform.push(dict(roles), "Set up", signed=True)
    await platform.watcher.refresh()
    groups = b", ".join(b"/g%d" % number for number in range(90))
    users = b", ".join(b"u%d" % number for number in range(190))
    people = b"{groups: [/housing, %s], users: [%s]}" % (groups, users)
    file = HOUSING.replace(b"members: {groups: [/housing]}", b"members: " + people)
    stored = await platform.proposed({"teams/housing/team.yaml": file})
    async with WebService.opened(platform, tmp_path) as web:
        page = await web.browser("dora").get(f"proposals/{stored.id}")
        answer = await web.program("dora").get(f"api/v1/proposals/{stored.id}")
    needed = {each["key"]: each["reasons"] for each in answer.json()["requirements"]}
    assert len(needed["owner:open-data"]) == 41, "one for each data role"
    assert all("and 275 others gain the data of" in reason for reason in needed["owner:open-data"])
    assert needed["administrator"][-1] == "And for 230 more reasons."
    assert len(page.content) < 500_000
    assert len(answer.content) < 500_000


async def test_what_is_kept_of_proposals_is_bounded_by_its_size(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One person may have as many open as fill the memory of the service."""
    await platform.watcher.refresh()
    path = "teams/housing/profiles/costly-{}.yaml"
    source = write("profile", costly_profile("Costly"))
    stored = [await platform.proposed({path.format(number): source}) for number in range(3)]
    leo = platform.people.actor("leo")

    async def judged_again() -> int:
        with contextlib.closing(CountingJudges()) as judges:
            platform.judges = judges
            other = platform.beside(tmp_path)
            await other.watcher.refresh()
            for each in stored:
                await other.proposals.view(each, leo)
            judges.tasks = 0
            for each in reversed(stored):
                assert (await other.proposals.view(each, leo)).totals["changes"] > MAXIMUM_SHOWN
            return judges.tasks

    assert await judged_again() == 0
    monkeypatch.setattr(judgements, "MAXIMUM_CHANGES_KEPT", 1)
    assert await judged_again() == len(stored) - 1


class CountingJudges(Judges):
    """Counts what they are asked."""

    tasks = 0

    def run(self, task: Task) -> Result:
        """Run a task."""
        self.tasks += 1
        return super().run(task)


class WatchedCheck(Check):
    """Remembers the threads in which it was asked what it needs, and shown."""

    threads: ClassVar[list[threading.Thread]]

    def needed_by(self, proposer: User) -> tuple[tuple[Requirement, ...], tuple[str, ...]]:
        self.threads.append(threading.current_thread())
        return super().needed_by(proposer)

    def left_out(self, name: str) -> int:
        self.threads.append(threading.current_thread())
        return super().left_out(name)


class WatchedChecker(ChangeChecker):
    """Returns watched checks."""

    async def merge(self, candidate: Candidate, day: dt.date) -> tuple[Check, tuple[str, ...]]:
        check, removals = await super().merge(candidate, day)
        return WatchedCheck(**attributes(check, *(field.name for field in dataclasses.fields(check)))), removals


class Witness:
    """Remembers whether the garbage collector may run while it is read."""

    collected: ClassVar[list[bool]] = []

    def __setstate__(self, state: object) -> None:
        self.collected.append(gc.isenabled())

    def __getstate__(self) -> object:
        return [1]


def test_what_a_judge_answers_is_read_without_a_pause_for_the_event_loop() -> None:
    stream = io.BytesIO()
    send(stream, [Witness(), Witness()])
    stream.seek(0)
    assert len(receive(stream)) == len(Witness.collected)
    assert not any(Witness.collected)
    assert gc.isenabled()


async def test_a_page_is_rendered_beside_the_event_loop(platform: Platform, tmp_path: Path) -> None:
    await platform.watcher.refresh()
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    checking = WatchedChecker(platform.watcher.tracker, platform.clock, JUDGES)
    events = EventReader(platform.events)
    platform.proposals = Proposals(platform.forge, checking, platform.directory, platform.watcher, events)
    async with WebService.opened(platform, tmp_path) as web:
        browser = web.browser("leo")
        WatchedCheck.threads = threads = []
        assert (await browser.get(f"proposals/{stored.id}")).status_code == 200
    assert threads
    assert threading.main_thread() not in threads


async def test_what_is_needed_is_found_once_and_beside_the_event_loop(platform: Platform) -> None:
    await platform.watcher.refresh()
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    checking = WatchedChecker(platform.watcher.tracker, platform.clock, JUDGES)
    proposals = Proposals(platform.forge, checking, platform.directory, platform.watcher, EventReader(platform.events))
    WatchedCheck.threads = threads = []
    for name in ("leo", "lena", "ana"):
        actor = platform.people.actor(name)
        assert (await proposals.view(stored, actor)).case.requirements
        assert [line.state for line in (await overview(proposals, actor)).lines] == ["open"]
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
