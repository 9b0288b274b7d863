"""A proposal that takes too much work to judge is a proposal with a problem: everything else goes on."""

import contextlib
import dataclasses
import json
import subprocess
from pathlib import Path

import pytest
from support.costly import costly_profile
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform, code_of
from support.fakes.web_service import WebService

from allotment_hub.errors import UnavailableError
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.judging.judges import Judges
from allotment_hub.services.judging.worker import Result, Task
from allotment_hub.services.proposals.overview import overview

TOO_LITTLE = 1e-6
"""Seconds of work: the first tick of the clock ends the judge."""
LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
COSTLY = {
    f"teams/housing/profiles/costly-{number}.yaml": json.dumps(costly_profile(f"Costly {number}")).encode()
    for number in range(6)
}


class CountingJudges(Judges):
    """Judges that remember the budgets of what they were asked."""

    def __init__(self) -> None:
        super().__init__()
        self.budgets: list[float] = []

    def run(self, task: Task) -> Result:
        """Run a task."""
        self.budgets.append(task.work_seconds)
        return super().run(task)


class KilledJudges(Judges):
    """Judges that somebody kills before they answer, while memory is short."""

    short = True

    def _take(self) -> "subprocess.Popen[bytes]":
        process = super()._take()
        if self.short:
            process.kill()
        return process


class FailingJudges(CountingJudges):
    """Judges that are asked what no check can answer."""

    def run(self, task: Task) -> Result:
        """Run a task without a day."""
        return super().run(dataclasses.replace(task, day=None))  # type: ignore[arg-type]


async def restarted(platform: Platform, folder: Path) -> Platform:
    """Return the platform as after a restart."""
    other = platform.beside(folder)
    await other.watcher.refresh()
    return other


async def costly_now(platform: Platform, folder: Path) -> tuple[Platform, StoredProposal]:
    """Return a platform for which a proposal that could be proposed is too costly to judge, and the proposal."""
    stored = await platform.proposed(COSTLY)
    platform.work_seconds = TOO_LITTLE
    return await restarted(platform, folder), stored


async def test_no_proposal_stops_the_list_the_page_or_a_decision(platform: Platform, tmp_path: Path) -> None:
    other = await platform.proposed({"teams/housing/profiles/other.yaml": NOTEBOOK}, by="ben")
    slow, stored = await costly_now(platform, tmp_path)
    async with WebService.opened(slow, tmp_path) as web:
        leo, lead, ana = web.browser("leo"), web.program("leo"), web.program("ana")
        page = await leo.get("proposals")
        assert page.status_code == 200
        assert stored.id in page.text
        assert other.id in page.text
        page = await leo.get(f"proposals/{stored.id}")
        assert page.status_code == 200
        assert "seconds of work" in page.text
        assert "Main already has the same content" not in page.text
        answer = (await lead.get(f"api/v1/proposals/{stored.id}")).json()
        assert (answer["state"], [each["code"] for each in answer["problems"]]) == ("broken", ["check-too-costly"])
        body = {"head": stored.head, "digest": answer["digest"]}
        approval = await lead.post(f"api/v1/proposals/{stored.id}/approvals", json=body)
        assert (approval.status_code, approval.json()["code"]) == (409, "problems")
        commented = await lead.post(f"api/v1/proposals/{stored.id}/comments", json={"text": "Split it"})
        assert commented.status_code == 201
        withdrawn = await ana.post(f"api/v1/proposals/{stored.id}/withdrawal", json={})
        assert (withdrawn.status_code, withdrawn.json()["state"]) == (200, "withdrawn")
        assert (await leo.get(f"proposals/{stored.id}")).status_code == 200


