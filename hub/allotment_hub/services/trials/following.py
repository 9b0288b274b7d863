"""Sees to the end of trials: of what was decided or has changed, and writes down how each one went.

Which trials there are is known by the hub alone, so a service that was restarted goes on where it was.
"""

import asyncio
import contextlib
import datetime as dt
import logging

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.proposing import Submissions
from allotment_hub.services.trials.hub_trials import RunningTrial
from allotment_hub.services.trials.outcomes import outcome_of
from allotment_hub.services.trials.trying import Trials
from allotment_profiles.git.process import GitError
from allotment_profiles.model.problems import AllotmentError

log = logging.getLogger(__name__)

SECONDS = 2.0
"""How often trials are looked at while one runs."""
_IDLE_SECONDS = 60.0
SERVICE = "Allotment"
"""In whose name trials are ended."""
MAXIMUM_RECORDED = 20
"""How many outcomes of trials of one proposal are recorded for each person."""


class TrialFollower:
    """Ends the trials of proposals that were decided or changed, and records the outcomes."""

    def __init__(
        self, proposals: Proposals, submissions: Submissions, trials: Trials, seconds: float = SECONDS
    ) -> None:
        self._proposals = proposals
        self._submissions = submissions
        self._trials = trials
        self._hub = trials.hub
        self._seconds = seconds
        self._began = asyncio.Event()
        self._settled: set[tuple[str, dt.datetime]] = set()
        """The trials that have ended, and of which nothing is left to be done. The hub names one of each user."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to look. Call it once inside the running loop."""
        self._task = asyncio.create_task(self._run())

    def trigger(self) -> None:
        """Look soon: a trial begins."""
        self._began.set()

    async def stop(self) -> None:
        """Stop. What is left is done after the next start."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> bool:
        """End and record what there is. Return whether a trial runs. Raise GitError, and where the hub is away."""
        trials = await self._hub.all()
        for trial in trials:
            if (trial.user, trial.began) not in self._settled:
                try:
                    await self._see_to(trial)
                except AllotmentError as error:
                    log.warning("the trial of %s by %s: %s", trial.proposal, trial.user, error)
                except Exception:  # whatever is wrong with one, the others end with their proposals
                    log.exception("the trial of %s by %s", trial.proposal, trial.user)
        return any(trial.live for trial in trials)

    async def _see_to(self, trial: RunningTrial) -> None:
        forge = self._proposals.forge
        stored = await asyncio.to_thread(forge.get, trial.proposal) if trial.proposal else None
        if trial.live:
            why = await self._trials.why_over(trial, stored)
            if why:
                await self._hub.end(trial.user, SERVICE, why)
        elif stored and not _is_recorded(stored, trial):
            await self._submissions.tried(stored.id, trial.head, trial.user, outcome_of(trial))
        if not trial.live:
            self._settled.add((trial.user, trial.began))

    async def _run(self) -> None:
        runs = False
        while True:  # while the hub does not answer, what ran before may still run
            self._began.clear()
            try:
                runs = await self.look()
            except (GitError, AllotmentError) as error:
                log.info("trials were not looked at: %s", error)
            except Exception:  # if the task ended, no trial would end with its proposal
                log.exception("trials were not looked at")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds if runs else _IDLE_SECONDS):
                    await (asyncio.sleep(self._seconds) if runs else self._began.wait())


def _is_recorded(stored: StoredProposal, trial: RunningTrial) -> bool:
    """Return whether the outcome is recorded, or is one too many."""
    own = [record for record in stored.records if record.kind == "tried" and record.by == trial.user]
    return len(own) >= MAXIMUM_RECORDED or any(record.time >= trial.began.replace(microsecond=0) for record in own)
