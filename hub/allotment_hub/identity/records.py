"""What the hub remembers of each user's identity provider, in its own database: when it last answered, and the account.

JupyterHub keeps no such time, and its `auth_state` can be looked at one user at a time only. A restart changes nothing
here. A user who is deleted is forgotten.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from jupyterhub import orm
from sqlalchemy.orm import Session

from allotment_hub.identity.claims import Account

_metadata = sa.MetaData()
_identities = sa.Table(
    "allotment_identities",
    _metadata,
    sa.Column("user", sa.String(255), primary_key=True),
    sa.Column("answered", sa.Float, nullable=False),
    sa.Column("unusable", sa.Text, nullable=False),
    sa.Column("provider", sa.String(40), nullable=False),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("account", sa.String(255), nullable=False),
    sa.Column("login", sa.String(255), nullable=False),
)


@dataclass(frozen=True)
class IdentityRecord:
    """What is remembered of one user."""

    answered: float
    """When the provider last said who the user is: at a sign-in or later."""
    account: Account | None = None
    """None where the provider names none."""
    unusable: tuple[str, ...] = ()
    """The groups that no file can name."""


def write_record(db: Session, user: str, record: IdentityRecord) -> None:
    """Remember a user. The account is kept where the provider named none this time."""
    _metadata.create_all(db.connection())
    earlier = read_record(db, user)
    account = record.account or (earlier and earlier.account) or Account("", "", "", "")
    db.execute(_identities.delete().where(_identities.c.user == user))
    db.execute(
        _identities.insert().values(
            user=user,
            answered=record.answered,
            unusable=json.dumps(record.unusable),
            provider=account.provider,
            host=account.host[:255],
            account=account.id[:255],
            login=account.login[:255],
        )
    )
    db.commit()


def read_record(db: Session, user: str) -> IdentityRecord | None:
    """Return what is remembered of a user."""
    if not sa.inspect(db.connection()).has_table(_identities.name):
        return None
    row = db.execute(sa.select(_identities).where(_identities.c.user == user)).first()
    if row is None:
        return None
    account = Account(row.provider, row.host, row.account, row.login) if row.account else None
    return IdentityRecord(row.answered, account, tuple(json.loads(row.unusable)))


def users_of(db: Session, account: Account) -> Sequence[str]:
    """Return the hub's users who signed in with an account, whatever its login is now."""
    if not sa.inspect(db.connection()).has_table(_identities.name):
        return []
    columns = _identities.c
    place = (columns.provider == account.provider) & (columns.host == account.host)
    known = (
        sa.select(columns.user)
        .join(orm.User.__table__, orm.User.name == columns.user)
        .where(place & (columns.account == account.id))
    )
    return db.execute(known.order_by(columns.user)).scalars().all()


def forget(db: Session, user: str) -> None:
    """Forget a user."""
    if sa.inspect(db.connection()).has_table(_identities.name):
        db.execute(_identities.delete().where(_identities.c.user == user))
        db.commit()
