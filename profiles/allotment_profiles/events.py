"""The table of events: starts, refusals and ends of sessions. No rule reads it, and events are deleted by age only."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

_metadata = sa.MetaData()
_events = sa.Table(
    "allotment_events",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("time", sa.DateTime(timezone=False), nullable=False, index=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("user", sa.String(255), nullable=False),
    sa.Column("profile", sa.String(100), nullable=False, index=True),
    sa.Column("revision", sa.String(64), nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event."""

    time: dt.datetime
    kind: str
    """`start`, `ready`, `refusal`, `access-lost`, `access-back`, `end`, `stop-order`, `stop-target`, `more`;
    of a trial `trial-start`, `trial-ready`, `trial-end` and so on."""
    user: str
    profile: str
    revision: str
    details: Mapping[str, Any]


# These limits detect a server that has disappeared. None of them is sent to the server: poolers would refuse it.
_LIBPQ = {
    "connect_timeout": 5, "tcp_user_timeout": 5000,
    "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
}  # fmt: skip


class Events:
    """The table. Calls raise SQLAlchemyError, or block forever if the server hangs: give each a thread of its own."""

    def __init__(self, url: str) -> None:
        """Connect at the first call. The URL, in SQLAlchemy's form, may set the driver's limits itself."""
        address = sa.make_url(url)
        libpq = address.get_driver_name() in ("psycopg2", "psycopg")
        limits = {name: value for name, value in _LIBPQ.items() if libpq and name not in address.query}
        self._engine = sa.create_engine(address, pool_pre_ping=True, connect_args=limits)
        self._created = False

    @contextmanager
    def _table(self) -> Iterator[sa.Engine]:
        """Yield the engine, with the table created. After a failure it may be another database."""
        try:
            if not self._created:
                self._create()
            self._created = True
            yield self._engine
        except sa.exc.SQLAlchemyError:
            self._created = False
            raise

    def _create(self) -> None:
        try:
            _metadata.create_all(self._engine)
        except sa.exc.DatabaseError as error:
            if isinstance(error, sa.exc.OperationalError) and self._engine.dialect.name != "sqlite":
                raise  # it is unreachable: a second query would wait again
            # The hub and the service start at the same time: the other one may have just created the table.
            if not sa.inspect(self._engine).has_table(_events.name):
                raise

    def append(self, kind: str, *, user: str, profile: str = "", revision: str = "", **details: Any) -> None:
        """Add one event with the current time."""
        self.append_all([Event(dt.datetime.now(dt.UTC), kind, user, profile, revision, details)])

    def append_all(self, events: Iterable[Event]) -> None:
        """Add events, all or none."""
        rows = [
            {
                "time": _stored_time(event.time),
                "kind": event.kind,
                "user": event.user[:255],
                "profile": event.profile[:100],
                "revision": event.revision,
                "details": dict(event.details),
            }
            for event in events
        ]
        with self._table() as engine, engine.begin() as connection:
            connection.execute(sa.insert(_events), rows)

    def of(self, profile: str, *, kinds: Sequence[str] = (), limit: int = 100) -> list[Event]:
        """Return the events of a profile, newest first."""
        query = sa.select(_events).where(_events.c.profile == profile)
        if kinds:
            query = query.where(_events.c.kind.in_(kinds))
        return self._select(query.order_by(_events.c.id.desc()).limit(limit))

    def first(self, kind: str, profile: str, since: dt.datetime) -> Event | None:
        """Return the first event of a kind for a profile since a time, or None."""
        query = sa.select(_events).where(
            _events.c.profile == profile, _events.c.kind == kind, _events.c.time >= _stored_time(since)
        )
        return next(iter(self._select(query.order_by(_events.c.id).limit(1))), None)

    def last(self, kind: str, profile: str, user: str) -> Event | None:
        """Return the last event of a kind for a profile and a user, or None."""
        query = sa.select(_events).where(
            _events.c.profile == profile, _events.c.kind == kind, _events.c.user == user[:255]
        )
        return next(iter(self._select(query.order_by(_events.c.id.desc()).limit(1))), None)

    def delete_before(self, time: dt.datetime, *, at_most: int) -> int:
        """Delete the oldest events before a time, at most so many in one transaction, and return how many it were."""
        old = sa.select(_events.c.id).where(_events.c.time < _stored_time(time))
        oldest = old.order_by(_events.c.time).limit(at_most)
        with self._table() as engine, engine.begin() as connection:
            return connection.execute(sa.delete(_events).where(_events.c.id.in_(oldest))).rowcount

    def rename_user(self, name: str, new: str, *, at_most: int) -> int:
        """Replace a user's name in events, at most so many in one transaction, and return how many it were."""
        of_user = sa.select(_events.c.id).where(_events.c.user == name[:255]).limit(at_most)
        change = sa.update(_events).where(_events.c.id.in_(of_user)).values(user=new)
        with self._engine.begin() as connection:  # a missing table is an error: it is the wrong database
            return connection.execute(change).rowcount

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _select(self, query: sa.Select[Any]) -> list[Event]:
        with self._table() as engine, engine.connect() as connection:
            rows = connection.execute(query).all()
        return [
            Event(row.time.replace(tzinfo=dt.UTC), row.kind, row.user, row.profile, row.revision, row.details)
            for row in rows
        ]


def _stored_time(time: dt.datetime) -> dt.datetime:
    return time.astimezone(dt.UTC).replace(tzinfo=None)
