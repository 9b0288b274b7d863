"""Carry the records of an earlier version over into the log. All calls block.

Version 0.1 had a branch `reviews/<id>` for each proposal. Its records are written into the log with their times, and
with the commit that recorded them first; the branch is deleted once the log has them. What is interrupted goes on at
the next start: a proposal that the log has is not carried over again.
"""

import datetime as dt
import heapq
import itertools
import logging
from collections.abc import Callable, Collection, Iterator, Sequence

from allotment_profiles.git.process import GitDataError, GitError
from allotment_profiles.git.repository import MAIN, NO_OBJECT, RECORDS, REVIEWS, RefUpdate, Repository
from allotment_profiles.git.signatures import Signer
from allotment_profiles.records.chain import unrecorded_merges, write_record, write_root
from allotment_profiles.records.record import OPENINGS, Record, carried, parse_record

log = logging.getLogger(__name__)

_AT_ONCE = 100
"""How many branches one push deletes."""

Move = Callable[[Sequence[RefUpdate]], None]


def carry_over(
    repository: Repository, signer: Signer, tip: str, recorded: Callable[[str], Collection[str]], move: Move
) -> None:
    """Carry over what there is. Raise RefMovedError where the log moves meanwhile.

    `tip` is the newest commit of the log; `recorded` returns for a proposal of the log where its records were carried
    over from. A branch that cannot be deleted, since it is protected for example, is left.
    """
    branches = repository.references(REVIEWS)
    chains = {name: _records(repository, name, commit) for name, commit in branches.items()}
    known = {name: recorded(name.removeprefix(REVIEWS)) for name in chains}
    new = [chain for name, chain in chains.items() if chain and not known[name]]
    if new:
        records = list(heapq.merge(*map(_ordered, new), key=lambda each: each[0]))
        before = tip or write_root(repository, signer, _unrecorded(repository, [record for _, record in records]))
        for _, record in records:
            before = write_record(repository, signer, carried(record), before)
        move([RefUpdate(RECORDS, before, tip or NO_OBJECT)])
        log.warning("the records of %d proposals were carried over into the log", len(new))
    done = [name for name, chain in chains.items() if chain in new or (chain and chain[-1].commit in known[name])]
    try:
        for start in range(0, len(done), _AT_ONCE):
            move([RefUpdate(name, NO_OBJECT, branches[name]) for name in done[start : start + _AT_ONCE]])
    except GitError as error:
        log.warning("branches below reviews/ are carried over and could not be deleted: %s", error)
    for name in sorted(branches.keys() - set(done)):
        log.warning("%s is left as it is: it is no chain of records, or the log has another proposal of its name", name)


def _ordered(chain: Sequence[Record]) -> Iterator[tuple[dt.datetime, Record]]:
    """Yield records in their order, each with a time that no earlier one is after: clocks are set back."""
    return zip(itertools.accumulate((record.time for record in chain), max), chain, strict=True)


def _unrecorded(repository: Repository, records: Sequence[Record]) -> str:
    """Return the newest merge on main that has no record; empty where all have one."""
    main = repository.resolve(MAIN)
    merges = {record.merge for record in records}
    return next(iter(unrecorded_merges(repository, main, "", merges.intersection)), "") if main else ""


def _records(repository: Repository, name: str, tip: str) -> list[Record]:
    """Return the records of a branch, oldest first; none where it does not tell of a proposal."""
    try:
        commits = repository.commits(repository.first_parents(tip))
    except GitDataError as error:  # a damaged or forged branch takes nothing from the others
        log.warning("%s cannot be read: %s", name, error)
        return []
    root, *others = reversed(commits)
    records = [parse_record(commit) for commit in others]
    good = [record for record in records if record and REVIEWS + record.proposal == name]
    # Where something else is among them, the branch stays, as the evidence of it.
    whole = len(good) == len(others) and not root.parents
    return good if whole and good and good[0].kind in OPENINGS else []