async def test_a_lead_rejects_what_cannot_be_judged(platform: Platform, tmp_path: Path) -> None:
    slow, stored = await costly_now(platform, tmp_path)
    ben, leo = slow.people.actor("ben"), slow.people.actor("leo")
    assert (await slow.proposals.view(stored, leo)).actions["reject"] is None
    assert (await slow.proposals.view(stored, ben)).actions["reject"]
    assert await code_of(slow.reviews.reject(ben, stored.id, "No")) == "not-a-reviewer"
    async with WebService.opened(slow, tmp_path) as web:
        rejected = await web.program("leo").post(f"api/v1/proposals/{stored.id}/rejection", json={"reason": "No"})
        assert (rejected.status_code, rejected.json()["state"]) == (200, "rejected")


async def test_what_is_too_costly_is_found_once(platform: Platform, tmp_path: Path) -> None:
    with contextlib.closing(CountingJudges()) as judges:
        platform.judges = judges
        slow, stored = await costly_now(platform, tmp_path)
        judges.budgets.clear()
        for name in ("leo", "lena", "ana"):
            actor = slow.people.actor(name)
            assert [line.state for line in (await overview(slow.proposals, actor)).lines] == ["broken"]
            assert (await slow.proposals.view(stored, actor)).case.state == "broken"
        assert judges.budgets == [TOO_LITTLE]


@pytest.mark.parametrize("by", ["leo", "adam"])
async def test_rejecting_and_withdrawing_need_no_judge(platform: Platform, tmp_path: Path, by: str) -> None:
    first = await platform.proposed({NOTEBOOK_PATH: LARGER})
    second = await platform.proposed({"teams/housing/profiles/new.yaml": NOTEBOOK})
    platform.judges = CountingJudges()
    slow = await restarted(platform, tmp_path)
    assert (await slow.reviews.reject(slow.people.actor(by), first.id, "No")).ending
    assert (await slow.submissions.withdraw(slow.people.actor("ana"), second.id)).ending
    assert platform.judges.budgets == []


async def test_proposing_has_half_of_the_budget_of_judging(platform: Platform, tmp_path: Path) -> None:
    with contextlib.closing(CountingJudges()) as judges:
        platform.judges, platform.work_seconds = judges, 4
        other = await restarted(platform, tmp_path)
        stored = await other.proposed({NOTEBOOK_PATH: LARGER})
        await other.proposals.view(stored, other.people.actor("leo"))
        assert judges.budgets == [2, 4]


async def test_a_check_that_fails_is_a_problem_of_its_proposal_alone(
    platform: Platform, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    with contextlib.closing(FailingJudges()) as judges:
        platform.judges = judges
        slow = await restarted(platform, tmp_path)
        leo = slow.people.actor("leo")
        for _ in range(2):
            assert [line.state for line in (await overview(slow.proposals, leo)).lines] == ["broken"]
        view = await slow.proposals.view(stored, leo)
        assert [problem.code for problem in view.check.errors] == ["check-failed"]
        assert len(judges.budgets) == 1
        assert "administrator" in view.check.errors[0].remedy
        assert "again in a moment" not in view.check.errors[0].remedy
        with pytest.raises(UnavailableError) as raised:
            await slow.submissions.check(leo, {NOTEBOOK_PATH: LARGER})
        refusal = raised.value.refusal
        assert (refusal.status, refusal.code, bool(refusal.decides)) == (500, "check-failed", True)
        assert refusal.remedy == view.check.errors[0].remedy
        assert "Traceback" in caplog.text


async def test_a_check_that_was_interrupted_is_made_again(platform: Platform, tmp_path: Path) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    with contextlib.closing(KilledJudges()) as judges:
        platform.judges = judges
        slow = await restarted(platform, tmp_path)
        leo = slow.people.actor("leo")
        assert [line.state for line in (await overview(slow.proposals, leo)).lines] == ["broken"]
        view = await slow.proposals.view(stored, leo)
        assert [problem.code for problem in view.check.errors] == ["check-interrupted"]
        assert "again in a moment" in view.check.errors[0].remedy
        judges.short = False
        assert [line.state for line in (await overview(slow.proposals, leo)).lines] == ["open"]
