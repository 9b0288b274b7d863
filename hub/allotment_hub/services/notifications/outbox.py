"""What is still to be sent, and how far the log of records has been read for it: SQLite in the service's folder.

The file may be lost at any time. Then nothing old is sent again: what is there is taken for known. All calls block.
"""

import datetime as dt
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from allotment_hub.forges.sqlite_files import remove_file, transaction
from allotment_hub.services.notifications.notices import Notice, Queued, Receiver

log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (key TEXT PRIMARY KEY, time REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notice (
    number INTEGER PRIMARY KEY, place TEXT NOT NULL, name TEXT NOT NULL, event TEXT NOT NULL, key TEXT NOT NULL,
    proposal TEXT NOT NULL, record TEXT NOT NULL, detail TEXT NOT NULL, path TEXT NOT NULL,
    queued REAL NOT NULL, due REAL NOT NULL, attempts INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS notice_of_receiver ON notice (place, name);
CREATE TABLE IF NOT EXISTS landing (proposal TEXT PRIMARY KEY, step TEXT NOT NULL, since REAL NOT NULL) WITHOUT ROWID;
"""
MAXIMUM_QUEUED = 10_000
"""How many notices wait. Further ones are dropped: nobody reads so many."""
_REMEMBERED_DAYS = 400
_NOTICE = "number, place, name, event, key, proposal, record, detail, path, queued, attempts"


class Outbox:
    """The notices that are to be sent."""

    def __init__(self, path: Path | None) -> None:
        """Open the file; without one, keep all in memory."""
        self._path = path
        self._lock = threading.RLock()
        try:
            self._connection = self._connected()
        except sqlite3.DatabaseError as error:
            log.warning("what was to be sent is lost, and nothing old is sent: %s", error)
            if path:
                remove_file(path)
            self._connection = self._connected()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    # -- how far the service has read

    def state(self) -> Mapping[str, str]:
        """Return how far was read, by name. Empty in a new file."""
        with self._changing() as connection:
            return dict(connection.execute("SELECT name, value FROM state"))

    def unknown(self, keys: Iterable[str]) -> frozenset[str]:
        """Return those of some keys that nothing was told by."""
        with self._changing() as connection:
            query = "SELECT 1 FROM told WHERE key = ?"
            return frozenset(key for key in keys if connection.execute(query, (key,)).fetchone() is None)

    def add(
        self,
        notices: Iterable[Notice],
        now: dt.datetime,
        state: Mapping[str, str],
        keys: Iterable[str] = (),
        *,
        silently: bool = False,
    ) -> None:
        """Queue notices that were not queued before, and how far was read with them: both or nothing.

        With `silently`, they are only taken for told, as are the `keys`.
        """
        with self._changing() as connection:
            room = MAXIMUM_QUEUED - connection.execute("SELECT count(*) FROM notice").fetchone()[0]
            for notice in notices:
                told = (notice.key, now.timestamp())
                new = connection.execute("INSERT OR IGNORE INTO told VALUES (?, ?)", told).rowcount == 1
                if new and not silently and room > 0:
                    room -= 1
                    row = (
                        *notice.receiver, notice.event, notice.key, notice.proposal, notice.record, notice.detail,
                        notice.path, now.timestamp(), now.timestamp(),
                    )  # fmt: skip
                    connection.execute("INSERT INTO notice VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)", row)
            connection.executemany("INSERT OR IGNORE INTO told VALUES (?, ?)", [(key, now.timestamp()) for key in keys])
            connection.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", state.items())
            old = (now - dt.timedelta(days=_REMEMBERED_DAYS)).timestamp()
            connection.execute("DELETE FROM told WHERE time < ?", (old,))

    # -- merged proposals on their way to a session

    def land(self, proposal: str, step: str, since: dt.datetime) -> None:
        """Keep in mind for what a merged proposal waits: to be `live`, or to be `started`; empty for nothing."""
        with self._changing() as connection:
            connection.execute("DELETE FROM landing WHERE proposal = ?", (proposal,))
            if step:
                connection.execute("INSERT INTO landing VALUES (?, ?, ?)", (proposal, step, since.timestamp()))

    def landing(self) -> list[tuple[str, str, dt.datetime]]:
        """Return the merged proposals that something is waited for, each with what, and since when."""
        with self._changing() as connection:
            rows = connection.execute("SELECT proposal, step, since FROM landing ORDER BY since").fetchall()
        return [(proposal, step, dt.datetime.fromtimestamp(since, dt.UTC)) for proposal, step, since in rows]

    # -- sending

    def due(self, now: dt.datetime, gathered: dt.timedelta) -> list[tuple[Receiver, list[Queued]]]:
        """Return what is to be sent now, by receiver: all that a receiver has, once the oldest was gathered so long."""
        query = (
            "SELECT place, name FROM notice GROUP BY place, name HAVING min(queued) <= ? AND max(due) <= ? "
            "ORDER BY min(queued)"
        )
        with self._changing() as connection:
            receivers = connection.execute(query, ((now - gathered).timestamp(), now.timestamp())).fetchall()
            return [(receiver, list(self._of(connection, receiver))) for receiver in receivers]

    def _of(self, connection: sqlite3.Connection, receiver: Receiver) -> Iterator[Queued]:
        query = f"SELECT {_NOTICE} FROM notice WHERE place = ? AND name = ? ORDER BY number"  # noqa: S608  (of ours)
        for number, place, name, event, key, proposal, record, detail, path, queued, attempts in connection.execute(
            query, receiver
        ):
            notice = Notice((place, name), event, key, proposal, record, detail, path)
            yield Queued(number, notice, dt.datetime.fromtimestamp(queued, dt.UTC), attempts)

    def begin(self, queued: Sequence[Queued], again: dt.datetime) -> None:
        """Mark notices before they are sent: after a crash in between they are sent once more, not before `again`."""
        with self._changing() as connection:
            rows = [(again.timestamp(), each.number) for each in queued]
            connection.executemany("UPDATE notice SET attempts = attempts + 1, due = ? WHERE number = ?", rows)

    def done(self, queued: Iterable[Queued]) -> None:
        """Forget notices that were sent, or that are not to be sent any more."""
        with self._changing() as connection:
            connection.executemany("DELETE FROM notice WHERE number = ?", [(each.number,) for each in queued])

    def waiting(self) -> int:
        """Return how many notices wait."""
        with self._changing() as connection:
            return int(connection.execute("SELECT count(*) FROM notice").fetchone()[0])

    # -- the file

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, transaction(self._connection):
            yield self._connection

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path or ":memory:", timeout=10, check_same_thread=False, isolation_level=None
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection
