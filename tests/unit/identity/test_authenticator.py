"""What the hub takes from each kind of identity provider, at the sign-in and when it asks again."""

import asyncio
import itertools
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from jupyterhub import orm
from jupyterhub.auth import DummyAuthenticator
from jupyterhub.crypto import CryptKeeper
from jupyterhub.user import User, UserDict
from oauthenticator.generic import GenericOAuthenticator
from support.fakes.identity_providers import CLIENT, IdentityProvider, ProviderUser
from tornado.httpclient import HTTPClientError
from tornado.web import HTTPError
from traitlets import TraitError
from traitlets.config import Config

from allotment_hub.cluster.hub_setup import configure_hub
from allotment_hub.identity.authenticator import CheckedIdentity, checked, refusal_of
from allotment_hub.identity.claims import Account
from allotment_hub.identity.configuring import configure_identity
from allotment_hub.identity.records import IdentityRecord, read_record, users_of, write_record

VALUES = {"publicUrl": "https://hub.example.org/", "repository": {"url": "https://git.example.org/p.git"}}
TEAM = {"slug": "core", "name": "Core", "organization": {"login": "red"}}
OPTIONS: dict[str, dict[str, Any]] = {
    "generic-oauth": {
        "authorize_url": "https://login.example.org/authorize", "token_url": "https://login.example.org/token",
        "userdata_url": "https://login.example.org/userinfo", "username_claim": "preferred_username",
        "auth_state_groups_key": "oauth_user.groups",
    },
    "github": {
        "scope": ["read:org"], "populate_teams_in_auth_state": True, "auth_state_groups_key": "teams",
    },
    "gitlab": {
        "userdata_url": "https://gitlab.com/oauth/userinfo", "username_claim": "preferred_username",
        "auth_state_groups_key": "gitlab_user.groups",
    },
    "azuread": {"username_claim": "preferred_username", "auth_state_groups_key": "user.groups"},
    "google": {
        "hosted_domain": ["example.org"], "allowed_google_groups": {"example.org": {"red"}},
        "auth_state_groups_key": "google_user.google_groups",
    },
}  # fmt: skip
USERS = {
    "generic-oauth": ("5", "ann", ["/moj/red"], {"/moj/red"}),
    "github": ("5", "Ann", [TEAM], {"red:core"}),
    "gitlab": ("5", "ann", ["red/core"], {"red/core"}),
    "azuread": ("0a-1b", "ann", ["8c5a"], {"8c5a"}),
    "google": ("5", "ann@example.org", ["red@example.org"], {"red"}),
}


class Hub:
    """As much of a hub as an authenticator sees: its users and database, and a browser that comes back with a code."""

    log = logging.getLogger(__name__)

    def __init__(self, kind: str, **options: Any) -> None:
        self.provider = IdentityProvider()
        config = Config()
        config.JupyterHub.authenticator_class = kind
        config.CryptKeeper["keys"] = [b"k" * 32]
        self.remarks = list(configure_identity(config))
        section = config.JupyterHub.authenticator_class.__name__
        own = options.pop("checked", {})
        config[section].update({
            "client_id": CLIENT, "client_secret": "s", "oauth_callback_url": "https://hub.example.org/hub/oauth_callback",
            "allow_all": True, "enable_pkce": False, **OPTIONS.get(kind, {}), **options,
        })  # fmt: skip
        config.CheckedIdentity.update(own)
        self.authenticator = config.JupyterHub.authenticator_class(config=config)
        self.authenticator.http_client = self.provider
        if kind == "google":
            self.authenticator._get_service_credentials = lambda _domain: {"example.org": Token()}
        self.db = orm.new_session_factory("sqlite:///:memory:")()
        self.users = UserDict(lambda: self.db, {"config": Config()})
        self._code = ""

    def get_argument(self, _name: str) -> str:
        return self._code

    def find_user(self, name: str) -> User | None:
        found = orm.User.find(self.db, name)
        return self.users[found] if found else None

    async def sign_in(self, user: ProviderUser) -> User:
        """Sign in as JupyterHub does."""
        model = await self.model_of(user)
        assert model, "refused"
        found = self.find_user(model["name"])
        if found is None:
            self.db.add(orm.User(name=model["name"]))
            self.db.commit()
            found = self.find_user(model["name"])
        assert found is not None
        return await self._persist(found, model)

    async def model_of(self, user: ProviderUser) -> Any:
        """Sign in; give what JupyterHub takes over."""
        self._code = self.provider.code(user)
        return await self.authenticator.get_authenticated_user(self, None)

    async def ask(self, user: User) -> str:
        """Ask again as JupyterHub does; give what became of it."""
        model = await self.authenticator.refresh_user(user, self)
        if isinstance(model, dict):
            await self._persist(user, model)
        assert bool(model) == (self.authenticator.standing(user).answer != "refused")
        return str(self.authenticator.standing(user).answer)

    async def _persist(self, user: User, model: dict[str, Any]) -> User:
        user.sync_groups(model["groups"])
        await user.save_auth_state(model["auth_state"] if self.authenticator.enable_auth_state else None)
        return user


