"""Carry the records of an earlier version over into the log. All calls block.

Version 0.1 had a branch `reviews/<id>` for each proposal. Its records are written into the log with their times, and
with the commit that recorded them first; the branch is deleted once the log has them. What is interrupted goes on at
the next start: a proposal that the log has is not carried over again.
"""

import itertools
import logging
from collections.abc import Callable, Collection, Sequence

from allotment_profiles.git.process import GitDataError
from allotment_profiles.git.repository import NO_OBJECT, RECORDS, REVIEWS, RefUpdate, Repository
from allotment_profiles.git.signatures import Signer
from allotment_profiles.records.chain import write_record
from allotment_profiles.records.record import OPENINGS, Record, carried, parse_record

log = logging.getLogger(__name__)

_AT_ONCE = 100
"""How many branches one push deletes."""

Move = Callable[[Sequence[RefUpdate]], None]


def carry_over(
    repository: Repository, signer: Signer, tip: str, recorded: Callable[[str], Collection[str]], move: Move
) -> bool:
    """Carry over what there is. Return whether there was anything.

    `tip` is the newest commit of the log; `recorded` returns for a proposal of the log where its records were carried
    over from. Raise RefMovedError where a branch moves meanwhile.
    """
    branches = repository.references(REVIEWS)
    chains = {name: _records(repository, name, commit) for name, commit in branches.items()}
    known = {name: recorded(name.removeprefix(REVIEWS)) for name in chains}
    new = [chain for name, chain in chains.items() if chain and not known[name]]
    before = tip
    for record in sorted(itertools.chain(*new), key=lambda record: record.time):
        before = write_record(repository, signer, carried(record), before)
    if new:
        move([RefUpdate(RECORDS, before, tip or NO_OBJECT)])
        log.warning("the records of %d proposals were carried over into the log", len(new))
    done = [name for name, chain in chains.items() if chain in new or (chain and chain[-1].commit in known[name])]
    for start in range(0, len(done), _AT_ONCE):
        move([RefUpdate(name, NO_OBJECT, branches[name]) for name in done[start : start + _AT_ONCE]])
    for name in sorted(branches.keys() - set(done)):
        log.warning("%s is left as it is: it has no records, or the log has another proposal of this name", name)
    return bool(done)


def _records(repository: Repository, name: str, tip: str) -> list[Record]:
    """Return the records of a branch, oldest first; none where it does not tell of a proposal."""
    try:
        commits = repository.commits(repository.first_parents(tip))
    except GitDataError as error:  # a damaged or forged branch takes nothing from the others
        log.warning("%s cannot be read: %s", name, error)
        return []
    read = [parse_record(commit) for commit in reversed(commits)]
    records = [record for record in read if record and REVIEWS + record.proposal == name]
    return records if records and records[0].kind in OPENINGS else []
