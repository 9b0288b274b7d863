"""The records of a proposal: a chain of signed commits, one for each action of a person."""

import datetime as dt
import json
from dataclasses import dataclass, replace
from typing import Literal, get_args

from allotment_profiles.git.commits import Commit
from allotment_profiles.git.repository import FileChange

RecordKind = Literal["proposed", "updated", "approved", "rejected", "commented", "withdrawn", "merged"]
_VERBS = dict(
    zip(
        get_args(RecordKind),
        ("proposed", "updated", "approved", "rejected", "commented on", "withdrew", "merged"),
        strict=True,
    )
)
# The service also signs commits whose messages contain text of people. Those messages start differently, so that no
# text can be taken for a record.
MARK = "Record: "


@dataclass(frozen=True, slots=True)
class Record:
    """One action of a person on a proposal."""

    kind: RecordKind
    by: str
    """The user's name at the hub."""
    time: dt.datetime
    """UTC."""
    head: str
    """The head of the proposal that it refers to."""
    text: str = ""
    """The reason or the comment, as it was written."""
    title: str = ""
    """What the proposal is called; with `proposed` and `updated`."""
    merge: str = ""
    """The commit on main; with `merged`."""
    digest: str = ""
    """What was judged; with `approved` and `merged`. Empty in records from before there were digests."""
    main: str = ""
    """The commit of main that it was judged with; with `approved`."""
    size: int = 0
    """Bytes of the files that were sent; with `proposed` and `updated`. 0 in records from before it was counted."""

    def message(self, proposal: str) -> str:
        """Format the record as the message of a commit: a line for people, then JSON for machines."""
        content = {
            "proposal": proposal, "kind": self.kind, "by": self.by, "head": self.head, "text": self.text,
            "title": self.title, "merge": self.merge, "digest": self.digest, "main": self.main,
            "size": self.size,
        }  # fmt: skip
        who = " ".join(self.by.split())[:60]
        return f"{MARK}{who} {_VERBS[self.kind]} {proposal}\n\n{json.dumps(content, ensure_ascii=True)}\n"


def parse_record(commit: Commit, proposal: str) -> Record | None:
    """Parse a record. Return None for a commit that the service did not sign for this proposal.

    Records are never rewritten: keys are only added, and one that is missing or not known here is passed over.
    """
    if commit.signed_by is None or not commit.message.startswith(MARK):
        return None
    try:
        content = json.loads(commit.message.partition("\n\n")[2])
        if content["proposal"] != proposal or content["kind"] not in _VERBS:
            return None
        return Record(
            kind=content["kind"],
            by=str(content["by"]),
            time=commit.time,
            head=str(content["head"]),
            text=str(content.get("text", "")),
            title=str(content.get("title", "")),
            merge=str(content.get("merge", "")),
            digest=str(content.get("digest", "")),
            main=str(content.get("main", "")),
            size=int(content.get("size", 0)),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


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
    """Oldest first; the first is `proposed`."""
    tip: str
    """The commit of the newest record, which is the parent of the next one."""

    @property
    def proposer(self) -> str:
        """Who proposed it."""
        return self.records[0].by

    @property
    def ending(self) -> Record | None:
        """The record that ended it, or None while it is open."""
        endings = ("rejected", "withdrawn", "merged")
        return next((record for record in reversed(self.records) if record.kind in endings), None)

    @property
    def open(self) -> bool:
        """Whether it can still be decided."""
        return self.ending is None

    def at(self, head: str) -> "StoredProposal":
        """Return the open proposal as it was with an earlier head."""
        ending = self.ending
        return replace(self, head=head, records=tuple(record for record in self.records if record is not ending))

    @property
    def current(self) -> Record:
        """The last record that set the head."""
        return next(record for record in reversed(self.records) if record.kind in ("proposed", "updated"))

    @property
    def contributors(self) -> frozenset[str]:
        """Everybody who set a head of it. Their approvals never count."""
        return frozenset(record.by for record in self.records if record.kind in ("proposed", "updated"))

    def approvals(self, digest: str) -> list[Record]:
        """Return the approvals of this head that are of what a digest describes, one for each person.

        Approvals by people who set a head do not count. An approval from before there were digests has none, and counts
        only where no digest is asked for: in a proposal that ended before there were any.
        """
        approvals = {
            record.by: record
            for record in self.records
            if record.kind == "approved"
            and (record.head, record.digest) == (self.head, digest)
            and record.by not in self.contributors
        }
        return list(approvals.values())
