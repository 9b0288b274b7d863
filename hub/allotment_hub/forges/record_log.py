"""The log of records: kept up to date with the branch, and written to. All calls block.

The branch only ever grows by what the service writes. A commit of somebody else in it, or a branch that was set back,
stops every decision until an administrator puts the branch back; what was read before is still shown.
"""

import contextlib
import datetime as dt
import logging
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
_ATTEMPTS = 5
_RETRY_SECONDS = 30.0


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


class _OvertakenError(Exception):
    """Another program has added records to the same index meanwhile."""


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
        self.index = index
        self._move = move
        self._is_complete = is_complete
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._at: tuple[str, Keys] = ("", frozenset())
        """The commit up to which the branch was read and found good, and the keys that counted."""
        self._is_compared = False
        """Whether what was read was compared with main."""
        self._without = ("", "")
        """Where the branch and main were when they were compared last."""
        self._failed: tuple[str, str, str, Keys] | None = None
        """Where the branch and main were when it was found broken, the newest good commit, and the keys."""
        self._load_after = 0.0
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
        self.index.close()

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
                return question(self.index)
        raise GitUnavailableError("the index of records is damaged")

    def catch_up(self) -> str:
        """Read what is new on the branch. Return the newest commit that was read; empty where there is none."""
        keys = self._repository.key_lines
        known = self._known(keys)
        good = (known, keys) == self._at and (self._is_compared or not self._is_complete())
        if known and good and self._repository.is_surely_at(RECORDS, known):
            self.broken = None
            return known
        with self._reading:
            if self.progress or time.monotonic() < self._load_after:
                raise RecordsLoadingError(*self._progress)
            for _ in range(_ATTEMPTS):
                known = self._known(keys)
                there, main = (self._repository.resolve(name) or "" for name in (RECORDS, MAIN))
                if (there, main, known, keys) == self._failed:
                    return known
                self._failed = None
                with contextlib.suppress(_OvertakenError):
                    return self._caught_up(there, main, known, keys)
            raise GitUnavailableError("another program is writing the same index of records")

    def _known(self, keys: Keys) -> str:
        try:
            return self.index.tip(keys)
        except DamagedIndexError:
            return ""

    def _caught_up(self, there: str, main: str, known: str, keys: Keys) -> str:
        if known and self._at[0] != known and not self._repository.sizes([known]):
            known = ""  # the index is of another repository, or of what this one was later
        try:
            if not there and known and self._is_complete():
                raise ChainError("the branch with the log of records is gone", known)
            found = links(self._repository, there, known) if there else Links((), known)
            if len(found.ids) > _AT_ONCE:
                self._progress = (0, len(found.ids))
                self._loading = threading.Thread(target=self._load, args=(there, main, found, keys), daemon=True)
                self._loading.start()
                raise RecordsLoadingError(*self._progress)
            self._read(there, main, found, keys)
        except ChainError as error:
            self._found_broken(error, there, main, keys)
        return self._known(keys)

    def _read(self, there: str, main: str, found: Links, keys: Keys) -> None:
        """Read the branch into the index, and compare it with main. Raise ChainError."""
        before, done = found.before, 0
        for batch in read(self._repository, found):
            if not self.index.add(batch, before, keys):
                raise _OvertakenError
            before, done = batch[-1][0], done + len(batch)
            self._progress = (done, len(found.ids))
        self._is_compared = bool(there) and self.index.is_compared
        if not self._is_compared and self._is_complete() and self._without != (there, main):
            self._compare(there, main)
        self._at, self.broken = (there, keys), None

    def _compare(self, there: str, main: str) -> None:
        """Check that the log was not set back, as far as main and this repository tell. Raise ChainError."""
        repository = self._repository
        kept = repository.references_named([KEPT]).get(KEPT)
        if kept and not (there and repository.is_ancestor(kept, there)):
            raise ChainError("the log of records was set back", kept)
        if not there and repository.references(REVIEWS):
            return  # there was none before, and these are carried over now
        begun = since(repository, there) if there else ""
        missing = unrecorded_merges(repository, main, begun, self.index.merged) if main else []
        if missing:
            raise ChainError("the log of records lacks a merge that the service has signed", missing[0])
        self._without = (there, main)
        if there:
            self.index.set_compared()
            self._is_compared = True

    def _load(self, there: str, main: str, found: Links, keys: Keys) -> None:
        """Read the branch beside everything else."""
        began = time.monotonic()
        try:
            self._read(there, main, found, keys)
            log.info("%d records were read in %.1f s", len(found.ids), time.monotonic() - began)
        except ChainError as error:
            self._found_broken(error, there, main, keys)
        except Exception:
            log.exception("the records were not read, and are read again")
            self._load_after = time.monotonic() + _RETRY_SECONDS

    def _found_broken(self, error: ChainError, there: str, main: str, keys: Keys) -> None:
        good = self._known(keys)
        if self.broken is None or self.broken.commit != error.commit:
            log.error("nothing is decided: %s", error)
            self.broken = BrokenLog(dt.datetime.now(dt.UTC), error.why, error.commit, good)
            self._keep(good)
        self._failed = (there, main, good, keys)

    def _keep(self, good: str) -> None:
        """Keep the newest good commit reachable, so that it can be put back."""
        with contextlib.suppress(GitError):
            kept = self._repository.references_named([KEPT]).get(KEPT, NO_OBJECT)
            newer = kept == NO_OBJECT or self._repository.is_ancestor(kept, good)
            if good and kept != good and newer:
                self._repository.update_references([RefUpdate(KEPT, good, kept)])

    def append(self, record: Record, basis: str, *others: RefUpdate) -> None:
        """Write a record, and move other branches with it. `basis` is the proposal's newest record but comments.

        Raise RefMovedError where there is another one now, the act that it was made from is recorded already, or
        another branch has moved, and RecordsBrokenError.
        """
        with self._writing:
            for attempt in range(_ATTEMPTS):
                tip = self._writable()
                self._check_newest(record, basis)
                commit = write_record(self._repository, self._signer, record, tip)
                try:
                    self._move([RefUpdate(RECORDS, commit, tip or NO_OBJECT), *others])
                except RefMovedError:
                    # Another record came first, of another service over the same repository for example.
                    if attempt == _ATTEMPTS - 1 or (self._repository.resolve(RECORDS) or "") == tip:
                        raise
                else:
                    self.look()  # it is written, whatever happens now
                    return

    def _writable(self) -> str:
        """Return the commit that the next record stands on; empty where it begins the log."""
        tip = self.catch_up()
        if self.broken:
            raise RecordsBrokenError(self.broken)
        if not self._is_complete():
            raise GitUnavailableError("the branches of proposals are being fetched for the first time")
        return tip

    def carry_over(self) -> None:
        """Carry over what version 0.1 has recorded. Raise RefMovedError, RecordsBrokenError, and other GitErrors."""
        with self._writing:
            if self._is_complete() and self._repository.references(REVIEWS):
                carry_over(self._repository, self._signer, self._writable(), self._carried_from, self._move)

    def _carried_from(self, proposal: str) -> set[str]:
        records = self.index.records([proposal]).get(proposal, ())
        return {record.carried_from or record.commit for record in records}

    def _check_newest(self, record: Record, basis: str) -> None:
        """Check that nothing has overtaken a record. Raise RefMovedError."""
        if not record.proposal:
            return
        records = self.index.records([record.proposal]).get(record.proposal, ())
        if basis_of(records) != basis:
            raise RefMovedError(f"there is a newer record of the proposal {record.proposal}")
        if record.source and any(each.source and each.source.is_same(record.source) for each in records):
            raise RefMovedError(f"the act {record.source.act} is recorded already")
