"""Following main off the event loop, and swapping in each new catalog as a whole."""

import asyncio
import contextlib
import datetime as dt
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.git.mirror import Mirror
from allotment_profiles.git.process import GitError
from allotment_profiles.git.remotes import RemoteError
from allotment_profiles.git.repository import Repository
from allotment_profiles.model.problems import Problem
from allotment_profiles.store.loading import Loaded
from allotment_profiles.store.provenance import Provenance
from allotment_profiles.store.tracker import Tracker
from allotment_profiles.threads import in_own_thread

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


@dataclass(frozen=True, slots=True)
class Fetched:
    """How the last fetch from the git server went."""

    time: dt.datetime
    error: str | None
    """Why it failed, as git says it; None where it did not."""
    since: dt.datetime | None
    """When the first of the failures in a row was; None where it did not fail."""
    why: str = ""
    """The reason in words that everyone may read: a part of a sentence about the git server."""


def empty_catalog() -> Catalog:
    """Give the catalog of a repository that was never read: nothing may be started."""
    return Catalog("", dt.datetime.fromtimestamp(0, dt.UTC), None, {}, {}, {}, ())


class CatalogWatcher:
    """Holds the catalog that applies and replaces it when main moves.

    Reading happens in a thread, so that the event loop serves on. A failure keeps the catalog that applies. Where the
    repository is the mirror of one on a git server, it is fetched beside all that: nothing that asks for the catalog
    waits for the network.
    """

    def __init__(
        self,
        repository: Repository,
        poll_seconds: float = 0.5,
        cache: Path | None = None,
        *,
        mirror: Mirror | None = None,
        fetch_seconds: float = 30,
        on_change: Sequence[Callable[[Catalog], None]] = (),
    ) -> None:
        """Take the file that keeps what was read across restarts, where there is to be one.

        `mirror` is renewed every `fetch_seconds`; each of `on_change` is called in the event loop with each new
        catalog that applies; it returns at once and raises nothing.
        """
        self.repository = repository
        self.fetched: Fetched | None = None
        """The last fetch; None where nothing is fetched, or not yet."""
        self.catalog = empty_catalog()
        self.provenance = Provenance()
        """Where the files of the catalog came from. Both are replaced together."""
        self.attempted: Attempt | None = None
        """The last look at a new revision, whatever came of it."""
        self.applied: Attempt | None = None
        """The look that gave the catalog that applies."""
        self._poll_seconds = poll_seconds
        self.tracker = Tracker(repository, cache)
        """Loads the catalog. Dry runs share it, so that a process loads and keeps each catalog once."""
        self._lock = asyncio.Lock()
        self._next_look: asyncio.Task[Catalog] | None = None
        self._mirror = mirror
        self._fetch_seconds = fetch_seconds
        self._on_change = tuple(on_change)
        self._hurried = asyncio.Event()
        self._tried = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to follow; call it once inside the running loop."""
        if not self._tasks:
            self._tasks.append(asyncio.create_task(self._run()))
            if self._mirror:
                self._tasks.append(asyncio.create_task(self._keep_fetching(self._mirror)))

    async def stop(self) -> None:
        """End following."""
        if self._tasks:
            tasks, self._tasks = self._tasks, []
            for task in tasks:
                task.cancel()
            looks = [self._next_look] if self._next_look else []
            await asyncio.gather(*tasks, *looks, return_exceptions=True)
            async with self._lock:
                await asyncio.to_thread(self.tracker.save, soon=True)

    @property
    def last_error(self) -> str | None:
        """Why what applies is not what lies in the repository here; None where it is."""
        return self.attempted.error if self.attempted else None

    @property
    def unreachable_since(self) -> Fetched | None:
        """The last fetch where it failed: the git server may have something newer; None where it has not."""
        return self.fetched if self.fetched and self.fetched.error else None

    async def first(self, seconds: float = 10) -> Catalog:
        """Look now; only where nothing was ever fetched, wait for the first fetch, and at most so long."""
        catalog = await self.refresh()
        if self._mirror and not catalog.revision:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._tried.wait()
            catalog = await self.refresh()
        return catalog

    def trigger(self) -> None:
        """Fetch at once: somebody says that main has moved on the git server."""
        self._hurried.set()

    async def refresh(self) -> Catalog:
        """Look now, and give the catalog that applies afterwards.

        Whoever asks while one look is going on shares the next one: it begins after all of them have asked.
        """
        if self._next_look is None:
            self._next_look = asyncio.create_task(self._look())
        return await asyncio.shield(self._next_look)

    async def _look(self) -> Catalog:
        async with self._lock:
            self._next_look = None
            began = time.monotonic()
            moment = dt.datetime.now(dt.UTC)
            revision = ""
            try:
                revision = await asyncio.to_thread(self._head)
                if revision == self.catalog.revision:
                    self.attempted = self.applied
                    return self.catalog
                loaded, rewound = await asyncio.to_thread(self._load, revision)
            except GitError as error:
                self._failed(Attempt(revision, moment, time.monotonic() - began, str(error)))
            else:
                before, catalog = self.catalog.revision, loaded.catalog
                self.catalog, self.provenance = catalog, loaded.snapshot.provenance
                self.attempted = self.applied = Attempt(
                    revision, moment, time.monotonic() - began, None, len(catalog.problems),
                    catalog.problems[:_PROBLEMS_SHOWN], rewound,
                )  # fmt: skip
                if rewound:
                    log.warning("main was rewound or replaced: %s does not descend from %s", revision, before)
                log.info("catalog at %s: %d profiles, %d problems, %d changes held", revision[:12],
                         len(catalog.profiles), len(catalog.problems), len(catalog.quarantined))  # fmt: skip
                await asyncio.to_thread(self.tracker.save)
                for tell in self._on_change:
                    tell(catalog)
            return self.catalog

    def _failed(self, attempt: Attempt) -> None:
        if self.attempted is None or self.attempted.error != attempt.error:
            log.warning("catalog not renewed: %s", attempt.error)
        self.attempted = attempt

    def _head(self) -> str:
        if self.catalog.revision and self.repository.is_surely_at(MAIN, self.catalog.revision):
            return self.catalog.revision
        revision = self.repository.resolve(MAIN)
        if revision is None:
            self.repository.references(MAIN)  # says why, where git refuses the repository as a whole
            if self._mirror and not self._tried.is_set():
                raise GitError("the profiles are being fetched from the git server for the first time")
            raise GitError(f"{self.repository.path} has no branch main")
        return revision

    def _load(self, revision: str) -> tuple[Loaded, bool]:
        loaded = self.tracker.at(revision)
        catalog = loaded.catalog
        # The indexes are made at the first question: here, and not in the loop.
        _ = (catalog.profiles_of(""), catalog.profiles_reaching(""), catalog.problems_of(""))
        return loaded, self._is_rewound(revision)

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

    async def _keep_fetching(self, mirror: Mirror) -> None:
        while True:
            self._hurried.clear()
            moment = dt.datetime.now(dt.UTC)
            try:
                moved = await in_own_thread("fetch", mirror.fetch)
            except Exception as error:  # noqa: BLE001  a task that died would never hear of the git server again
                self._not_fetched(moment, error)
            else:
                if self.fetched and self.fetched.error:
                    log.warning("the git server answers again")
                self.fetched = Fetched(moment, None, None)
                if moved:
                    await self.refresh()
            self._tried.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._fetch_seconds):
                    await self._hurried.wait()

    def _not_fetched(self, moment: dt.datetime, error: Exception) -> None:
        before = self.fetched
        since = before.since if before and before.since else moment
        text = str(error) if isinstance(error, GitError) else f"{type(error).__name__}: {error}"
        why = error.why if isinstance(error, RemoteError) else "what it gave cannot be taken over"
        if before is None or before.error != text:
            log.warning("not fetched: %s", text)
        self.fetched = Fetched(moment, text, since, why)
