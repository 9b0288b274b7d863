"""A proposal as its records tell it, and what a merge of it puts on main."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NotRequired, TypedDict

from allotment_profiles.git.repository import FileChange
from allotment_profiles.records.record import ENDINGS, OPENINGS, SETTERS, SILENT, Record, Source

MAXIMUM_FILES = 50
"""How many files one proposal may change."""


class Words(TypedDict):
    """Who proposes, what it is called, why, and whether an assistant drafted it."""

    by: str
    title: str
    reason: str
    by_assistant: NotRequired[bool]


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a merge puts on main: judged first, then merged exactly as it was judged."""

    main: str
    """The commit of main that it is merged with."""
    head: str
    """The head of the proposal."""
    changes: tuple[FileChange, ...]
    """The files of main that the merge changes, by path, with their blobs before and after."""


@dataclass(frozen=True)
class StoredProposal:
    """A proposal as the forge keeps it."""

    id: str
    head: str
    """The head that was proposed last."""
    branch: str | None
    """Where the branch is; None once the proposal has ended."""
    records: tuple[Record, ...]
    """Oldest first; the first is `proposed` or `adopted`."""
    number: int = field(default=0, compare=False)
    """The number of its newest record among all records: lists are in this order."""

    @property
    def tip(self) -> str:
        """The commit of the newest record."""
        return self.records[-1].commit

    @property
    def basis(self) -> str:
        """The commit of the newest record that decides something: whatever is decided stands on it."""
        return basis_of(self.records)

    @property
    def proposer(self) -> str:
        """Who proposed it."""
        return self._opening.by

    @property
    def undoes(self) -> str:
        """The id of the merged proposal that what was proposed last undoes; empty where it undoes none."""
        return self.current.undoes

    @property
    def _opening(self) -> Record:
        return next(record for record in self.records if record.kind in OPENINGS)

    @property
    def ending(self) -> Record | None:
        """The record that ended it, or None while it is open."""
        return next((record for record in reversed(self.records) if record.kind in ENDINGS), None)

    @property
    def open(self) -> bool:
        """Whether it can still be decided."""
        return self.ending is None

    @property
    def merged(self) -> bool:
        """Whether main has it."""
        return self.ending is not None and self.ending.kind == "merged"

    @property
    def unreviewed(self) -> bool:
        """Whether it was merged with the forge's own button, and not as it was judged and approved here."""
        ending = self.ending
        return ending is not None and ending.kind == "merged" and ending.source is not None and not ending.digest

    def at(self, head: str) -> "StoredProposal":
        """Return the proposal as it was when an earlier head was set; a merge stays: main was another before it."""
        setters = [place for place, record in enumerate(self.records) if record.kind in SETTERS and record.head == head]
        until = setters[-1] + 1 if setters else len(self.records)
        records = tuple(record for record in self.records[:until] if record is not self.ending)
        merge = (self.ending,) if self.ending and self.ending.merge else ()
        return replace(self, head=head, records=(*records, *merge))

    @property
    def current(self) -> Record:
        """The last record that set the head."""
        return next(record for record in reversed(self.records) if record.kind in SETTERS)

    @property
    def drafted(self) -> Record | None:
        """The last record of a version that an assistant drafted, or None."""
        return next((record for record in reversed(self.records) if record.by_assistant), None)

    @property
    def contributors(self) -> frozenset[str]:
        """Everybody who set a head of it. Their approvals never count."""
        return frozenset(record.by for record in self.records if record.kind in SETTERS)

    @property
    def approved_by(self) -> tuple[str, ...]:
        """Who has approved this head, whether or not that counts after what main has changed since."""
        given = (record for record in self.records if record.kind == "approved" and record.head == self.head)
        return tuple(dict.fromkeys(record.by for record in given if record.commit not in self.dismissed))

    def approvals(self, digest: str) -> list[Record]:
        """Return the approvals of this head that are of what a digest describes, one for each person.

        Approvals by people who set a head, and dismissed ones, do not count. An approval from before there were digests
        has none, and counts only where no digest is asked for: in a proposal that ended before there were any.
        """
        dismissed = self.dismissed
        approvals = {
            record.by: record
            for record in self.records
            if record.kind == "approved"
            and (record.head, record.digest) == (self.head, digest)
            and record.by not in self.contributors
            and record.commit not in dismissed
        }
        return list(approvals.values())

    @functools.cached_property
    def dismissed(self) -> frozenset[str]:
        """The commits of the approvals that were dismissed: each one that was named, and that person's earlier ones."""
        named = {record.dismisses for record in self.records if record.kind == "dismissed"}
        people, found = set[str](), set[str]()
        for record in reversed(self.records) if named else ():
            if record.kind == "approved" and (record.commit in named or record.by in people):
                people.add(record.by)
                found.add(record.commit)
        return frozenset(found)

    def recorded(self, source: Source) -> Record | None:
        """Return the record that was made from an act on a forge, or None."""
        found = self._by_source.get(source.key, ())
        return next((record for record in found if record.source and record.source.is_same(source)), None)

    @functools.cached_property
    def _by_source(self) -> Mapping[tuple[str, int, str], Sequence[Record]]:
        found: dict[tuple[str, int, str], list[Record]] = {}
        for record in self.records:
            if record.source:
                found.setdefault(record.source.key, []).append(record)
        return found


def basis_of(records: Sequence[Record]) -> str:
    """Return the commit of the newest of some records that decides something; empty where there is none."""
    return next((record.commit for record in reversed(records) if record.kind not in SILENT), "")
