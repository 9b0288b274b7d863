"""What was observed: an append-only table of starts, refusals and ends that no rule reads."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
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


# Somebody waits for the page that shows it, and nothing depends on it.
_LIMITS: Mapping[str, Mapping[str, Any]] = {
    "postgresql": {"connect_timeout": 5, "options": "-c statement_timeout=5000", "tcp_user_timeout": 5000}
}


class Events:
    """The table. Calls block: use a thread inside an event loop. They raise SQLAlchemyError where it is away."""

    def __init__(self, url: str) -> None:
        """Take SQLAlchemy's URL; the database is asked at the first call, and again after it was away."""
        backend = sa.make_url(url).get_backend_name()
        self._engine = sa.create_engine(url, pool_pre_ping=True, connect_args=dict(_LIMITS.get(backend, {})))
        self._made = False

    def _make(self) -> None:
        if self._made:
            return
        try:
            _metadata.create_all(self._engine)
        except sa.exc.DatabaseError:
            # The hub and the service start at the same time: the other one may have made the table just now.
            if not sa.inspect(self._engine).has_table(_events.name):
                raise
        self._made = True

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
        self._make()
        with self._engine.begin() as connection:
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
        self._make()
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            Event(row["time"].replace(tzinfo=dt.UTC), row["kind"], row["user"], row["profile"], row["revision"],
                  row["details"])
            for row in rows
        ]  # fmt: skip
