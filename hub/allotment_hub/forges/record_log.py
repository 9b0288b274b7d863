"""The log of records: kept up to date with the branch, and written to. All calls block.

The branch only ever grows by what the service writes. A commit of somebody else in it, or a branch that was set back,
stops every decision until an administrator puts the branch back; what was read before is still shown.
"""

import contextlib
import datetime as dt
import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from allotment_hub.forges.carrying_over import Move, carry_over
from allotment_hub.forges.record_index import DamagedIndexError, RecordIndex
from allotment_hub.forges.stored_proposal import basis_of
from allotment_profiles.git.process import GitError, GitUnavailableError
from allotment_profiles.git.repository import MAIN, NO_OBJECT, RECORDS, REVIEWS, RefMovedError, RefUpdate, Repository
from allotment_profiles.git.signatures import Signer
from allotment_profiles.records.chain import ChainError, Links, links, read, since, unrecorded_merges, write_record
from allotment_profiles.records.record import Record

log = logging.getLogger(__name__)

T = TypeVar("T")
Keys = frozenset[str]
KEPT = "refs/kept/records"
"""Where the log was good the last time, once it is not any more."""
_AT_ONCE = 3000
"""So many records are read while somebody waits; more of them beside, with progress."""
_TIMES = 50
"""How many times longer than reading a record it takes to carry over a proposal."""
_ATTEMPTS = 5
_RETRY_SECONDS = 60.0


class RecordsLoadingError(GitUnavailableError):
    """The log is being read for the first time."""

    def __init__(self, done: int, total: int) -> None:
        super().__init__(f"{done:,} of {total:,} records are read")
        self.done = done
        self.total = total


class RecordsBrokenError(GitError):
    """The log is not what the service wrote, so nothing is decided."""

    def __init__(self, broken: "BrokenLog") -> None:
        super().__init__(broken.why)
        self.broken = broken


@dataclass(frozen=True, slots=True)
class BrokenLog:
    """Why the log cannot be used."""

    since: dt.datetime
    why: str
    """A sentence without its end."""
    commit: str
    """The commit at which it was found."""
    good: str
    """The newest commit that is the service's own; empty where nothing was read before."""


