"""Where every file of main came from: who proposed it, who approved it, when and why."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from allotment_profiles.git.commits import Commit

# The first words of the messages that the service gives its commits on main. It signs other commits as well, whose
# messages are written by users (proposals, records of reviews): somebody may push such a commit to main, and it
# must not count as reviewed.
MERGE = "Merge "
SET_UP = "Set up "


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One commit on main: how it came there, and which files it changed."""

    commit: str
    time: dt.datetime
    subject: str
    author: str
    paths: tuple[str, ...]
    reviewed: bool
    """Whether the service merged it. Every other commit came to main without a review."""
    proposal: str = ""
    proposed_by: str = ""
    approved_by: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Provenance:
    """The history of main at one commit, by commit and by path."""

    head: str = ""
    entries: tuple[HistoryEntry, ...] = ()
    """Newest first."""
    by_path: Mapping[str, tuple[HistoryEntry, ...]] = field(default_factory=dict)

    @classmethod
    def of_entries(cls, head: str, entries: Sequence[HistoryEntry]) -> "Provenance":
        """Build the index of entries, which are newest first."""
        by_path: dict[str, list[HistoryEntry]] = {}
        for entry in entries:
            for path in entry.paths:
                by_path.setdefault(path, []).append(entry)
        return cls(head, tuple(entries), {path: tuple(changed) for path, changed in by_path.items()})

    def of(self, path: str) -> tuple[HistoryEntry, ...]:
        """Return the entries that changed a path, newest first."""
        return self.by_path.get(path, ())

    def last(self, path: str) -> HistoryEntry | None:
        """Return the newest entry that changed a path, or None."""
        return next(iter(self.of(path)), None)


def may_be_reviewed(message: str) -> bool:
    """Whether a message begins as those of the service's own commits on main. The signature decides."""
    return message.startswith((MERGE, SET_UP))


def is_reviewed(commit: Commit) -> bool:
    """Whether the service merged a commit: a known key signed it, and its message says so."""
    return commit.signed_by is not None and may_be_reviewed(commit.message)
