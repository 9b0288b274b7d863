"""Checks of changes against main, each in a process that can be ended."""

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

from allotment_hub.errors import ServiceError, UnavailableError
from allotment_hub.forges.stored_proposal import Candidate
from allotment_hub.services.judging.catching_up import Updated, files_for_main, undone
from allotment_hub.services.judging.dry_runs import MAXIMUM_SHOWN, Check, Files, OtherProposal, unchecked
from allotment_hub.services.judging.judges import MAXIMUM_JUDGES, Judges
from allotment_hub.services.judging.turns import Turns
from allotment_hub.services.judging.worker import Task
from allotment_profiles.records.record import Record
from allotment_profiles.store.tracker import Tracker

__all__ = ["MAXIMUM_SHOWN", "ChangeChecker", "Check", "Files", "OtherProposal"]
WORK_SECONDS = 2.0
"""Processor time for one check. It does not depend on what else the machine does."""
LIST_SECONDS = 0.5
"""How long a list waits. What is not checked by then is checked meanwhile, and the list says so."""

_UNCHECKED = ("check-too-costly", "check-failed", "check-interrupted")
"""What is a problem of a proposal, which stops no list and no page of others."""


class ChangeChecker:
    """Checks changes against main. Nothing is written.

    A check depends on main, on the change and on the day. All dates in files hold for whole days, UTC, so the rules
    get the day instead of the time.
    """

    def __init__(
        self,
        tracker: Tracker,
        clock: Callable[[], dt.datetime],
        judges: Judges,
        work_seconds: float = WORK_SECONDS,
        list_seconds: float = LIST_SECONDS,
    ) -> None:
        """With the processor time for one check, and how long a list of proposals waits for checks of them."""
        self._tracker = tracker
        self._clock = clock
        self._judges = judges
        self._work_seconds = work_seconds
        self.list_seconds = list_seconds
        self.turns = Turns(MAXIMUM_JUDGES)
        """Whoever asks for a check of a commit or a merge waits for their turn first."""

    def today(self) -> dt.date:
        """Return the current day, UTC."""
        return self.now().date()

    def now(self) -> dt.datetime:
        """Return the current time, UTC."""
        return self._clock().astimezone(dt.UTC)

    async def files(self, main: str, files: Files, by: str) -> Check:
        """Check changed files on top of a commit of main, for a user, with half of the work that a judgement may take.

        Raise a refusal where it takes more, and where too many of theirs wait. What is proposed so is judged later by
        a process that may have to read more.
        """
        async with self.turns.of(by, "check"):
            return await self._check(main, self.today(), files=files)

    async def commit(self, main: str, commit: str, day: dt.date) -> Check:
        """Check a commit against one of main, by the rules of a day. Why it is not checked would be its problem."""
        return await self._check(main, day, commit=commit)

    async def merge(self, candidate: Candidate, day: dt.date) -> tuple[Check, tuple[str, ...]]:
        """Check a prepared merge, and return the check with the removals that main would quarantine.

        Why it is not checked would be its problem.
        """
        check = await self._check(candidate.main, day, candidate=candidate)
        return check, check.removals

    async def carried_over(self, main: str, head: str) -> Updated:
        """Return what a head would change on a commit of main, with its keys carried over.

        Where that takes too much work, or fails, the files that main has changed as well collide as a whole.
        """
        return await asyncio.to_thread(self._carry_over, main, partial(files_for_main, head=head), carried=head)

    async def undone(self, main: str, ending: Record) -> Updated:
        """Return what undoes a merge on a commit of main, in the same way."""
        return await asyncio.to_thread(self._carry_over, main, partial(undone, ending=ending), undone=ending)

    def _carry_over(self, main: str, find: Callable[..., Updated], **what: Any) -> Updated:
        try:
            return self._judges.carry_over(self._task(main, self.today(), self._work_seconds, **what))
        except (ServiceError, UnavailableError) as error:
            if error.refusal.code not in _UNCHECKED:
                raise
            found = find(self._tracker.repository, main=main, by_keys=False)
            return dataclasses.replace(found, lasting=error.refusal.code != "check-interrupted")

    async def _check(self, main: str, day: dt.date, **what: Any) -> Check:
        return await asyncio.to_thread(self._run, main, day, **what)

    def _run(self, main: str, day: dt.date, **what: Any) -> Check:
        before = self._tracker.peek(main)[0].catalog
        task = self._task(main, day, self._work_seconds if "files" not in what else self._work_seconds / 2, **what)
        try:
            result = self._judges.run(task)
        except (ServiceError, UnavailableError) as error:
            if task.files is not None or error.refusal.code not in _UNCHECKED:
                raise
            return unchecked(before, error.refusal)
        return dataclasses.replace(result.check, before=before, after=result.change.applied(before))

    def _task(self, main: str, day: dt.date, work_seconds: float, **what: Any) -> Task:
        tracker = self._tracker
        return Task(
            repository=tracker.repository,
            cache=tracker.cache,
            latest=tracker.revision or main,
            main=main,
            day=day,
            now=self._clock(),
            work_seconds=work_seconds,
            **what,
        )