class RecordLog:
    """Reads the branch into an index, and appends to it."""

    def __init__(
        self,
        repository: Repository,
        signer: Signer,
        index: RecordIndex,
        move: Move,
        is_complete: Callable[[], bool],
    ) -> None:
        """`move` moves branches all together, or raises RefMovedError.

        `is_complete` tells whether all branches have been fetched, where the repository is a mirror.
        """
        self._repository = repository
        self._signer = signer
        self._index = index
        self._move = move
        self._is_complete = is_complete
        self._carry_after = 0.0
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._at: tuple[str, Keys] = ("", frozenset())
        """The commit up to which the branch was read and found good, and the keys that counted."""
        self._failed: tuple[str, str, Keys] = ("", "", frozenset())
        """Where the branch was when it was found broken, the newest good commit, and the keys that counted."""
        self._loading: threading.Thread | None = None
        self._progress = (0, 0)
        self.broken: BrokenLog | None = None
        """Why nothing is decided; None while the log is good."""

    @property
    def progress(self) -> tuple[int, int] | None:
        """How many records are read, and how many there are; None where nothing is being read beside."""
        return self._progress if self._loading and self._loading.is_alive() else None

    def close(self) -> None:
        """Close the index."""
        self._index.close()

    def look(self) -> None:
        """Read what is new, for `broken` and `progress`. Raise nothing."""
        with contextlib.suppress(GitError):
            self.catch_up()

    def ask(self, question: Callable[[RecordIndex], T]) -> T:
        """Ask the index, once it has what is on the branch. Raise RecordsLoadingError.

        Where the branch is broken, the answer is from what was read before.
        """
        for _ in range(2):
            self.catch_up()
            with contextlib.suppress(DamagedIndexError):
                return question(self._index)
        raise GitUnavailableError("the index of records is damaged")

    def catch_up(self) -> str:
        """Read what is new on the branch. Return the newest commit that was read; empty where there is none."""
        keys = self._repository.key_lines
        known = self._known(keys)
        if known and (known, keys) == self._at and self._repository.is_surely_at(RECORDS, known):
            self.broken = None
            return known
        with self._reading:
            if self.progress:
                raise RecordsLoadingError(*self._progress)
            known = self._known(keys)
            there = self._repository.resolve(RECORDS) or ""
            if self.broken and self._failed == (there, known, keys):
                return known
            return self._caught_up(there, known, keys)

    def _known(self, keys: Keys) -> str:
        try:
            return self._index.tip(keys)
        except DamagedIndexError:
            return ""

    def _caught_up(self, there: str, known: str, keys: Keys) -> str:
        try:
            if not there and known:
                raise ChainError("the branch with the log of records is gone", known)
            found = links(self._repository, there, known) if there else Links((), "")
            branches = self._repository.references(REVIEWS) if self._carries_over else ()
            if len(found.ids) + len(branches) * _TIMES > _AT_ONCE:
                self._progress = (0, len(found.ids))
                self._loading = threading.Thread(target=self._load, args=(there, found, keys), daemon=True)
                self._loading.start()
                raise RecordsLoadingError(*self._progress)
            return self._read_all(there, found, keys)
        except ChainError as error:
            self._found_broken(error, there, keys)
            return self._known(keys)

    @property
    def _carries_over(self) -> bool:
        """Whether there may be records of an earlier version: they are looked for once they are all here."""
        return time.monotonic() >= self._carry_after and self._is_complete()

    def _read_all(self, there: str, found: Links, keys: Keys) -> str:
        """Read the branch, and what an earlier version has recorded beside it. Return where the branch is then."""
        self._read(there, found, keys)
        if not self._carries_over:
            return there
        try:
            if carry_over(self._repository, self._signer, there, self._carried_from, self._move):
                there, known = self._repository.resolve(RECORDS) or "", there
                self._read(there, links(self._repository, there, known), keys)
            self._carry_after = math.inf
        except ChainError:
            raise
        except GitError as error:
            log.warning("the records of an earlier version were not carried over yet: %s", error)
            self._carry_after = time.monotonic() + _RETRY_SECONDS
        return there

    def _carried_from(self, proposal: str) -> set[str]:
        records = self._index.records([proposal]).get(proposal, ())
        return {record.carried_from or record.commit for record in records}

    def _read(self, there: str, found: Links, keys: Keys) -> None:
        """Read the branch into the index. Raise ChainError."""
        before, done = found.before, 0
        if found.ids and not before:
            self._index.clear()
        for batch in read(self._repository, found):
            if not self._index.add(batch, before, keys):
                raise GitUnavailableError("another program is writing the same index of records")
            before, done = batch[-1][0], done + len(batch)
            self._progress = (done, len(found.ids))
        if there and not self._index.is_compared:
            self._check_main(there)
            self._index.set_compared()
        self._at, self.broken = (there, keys), None

    def _load(self, there: str, found: Links, keys: Keys) -> None:
        """Read the branch beside everything else."""
        began = time.monotonic()
        try:
            self._read_all(there, found, keys)
            log.info("%d records were read in %.1f s", len(found.ids), time.monotonic() - began)
        except ChainError as error:
            self._found_broken(error, there, keys)
        except Exception:
            log.exception("the records were not read")

    def _check_main(self, there: str) -> None:
        """Check that the log has the merges that the service has signed. Raise ChainError where it was set back."""
        main = self._repository.resolve(MAIN)
        if main is None:
            return
        begun = since(self._repository, there)
        missing = unrecorded_merges(self._repository, main, begun, self._index.merged)
        if missing:
            raise ChainError("the log of records lacks a merge that the service has signed", missing[0])

    def _found_broken(self, error: ChainError, there: str, keys: Keys) -> None:
        good = self._known(keys)
        if self.broken is None or self.broken.commit != error.commit:
            log.error("nothing is decided: %s", error)
            self.broken = BrokenLog(dt.datetime.now(dt.UTC), error.why, error.commit, good)
            self._keep(good)
        self._failed = (there, good, keys)

    def _keep(self, good: str) -> None:
        """Keep the newest good commit reachable, so that it can be put back."""
        with contextlib.suppress(GitError):
            kept = self._repository.references(KEPT).get(KEPT, NO_OBJECT)
            if good and kept != good:
                self._repository.update_references([RefUpdate(KEPT, good, kept)])

    def append(self, record: Record, basis: str, *others: RefUpdate) -> None:
        """Write a record, and move other branches with it. `basis` is the proposal's newest record but comments.

        Raise RefMovedError where there is another one now, or another branch has moved, and RecordsBrokenError.
        """
        with self._writing:
            for attempt in range(_ATTEMPTS):
                tip = self.catch_up()
                if self.broken:
                    raise RecordsBrokenError(self.broken)
                if record.proposal and self._basis(record.proposal) != basis:
                    raise RefMovedError(f"there is a newer record of the proposal {record.proposal}")
                commit = write_record(self._repository, self._signer, record, tip)
                try:
                    self._move([RefUpdate(RECORDS, commit, tip or NO_OBJECT), *others])
                except RefMovedError:
                    # Another record came first, of another service over the same repository for example.
                    if attempt == _ATTEMPTS - 1 or (self._repository.resolve(RECORDS) or "") == tip:
                        raise
                else:
                    self.catch_up()
                    return

    def _basis(self, proposal: str) -> str:
        return basis_of(self._index.records([proposal]).get(proposal, ()))
