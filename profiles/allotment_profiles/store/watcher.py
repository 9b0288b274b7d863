"""Watch main without blocking the event loop, and replace the catalog as a whole when main moves."""

import asyncio
import contextlib
import datetime as dt
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.git.locks import clear_leftovers, oldest_lock
from allotment_profiles.git.mirror import Mirror
from allotment_profiles.git.process import GitDataError, GitError
from allotment_profiles.git.remotes import RemoteError
from allotment_profiles.git.repository import MAIN, Repository
from allotment_profiles.git.signatures import Keyring
from allotment_profiles.model.problems import Problem
from allotment_profiles.store.loading import Loaded
from allotment_profiles.store.provenance import Provenance
from allotment_profiles.store.standstill import Standstill, policy_standstill
from allotment_profiles.store.tracker import Tracker
from allotment_profiles.threads import in_own_thread

log = logging.getLogger(__name__)

_MAXIMUM_PROBLEMS = 20
_LOCK_SECONDS = 5.0
"""A git holds the lock of main for some milliseconds."""
UPKEEP_SECONDS = 3600.0
_PAUSE_SECONDS = 5.0
"""The pause after a batch of proposals that could not be fetched."""


@dataclass(frozen=True, slots=True)
class LoadStatus:
    """The result of loading a revision."""

    revision: str
    time: dt.datetime
    seconds: float
    error: str | None = None
    problem_count: int = 0
    problems: tuple[Problem, ...] = ()
    rewound: bool = False


@dataclass(frozen=True, slots=True)
class FetchStatus:
    """The result of the last fetch from the git server."""

    time: dt.datetime
    error: str | None = None
    failing_since: dt.datetime | None = None
    why: str = ""
    """The reason in words that everyone may read: a part of a sentence about the git server."""


def empty_catalog() -> Catalog:
    """Return the catalog of a repository that was never read: nothing can be started."""
    return Catalog("", dt.datetime.fromtimestamp(0, dt.UTC), None, {}, {}, {}, ())


