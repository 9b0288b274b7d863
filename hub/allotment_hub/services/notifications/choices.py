"""What each user does not want to hear of: SQLite in the service's folder. All calls block."""

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

from allotment_hub.services.notifications.notices import KINDS

_SCHEMA = "CREATE TABLE IF NOT EXISTS off (user TEXT, kind TEXT, PRIMARY KEY (user, kind)) WITHOUT ROWID"


class Choices:
    """The kinds that users have turned off. It is nothing that git knows of, and no rule reads it."""

    def __init__(self, path: Path | None) -> None:
        """Open the file when it is first needed; without one, keep the choices in memory."""
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def off(self, user: str) -> frozenset[str]:
        """Return the kinds that a user has turned off."""
        with self._lock:
            rows = self._opened().execute("SELECT kind FROM off WHERE user = ?", (user,)).fetchall()
        return frozenset(kind for (kind,) in rows)

    def choose(self, user: str, on: Iterable[str]) -> None:
        """Turn on some kinds for a user, and turn off all others."""
        off = KINDS.keys() - set(on)
        with self._lock, self._opened() as connection:
            connection.execute("DELETE FROM off WHERE user = ?", (user,))
            connection.executemany("INSERT INTO off VALUES (?, ?)", [(user, kind) for kind in sorted(off)])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection:
                self._connection.close()
                self._connection = None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = sqlite3.connect(self._path or ":memory:", timeout=10, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute(_SCHEMA)
        return self._connection
