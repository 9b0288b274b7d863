"""What each pull request showed last. It says what somebody had before them when they approved there.

The file may be lost at any time: then everything is shown anew, and whoever approved before that is asked again.
"""

import datetime as dt
import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from allotment_hub.forges.sqlite_files import is_damage, remove_file

log = logging.getLogger(__name__)

_FORMAT = 4
_SCHEMA = """
CREATE TABLE IF NOT EXISTS shown (
    proposal TEXT PRIMARY KEY, number INTEGER NOT NULL, head TEXT NOT NULL, digest TEXT NOT NULL, since TEXT NOT NULL,
    whole INTEGER NOT NULL, text TEXT NOT NULL, looked TEXT NOT NULL, address TEXT NOT NULL,
    written TEXT NOT NULL, commented TEXT NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS place (place TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS shown_open ON shown (proposal) WHERE NOT ended;
"""
NEVER = dt.datetime.fromtimestamp(0, dt.UTC)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the pull request of a proposal showed last, and up to when its acts are recorded."""

    proposal: str
    number: int
    """The number of the pull request."""
    head: str = ""
    """The head of the proposal that it showed; empty before anything was."""
    digest: str = ""
    """The digest of what it showed, as readers get it; empty where it showed no judgement."""
    since: dt.datetime = NEVER
    """The time of the forge, UTC: what was done later was done with this before one's eyes."""
    whole: bool = False
    """Whether it showed everything: nothing was left out that not everybody may see."""
    text: str = ""
    """The hash of everything that was written to the forge: it need not be written again."""
    looked: dt.datetime = NEVER
    """The time of the forge when its acts were looked at last."""
    address: str = ""
    """The page of the pull request."""
    written: str = ""
    """Title, body and comment as they were written, in JSON: somebody else may have changed them there."""
    commented: dt.datetime = NEVER
    """The time of the forge after the service wrote its comment last."""


class ShownPullRequests:
    """Keeps it in SQLite. A file that cannot be read is begun anew. All calls block, for less than a millisecond."""

    def __init__(self, path: Path | None = None, place: str = "") -> None:
        """Open a file; without one, keep it in memory.

        `place` says which repository of which server it is: what was shown elsewhere is forgotten, as the numbers of
        pull requests begin again there.
        """
        self._path = path
        self._place = place
        self._lock = threading.Lock()
        try:
            self._connection = self._connected()
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                self._remove()
            else:  # locked, or on a full disk
                log.warning("%s cannot be used, and is kept in memory: %s", path, error)
                self._path = None
            self._connection = self._connected()

    def of(self, proposal: str) -> Shown | None:
        """Return what was shown of a proposal; None where nothing is known."""
        return next(iter(self._select("WHERE proposal = ? AND NOT ended", proposal)), None)

    def address(self, proposal: str) -> str:
        """Return the page of a proposal's pull request, also of one that has ended; empty where it is not known."""
        return next((shown.address for shown in self._select("WHERE proposal = ?", proposal)), "")

    def all(self) -> tuple[Shown, ...]:
        """Return everything that is not forgotten."""
        return self._select("WHERE NOT ended ORDER BY proposal")

    def keep(self, shown: Shown) -> None:
        """Keep what a pull request shows now."""
        values = [value.isoformat() if isinstance(value, dt.datetime) else value for value in astuple(shown)]
        marks = ", ".join("?" * len(values))
        with self._using() as connection:
            connection.execute(f"INSERT OR REPLACE INTO shown VALUES ({marks}, 0)", values)  # noqa: S608  (only marks)

    def forget(self, proposal: str) -> None:
        """Forget a proposal that has ended, and whose pull request says so; but for the pull request's address."""
        with self._using() as connection:
            connection.execute("UPDATE shown SET ended = 1 WHERE proposal = ?", (proposal,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _select(self, where: str, *values: object) -> tuple[Shown, ...]:
        names = ", ".join(field.name for field in fields(Shown))
        with self._using() as connection:
            rows = connection.execute(f"SELECT {names} FROM shown {where}", values).fetchall()  # noqa: S608  (fixed)
        return tuple(_shown(row) for row in rows)

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """Use the connection. A file that is damaged, or was deleted, is begun anew."""
        with self._lock:
            if self._path and not self._path.exists():
                self._connection.close()
                self._connection = self._connected()
            try:
                yield self._connection
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self._connection.close()
                self._remove()
                self._connection = self._connected()
                raise

    def _connected(self) -> sqlite3.Connection:
        place = self._path or ":memory:"
        connection = sqlite3.connect(place, timeout=10, check_same_thread=False, isolation_level=None)
        try:
            if connection.execute("PRAGMA user_version").fetchone()[0] not in (0, _FORMAT):
                connection.execute("DROP TABLE IF EXISTS shown")
            connection.executescript(_SCHEMA)
            kept = connection.execute("SELECT place FROM place").fetchone()
            if kept and kept[0] != self._place:
                log.warning("the pull requests of %s are not those of %s: all are shown anew", self._place, kept[0])
                connection.executescript("DELETE FROM shown; DELETE FROM place;")
            connection.execute("INSERT OR IGNORE INTO place VALUES (?)", (self._place,))
            connection.execute(f"PRAGMA user_version = {_FORMAT}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _remove(self) -> None:
        if self._path:
            remove_file(self._path)


def _shown(row: tuple[object, ...]) -> Shown:
    proposal, number, head, digest, since, whole, text, looked, address, written, commented = row
    times = (dt.datetime.fromisoformat(str(each)) for each in (since, looked, commented))
    return Shown(
        str(proposal), int(str(number)), str(head), str(digest), next(times), bool(whole), str(text), next(times),
        str(address), str(written), next(times),
    )  # fmt: skip
