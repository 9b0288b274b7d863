"""What was observed: an append-only table of starts, refusals and ends that no rule reads."""

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
    """One observation."""

    time: dt.datetime
    """UTC."""
    kind: str
    """`start`, `ready`, `refusal`, `access-lost`, `access-back`, `end`."""
    user: str
    profile: str
    revision: str
    """The commit of main that decided it."""
    details: Mapping[str, Any]


# A server that is gone without a word is noticed. Nothing here that the server would have to know: poolers refuse that.
_LIBPQ = {
    "connect_timeout": 5, "tcp_user_timeout": 5000,
    "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
}  # fmt: skip


class Events:
    """The table. Calls block, some for ever where a server hangs: use a thread of its own inside an event loop.

    They raise SQLAlchemyError where it is away.
    """

    def __init__(self, url: str) -> None:
        """Take SQLAlchemy's URL, which may set any of the driver's own limits; it is asked at the first call."""
        where = sa.make_url(url)
        libpq = where.get_driver_name() in ("psycopg2", "psycopg")
        limits = {name: value for name, value in _LIBPQ.items() if libpq and name not in where.query}
        self._engine = sa.create_engine(where, pool_pre_ping=True, connect_args=limits)
        self._made = False

    @contextmanager
    def _table(self) -> Iterator[sa.Engine]:
        """Give what to ask, with the table made; it may be another database after a failure."""
        try:
            if not self._made:
                self._make()
            self._made = True
            yield self._engine
        except sa.exc.SQLAlchemyError:
            self._made = False
            raise

    def _make(self) -> None:
        try:
            _metadata.create_all(self._engine)
        except sa.exc.DatabaseError as error:
            if isinstance(error, sa.exc.OperationalError) and self._engine.dialect.name != "sqlite":
                raise  # it is away: asking again would be waiting again
            # The hub and the service start at the same time: the other one may have made the table just now.
            if not sa.inspect(self._engine).has_table(_events.name):
                raise

    def append(self, kind: str, *, user: str, profile: str = "", revision: str = "", **details: Any) -> None:
        """Add one observation, with the time of now."""
        self.append_all([Event(dt.datetime.now(dt.UTC), kind, user, profile, revision, details)])

    def append_all(self, events: Iterable[Event]) -> None:
        """Add observations, all of them or none."""
        rows = [
            {"time": each.time.astimezone(dt.UTC).replace(tzinfo=None), "kind": each.kind, "user": each.user[:255],
             "profile": each.profile[:100], "revision": each.revision, "details": dict(each.details)}
            for each in events
        ]  # fmt: skip
        with self._table() as engine, engine.begin() as connection:
            connection.execute(sa.insert(_events), rows)

    def of(self, profile: str, *, kinds: Sequence[str] = (), limit: int = 100) -> list[Event]:
        """Give the observations about a profile, newest first."""
        query = sa.select(_events).where(_events.c.profile == profile)
        if kinds:
            query = query.where(_events.c.kind.in_(kinds))
        return self._listed(query.order_by(_events.c.id.desc()).limit(limit))

    def first(self, kind: str, profile: str, since: dt.datetime) -> Event | None:
        """Give the first observation of a kind about a profile after a moment."""
        moment = since.astimezone(dt.UTC).replace(tzinfo=None)
        query = sa.select(_events).where(_events.c.profile == profile, _events.c.kind == kind, _events.c.time >= moment)
        found = self._listed(query.order_by(_events.c.id).limit(1))
        return found[0] if found else None

    def close(self) -> None:
        """Give up the connections."""
        self._engine.dispose()

    def _listed(self, query: sa.Select[Any]) -> list[Event]:
        with self._table() as engine, engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            Event(row["time"].replace(tzinfo=dt.UTC), row["kind"], row["user"], row["profile"], row["revision"],
                  row["details"])
            for row in rows
        ]  # fmt: skip
