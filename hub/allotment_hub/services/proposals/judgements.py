"""Judgements of proposals, each made once for one main, one head and one day."""

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from allotment_hub.forges.heads import MergeConflictError, drop_oldest
from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.judging.catching_up import Updated
from allotment_hub.services.judging.checking import ChangeChecker, Check
from allotment_hub.services.proposals.case import CaseKey, Judgement
from allotment_hub.services.proposals.digest import digest_of
from allotment_profiles.access.people import User
from allotment_profiles.git.process import GitDataError
from allotment_profiles.records.record import Record
from allotment_profiles.review.approvals import Requirement
from allotment_profiles.review.changes import Change

ValueT = TypeVar("ValueT")
_MAXIMUM_OLDER = 200
"""How many checks are kept for each question about the past, such as what an ended proposal changed."""

NOBODY = ""
"""In whose turn lists are judged: no user has this name."""
MAXIMUM_CHANGES_KEPT = 150_000
"""How many changes the kept checks of open proposals have together, about a kilobyte each; of others a fifth."""
_MAXIMUM_NEEDED = 1000
"""Of how many proposals it is kept what they need."""
Needed = tuple[tuple[Requirement, ...], tuple[str, ...]]
"""The approvals that a proposal needs, and why it needs none."""


def _size(value: object) -> int:
    """Return how much memory a value takes, in kilobytes."""
    if isinstance(value, Updated):
        contents = (*value.files.values(), *value.main.values())
        return len(value.collisions) + sum(map(len, filter(None, contents))) // 1000
    check = value.check if isinstance(value, Judgement) else value
    return len(check.changes) + len(check.access) + len(check.starts) if isinstance(check, Check) else 0


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a list waits for."""

    stored: StoredProposal
    proposer: User | None
    found: asyncio.Future[Judgement]


class Judgements:
    """Judges proposals for users, one after the other for each user, and keeps what still holds."""

    def __init__(self, forge: PlainGitForge, checking: ChangeChecker) -> None:
        self._forge = forge
        self._checking = checking
        self._current: dict[CaseKey, Judgement] = {}
        """Of the open proposals, whose number the policy limits, against main as it is."""
        self._approved: dict[CaseKey, Judgement] = {}
        self._checks: dict[CaseKey, Check] = {}
        self._carried_over: dict[CaseKey, Updated] = {}
        self._undone: dict[CaseKey, Updated] = {}
        self._wanted: dict[CaseKey, _Wanted] = {}
        """What lists ask for, the first first. It is judged in the turn of nobody, one after the other."""
        self._judging: asyncio.Task[None] | None = None
        self._needed: dict[tuple[CaseKey, User], tuple[tuple[Change, ...], Needed]] = {}

    async def of(self, stored: StoredProposal, main: str, by: str) -> Judgement:
        """Judge the merge of an open proposal with a commit of main, or return the judgement that still holds."""
        key = CaseKey(main, stored.head, self._checking.today(), self._forge.repository.keys)
        judgement = await self._kept(self._current, key, by, lambda: self._judge(stored, key))
        for other in [each for each in self._current if dataclasses.replace(each, head=key.head) != key]:
            del self._current[other]
        return judgement

    async def known(
        self, proposals: Iterable[StoredProposal], main: str, people: Mapping[str, User]
    ) -> dict[str, Judgement]:
        """Return, by the ids of open proposals, the judgements that are kept, or made within a moment.

        The others are made meanwhile, with what they need, in the given order, for whoever asks next.
        """
        asked = {stored.id: self._want(stored, main, people.get(stored.proposer)) for stored in proposals}
        if asked:
            await asyncio.wait(asked.values(), timeout=self._checking.list_seconds)
        done = {id_: found for id_, found in asked.items() if found.done() and not found.cancelled()}
        return {id_: found.result() for id_, found in done.items()}

    def _want(self, stored: StoredProposal, main: str, proposer: User | None) -> asyncio.Future[Judgement]:
        key = CaseKey(main, stored.head, self._checking.today(), self._forge.repository.keys)
        wanted = self._wanted.get(key)
        if wanted is None:
            wanted = _Wanted(stored, proposer, asyncio.get_running_loop().create_future())
            if key in self._current:
                wanted.found.set_result(self._current[key])
                return wanted.found
            for other in [each for each in self._wanted if dataclasses.replace(each, head=key.head) != key]:
                self._wanted.pop(other).found.cancel()  # main has moved, or the day is over
            self._wanted[key] = wanted
        if self._judging is None or self._judging.done():
            self._judging = asyncio.create_task(self._judge_wanted())
        return wanted.found

    async def _judge_wanted(self) -> None:
        while self._wanted:
            key, wanted = next(iter(self._wanted.items()))
            try:
                judgement = await self.of(wanted.stored, key.main, NOBODY)
                if judgement.check and wanted.proposer:
                    await self.needed(key, judgement.check, wanted.proposer)
            except Exception as error:  # noqa: BLE001  (raised where it is awaited)
                judgement, failed = None, error
            self._wanted.pop(key, None)
            if wanted.found.done():
                continue
            if judgement is not None:
                wanted.found.set_result(judgement)
            else:
                wanted.found.set_exception(failed)
                wanted.found.exception()  # nobody may wait for it any more

    async def then(self, stored: StoredProposal, approval: Record, by: str) -> Check | None:
        """Return the check of what was approved; None where that is not known any more."""
        key = CaseKey(approval.main, approval.head, approval.time.date(), self._forge.repository.keys)
        was = dataclasses.replace(stored, head=approval.head)
        try:
            check = (await self._kept(self._approved, key, by, lambda: self._judge(was, key))).check
        except GitDataError:  # the record is older than the digests, or main was rewound since
            return None
        return check if check and check.made else None

    async def at(self, stored: StoredProposal, main: str, day: dt.date, by: str) -> Judgement:
        """Judge the merge of a proposal with an older commit of main, by the rules of a day."""
        key = CaseKey(main, stored.head, day, self._forge.repository.keys)
        return await self._kept(self._approved, key, by, lambda: self._judge(stored, key))

    async def check(self, key: CaseKey, by: str) -> Check:
        """Check a commit against an older main, or return the check that still holds. It is no judgement of a merge."""
        return await self._kept(self._checks, key, by, lambda: self._checking.commit(key.main, key.head, key.day))

    async def carried_over(self, stored: StoredProposal, main: str, by: str) -> Updated:
        """Return what a proposal would change on main, with its keys carried over, or what was found of it before."""
        key = CaseKey(main, stored.head, self._checking.today(), self._forge.repository.keys)
        find = partial(self._checking.carried_over, main, stored.head)
        return await self._kept(self._carried_over, key, by, find)

    async def undone(self, ending: Record, main: str, by: str) -> Updated:
        """Return what undoes a merge on main, with keys carried over, or what was found of it before."""
        key = CaseKey(main, ending.merge, self._checking.today(), self._forge.repository.keys)
        return await self._kept(self._undone, key, by, partial(self._checking.undone, main, ending))

    async def needed(self, key: CaseKey, check: Check, proposer: User) -> Needed:
        """Return what is needed where this user proposes what was checked, or what was found of it before."""
        asked = (key, proposer)
        changes, needed = self._needed.get(asked, (None, None))
        if needed is None or changes is not check.changes:  # what was checked anew may have another result
            needed = await asyncio.to_thread(check.needed_by, proposer)
            self._needed[asked] = check.changes, needed
            drop_oldest(self._needed, _MAXIMUM_NEEDED)
        return needed

    async def _kept(
        self, kept: dict[CaseKey, ValueT], key: CaseKey, by: str, make: Callable[[], Awaitable[ValueT]]
    ) -> ValueT:
        """Return what is kept, or make it when it is the user's turn."""
        if key in kept:
            return kept[key]
        async with self._checking.turns.of(by, "page"):
            value = kept[key] if key in kept else await make()
        check = value.check if isinstance(value, Judgement) else value
        if isinstance(check, Check | Updated) and not check.lasting:
            return value
        kept[key] = value
        if kept is not self._current:
            drop_oldest(kept, _MAXIMUM_OLDER)
        most = MAXIMUM_CHANGES_KEPT // (1 if kept is self._current else 5)
        while len(kept) > 1 and sum(map(_size, kept.values())) > most:
            kept.pop(next(iter(kept)))
        return value

    async def _judge(self, stored: StoredProposal, key: CaseKey) -> Judgement:
        try:
            candidate = await asyncio.to_thread(self._forge.candidate, stored, key.main)
        except MergeConflictError as error:
            return Judgement(key, None, error.paths)
        check, removals = await self._checking.merge(candidate, key.day)
        digest = await asyncio.to_thread(digest_of, candidate, check)
        return Judgement(key, check, (), candidate, removals, digest, self._forge.sealed(digest))
