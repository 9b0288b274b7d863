"""What a conflict comes to, key by key, is found once, by a judge that can be ended, and stops nobody."""

import asyncio
import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.conditions import eventually
from support.costly import costly_profile
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform, code_of
from support.fakes.web_service import WebService

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.judging.catching_up import Updated
from allotment_hub.services.judging.judges import Judges
from allotment_hub.services.judging.worker import Task

TOO_LITTLE = 1e-6
"""Seconds of work: the first tick of the clock ends the judge."""
LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
RENAMED = NOTEBOOK.replace(b"Counting houses", b"Counting sheds")


class WatchedJudges(Judges):
    """Judges that count what they carry over, may be killed at it, and can be held up at it."""

    def __init__(self) -> None:
        super().__init__()
        self.carried = 0
        self.killed = False
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def carry_over(self, task: Task) -> Updated:
        """Carry over when it may be done."""
        self.carried += 1
        self.may_go_on.wait()
        return super().carry_over(task)

    def _take(self) -> "subprocess.Popen[bytes]":
        process = super()._take()
        if self.killed:
            process.kill()
        return process


@pytest.fixture
def judges(platform: Platform, tmp_path: Path) -> Iterator[WatchedJudges]:
    """Judges of the platform."""
    with contextlib.closing(WatchedJudges()) as judges:
        platform.judges = judges
        platform.build(tmp_path)
        yield judges
        judges.may_go_on.set()


async def conflict(platform: Platform, mine: bytes = LARGER, theirs: bytes = RENAMED) -> StoredProposal:
    """Return a proposal for a file that main has changed since."""
    await platform.watcher.refresh()
    stored = await platform.proposed({NOTEBOOK_PATH: mine})
    platform.push({NOTEBOOK_PATH: theirs})
    await platform.watcher.refresh()
    return stored


async def test_a_conflict_is_carried_over_once_for_all_who_look(platform: Platform, judges: WatchedJudges) -> None:
    stored = await conflict(platform)
    for name in ("leo", "lena", "ana", "leo"):
        view = await platform.proposals.view(stored, platform.people.actor(name))
        assert (view.case.state, view.collisions) == ("conflict", ())
    assert judges.carried == 1
    await platform.submissions.bring_up_to_date(platform.people.actor("ana"), stored.id)
    assert judges.carried == 1


async def test_what_is_too_costly_to_carry_over_collides_as_a_whole(platform: Platform, tmp_path: Path) -> None:
    paths = [f"teams/housing/profiles/costly-{number}.yaml" for number in range(6)]
    profiles = [json.dumps(costly_profile(f"Costly {title}")).encode() for title in ("one", "two", "three")]
    await platform.watcher.refresh()
    platform.push(dict.fromkeys(paths, profiles[0]))
    await platform.watcher.refresh()
    stored = await platform.proposed(dict.fromkeys(paths, profiles[1]))
    platform.push(dict.fromkeys(paths, profiles[2]))
    platform.work_seconds = TOO_LITTLE
    platform.build(tmp_path)
    await platform.watcher.refresh()
    view = await platform.proposals.view(stored, platform.people.actor("leo"))
    assert view.case.state == "conflict"
    assert {(change.path, change.label) for change in view.collisions} == {(path, "the whole file") for path in paths}
    assert (
        await code_of(platform.submissions.bring_up_to_date(platform.people.actor("ana"), stored.id)) == "keys-collide"
    )
    assert (await platform.submissions.withdraw(platform.people.actor("ana"), stored.id)).ending


async def test_what_was_interrupted_is_carried_over_by_the_next_who_looks(
    platform: Platform, judges: WatchedJudges
) -> None:
    stored = await conflict(platform)
    judges.killed = True
    view = await platform.proposals.view(stored, platform.people.actor("leo"))
    assert [change.label for change in view.collisions] == ["the whole file"]
    judges.killed = False
    assert (await platform.proposals.view(stored, platform.people.actor("leo"))).collisions == ()


async def test_two_changes_that_do_not_fit_together_have_a_page_with_its_buttons(
    platform: Platform, tmp_path: Path
) -> None:
    mine, theirs = (
        NOTEBOOK + b"environment:\n" + "".join(f"  {name}_{number}: '{'v' * 900}'\n" for number in range(36)).encode()
        for name in ("MINE", "THEIRS")
    )
    stored = await conflict(platform, mine, theirs)
    async with WebService.opened(platform, tmp_path) as web:
        for name, button in (("lena", "reject"), ("ana", "withdraw")):
            page = await web.browser(name).get(f"proposals/{stored.id}")
            assert page.status_code == 200
            assert "the whole file" in page.text
            assert f"proposals/{stored.id}/{button}" in page.text
        update = await web.program("ana").post(f"api/v1/proposals/{stored.id}/update", json={})
        assert (update.status_code, update.json()["code"]) == (409, "keys-collide")
        assert (await web.browser("ana").get(f"propose?proposal={stored.id}")).status_code == 200


async def test_nobody_waits_for_what_an_update_has_carried_over(platform: Platform, judges: WatchedJudges) -> None:
    ana, ben = platform.people.actor("ana"), platform.people.actor("ben")
    await platform.watcher.refresh()
    merged = await platform.merged(await platform.proposed({NOTEBOOK_PATH: LARGER}))
    await platform.watcher.refresh()
    undoing = (await platform.submissions.revert(ana, merged.id, "It was too much")).proposal
    platform.push({"teams/housing/profiles/other.yaml": NOTEBOOK})
    await platform.watcher.refresh()
    before = judges.carried
    judges.may_go_on.clear()
    update = asyncio.create_task(platform.proposed({NOTEBOOK_PATH: RENAMED}, update=undoing.id))
    await eventually(lambda: judges.carried > before, what="an update that is carried over")
    await asyncio.wait_for(platform.submissions.comment(ben, undoing.id, "Why?"), 60)
    judges.may_go_on.set()
    assert (await update).undoes == ""