class Token:
    token = "of a service account"


@pytest.fixture(autouse=True)
def _crypt_keeper() -> Iterator[None]:
    """Let the hub keep tokens."""
    CryptKeeper.clear_instance()
    CryptKeeper.instance(keys=[b"k" * 32])
    yield
    CryptKeeper.clear_instance()


def groups(user: User) -> set[str]:
    return {group.name for group in user.groups}


async def signed_in(kind: str, **options: Any) -> tuple[Hub, ProviderUser, User]:
    hub = Hub(kind, **options)
    id_, login, sent, _ = USERS[kind]
    at_provider = hub.provider.user(id_, login, sent)
    return hub, at_provider, await hub.sign_in(at_provider)


@pytest.mark.parametrize("kind", OPTIONS)
async def test_groups_arrive_and_their_loss_is_seen_when_the_provider_is_asked_again(kind: str) -> None:
    hub, at_provider, user = await signed_in(kind)
    assert hub.remarks == []
    assert groups(user) == USERS[kind][3]
    at_provider.groups = []
    asked = len(hub.provider.requests)
    assert await hub.ask(user) == "confirmed"
    assert groups(user) == set()
    assert len(hub.provider.requests) > asked
    assert hub.authenticator.refusal_to_start(user) is None


@pytest.mark.parametrize("kind", OPTIONS)
async def test_tokens_are_renewed_again_and_again_and_a_deleted_user_is_refused(kind: str) -> None:
    hub, at_provider, user = await signed_in(kind)
    for _ in range(3):
        hub.provider.end_access_tokens()
        assert await hub.ask(user) == "confirmed"
    assert await asyncio.gather(*(hub.ask(user) for _ in range(5))) == ["confirmed"] * 5, "a refresh token counts once"
    hub.provider.tokens.clear()
    assert await hub.ask(user) == "refused"
    refusal = hub.authenticator.refusal_to_start(user)
    assert (refusal.code, refusal.status) == ("identity-refused", 403)
    assert await hub.ask(await hub.sign_in(at_provider)) == "confirmed"


FAILURES = [
    (500, {}), (502, {}), (503, {}), (429, {"Retry-After": "60"}), (403, {"X-RateLimit-Remaining": "0"}), (408, {}),
    ConnectionRefusedError(), HTTPClientError(599), TimeoutError(), OSError("certificate"), ValueError("no JSON"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "failure"),
    [*itertools.product(("generic-oauth", "azuread"), FAILURES), *((kind, FAILURES[0]) for kind in OPTIONS)],
    ids=str,
)
async def test_a_provider_without_an_answer_is_told_from_one_that_refuses(kind: str, failure: Any) -> None:
    hub, _, user = await signed_in(kind)
    hub.provider.failing = failure
    assert await hub.ask(user) == "no-answer"
    # Also where the access token has ended, so that the refresh token is tried, which oauthenticator takes for a no.
    hub.provider.failing = None
    hub.provider.end_access_tokens()
    hub.provider.failing = failure
    assert await hub.ask(user) == "no-answer"
    assert groups(user) == USERS[kind][3]
    assert hub.authenticator.refusal_to_start(user) is None
    later(hub, user, 12 * 3600 + 1)
    refusal = hub.authenticator.refusal_to_start(user)
    assert (refusal.code, refusal.status) == ("identity-unavailable", 503)
    hub.provider.failing = None
    assert await hub.ask(user) == "confirmed", "the refresh token was not lost"


def later(hub: Hub, user: User, seconds: float) -> None:
    record = read_record(hub.db, user.name)
    assert record is not None
    write_record(hub.db, user.name, type(record)(record.answered - seconds, record.account, record.unusable))


