"""The drafts of assistants: SQLite in the service's folder. All calls block.

Each raises UnavailableError where the file cannot be used. A damaged one is begun anew: a draft is drafted again.
"""

import datetime as dt
import json
import logging
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from allotment_hub.errors import unavailable
from allotment_hub.forges.sqlite_files import is_damage, remove_file, transaction
from allotment_hub.services.judging.checking import Files

log = logging.getLogger(__name__)

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS draft (id TEXT PRIMARY KEY, user TEXT NOT NULL, server TEXT NOT NULL,"
    " created REAL NOT NULL, reason TEXT NOT NULL, files TEXT NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS draft_of_user ON draft (user, created)",
)
_COLUMNS = "id, user, server, created, reason, files"
LIFETIME = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class AssistantDraft:
    """What an assistant in a session wants its user to propose. It never changes."""

    id: str
    user: str
    server: str
    """The name of the session whose token sent it; empty for the default one."""
    created: dt.datetime
    """UTC."""
    reason: str
    files: Files

    @property
    def expires(self) -> dt.datetime:
        """When it is removed."""
        return self.created + LIFETIME

    def content(self) -> str:
        """Return everything that would be proposed, as one text."""
        return json.dumps([self.reason, _texts(self.files)], sort_keys=True)


class DraftStore:
    """Keeps drafts until they expire. Nobody but their user is given them."""

    def __init__(self, path: Path | None) -> None:
        """Open the file when it is first needed; without one, keep the drafts in memory."""
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def of(self, user: str, now: dt.datetime) -> tuple[AssistantDraft, ...]:
        """Return the drafts of a user, the newest first."""
        asked = f"SELECT {_COLUMNS} FROM draft WHERE user = ? AND created > ? ORDER BY created DESC, id"  # noqa: S608 (a constant)
        with self._asking() as connection:
            rows = connection.execute(asked, (user, _oldest(now))).fetchall()
        return tuple(map(_draft, rows))

    def add(self, draft: AssistantDraft, most: int) -> bool:
        """Keep a draft, in place of the same session's draft of the same files; False where the user has `most`."""
        with self._asking() as connection, transaction(connection):
            connection.execute("DELETE FROM draft WHERE created <= ?", (_oldest(draft.created),))
            rows = connection.execute(f"SELECT {_COLUMNS} FROM draft WHERE user = ?", (draft.user,)).fetchall()  # noqa: S608 (a constant)
            kept = [each for each in map(_draft, rows) if not _replaces(draft, each)]
            if len(kept) >= most:
                return False
            for each in map(_draft, rows):
                if _replaces(draft, each):
                    connection.execute("DELETE FROM draft WHERE id = ?", (each.id,))
            connection.execute(
                f"INSERT INTO draft ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608 (a constant)
                (draft.id, draft.user, draft.server, draft.created.timestamp(), draft.reason, _stored(draft.files)),
            )
        return True

    def remove(self, user: str, id_: str) -> None:
        """Remove a draft of a user, if it is still there."""
        with self._asking() as connection:
            connection.execute("DELETE FROM draft WHERE user = ? AND id = ?", (user, id_))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _asking(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._opened()
            except sqlite3.Error as error:
                log.warning("the drafts of assistants cannot be used: %s", error)
                if is_damage(error) and self._path:
                    self._close()
                    remove_file(self._path)
                raise unavailable("drafts-unavailable", "The file with the drafts of assistants fails.") from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            # Every statement is a transaction, or within one that is begun by `transaction`.
            connection = sqlite3.connect(
                self._path or ":memory:", timeout=10, check_same_thread=False, isolation_level=None
            )
            try:
                for statement in ("PRAGMA journal_mode = WAL", *_SCHEMA):
                    connection.execute(statement)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
        return self._connection


def _oldest(now: dt.datetime) -> float:
    return (now - LIFETIME).timestamp()


def _replaces(draft: AssistantDraft, other: AssistantDraft) -> bool:
    return draft.server == other.server and draft.files.keys() == other.files.keys()


def _texts(files: Files) -> Mapping[str, str | None]:
    return {path: None if data is None else data.decode("utf-8", "surrogatepass") for path, data in files.items()}


def _stored(files: Files) -> str:
    return json.dumps(_texts(files))


def _draft(row: tuple[str, str, str, float, str, str]) -> AssistantDraft:
    id_, user, server, created, reason, stored = row
    files = {
        path: None if text is None else text.encode("utf-8", "surrogatepass")
        for path, text in json.loads(stored).items()
    }
    return AssistantDraft(id_, user, server, dt.datetime.fromtimestamp(created, dt.UTC), reason, files)
