"""The history of files: who changed what, when and why."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from allotment_hub.errors import refused
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

    def __init__(self, repository: Repository, watcher: CatalogWatcher) -> None:
        self._repository = repository
        self._watcher = watcher

    async def of(self, path: str, limit: int = 20) -> list[HistoryRow]:
        """Return the newest changes of a file, newest first."""
        entries = self._watcher.provenance.of(path)
        return await asyncio.to_thread(self._rows, path, entries[: limit + 1], limit)

    def _rows(self, path: str, entries: Sequence[HistoryEntry], limit: int) -> list[HistoryRow]:
        """Compare each version with the valid one before it. The oldest entry only serves the comparison."""
        where = file_ref(path)
        if where is None:
            raise refused(404, "path", "Nothing is read from this path.", "")
        rows: list[HistoryRow] = []
        before = None
        for entry in reversed(entries):
            data = self._repository.file(entry.commit, path)
            reading = read(where.kind, path, data) if data is not None else None
            after = reading.value if reading else None
            invalid = reading is not None and after is None
            changes = () if invalid else compare_values(path, before, after)
            rows.append(HistoryRow(entry, tuple(changes), reading.problems if reading else ()))
            before = before if invalid else after
        return list(reversed(rows))[:limit]
