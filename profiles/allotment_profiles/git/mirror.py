"""Keep a local mirror of the repository on a git server.

Main decides about sessions, so it is fetched alone and first, and moves in a transaction of its own: whoever may push
other branches must not be able to keep a revoked grant in force. The log of records comes next, alone as well, since it
may be long. The branches of proposals come after it, in batches that are limited in number, size and time. After a
batch that fails, the next ones are smaller, until the branch is found that is to blame: it is left out, and tried again
after a while or when it has moved.

A fetch writes to staging references first. It is applied only if nothing was pushed from here meanwhile, so that a
slow fetch never moves a branch back. All calls block.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from allotment_profiles.git.locks import clear_leftovers
from allotment_profiles.git.process import GitError
from allotment_profiles.git.references import is_reference
from allotment_profiles.git.remotes import Remote, RemoteError
from allotment_profiles.git.repository import (
    MAIN,
    NO_OBJECT,
    PROPOSE,
    RECORDS,
    REVIEWS,
    RefMovedError,
    RefUpdate,
    Repository,
)
from allotment_profiles.git.signatures import Verifier

log = logging.getLogger(__name__)

_HEADS = "refs/heads/"
_STAGED = "refs/allotment/"
"""The prefix of fetched branches that do not apply yet. In a batch they have numbers: no name is in another's way."""
_STAGED_MAIN, _STAGED_RECORDS, _BATCH = _STAGED + "fetched/main", _STAGED + "fetched/records", _STAGED + "batch/"
_ASIDE = _STAGED + "aside/"
_FOLDERS = (PROPOSE.rstrip("/"), RECORDS.rpartition("/")[0])
"""The folders of the branches that the service makes. A branch with such a name is in their way."""
_ATTEMPTS = 3
BRANCHES = 20_000
"""At most so many branches of proposals are mirrored. Each proposal has one while it is open."""
BATCH = 200
BATCH_BYTES = 64 * 2**20
BATCH_SECONDS = 20.0
RECORDS_SECONDS = 900.0
"""The log of records is fetched whole the first time: hundreds of MiB after many years."""
ROUND_SECONDS = 20.0
"""After so long, main is fetched again before the next batch."""
RETRY_SECONDS = 600.0


class ObstructedError(GitError):
    """A branch is in the way of the service's own, and only who may push can delete it."""

    def __init__(self, branches: Sequence[str]) -> None:
        super().__init__(f"branches in the way of the service's own: {', '.join(branches)}")
        self.branches = tuple(branches)


