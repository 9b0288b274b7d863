"""When users signed in, as the hub writes it down in its own database."""

import functools
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub import orm
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from traitlets.config import Config

from allotment_hub import sign_ins
from allotment_hub.cluster.hub_setup import configure_hub
from allotment_hub.sign_ins import record_sign_in, records_sign_ins, sign_in_only_at

DAY = 86400
VALUES = {"publicUrl": "https://hub.example.org/", "repository": {"url": "https://git.example.org/p.git"}}


@pytest.fixture
def db() -> Iterator[Session]:
    with orm.new_session_factory("sqlite:///:memory:")() as session:
        yield session


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The hub's clock."""
    clock = SimpleNamespace(seconds=1e9)
    clock.time = lambda: clock.seconds
    monkeypatch.setattr(sign_ins, "time", clock)
    return clock


class Browser:
    """A sign-in's handler, with the cookies that it sets."""

    log = logging.getLogger(__name__)
    base_url = "/plot/"

    def __init__(self, db: Session, protocol: str = "https") -> None:
        self.db = db
        self.request = SimpleNamespace(protocol=protocol, host="hub.example.org")
        self.cookies: dict[str, tuple[str, dict[str, Any]]] = {}

    def set_cookie(self, name: str, value: str, **attributes: Any) -> None:
        self.cookies[name] = value, attributes

    @property
    def secret(self) -> str:
        return self.cookies["allotment-sign-in"][0]


async def signed_in(db: Session, name: str) -> str:
    """Let somebody sign in, and return the secret."""
    browser = Browser(db)
    assert await record_sign_in(None, None, browser, {"name": name}) == {"name": name}
    return browser.secret


async def test_a_sign_in_is_known_by_user_and_a_secret_of_its_own(db: Session, now: Any) -> None:
    assert sign_ins.age_of(db, "ann", "x", now.seconds) is None
    first = await signed_in(db, "ann")
    now.seconds += 60
    other, second = await signed_in(db, "ben"), await signed_in(db, "ann")
    assert len({first, other, second}) == 3, "what somebody copied before is not the new sign-in"
    ages = [sign_ins.age_of(db, "ann", secret, now.seconds) for secret in (first, second, other, "", "x")]
    assert ages == [60, 0, None, None, None]


@pytest.mark.parametrize("protocol", ["http", "https"])
async def test_the_secret_is_for_the_service_alone(db: Session, now: Any, protocol: str) -> None:
    browser = Browser(db, protocol)
    await record_sign_in(None, None, browser, {"name": "ann"})
    _, attributes = browser.cookies["allotment-sign-in"]
    assert attributes == {
        "path": "/plot/services/allotment/", "httponly": True, "secure": protocol == "https", "samesite": "Lax",
    }  # fmt: skip
    assert browser.secret not in repr(db.execute(text("SELECT * FROM allotment_sign_ins")).all())


async def test_old_sign_ins_are_forgotten(db: Session, now: Any) -> None:
    secret = await signed_in(db, "ann")
    now.seconds += 91 * DAY
    await signed_in(db, "ben")
    assert sign_ins.age_of(db, "ann", secret, now.seconds) is None


async def test_another_hook_comes_first_and_who_is_refused_has_not_signed_in(db: Session, now: Any) -> None:
    async def other(_authenticator: Any, _handler: Any, user: dict[str, Any]) -> dict[str, Any] | None:
        return {**user, "admin": True} if user["name"] == "ann" else None

    browser, refused = Browser(db), Browser(db)
    assert await record_sign_in(other, None, browser, {"name": "ann"}) == {"name": "ann", "admin": True}
    assert await record_sign_in(other, None, refused, {"name": "ben"}) is None
    assert (sign_ins.age_of(db, "ann", browser.secret, now.seconds), refused.cookies) == (0, {})


async def test_a_database_that_fails_keeps_nobody_out(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OperationalError("insert", {}, Exception("disk full"))

    monkeypatch.setattr(sign_ins, "_write", fail)
    assert await record_sign_in(None, None, Browser(db), {"name": "ann"}) == {"name": "ann"}


@pytest.mark.parametrize("domain", ["", "https://sessions.example.net"])
async def test_the_clusters_hub_writes_sign_ins_down_beside_the_deployments_own_hook(db: Session, domain: str) -> None:
    seen = []

    def own(_authenticator: Any, _handler: Any, user: dict[str, Any]) -> dict[str, Any]:
        seen.append(user["name"])
        return user

    config = Config()
    config.JupyterHub.services = [{"name": "allotment"}]
    config.JupyterHub.subdomain_host = domain
    config.Authenticator.post_auth_hook = own
    configure_hub(config, VALUES, "/")
    browser = Browser(db)
    await config.Authenticator.post_auth_hook(None, browser, {"name": "ann"})
    assert seen == ["ann"]
    assert sign_ins.age_of(db, "ann", browser.secret, 0) is not None
    assert {path for path, _ in config.JupyterHub.extra_handlers} >= {"/api/allotment/sign-ins", "/allotment/sign-in"}


OURS = functools.partial(record_sign_in, None)
IN_FRONT = """
before = hook
async def own(authenticator, handler, user):
    return await before(authenticator, handler, user)
"""
IN_ITS_PLACE = """
async def own(authenticator, handler, user):
    return user
"""


def configured(code: str) -> Any:
    """Run the `extraConfig` of a deployment, and return its hook."""
    names: dict[str, Any] = {"hook": OURS}
    exec(code, names)  # noqa: S102  (as JupyterHub does)
    return names["own"]


def closed_over(before: Any) -> Any:
    def own(*args: Any) -> Any:
        return before(*args)

    return own


class Callable:
    """A hook that is an object."""

    def __init__(self, before: Any) -> None:
        self.before = before

    def __call__(self, *args: Any) -> Any:
        return self.before(*args)

    def method(self, *args: Any) -> Any:
        return self.before(*args)


@pytest.mark.parametrize(
    ("hook", "recorded"),
    [
        (OURS, True),
        (functools.partial(sign_in_only_at, "hub.example.org", OURS), True),
        (closed_over(OURS), True),
        (configured(IN_FRONT), True),
        (Callable(OURS), True),
        (Callable(OURS).method, True),
        (None, False),
        (configured(IN_ITS_PLACE), False),
        (functools.partial(sign_in_only_at, "hub.example.org", None), False),
        (Callable(print), False),
    ],
)
def test_a_hook_that_has_taken_the_place_of_ours_is_found(hook: Any, recorded: bool) -> None:
    assert records_sign_ins(hook) is recorded