async def test_a_provider_that_takes_too_long_gives_no_answer() -> None:
    hub, _, user = await signed_in("generic-oauth", checked={"answer_seconds": 0.1})

    async def slow(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    hub.authenticator.http_client = type("Slow", (), {"fetch": staticmethod(slow)})
    assert await hub.ask(user) == "no-answer"
    with pytest.raises(HTTPError, match="identity-unavailable"):
        await hub.sign_in(hub.provider.users["5"])


async def test_an_id_token_without_a_refresh_token_counts_for_a_bounded_time() -> None:
    hub = Hub("azuread", checked={"maximum_age": 3600})
    hub.provider.refreshing = False
    user = await hub.sign_in(hub.provider.user("0a", "ann", ["8c5a"]))
    assert await hub.ask(user) == "not-asked"
    standing = hub.authenticator.standing(user)
    assert standing.maximum == 3600
    assert "refresh token" in standing.reason
    assert hub.authenticator.refusal_to_start(user) is None
    later(hub, user, 3601)
    refusal = hub.authenticator.refusal_to_start(user)
    assert (refusal.code, refusal.status) == ("identity-too-old", 403)
    assert "1 h" in refusal.why


async def test_without_auth_state_the_hub_says_so_and_the_age_is_bounded() -> None:
    hub, _, user = await signed_in("generic-oauth", enable_auth_state=False)
    assert await hub.ask(user) == "not-asked"
    assert "enable_auth_state" in hub.authenticator.standing(user).reason
    later(hub, user, 12 * 3600 + 1)
    assert hub.authenticator.refusal_to_start(user).code == "identity-too-old"
    config = Config()
    config.JupyterHub.authenticator_class = "generic-oauth"
    config.Authenticator.enable_auth_state = False
    (remark,) = configure_identity(config)
    assert "enable_auth_state" in remark


async def test_a_class_that_cannot_ask_again_is_bounded_too() -> None:
    kind = checked(DummyAuthenticator)
    assert checked(kind) is kind
    authenticator: Any = kind()
    assert isinstance(authenticator, CheckedIdentity)
    assert authenticator.why_not_asked()
    hub = Hub("generic-oauth")
    user = await hub.sign_in(hub.provider.user("5", "ann", []))
    assert await authenticator.refresh_user(user) is True
    assert authenticator.standing(user).answer == "not-asked"


def test_somebody_of_whom_nothing_is_known_starts_nothing() -> None:
    hub = Hub("generic-oauth")
    hub.db.add(orm.User(name="ann"))
    hub.db.commit()
    standing = hub.authenticator.standing(hub.find_user("ann"))
    assert standing.seconds is None
    refusal = refusal_of(standing, "No session was started.")
    assert refusal is not None
    assert refusal.code == "identity-too-old"


def test_asking_again_cannot_be_turned_off() -> None:
    with pytest.raises(TraitError, match="auth_refresh_age"):
        Hub("generic-oauth", auth_refresh_age=0)


def test_an_authenticator_that_does_not_exist_is_named() -> None:
    config = Config()
    config.JupyterHub.authenticator_class = "generic-oath"
    with pytest.raises(ValueError, match="generic-oath"):
        list(configure_identity(config))


@pytest.mark.parametrize("secret", [{}, {"keys": [b"k" * 32]}])
def test_a_cluster_s_hub_has_the_layer_over_the_class_that_its_values_name(
    secret: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JUPYTERHUB_CRYPT_KEY", raising=False)
    config = Config()
    config.JupyterHub.services = [{"name": "allotment"}]
    config.JupyterHub.authenticator_class = "generic-oauth"
    config.CryptKeeper.update(secret)
    configure_hub(config, VALUES, "/")
    assert issubclass(config.JupyterHub.authenticator_class, CheckedIdentity)
    assert issubclass(config.JupyterHub.authenticator_class, GenericOAuthenticator)
    options = {name: config.Authenticator[name] for name in ("manage_groups", "refresh_pre_spawn", "enable_auth_state")}
    assert options == {"manage_groups": True, "refresh_pre_spawn": True, "enable_auth_state": bool(secret)}
    assert ("CryptKeeper.keys" in capsys.readouterr().err) is not bool(secret)
    paths = {path for path, _ in config.JupyterHub.extra_handlers}
    assert {"/api/allotment/identities", "/api/allotment/accounts"} <= paths
    config.JupyterHub.authenticator_class = "no-such"
    with pytest.raises(SystemExit, match=r"authenticator_class: There is no authenticator no-such"):
        configure_hub(config, VALUES, "/")


async def test_who_is_renamed_stays_the_same_and_their_name_is_not_given_away() -> None:
    hub, ann, user = await signed_in("generic-oauth", checked={"provider": "gitea"})
    account = Account("gitea", "login.example.org", "5", "ann")
    assert hub.authenticator.standing(user).account == account
    ann.login = "anna"
    assert (await hub.sign_in(ann)).name == "ann"
    assert hub.authenticator.standing(user).account.login == "anna"
    assert users_of(hub.db, account) == ["ann"]
    stranger = hub.provider.user("6", "ann", ["/moj/platform"])
    with pytest.raises(HTTPError, match="account-of-another") as caught:
        await hub.sign_in(stranger)
    assert caught.value.status_code == 403
    assert groups(user) == {"/moj/red"}
    hub.authenticator.delete_user(user)
    hub.users.delete(user)
    assert users_of(hub.db, account) == []
    assert (await hub.sign_in(stranger)).name == "ann"


async def test_after_a_change_of_the_provider_a_name_alone_is_nobody() -> None:
    hub, ann, user = await signed_in("generic-oauth")
    hub.authenticator.authorize_url = "https://other.example.org/authorize"
    with pytest.raises(HTTPError, match="account-of-another"):
        await hub.sign_in(ann)
    hub.authenticator.same_names = True
    assert (await hub.sign_in(ann)).name == "ann"
    hub.authenticator.same_names = False
    assert (await hub.sign_in(ann)).name == "ann", "it is bound now"
    # A user of local accounts, of which no provider says anything.
    write_record(hub.db, "ann", IdentityRecord(0.0, Account("", "", "", "")))
    with pytest.raises(HTTPError, match="account-of-another"):
        await hub.sign_in(ann)
    assert groups(user) == {"/moj/red"}


async def test_who_is_blocked_is_blocked_under_another_name_too() -> None:
    hub, ann, _ = await signed_in("generic-oauth")
    hub.authenticator.blocked_users = {"ann"}
    ann.login = "anna"
    with pytest.raises(AssertionError, match="refused"):
        await hub.sign_in(ann)


async def test_an_account_from_before_is_known_by_the_auth_state() -> None:
    hub, _, user = await signed_in("generic-oauth")
    hub.authenticator.delete_user(user)  # what a version that kept no accounts has
    with pytest.raises(HTTPError, match="account-of-another"):
        await hub.sign_in(hub.provider.user("6", "ann", []))


async def test_a_token_of_somebody_else_confirms_nobody() -> None:
    hub, _, user = await signed_in("generic-oauth")
    other = hub.provider.user("6", "bob", ["/moj/platform"])
    hub.provider.tokens = dict.fromkeys(hub.provider.tokens, other.id)
    assert await hub.ask(user) == "refused"
    assert groups(user) == {"/moj/red"}


async def test_an_older_answer_that_is_stored_last_signs_nobody_out() -> None:
    hub, _, user = await signed_in("generic-oauth")
    for _ in range(30):
        hub.provider.end_access_tokens()
        older = await hub.authenticator.refresh_user(user, hub)
        hub.provider.end_access_tokens()
        newer = await hub.authenticator.refresh_user(user, hub)
        # As JupyterHub does for two requests, of which the first one takes longer.
        await hub._persist(user, newer)
        await hub._persist(user, older)
        hub.provider.end_access_tokens()
        renewed = await hub.authenticator.refresh_user(user, hub)
        assert renewed, "put back"
        await hub._persist(user, newer)
    hub.provider.users.clear()
    hub.provider.end_access_tokens()
    assert await hub.ask(user) == "refused"


async def test_the_token_of_a_user_is_given_where_that_is_on_and_for_their_own_provider() -> None:
    hub, at_provider, user = await signed_in("generic-oauth", checked={"provider": "gitea", "user_tokens": True})
    own = ("gitea", "login.example.org")
    first = await hub.authenticator.token_of(user, *own)
    assert hub.provider.tokens[first] == at_provider.id
    for other in (("github", own[1]), ("gitea", "git.example.org")):
        assert await hub.authenticator.token_of(user, *other) == ""
    hub.provider.end_access_tokens()
    assert await hub.ask(user) == "confirmed"
    renewed = await hub.authenticator.token_of(user, *own)
    assert renewed != first
    assert hub.provider.tokens[renewed] == at_provider.id
    hub.authenticator.user_tokens = False
    assert await hub.authenticator.token_of(user, *own) == ""
    hub.authenticator.user_tokens = True
    hub.provider.failing = (503, {})
    assert await hub.ask(user) == "no-answer"
    assert await hub.authenticator.token_of(user, *own) == "", "nobody has confirmed the user now"


async def test_no_token_of_a_user_is_given_without_being_asked_for() -> None:
    hub, _, user = await signed_in("generic-oauth", checked={"provider": "gitea"})
    assert await hub.authenticator.token_of(user, "gitea", "login.example.org") == ""


async def test_what_is_remembered_outlives_a_restart() -> None:
    hub, at_provider, user = await signed_in("generic-oauth")
    at_provider.groups = ["/moj/red", " spaced "]
    assert await hub.ask(user) == "confirmed"
    again = Hub("generic-oauth")
    standing = again.authenticator.standing(user)
    assert (standing.answer, standing.unusable) == ("not-asked", (" spaced : spaces around it",))
    assert standing.recent


RIGHTS: list[dict[str, Any]] = [
    {"admin_users": {"zoe"}},
    {"admin_users": {"zoe"}, "username_map": {"ann": "zoe"}},
    {"admin_users": {"zoe"}, "allow_all": False, "allowed_users": {"ann"}},
]


@pytest.mark.parametrize("options", RIGHTS, ids=str)
@pytest.mark.parametrize("kind", ["generic-oauth", "azuread"])
async def test_a_renamed_account_is_no_administrator_by_its_new_name(kind: str, options: dict[str, Any]) -> None:
    hub, ann, user = await signed_in(kind, **{key: value for key, value in options.items() if key != "username_map"})
    hub.authenticator.username_map = options.get("username_map", {})
    ann.login = "zoe"  # free at the provider: who had it was renamed, has left, or is a user of the hub only
    model = await hub.model_of(ann)
    assert (model["name"], model["admin"]) == ("ann", None)
    assert type(model["name"]) is str
    assert await hub.ask(user) == "confirmed"
    assert not (await hub.authenticator.refresh_user(user, hub))["admin"]


async def test_a_renamed_account_keeps_the_rights_of_its_own_name_and_groups() -> None:
    hub, ann, user = await signed_in("generic-oauth", admin_users={"ann"})
    ann.login = "anna"
    assert (await hub.model_of(ann))["admin"] is True
    assert (await hub.authenticator.refresh_user(user, hub))["admin"] is True
    hub, ann, user = await signed_in("generic-oauth", admin_groups={"/moj/red"})
    ann.login = "anna"
    assert (await hub.model_of(ann))["admin"] is True
    ann.groups = []
    assert (await hub.model_of(ann))["admin"] is False
    assert (await hub.authenticator.refresh_user(user, hub))["admin"] is False


async def test_who_is_not_allowed_any_more_does_not_come_back_under_a_name_that_is() -> None:
    hub, ann, _ = await signed_in("generic-oauth", allow_all=False, allowed_users={"ann", "zoe"})
    ann.login = "anna"
    assert (await hub.model_of(ann))["name"] == "ann", "a renamed account is still allowed"
    hub.authenticator.allowed_users = {"zoe"}
    hub.authenticator.username_map = {"ann": "zoe"}
    ann.login = "zoe"
    assert await hub.model_of(ann) is None


async def test_who_is_blocked_is_refused_when_the_provider_is_asked_again() -> None:
    hub, ann, user = await signed_in("generic-oauth")
    ann.login = "anna"
    hub.authenticator.blocked_users = {"anna"}
    assert await hub.ask(user) == "confirmed", "names are those of the hub"
    hub.authenticator.blocked_users = {"ann"}
    assert await hub.ask(user) == "refused"
    hub.provider.failing = (503, {})
    assert await hub.ask(user) == "refused"


async def test_github_is_asked_about_the_login_that_an_account_has_there_now() -> None:
    hub, ann, _ = await signed_in("github")
    hub.authenticator.allow_all = False
    hub.authenticator.allowed_organizations = {"red"}
    hub.provider.user("6", "Ann", [])  # has the name that is free now, and is a member
    ann.login = "anna"
    hub.provider.members = {"ann"}
    assert await hub.model_of(ann) is None
    hub.provider.members = {"anna"}
    assert (await hub.model_of(ann))["name"] == "ann"


async def test_a_class_with_a_sign_in_of_its_own_names_the_user_of_the_hub_too() -> None:
    hub, ann, _ = await signed_in("generic-oauth", admin_users={"zoe"})
    ann.login = "zoe"
    state = (await hub.model_of(ann))["auth_state"]

    class Own(GenericOAuthenticator):
        async def authenticate(self, handler: Any, data: Any = None, **_: Any) -> Any:
            return {"name": "zoe", "admin": True, "auth_state": state}

    hub.authenticator = checked(Own)(config=hub.authenticator.config)
    model = await hub.model_of(ann)
    assert (model["name"], model["admin"]) == ("ann", None)