class Mirror:
    """A bare repository, and the remote repository that it mirrors."""

    def __init__(self, repository: Repository, remote: Remote) -> None:
        self.repository = repository
        self.remote = remote
        self.left_out = 0
        """How many branches of proposals are missing here, since they cannot be fetched or are too many."""
        self.in_the_way: tuple[str, ...] = ()
        """The branches on the server that keep the service from making its own."""
        self.complete = threading.Event()
        """Set once everything that could be fetched has been here since the start."""
        self.recorded: Callable[[], Collection[str]] = list
        """Returns the branches of open proposals that the log of records knows; they come before others."""
        self._failed: dict[str, tuple[str, float]] = {}
        self._size = BATCH
        self._pushes = 0
        self._lock = threading.Lock()
        self._fetching = threading.Lock()
        self._fetching_aside = threading.Lock()
        """Heads of pull requests are fetched beside main, which must not wait for them."""

    @classmethod
    def opened(cls, path: Path, remote: Remote, verifier: Verifier | None = None) -> "Mirror":
        """Return the mirror at a path, without the locks of a git that was killed. If there is none, create one."""
        repository = Repository(path, verifier) if (path / "HEAD").exists() else Repository.create(path, verifier)
        clear_leftovers(path)
        with contextlib.suppress(GitError):
            repository.drop_references(_STAGED)
        return cls(repository, remote)

    def fetch(self) -> bool:
        """Update main, then all branches of proposals. Return whether any moved. Raise RemoteError, GitError."""
        moved, more = self.fetch_main(), True
        while more:
            changed, more = self.fetch_proposals()
            moved |= changed
        return moved

    def fetch_main(self) -> bool:
        """Update main alone. Return whether it moved. Raise RemoteError, GitError."""
        with self._fetching:  # two fetches would use the same staging references
            for _ in range(_ATTEMPTS):
                before = self._pushes
                self.remote.fetch(self.repository.path, {MAIN: _STAGED_MAIN})
                with self._lock:
                    if self._pushes == before:
                        staged = self.repository.references(_STAGED_MAIN)[_STAGED_MAIN]
                        return self._move({MAIN: staged}, self.repository.references(MAIN))
        raise RemoteError("the mirror was not updated: it is pushed to too often")

    def fetch_proposals(self, first: Collection[str] = ()) -> tuple[bool, bool]:
        """Update the branches of proposals for a limited time, `first` before the others.

        Return whether any moved, and whether more remains to be done. Raise RemoteError where the server does not
        answer, and GitError.
        """
        with self._fetching:
            end, before, moved = time.monotonic() + ROUND_SECONDS, self._pushes, False
            listed = self.remote.branches(self.repository.path)
            self.in_the_way = _in_the_way(listed)
            there = {name: commit for name, commit in listed.items() if _ours(name)}
            if there.get(RECORDS, NO_OBJECT) != self.repository.references(RECORDS).get(RECORDS, NO_OBJECT):
                stale = not self._fetch_records(RECORDS in there, before)
                if stale:
                    return moved, True
                moved = True
            there.pop(RECORDS, None)
            now = self._proposals()
            gone = dict.fromkeys(now.keys() - there.keys(), NO_OBJECT)
            missing = self._missing(there, now, first)
            while gone or missing:
                names, moves = missing[: self._size], gone
                if names and not gone:
                    if moved and time.monotonic() > end:
                        return moved, True
                    staged = self._stage(names, there)
                    if staged is None:
                        return moved, True
                    moves, missing = staged, missing[len(names) :]
                with self._lock:
                    if self._pushes != before:
                        return moved, True
                    moved |= self._move(moves, self._proposals())
                gone = {}
            self.complete.set()
            return moved, False

    def _fetch_records(self, exists: bool, pushes: int) -> bool:
        """Update the log of records alone. Return False where it was pushed to from here meanwhile."""
        if exists:
            self.remote.fetch(self.repository.path, {RECORDS: _STAGED_RECORDS}, seconds=RECORDS_SECONDS)
        with self._lock:
            if self._pushes != pushes:
                return False
            staged = self.repository.references(_STAGED_RECORDS)[_STAGED_RECORDS] if exists else NO_OBJECT
            self._move({RECORDS: staged}, self.repository.references(RECORDS))
            return True

    def fetch_aside(self, reference: str) -> str | None:
        """Fetch a reference that is not mirrored, such as the head of a pull request, and return its commit.

        It is kept until `drop_aside`. Return None where it is to blame that it cannot be fetched: it is too large, for
        example. Raise RemoteError where the server does not answer, and GitError.
        """
        staged = _ASIDE + reference
        with self._fetching_aside:
            try:
                self.remote.fetch(
                    self.repository.path, {reference: staged}, seconds=BATCH_SECONDS, maximum_bytes=BATCH_BYTES
                )
            except RemoteError as error:
                self.remote.branches(self.repository.path)  # raises if the server is away
                log.warning("the reference %s on the git server is left out: %s", reference, error)
                return None
            return self.repository.resolve(staged)

    def drop_aside(self, reference: str) -> None:
        """Forget a reference that was fetched aside. Raise GitError."""
        self.repository.drop_references(_ASIDE + reference)

    def upkeep(self) -> None:
        """Pack the objects and remove those of no branch, between two fetches. Raise GitError."""
        with self._fetching_aside, self._fetching:
            self.repository.drop_references(_BATCH)
            self.repository.upkeep()

    def _stage(self, names: Sequence[str], there: Mapping[str, str]) -> dict[str, str] | None:
        """Fetch some branches and return their commits; None where one of them cannot be fetched."""
        staged = {name: f"{_BATCH}{number}" for number, name in enumerate(names)}
        try:
            self.remote.fetch(self.repository.path, staged, seconds=BATCH_SECONDS, maximum_bytes=BATCH_BYTES)
        except RemoteError as error:
            self.remote.branches(self.repository.path)  # raises if the server is away: then no branch is to blame
            self._size = max(1, len(names) // 2)
            if len(names) == 1:
                log.warning("the branch %s on the git server is left out: %s", names[0], error)
                self._failed[names[0]] = (there[names[0]], time.monotonic())
            return None
        self._size = min(BATCH, 2 * self._size)
        fetched = self.repository.references(_BATCH)
        return {name: fetched[reference] for name, reference in staged.items()}

    def _missing(self, there: Mapping[str, str], now: Mapping[str, str], first: Collection[str]) -> list[str]:
        """Return the branches to fetch: those that are known already, then recorded proposals, then any others."""
        since = time.monotonic() - RETRY_SECONDS
        self._failed = {
            name: (commit, when)
            for name, (commit, when) in self._failed.items()
            if there.get(name) == commit and when > since
        }
        ours = {*self.recorded(), *(name for name in there if name.startswith(REVIEWS))}
        ordered = sorted(there, key=lambda name: (name not in first, name not in now, name not in ours, name))
        self.left_out = len(self._failed) + len(ordered[BRANCHES:])
        return [name for name in ordered[:BRANCHES] if there[name] != now.get(name) and name not in self._failed]

    def _proposals(self) -> dict[str, str]:
        return self.repository.references(PROPOSE, REVIEWS)

    def push(self, updates: Sequence[RefUpdate]) -> None:
        """Move branches on the server, then here. Raise RefMovedError, after a fetch, where one has moved."""
        with self._lock:
            self._pushes += 1
        try:
            self.remote.push(self.repository.path, updates)
        except RefMovedError as error:
            self.fetch_main()
            _, more = self.fetch_proposals([update.name for update in updates])
            now = self.repository.references(_HEADS)
            if not more and all(now.get(update.name, NO_OBJECT) == update.old for update in updates):
                # Nothing has moved: a lock lies on the server, for example.
                raise RemoteError(f"the git server does not move a branch: {error.__cause__}") from error
            raise
        with self._lock:
            self._pushes += 1
            # Wherever they were here: on the server they have moved.
            self._move({update.name: update.new for update in updates}, self.repository.references(_HEADS))

    def _move(self, wanted: Mapping[str, str], now: Mapping[str, str]) -> bool:
        """Move branches here in one transaction. Return whether any moved."""
        moves = [
            RefUpdate(name, commit, now.get(name, NO_OBJECT))
            for name, commit in sorted(wanted.items())
            if now.get(name, NO_OBJECT) != commit
        ]
        if moves:
            self.repository.update_references(moves)
        return bool(moves)


def _ours(name: str) -> bool:
    # A name that git allows and we do not is never that of a proposal or a review.
    return name == RECORDS or (name.startswith((PROPOSE, REVIEWS)) and is_reference(name))


def _in_the_way(names: Iterable[str]) -> tuple[str, ...]:
    """Return the branches with the name of a folder of the service's, or in a folder with the name of its branch."""
    found = (name for name in names if name in _FOLDERS or name.startswith(f"{RECORDS}/"))
    return tuple(sorted(name.removeprefix(_HEADS) for name in found))


def in_the_way(repository: Repository, mirror: Mirror | None) -> tuple[str, ...]:
    """Return the branches, on the server if there is one, that keep the service from making its own."""
    return mirror.in_the_way if mirror else _in_the_way(repository.references(*_FOLDERS))


def move(repository: Repository, mirror: Mirror | None, updates: Sequence[RefUpdate]) -> None:
    """Move branches, on the server first if there is one. Raise RefMovedError, ObstructedError, GitError."""
    try:
        (mirror.push if mirror else repository.update_references)(updates)
    except RefMovedError:
        raise
    except GitError as error:
        if branches := in_the_way(repository, mirror):
            raise ObstructedError(branches) from error
        raise
