"""What the log of records says, in SQLite: lists, filters and counts take as long with many proposals as with few.

The index has nothing of its own. Where its file is missing, damaged or of another version, it is made anew from git.
All calls block.
"""

import datetime as dt
import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from allotment_hub.forges.sqlite_files import is_damage, remove_file, transaction
from allotment_profiles.git.process import GitUnavailableError
from allotment_profiles.records.record import ENDINGS, OPENINGS, SETTERS, Record, read_record
from allotment_profiles.records.redacting import with_tombstones

log = logging.getLogger(__name__)

_FORMAT = "5"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS record (
    number INTEGER PRIMARY KEY, commit_id TEXT NOT NULL, proposal TEXT NOT NULL, person TEXT NOT NULL,
    time REAL NOT NULL, added INTEGER NOT NULL, content TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS record_of_proposal ON record (proposal, number);
CREATE INDEX IF NOT EXISTS record_added ON record (person, time) WHERE added >= 0;
CREATE TABLE IF NOT EXISTS proposal (
    id TEXT PRIMARY KEY, proposer TEXT NOT NULL, state TEXT NOT NULL, updated INTEGER NOT NULL, merge_id TEXT NOT NULL,
    undoes TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS proposal_updated ON proposal (updated);
CREATE INDEX IF NOT EXISTS proposal_state ON proposal (state, updated);
CREATE INDEX IF NOT EXISTS proposal_proposer ON proposal (proposer, updated);
CREATE INDEX IF NOT EXISTS proposal_merge ON proposal (merge_id) WHERE merge_id != '';
CREATE INDEX IF NOT EXISTS proposal_undoes ON proposal (undoes) WHERE undoes != '';
CREATE TABLE IF NOT EXISTS redaction (proposal TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS total (state TEXT PRIMARY KEY, proposals INTEGER NOT NULL) WITHOUT ROWID;
"""
_TABLES = ("state", "record", "proposal", "redaction", "total")
_ADDING = (*SETTERS, "commented")
_BUSY_SECONDS = 10.0


class DamagedIndexError(Exception):
    """The file of the index cannot be read. It is empty now."""


class RecordIndex:
    """The records and proposals of a log, up to one commit of it."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the index in a file; without one, keep it in memory."""
        self._path = path
        self._lock = threading.RLock()
        try:
            self._connection = self._opened()
        except GitUnavailableError as error:  # the folder cannot be written to, for example
            log.warning("%s: it is kept in memory", error)
            self._path = None
            self._connection = self._connected()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    # -- reading

    def tip(self, keys: Collection[str]) -> str:
        """Return the newest commit that is in it; empty where there is none, or a key counts less than it did."""
        with self._asking() as connection:
            state = dict(connection.execute("SELECT name, value FROM state"))
        good = state.get("format") == _FORMAT and set(state["keys"].split("\n")) <= {"", *keys}
        return state["tip"] if good else ""

    @property
    def is_compared(self) -> bool:
        """Whether the log was compared with main since it was read from its beginning."""
        with self._asking() as connection:
            return connection.execute("SELECT 1 FROM state WHERE name = 'compared'").fetchone() is not None

    def set_compared(self) -> None:
        """Keep in mind that the log was compared with main."""
        with self._changing() as connection:
            connection.execute("INSERT OR REPLACE INTO state VALUES ('compared', 'yes')")

    def records(self, proposals: Sequence[str]) -> dict[str, tuple[Record, ...]]:
        """Return the records of some proposals, oldest first, without redacted texts. Others are left out."""
        found: dict[str, list[Record]] = {}
        with self._asking() as connection:
            for start in range(0, len(proposals), 500):
                some = proposals[start : start + 500]
                marks = ", ".join("?" * len(some))
                query = "SELECT proposal, commit_id, time, content FROM record WHERE proposal IN (%s) ORDER BY number"
                for proposal, commit, time, content in connection.execute(query % marks, some):
                    record = read_record(content, commit, dt.datetime.fromtimestamp(time, dt.UTC))
                    if record is None or record.proposal != proposal:
                        raise self._lost(f"the record {commit} does not read")
                    found.setdefault(proposal, []).append(record)
        return {proposal: with_tombstones(records) for proposal, records in found.items()}

    def newest(self, *, state: str = "", proposer: str = "", before: int = 0, limit: int = -1) -> list[tuple[str, int]]:
        """Return the ids of proposals with the numbers of their newest records, the newest first.

        `state` is `open`, `merged`, `rejected`, `withdrawn`, or `ended` for the last three.
        """
        where, values = ["1"], list[object]()
        if state == "ended":
            where.append("state IN ('merged', 'rejected', 'withdrawn')")
        elif state:
            where.append("state = ?")
            values.append(state)
        if proposer:
            where.append("proposer = ?")
            values.append(proposer)
        if before:
            where.append("updated < ?")
            values.append(before)
        query = f"SELECT id, updated FROM proposal WHERE {' AND '.join(where)} ORDER BY updated DESC LIMIT ?"  # noqa: S608  (of fixed parts)
        with self._asking() as connection:
            return [(id_, updated) for id_, updated in connection.execute(query, [*values, limit])]

    def last(self) -> tuple[int, str]:
        """Return the number of the newest record, and its commit; 0 where there is none."""
        with self._asking() as connection:
            row = connection.execute("SELECT number, commit_id FROM record ORDER BY number DESC LIMIT 1").fetchone()
        return (row[0], row[1]) if row else (0, "")

    def is_at(self, number: int, commit: str) -> bool:
        """Return whether a record has a number; the number 0 is before the first one."""
        with self._asking() as connection:
            row = connection.execute("SELECT commit_id FROM record WHERE number = ?", (number,)).fetchone()
        return bool(row[0] == commit if row else number == 0)

    def after(self, number: int, limit: int) -> list[tuple[int, Record]]:
        """Return the records after a number with their own numbers, oldest first."""
        query = "SELECT number, commit_id, time, content FROM record WHERE number > ? ORDER BY number LIMIT ?"
        with self._asking() as connection:
            found: list[tuple[int, Record]] = []
            for place, commit, time, content in connection.execute(query, (number, limit)):
                record = read_record(content, commit, dt.datetime.fromtimestamp(time, dt.UTC))
                if record is None:
                    raise self._lost(f"the record {commit} does not read")
                found.append((place, record))
        return found

    def totals(self) -> Mapping[str, int]:
        """Return how many proposals are in each state."""
        with self._asking() as connection:
            return dict(connection.execute("SELECT state, proposals FROM total"))

    def added(self, person: str, since: dt.datetime) -> tuple[int, int]:
        """Return how many proposals, updates and comments somebody has sent since a time, and their bytes."""
        query = "SELECT count(*), coalesce(sum(added), 0) FROM record WHERE person = ? AND time > ? AND added >= 0"
        with self._asking() as connection:
            count, size = connection.execute(query, (person, since.timestamp())).fetchone()
        return count, size

    def taken(self, prefix: str) -> set[str]:
        """Return the ids of proposals that begin with a prefix."""
        query = "SELECT id FROM proposal WHERE id >= ? AND id < ?"
        with self._asking() as connection:
            return {id_ for (id_,) in connection.execute(query, (prefix, prefix + "\x7f"))}

    def merged(self, merges: Sequence[str]) -> set[str]:
        """Return those of some commits of main that a record says to be the merge of a proposal."""
        with self._asking() as connection:
            query = "SELECT 1 FROM proposal WHERE merge_id = ? AND merge_id != ''"
            return {merge for merge in merges if connection.execute(query, (merge,)).fetchone()}

    def undoing(self, proposal: str) -> list[tuple[str, int]]:
        """Return the proposals that undo one, with the numbers of their newest records, the newest first."""
        query = "SELECT id, updated FROM proposal WHERE undoes = ? AND undoes != '' ORDER BY updated DESC LIMIT 50"
        with self._asking() as connection:
            return [(id_, updated) for id_, updated in connection.execute(query, (proposal,))]

    def redacted(self) -> frozenset[str]:
        """Return the proposals of which a text is redacted."""
        with self._asking() as connection:
            return frozenset(proposal for (proposal,) in connection.execute("SELECT proposal FROM redaction"))

    # -- writing

    def add(self, commits: Sequence[tuple[str, Record | None]], before: str, keys: Collection[str]) -> bool:
        """Add the commits of the log that come after one, in one transaction: all, or none where the program is killed.

        With no commit before, what was there is forgotten. Return whether that one was the newest: another program may
        have added them to the same file.
        """
        with self._changing() as connection:
            found = connection.execute("SELECT value FROM state WHERE name = 'tip'").fetchone()
            if not before:
                for table in _TABLES:
                    connection.execute(f"DELETE FROM {table}")  # noqa: S608  (a name of ours)
            elif not found or found[0] != before:
                return False
            records = [record for _, record in commits if record]
            self._add(connection, records)
            state = {"format": _FORMAT, "keys": "\n".join(sorted(keys)), "tip": commits[-1][0]}
            connection.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", state.items())
        return True

    def _add(self, connection: sqlite3.Connection, records: Sequence[Record]) -> None:
        first = 1 + connection.execute("SELECT coalesce(max(number), 0) FROM record").fetchone()[0]
        known = _proposals(connection, {record.proposal for record in records})
        totals: Counter[str] = Counter()
        rows = []
        for number, record in enumerate(records, first):
            added = record.size if record.kind in _ADDING and record.by else -1
            time = record.time.timestamp()
            rows.append((number, record.commit, record.proposal, record.by, time, added, record.content()))
            was = known.get(record.proposal)
            if was is None and record.kind in OPENINGS:
                known[record.proposal] = record.by, "open", number, "", record.undoes
                totals["open"] += 1
            elif was is not None:
                proposer, state, _, merge, undoes = was
                undoes = record.undoes if record.kind in SETTERS else undoes
                if state == "open" and record.kind in ENDINGS:
                    state, merge = record.kind, record.merge
                    totals.update({"open": -1, state: 1})
                known[record.proposal] = proposer, state, number, merge, undoes
        connection.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        for record in records:
            if record.kind == "redacted":
                _forget_text(connection, record)
        proposals = [(id_, *values) for id_, values in known.items()]
        connection.executemany("INSERT OR REPLACE INTO proposal VALUES (?, ?, ?, ?, ?, ?)", proposals)
        count = "INSERT INTO total VALUES (?1, ?2) ON CONFLICT (state) DO UPDATE SET proposals = proposals + ?2"
        connection.executemany(count, totals.items())

    # -- the file

    @contextmanager
    def _asking(self) -> Iterator[sqlite3.Connection]:
        """Use the connection. Raise DamagedIndexError where the file is damaged: then there is an empty one."""
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise GitUnavailableError(f"the index of records cannot be used: {error}") from error
                raise self._lost(str(error)) from error

    def _lost(self, why: str) -> DamagedIndexError:
        """Begin with an empty file, and return the error that says so."""
        log.warning("the index of records is damaged, and is made anew: %s", why)
        self._connection.close()
        self._remove()
        self._connection = self._opened()
        return DamagedIndexError(why)

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """Change the index in one transaction, while no other program does."""
        with self._asking() as connection, transaction(connection):
            yield connection

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._connected()
        except sqlite3.Error as error:
            if not is_damage(error):
                raise GitUnavailableError(f"the index of records cannot be opened: {error}") from error
            log.warning("the index of records is damaged, and is made anew: %s", error)
            self._remove()
            return self._connected()

    def _connected(self) -> sqlite3.Connection:
        # Without a level of isolation of its own, transactions begin and end where this module says so.
        place, seconds = self._path or ":memory:", _BUSY_SECONDS
        connection = sqlite3.connect(place, timeout=seconds, check_same_thread=False, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")  # redacted texts stay nowhere in the file
        made = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        if made and dict(connection.execute("SELECT name, value FROM state")).get("format", _FORMAT) != _FORMAT:
            for (table,) in made:  # of another version
                connection.execute(f'DROP TABLE "{table}"')
        connection.executescript(_SCHEMA)
        return connection

    def _remove(self) -> None:
        if self._path:
            remove_file(self._path)


def _proposals(connection: sqlite3.Connection, ids: Collection[str]) -> dict[str, tuple[str, str, int, str, str]]:
    query = "SELECT proposer, state, updated, merge_id, undoes FROM proposal WHERE id = ?"
    found = ((id_, connection.execute(query, (id_,)).fetchone()) for id_ in ids)
    return {id_: row for id_, row in found if row}


def _forget_text(connection: sqlite3.Connection, redaction: Record) -> None:
    """Forget the text and evidence of a record, and a title that somebody wrote. The redaction says why."""
    connection.execute("INSERT OR IGNORE INTO redaction VALUES (?)", (redaction.proposal,))
    query = "SELECT number, content FROM record WHERE proposal = ? AND commit_id = ?"
    found = connection.execute(query, (redaction.proposal, redaction.redacts)).fetchone()
    record = read_record(found[1], redaction.redacts, redaction.time) if found else None
    if record:
        content = replace(record, text="", title="" if record.own_title else record.title, has_evidence=False).content()
        connection.execute("UPDATE record SET content = ? WHERE number = ?", (content, found[0]))
