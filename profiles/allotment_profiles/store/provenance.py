"""Where everything came from: who proposed, who approved, when and why, read from main's first-parent history."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from allotment_profiles.git.commits import Commit
from allotment_profiles.git.repository import Repository

# How the messages of those commits begin that the service puts on main. It signs others, too, with people's own text
# in them (what was proposed, what was recorded): pushed to main by somebody, they count as not reviewed.
MERGE = "Merge "
SET_UP = "Set up "


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One commit on main: how it came there, and what it touched."""

    commit: str
    time: dt.datetime
    subject: str
    author: str
    paths: tuple[str, ...]
    reviewed: bool
    """Whether the service merged it: everything else came past the review."""
    proposal: str = ""
    """The proposal's id; empty where there was none."""
    proposed_by: str = ""
    approved_by: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Provenance:
    """All landings of main, newest first, and those of each path."""

    head: str = ""
    landings: tuple[HistoryEntry, ...] = ()
    by_path: Mapping[str, Sequence[HistoryEntry]] = field(default_factory=dict)

    def of(self, path: str) -> Sequence[HistoryEntry]:
        """Give the landings that touched a path, newest first."""
        return self.by_path.get(path, ())

    def last(self, path: str) -> HistoryEntry | None:
        """Give the newest landing that touched a path."""
        return next(iter(self.of(path)), None)


def is_reviewed(commit: Commit) -> bool:
    """Tell whether the service merged a commit: a known key signed it, and it says so."""
    return commit.signed_by is not None and commit.message.startswith((MERGE, SET_UP))


def _landing(commit: Commit, paths: Sequence[str]) -> HistoryEntry:
    reviewed = is_reviewed(commit)
    trailers = commit.trailers() if reviewed else {}
    return HistoryEntry(
        commit=commit.id,
        time=commit.time,
        subject=commit.subject,
        author=commit.author.name,
        paths=tuple(paths),
        reviewed=reviewed,
        proposal=trailers.get("Proposal", [""])[0],
        proposed_by=trailers.get("Proposed-by", [""])[0],
        approved_by=tuple(trailers.get("Approved-by", [])),
        reason=trailers.get("Reason", [""])[0],
    )


def fold_reviews(repository: Repository, head: str, known: Provenance | None = None) -> Provenance:
    """Read the history of a commit; what is known already of an ancestor is not read again."""
    known = known or Provenance()
    if known.head == head:
        return known
    until = known.head if known.head and repository.is_ancestor(known.head, head) else None
    changed = repository.changed_paths(head, until=until)
    new = tuple(_landing(commit, changed[commit.id]) for commit in repository.commits(list(changed)))
    # An ancestor may still have left the first-parent line: then nothing that is known holds.
    if until and (not new or until not in repository.first_parents(head, limit=len(new) + 1)):
        return fold_reviews(repository, head)
    landings = new + (known.landings if until else ())
    by_path: dict[str, list[HistoryEntry]] = {}
    for landing in landings:
        for path in landing.paths:
            by_path.setdefault(path, []).append(landing)
    return Provenance(head, landings, by_path)
