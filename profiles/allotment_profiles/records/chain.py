"""Read the log of records from git: a chain of signed commits, each on top of the last. All calls block."""

import datetime as dt
import functools
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from allotment_profiles.git.commits import Commit, Person
from allotment_profiles.git.process import GitError
from allotment_profiles.git.repository import Repository
from allotment_profiles.git.signatures import Signer
from allotment_profiles.records.record import EVIDENCE_FILE, MARK, Record, parse_record

SERVICE = Person("Allotment", "allotment@localhost")
ROOT = "Records of Allotment since "
"""How the message of the first commit begins. What follows is the commit of main up to which merges have no records, or
nothing. The first commit has no parents: so the chain never leads into what was proposed."""
_FEW = 50
_BATCH = 1000
_MANY = 5000
"""From so many commits on, signatures are checked by several processes: each takes a tenth of a millisecond."""
_PROCESSES = 4


class ChainError(GitError):
    """The log of records is not what the service wrote: a commit of somebody else is in it, or it was rewound."""

    def __init__(self, why: str, commit: str) -> None:
        super().__init__(f"{why} ({commit[:12]})")
        self.why = why
        self.commit = commit


@dataclass(frozen=True, slots=True)
class Links:
    """The commits of a log that are new to the reader, oldest first."""

    ids: tuple[str, ...]
    before: str
    """The commit that the first of them stands on; empty where it is the root."""


def links(repository: Repository, tip: str, known: str = "") -> Links:
    """List the commits of a log after one that is known. Raise ChainError where the log ends before it."""
    if known:  # mostly it is among the newest; to exclude all that precedes it, git walks through much of the rest
        newest = repository.first_parents(tip, limit=_FEW)
        if known in newest:
            return Links(tuple(reversed(newest[: newest.index(known)])), known)
    ids = tuple(reversed(repository.first_parents(tip, until=known)))
    if known and (not ids and tip != known):
        raise ChainError("the log of records was set back", tip)
    return Links(ids, known)


def read(repository: Repository, found: Links) -> Iterator[list[tuple[str, Record | None]]]:
    """Yield commits with their records in batches, oldest first. None for the root and for kinds not known here.

    Raise ChainError for a commit that the service did not sign as a record, after what is before it.
    """
    batches = [found.ids[start : start + _BATCH] for start in range(0, len(found.ids), _BATCH)]
    before = found.before
    for commits in _commits(repository, batches):
        good: list[tuple[str, Record | None]] = []
        for commit in commits:
            wrong = commit.wrong or _misplaced(commit, before)
            if wrong:
                if good:
                    yield good
                raise ChainError(wrong, commit.id)
            good.append((commit.id, commit.record))
            before = commit.id
        yield good


class _Read(NamedTuple):
    """What is read of one commit, and sent by one process to another."""

    id: str
    before: str
    """Its first parent; empty for the root."""
    record: Record | None
    wrong: str = ""
    """Why it is none of the log's."""


def _commits(repository: Repository, batches: Sequence[Sequence[str]]) -> Iterator[list[_Read]]:
    reading = functools.partial(_read_batch, repository)
    if sum(map(len, batches)) < _MANY:
        yield from map(reading, batches)
        return
    # A process that is forked from one with threads may hang, so each begins anew.
    processes = min(_PROCESSES, os.cpu_count() or 1)
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(reading, batches)


def _read_batch(repository: Repository, ids: Sequence[str]) -> list[_Read]:
    return [
        _Read(commit.id, next(iter(commit.parents), ""), parse_record(commit), _not_ours(commit))
        for commit in repository.commits(ids)
    ]


def _not_ours(commit: Commit) -> str:
    root = not commit.parents and commit.message.startswith(ROOT)
    ours = commit.signed_by is not None and (root or commit.message.startswith(MARK))
    return "" if ours else "somebody else than the service has written into the log of records"


def _misplaced(commit: _Read, before: str) -> str:
    return "" if commit.before == before else "the log of records was set back, or replaced by another one"


def write_record(repository: Repository, signer: Signer, record: Record, tip: str) -> str:
    """Write a record on top of the log, which is begun where there is none. Return its commit. No branch is moved."""
    before = tip or write_root(repository, signer)
    files = {EVIDENCE_FILE: record.evidence} if record.evidence else {}
    return _written(repository, signer, [before, record.head], record.message(), Person(record.by, ""), files)


def write_root(repository: Repository, signer: Signer, since: str = "") -> str:
    """Write the first commit of a log. Merges on main up to `since` have no records. No branch is moved."""
    return _written(repository, signer, [], f"{ROOT}{since}\n", SERVICE)


def since(repository: Repository, tip: str) -> str:
    """Return the commit of main up to which merges have no records; empty where all have some."""
    root = repository.commits(repository.first_parents(tip)[-1:])
    return root[0].message.removeprefix(ROOT).strip() if root else ""


def unrecorded_merges(
    repository: Repository, main: str, begun: str, recorded: Callable[[Sequence[str]], set[str]]
) -> list[str]:
    """Return the merges of proposals on main that the service has signed and that no record names, newest first.

    `begun` is the commit of main up to which merges need none.
    """
    line = repository.first_parents(main, until=begun)
    known = recorded(line)
    others = [commit for commit in line if commit not in known]
    return [
        commit.id
        for start in range(0, len(others), 1000)
        for commit in repository.commits(others[start : start + 1000])
        if commit.signed_by and "Proposal" in commit.trailers()
    ]


def _written(
    repository: Repository,
    signer: Signer,
    parents: Sequence[str],
    message: str,
    author: Person,
    files: Mapping[str, bytes] = MappingProxyType({}),
) -> str:
    tree = repository.write_tree(None, files)
    return repository.write_commit(
        tree, parents, message, author=author, committer=SERVICE, time=dt.datetime.now(dt.UTC), signer=signer
    )
