"""Checks run in processes that can be ended: by their budget, by somebody else, with the service."""

import asyncio
import dataclasses
import json
import os
import signal
import subprocess
import sys

import psutil
import pytest
from support.conditions import eventually, until
from support.costly import costly_profile
from support.fakes.platform import JUDGES, NOTEBOOK, NOTEBOOK_PATH, PRICES, PRICES_PATH, Platform, code_of, refusal_of

from allotment_hub.services.judging.checking import ChangeChecker
from allotment_hub.services.judging.dry_runs import check_files
from allotment_hub.services.judging.judges import Judges
from allotment_hub.services.judging.turns import MAXIMUM_PAGES_WAITING, MAXIMUM_WAITING
from allotment_profiles.git.process import GitCommandError, GitDataError

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
MODULE = "allotment_hub.services.judging.worker"


def workers(pid: int) -> list[psutil.Process]:
    """Return the judges of a process."""
    return [child for child in psutil.Process(pid).children() if MODULE in " ".join(child.cmdline())]


def costly_files() -> dict[str, bytes | None]:
    """Give as many files as one proposal may have, each with as many choices as a profile may have."""
    return {
        f"teams/housing/profiles/costly-{number}.yaml": json.dumps(costly_profile(f"Costly {number}")).encode()
        for number in range(50)
    }


async def test_a_check_that_takes_too_much_work_is_refused_and_the_next_one_is_made(platform: Platform) -> None:
    main = platform.forge.main()
    checking = ChangeChecker(platform.watcher.tracker, platform.clock, JUDGES, work_seconds=0.1)
    refusal = (await refusal_of(checking.files(main, costly_files(), "ana"))).refusal
    assert (refusal.status, refusal.code) == (422, "check-too-costly")
    assert not (await platform.checking.files(main, {NOTEBOOK_PATH: LARGER}, "ana")).errors


async def test_a_judge_that_somebody_kills_is_replaced(platform: Platform) -> None:
    ana = platform.people.actor("ana")
    await platform.submissions.check(ana, {NOTEBOOK_PATH: LARGER})
    for worker in workers(os.getpid()):
        worker.kill()
    assert not (await platform.submissions.check(ana, {NOTEBOOK_PATH: LARGER})).errors


async def test_one_user_fills_no_queue(platform: Platform) -> None:
    ana, ben, main = platform.people.actor("ana"), platform.people.actor("ben"), platform.forge.main()
    asked = [
        asyncio.ensure_future(platform.checking.files(main, {NOTEBOOK_PATH: LARGER}, ana.user.name))
        for _ in range(MAXIMUM_WAITING + 1)
    ]
    await asyncio.sleep(0)
    refusal = (await refusal_of(platform.submissions.check(ana, {NOTEBOOK_PATH: LARGER}))).refusal
    assert (refusal.status, refusal.code) == (429, "checks-many")
    assert not (await platform.submissions.check(ben, {NOTEBOOK_PATH: LARGER})).errors
    assert not any(check.errors for check in await asyncio.gather(*asked))
    assert not (await platform.submissions.check(ana, {NOTEBOOK_PATH: LARGER})).errors


async def test_what_git_told_a_judge_is_raised_as_it_was(platform: Platform) -> None:
    """A git that did not run has told nothing, so the two are never taken for each other."""
    with pytest.raises(GitDataError) as raised:
        await platform.checking.commit(platform.forge.main(), "1" * 40, platform.checking.today())
    assert isinstance(raised.value, GitCommandError)
    assert raised.value.reason in str(raised.value)


async def test_a_judge_returns_what_a_check_in_this_process_returns(platform: Platform) -> None:
    main, day = platform.forge.main(), platform.checking.today()
    files = {
        NOTEBOOK_PATH: LARGER + b"data_roles: [prices, other]\n",
        PRICES_PATH: PRICES.replace(b"2999", b"2020"),
        "teams/transport/team.yaml": None,
        "teams/housing/profiles/new.yaml": NOTEBOOK,
    }
    judged = await platform.checking.files(main, files, "ana")
    direct = check_files(platform.watcher.tracker, main, files, day)
    for field in dataclasses.fields(judged):
        if field.name not in ("before", "after"):
            assert getattr(judged, field.name) == getattr(direct, field.name)
    assert judged.before is direct.before
    for kind in ("teams", "data_roles", "profiles", "broken", "policy"):
        assert getattr(judged.after, kind) == getattr(direct.after, kind)
    assert judged.after.teams["housing"] is judged.before.teams["housing"]


async def test_closed_judges_leave_no_process_and_refuse(platform: Platform) -> None:
    judges = Judges()
    checking = ChangeChecker(platform.watcher.tracker, platform.clock, judges)
    others = workers(os.getpid())
    await checking.files(platform.forge.main(), {NOTEBOOK_PATH: LARGER}, "ana")
    assert len(workers(os.getpid())) == len(others) + 1
    judges.close()
    assert workers(os.getpid()) == others
    with pytest.raises(Exception, match="stopping"):
        await checking.files(platform.forge.main(), {NOTEBOOK_PATH: LARGER}, "ana")


PARENT = """
import datetime as dt, sys, time
from pathlib import Path
from allotment_hub.services.judging.judges import Judges
from allotment_hub.services.judging.worker import Task
from allotment_profiles.git.repository import Repository
repository = Repository(Path(sys.argv[1]))
main = repository.resolve("refs/heads/main")
now = dt.datetime.now(dt.UTC)
Judges().run(Task(repository, None, main, main, now.date(), now, 2.0, {"x": None}))
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_judge_ends_when_its_service_was_killed(platform: Platform) -> None:
    command = [sys.executable, "-c", PARENT, str(platform.repository.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"ready\n"
        (worker,) = workers(parent.pid)
        parent.send_signal(signal.SIGKILL)
    until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, within=30, what="its end")


async def test_an_error_of_a_check_is_raised_here(platform: Platform) -> None:
    assert await code_of(platform.submissions.check(platform.people.actor("ana"), {})) == "no-files"
    with pytest.raises(Exception, match="deadbeef"):
        await platform.checking.commit(platform.forge.main(), "deadbeef" * 5, platform.checking.today())
    assert JUDGES is not None


async def test_pages_and_decisions_of_one_user_wait_in_a_queue_of_their_own(platform: Platform) -> None:
    proposed = [
        await platform.proposed({f"teams/housing/profiles/p{number}.yaml": NOTEBOOK})
        for number in range(MAXIMUM_PAGES_WAITING + 2)
    ]
    lena, leo, last = platform.people.actor("lena"), platform.people.actor("leo"), proposed[-1]
    async with platform.checking.turns.of("lena", "page"):
        pages = [asyncio.ensure_future(platform.proposals.view(stored, lena)) for stored in proposed[:-2]]
        await eventually(lambda: platform.checking.turns.waiting("lena", "page") > MAXIMUM_PAGES_WAITING, "all wait")
        assert await code_of(platform.proposals.view(proposed[-2], lena)) == "checks-many"
        assert await code_of(platform.reviews.approve(lena, last.id, last.head)) == "checks-many"
        assert await code_of(platform.reviews.merge(lena, last.id, last.head)) == "checks-many"
        assert not any(page.done() for page in pages)
    assert not any(view.check.errors for view in await asyncio.gather(*pages))
    # What was judged for one reader is not judged for the next, and the places are free again.
    assert not any([(await platform.proposals.view(stored, leo)).check.errors for stored in proposed])
    await platform.reviews.approve(lena, last.id, last.head)
