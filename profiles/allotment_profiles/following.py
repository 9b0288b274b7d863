"""Following main off the event loop, and swapping in each new catalog as a whole."""

import asyncio
import datetime as dt
import logging
import time
from dataclasses import dataclass
from pathlib import Path

from allotment_profiles.catalog import Catalog
from allotment_profiles.git import GitError, Repository
from allotment_profiles.problems import Problem
from allotment_profiles.tracking import Tracker

log = logging.getLogger(__name__)

MAIN = "refs/heads/main"
_PROBLEMS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Attempt:
    """One look at a revision: what was tried, when, how long it took, and what came of it."""

    revision: str
    time: dt.datetime
    seconds: float
    error: str | None = None
    """Why the revision does not apply; None where it does."""
    problem_count: int = 0
    """How many problems its files have."""
    problems: tuple[Problem, ...] = ()
    """The first of them."""
    rewound: bool = False
    """Whether it does not descend from what applied before: main was rewound or replaced."""


def empty_catalog() -> Catalog:
    """Give the catalog of a repository that was never read: nothing may be started."""
    return Catalog("", dt.datetime.fromtimestamp(0, dt.UTC), None, {}, {}, {}, ())


class CatalogFollower:
    """Holds the catalog that applies and replaces it when main moves.

    Reading happens in a thread, so that the event loop serves on. A failure keeps the catalog that applies.
    """

    def __init__(self, repository: Repository, poll_seconds: float = 0.5, cache: Path | None = None) -> None:
        """Take the file that keeps what was read across restarts, where there is to be one."""
        self.repository = repository
        self.catalog = empty_catalog()
        self.attempted: Attempt | None = None
        """The last look at a new revision, whatever came of it."""
        self.applied: Attempt | None = None
        """The look that gave the catalog that applies."""
        self._poll_seconds = poll_seconds
        self._tracker = Tracker(repository, cache)
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to follow; call it once inside the running loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            async with self._lock:
                await asyncio.to_thread(self._tracker.save, soon=True)

    async def refresh(self) -> Catalog:
        """Look now, and give the catalog that applies afterwards."""
        async with self._lock:
            began = time.monotonic()
            moment = dt.datetime.now(dt.UTC)
            revision = ""
            try:
                revision = await asyncio.to_thread(self._head)
                if revision == self.catalog.revision:
                    self.attempted = self.applied
                    return self.catalog
                catalog, rewound = await asyncio.to_thread(self._load, revision)
            except GitError as error:
                self._failed(Attempt(revision, moment, time.monotonic() - began, str(error)))
            else:
                before, self.catalog = self.catalog.revision, catalog
                self.attempted = self.applied = Attempt(
                    revision, moment, time.monotonic() - began, None, len(catalog.problems),
                    catalog.problems[:_PROBLEMS_SHOWN], rewound,
                )  # fmt: skip
                if rewound:
                    log.warning("main was rewound or replaced: %s does not descend from %s", revision, before)
                log.info("catalog at %s: %d profiles, %d problems, %d changes held", revision[:12],
                         len(catalog.profiles), len(catalog.problems), len(catalog.held))  # fmt: skip
                await asyncio.to_thread(self._tracker.save)
            return self.catalog

    def _failed(self, attempt: Attempt) -> None:
        if self.attempted is None or self.attempted.error != attempt.error:
            log.warning("catalog not renewed: %s", attempt.error)
        self.attempted = attempt

    def _head(self) -> str:
        revision = self.repository.resolve(MAIN)
        if revision is None:
            self.repository.references(MAIN)  # says why, where git refuses the repository as a whole
            raise GitError(f"{self.repository.path} has no branch main")
        return revision

    def _load(self, revision: str) -> tuple[Catalog, bool]:
        catalog = self._tracker.at(revision).catalog
        # The indexes are made at the first question: here, and not in the loop.
        _ = (catalog.profiles_of(""), catalog.profiles_reaching(""), catalog.problems_of(""))
        return catalog, self._is_rewound(revision)

    def _is_rewound(self, revision: str) -> bool:
        before = self.catalog.revision
        if not before:
            return False
        try:
            return not self.repository.is_ancestor(before, revision)
        except GitError:
            return True  # the old commit is gone

    async def _run(self) -> None:
        while True:
            try:
                await self.refresh()
            except (
                Exception
            ) as error:  # a task that died would leave yesterday's grants in force, and nobody would see it
                log.exception("catalog not renewed")
                self.attempted = Attempt("", dt.datetime.now(dt.UTC), 0.0, f"{type(error).__name__}: {error}")
            await asyncio.sleep(self._poll_seconds)
