"""When users signed in: JupyterHub keeps no such time, so the hub writes it down itself, and tells only the service.

A sign-in is known by a secret that is made for it, in a cookie for the service alone: what somebody copied before a
sign-in, or chose, is not that sign-in. Neither a refresh of a user nor a new token is one. The times are in the hub's
database, with the hash of the secret, so that a restart changes none.
"""

import functools
import hashlib
import secrets
import time
import types
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa
from jupyterhub.utils import maybe_future, url_path_join
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from tornado.web import HTTPError, RequestHandler

from allotment_hub.hub_rights import SERVICE
from allotment_hub.origins import hostname_of

COOKIE = "allotment-sign-in"
"""The name of the cookie with the secret of a sign-in."""
_KEPT_SECONDS = 90 * 86400

_metadata = sa.MetaData()
_sign_ins = sa.Table(
    "allotment_sign_ins",
    _metadata,
    sa.Column("user", sa.String(255), primary_key=True),
    sa.Column("session", sa.String(255), primary_key=True),
    sa.Column("time", sa.Float, nullable=False),
)


async def sign_in_only_at(
    host: str, following: Callable[..., Any] | None, authenticator: Any, handler: RequestHandler, user: Any
) -> Any:
    """Refuse a sign-in at any other host, for JupyterHub's `post_auth_hook`; `following` is another such hook."""
    if hostname_of(handler.request.host) != host:
        raise HTTPError(403, f"Sign in at {host}: the hub is not at this address.")
    return await maybe_future(following(authenticator, handler, user)) if following else user


async def record_sign_in(following: Callable[..., Any] | None, authenticator: Any, handler: Any, user: Any) -> Any:
    """Write down a sign-in, for JupyterHub's `post_auth_hook`; `following` is another such hook."""
    user = await maybe_future(following(authenticator, handler, user)) if following else user
    if user:
        secret = secrets.token_urlsafe(32)
        path = url_path_join(handler.base_url, "services", SERVICE) + "/"
        # Not for the hosts of sessions, nor for their paths where they share the hub's host.
        secure = handler.request.protocol == "https"
        handler.set_cookie(COOKIE, secret, path=path, httponly=True, secure=secure, samesite="Lax")
        try:
            _write(handler.db, user["name"], secret, time.time())
        except SQLAlchemyError:
            # Without the time, the user may do everything but decide where the policy asks for a fresh sign-in.
            handler.db.rollback()
            handler.log.exception("The sign-in of %s was not written down", user["name"])
    return user


def records_sign_ins(hook: object, depth: int = 4) -> bool:
    """Return whether a `post_auth_hook` is `record_sign_in`, or calls it, as far as its code shows."""
    if hook is record_sign_in:
        return True
    called: Iterable[object] = ()
    if isinstance(hook, functools.partial):
        called = (hook.func, *hook.args, *hook.keywords.values())
    elif isinstance(hook, types.MethodType):
        called = (hook.__func__, hook.__self__)
    elif isinstance(hook, types.FunctionType):
        names = (hook.__globals__.get(name) for name in hook.__code__.co_names)
        called = (*(cell.cell_contents for cell in hook.__closure__ or ()), *(hook.__defaults__ or ()), *names)
    elif callable(hook):
        called = vars(hook).values() if hasattr(hook, "__dict__") else ()
    return depth > 0 and any(records_sign_ins(each, depth - 1) for each in called if callable(each))


def _write(db: Session, user: str, secret: str, now: float) -> None:
    _metadata.create_all(db.connection())
    db.execute(_sign_ins.delete().where(_sign_ins.c.time < now - _KEPT_SECONDS))
    db.execute(_sign_ins.insert().values(user=user, session=_hashed(secret), time=now))
    db.commit()


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def age_of(db: Session, user: str, secret: str, now: float) -> float | None:
    """Return the seconds since a sign-in; None if there was none."""
    if not sa.inspect(db.connection()).has_table(_sign_ins.name):
        return None
    same = (_sign_ins.c.user == user) & (_sign_ins.c.session == _hashed(secret))
    signed_in = db.execute(sa.select(_sign_ins.c.time).where(same)).scalar()
    return None if signed_in is None else now - signed_in


HANDLERS = [
    (r"/api/allotment/sign-ins", "allotment_hub.sign_in_handlers.SignInHandler"),
    (r"/allotment/sign-in", "allotment_hub.sign_in_handlers.SignInPage"),
]
"""For JupyterHub's `extra_handlers`. They can be imported when the scopes of `hub_rights` are known."""