class CatalogWatcher:
    """Holds the catalog that applies, and replaces it when main moves.

    Catalogs are loaded in a thread. After a failure, the catalog that applies stays. If the repository is the mirror
    of one on a git server, it is fetched independently of this: a request for the catalog never waits for the network.
    """

    def __init__(
        self,
        repository: Repository,
        poll_seconds: float = 0.5,
        cache: Path | None = None,
        *,
        mirror: Mirror | None = None,
        fetch_seconds: float = 30,
        proposals: bool = True,
        upkeep: bool = False,
        keyring: Keyring | None = None,
        on_change: Sequence[Callable[[Catalog], None]] = (),
    ) -> None:
        """With `cache`, keep what was loaded in this file across restarts; with `upkeep`, collect git's garbage.

        The files of `keyring` are looked at with main: other keys make another catalog of the same commit.
        `mirror` is fetched every `fetch_seconds`: main, then, with `proposals`, their branches. The functions in
        `on_change` are called in the event loop with each new catalog; they must return at once and must not raise.
        """
        self.repository = repository
        self.tracker = Tracker(repository, cache)
        """Loads the catalog. Dry runs share it, so that a process loads and keeps each catalog once."""
        self.catalog = empty_catalog()
        self.provenance = Provenance()
        """Where the files of the catalog came from. Both are replaced together."""
        self.attempted: LoadStatus | None = None
        """The last load of a new revision, failed or not."""
        self.applied: LoadStatus | None = None
        self.last_fetch: FetchStatus | None = None
        """None if nothing is fetched, or not yet."""
        self.proposals_error: str | None = None
        """Why the branches of proposals could not be fetched the last time; None if they could."""
        self._unreadable_since: dt.datetime | None = None
        self._locked_since: float | None = None
        self._poll_seconds = poll_seconds
        self._mirror = mirror
        self._fetch_seconds = fetch_seconds
        self._proposals = proposals
        self._upkeep = upkeep
        self._keyring = keyring
        self._keys = ""
        self._on_change = tuple(on_change)
        self._lock = asyncio.Lock()
        self._pending_refresh: asyncio.Task[Catalog] | None = None
        self._triggered = asyncio.Event()
        self._fetched_once = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start watching. Call it once inside the running loop."""
        if not self._tasks:
            self._tasks.append(asyncio.create_task(self._poll()))
            if self._mirror:
                self._tasks.append(asyncio.create_task(self._keep_fetching(self._mirror)))
            if self._upkeep:
                self._tasks.append(asyncio.create_task(self._keep_small(self._mirror or self.repository)))

    async def stop(self) -> None:
        """Stop watching, and write the cache."""
        if self._tasks:
            tasks, self._tasks = self._tasks, []
            for task in tasks:
                task.cancel()
            pending = [self._pending_refresh] if self._pending_refresh else []
            await asyncio.gather(*tasks, *pending, return_exceptions=True)
            async with self._lock:
                await asyncio.to_thread(self.tracker.save, soon=True)

    @property
    def last_error(self) -> str | None:
        """Why the newest revision in the local repository does not apply; None if it does."""
        return self.attempted.error if self.attempted else None

    @property
    def failed_fetch(self) -> FetchStatus | None:
        """The last fetch if it failed: the git server may have a newer revision. Otherwise None."""
        return self.last_fetch if self.last_fetch and self.last_fetch.error else None

    @property
    def left_out(self) -> int:
        """How many branches of proposals on the git server are not mirrored."""
        return self._mirror.left_out if self._mirror else 0

    @property
    def standstill(self) -> Standstill | None:
        """Since when main does not move here, and why; None while it moves."""
        if self._locked_since is not None and time.time() - self._locked_since > _LOCK_SECONDS:
            since = dt.datetime.fromtimestamp(self._locked_since, dt.UTC)
            return Standstill("locked", since, "another program has locked the repository")
        if self.failed_fetch:
            why = f"the profiles cannot be fetched from the git server: {self.failed_fetch.why}"
            return Standstill("git-server", self.failed_fetch.failing_since, why)
        if self.applied is None:
            return Standstill("nothing-loaded", self._unreadable_since, "nothing was loaded from the repository yet")
        if self.last_error is not None:
            return Standstill("unreadable", self._unreadable_since, "the newest state of the repository cannot be read")
        return policy_standstill(self.catalog, self.provenance)

    async def ready(self, seconds: float = 10) -> Catalog:
        """Refresh and return the catalog. If nothing was ever fetched, wait up to `seconds` for the first fetch."""
        catalog = await self.refresh()
        if self._mirror and not catalog.revision:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._fetched_once.wait()
            catalog = await self.refresh()
        return catalog

    def trigger(self) -> None:
        """Fetch at once: somebody reports that main has moved on the git server."""
        self._triggered.set()

    async def refresh(self) -> Catalog:
        """Check main, and return the catalog that applies then. Calls during one refresh share the next one."""
        if self._pending_refresh is None:
            self._pending_refresh = asyncio.create_task(self._refresh())
        return await asyncio.shield(self._pending_refresh)

    async def _refresh(self) -> Catalog:
        async with self._lock:
            self._pending_refresh = None
            start, now = time.monotonic(), dt.datetime.now(dt.UTC)
            revision = ""
            try:
                revision = await asyncio.to_thread(self._head)
                keys = self.repository.keys
                if (revision, keys) == (self.catalog.revision, self._keys):
                    self.attempted, self._unreadable_since = self.applied, None
                    return self.catalog
                loaded, rewound = await asyncio.to_thread(self._load, revision)
            except GitError as error:
                if self.attempted is None or self.attempted.error != str(error):
                    log.warning("the catalog was not loaded: %s", error)
                self.attempted = LoadStatus(revision, now, time.monotonic() - start, str(error))
                self._unreadable_since = self._unreadable_since or now
                return self.catalog
            before, catalog = self.catalog.revision, loaded.catalog
            self.catalog, self.provenance, self._keys = catalog, loaded.snapshot.provenance, keys
            problems, self._unreadable_since = catalog.problems, None
            self.attempted = self.applied = LoadStatus(
                revision, now, time.monotonic() - start, None, len(problems), problems[:_MAXIMUM_PROBLEMS], rewound
            )
            if rewound:
                log.warning("main was rewound or replaced: %s does not descend from %s", revision, before)
            counts = len(catalog.profiles), len(problems), len(catalog.quarantined)
            log.info("catalog at %s: %d profiles, %d problems, %d quarantined changes", revision[:12], *counts)
            await asyncio.to_thread(self.tracker.save)
            for notify in self._on_change:
                notify(catalog)
            return catalog

    def _head(self) -> str:
        self._clear_lock()
        if self._keyring:
            self._keyring.refresh()
        if self.catalog.revision and self.repository.is_surely_at(MAIN, self.catalog.revision):
            return self.catalog.revision
        revision = self.repository.resolve(MAIN)
        if revision is None:
            self.repository.references(MAIN)  # raises with the reason if git refuses the repository as a whole
            if self._mirror and not self._fetched_once.is_set():
                raise GitError("the profiles are being fetched from the git server for the first time")
            raise GitDataError(f"{self.repository.path} has no branch main")
        return revision

    def _clear_lock(self) -> None:
        locked = oldest_lock(self.repository.path, MAIN)
        if locked is not None and time.time() - locked > _LOCK_SECONDS:
            clear_leftovers(self.repository.path)
            locked = oldest_lock(self.repository.path, MAIN)
        self._locked_since = locked

    def _load(self, revision: str) -> tuple[Loaded, bool]:
        """Load a revision. Return also whether main was rewound."""
        loaded = self.tracker.at(revision)
        catalog = loaded.catalog
        # The first query builds an index: in this thread, not in the event loop.
        _ = (catalog.profiles_of(""), catalog.profiles_reaching(""), catalog.problems_of(""))
        return loaded, self._is_rewound(revision)

    def _is_rewound(self, revision: str) -> bool:
        before = self.catalog.revision
        if not before:
            return False
        try:
            return not self.repository.is_ancestor(before, revision)
        except GitDataError:
            return True  # the old commit is gone

    async def _poll(self) -> None:
        while True:
            try:
                await self.refresh()
            except Exception as error:  # if the task ended, old grants would stay in force and nobody would notice
                log.exception("the catalog was not loaded")
                now = dt.datetime.now(dt.UTC)
                self.attempted = LoadStatus("", now, 0.0, f"{type(error).__name__}: {error}")
                self._unreadable_since = self._unreadable_since or now
            await asyncio.sleep(self._poll_seconds)

    async def _keep_fetching(self, mirror: Mirror) -> None:
        while True:
            self._triggered.clear()
            seconds = self._fetch_seconds
            if await self._fetch_main(mirror) and self._proposals:
                seconds = min(seconds, await self._fetch_proposals(mirror))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._triggered.wait()

    async def _keep_small(self, kept: Mirror | Repository) -> None:
        while True:
            await asyncio.sleep(UPKEEP_SECONDS)
            try:
                await in_own_thread("upkeep", kept.upkeep)
            except Exception as error:  # noqa: BLE001  (if the task ended, the repository would grow for ever)
                log.warning("the repository could not be packed: %s", error)

    async def _fetch_main(self, mirror: Mirror) -> bool:
        """Fetch main and apply it. Return whether the git server answered."""
        now = dt.datetime.now(dt.UTC)
        try:
            moved = await in_own_thread("fetch", mirror.fetch_main)
        except Exception as error:  # noqa: BLE001  (if the task ended, nothing would be fetched any more)
            self._fetch_failed(now, error)
            return False
        else:
            if self.failed_fetch:
                log.warning("the git server answers again")
            self.last_fetch = FetchStatus(now)
            if moved:
                await self.refresh()
            return True
        finally:
            self._fetched_once.set()

    async def _fetch_proposals(self, mirror: Mirror) -> float:
        """Fetch branches of proposals. Return when to go on, in seconds."""
        before = self.proposals_error
        try:
            moved, more = await in_own_thread("fetch proposals", mirror.fetch_proposals)
        except Exception as error:  # noqa: BLE001  (as above)
            self.proposals_error = str(error) if isinstance(error, GitError) else f"{type(error).__name__}: {error}"
            if self.proposals_error != before:
                log.warning("the branches of proposals could not be fetched: %s", self.proposals_error)
            return self._fetch_seconds
        self.proposals_error = None
        if before:
            log.warning("the branches of proposals can be fetched again")
        return self._fetch_seconds if not more else 0.0 if moved else _PAUSE_SECONDS

    def _fetch_failed(self, now: dt.datetime, error: Exception) -> None:
        before = self.failed_fetch
        text = str(error) if isinstance(error, GitError) else f"{type(error).__name__}: {error}"
        why = error.why if isinstance(error, RemoteError) else "its branches cannot be applied here"
        if before is None or before.error != text:
            log.warning("the git server could not be fetched from: %s", text)
        self.last_fetch = FetchStatus(now, text, before.failing_since if before else now, why)
