"""The history of files: who changed what, when and why."""

import asyncio
import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass

from allotment_hub.errors import refused
from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.services.browse.told_entries import ToldEntries
from allotment_hub.services.visibility import redacted, told
from allotment_profiles.access.people import User
from allotment_profiles.access.visibility import Sight, visible
from allotment_profiles.documents.reading import read
from allotment_profiles.git.repository import Repository
from allotment_profiles.model.paths import file_ref
from allotment_profiles.model.problems import Problem
from allotment_profiles.review.changes import Change, compare_values
from allotment_profiles.store.provenance import HistoryEntry
from allotment_profiles.store.watcher import CatalogWatcher


@dataclass(frozen=True)
class HistoryRow:
    """One commit that changed a file, and what it changed."""

    entry: HistoryEntry
    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]
    """Why that version of the file is invalid; empty if it is valid."""


class History:
    """The history of the revision that applies."""

    def __init__(self, repository: Repository, watcher: CatalogWatcher, forge: PlainGitForge) -> None:
        self._repository = repository
        self._watcher = watcher
        self._told = ToldEntries(watcher, forge)

    async def of(self, reader: User, path: str, limit: int = 20) -> list[HistoryRow]:
        """Return the newest changes of a file, newest first, as a reader may see them."""
        entries = self._watcher.provenance.of(path)
        return await asyncio.to_thread(self._rows, reader, path, entries[: limit + 1], limit)

    def _rows(self, reader: User, path: str, entries: Sequence[HistoryEntry], limit: int) -> list[HistoryRow]:
        """Compare each version with the valid one before it. The oldest entry only serves the comparison.

        A version that the reader may not see is left out, and the next one is shown as new. So is what is quarantined,
        for those who may not see the file's text. Nobody can tell whether a version that is not valid is hidden: it is
        as the valid one before it.
        """
        where = file_ref(path)
        if where is None:
            raise refused(404, "path", "Nothing is read from this path.", "")
        catalog = self._watcher.catalog
        quarantined = {change.commit for change in catalog.quarantined if change.path == path}
        rows: list[HistoryRow] = []
        before, before_seen, last_seen = None, Sight.ALL, Sight.NOTHING
        for entry in reversed(entries):
            data = self._repository.file(entry.commit, path)
            reading = read(where.kind, path, data) if data is not None else None
            after = reading.value if reading else None
            seen = visible(reader, path, catalog, data) if data is not None else before_seen
            invalid = reading is not None and after is None
            unseen = (max(seen, last_seen) if invalid else seen) == Sight.NOTHING
            last_seen = last_seen if invalid else seen
            if unseen or (entry.commit in quarantined and seen < Sight.ALL) or (data is None and before is None):
                before, before_seen = None, Sight.ALL
                continue
            changes = () if invalid else compare_values(path, before, after)
            problems = tuple(told(problem, seen) for problem in reading.problems) if reading else ()
            # A change shows values of both versions.
            rows.append(HistoryRow(entry, redacted(changes, functools.partial(_least, before_seen, seen)), problems))
            if not invalid:
                before, before_seen = after, seen if after else Sight.ALL
        told_entries = self._told.told(reader, (row.entry for row in rows))
        rows = [dataclasses.replace(row, entry=told_entries[row.entry.commit]) for row in rows]
        return list(reversed(rows))[:limit]


def _least(before: Sight, after: Sight, _path: str) -> Sight:
    return min(before, after)
