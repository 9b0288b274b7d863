"""Which user of the hub an account is: a renamed person keeps the name that they have in the hub.

JupyterHub and oauthenticator decide by names (`admin_users`, `allowed_users`, `blocked_users`), and a name at a
provider is free for others after its owner was renamed or has left. So the name is set before they decide.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.auth import Authenticator
from oauthenticator.azuread import AzureAdOAuthenticator
from oauthenticator.github import GitHubOAuthenticator
from oauthenticator.gitlab import GitLabOAuthenticator
from oauthenticator.google import GoogleOAuthenticator
from tornado.web import HTTPError
from traitlets import Bool, Unicode

from allotment_hub.identity.claims import Account, account_of
from allotment_hub.identity.records import read_record, users_of

_PROVIDERS = {
    GitHubOAuthenticator: "github",
    GitLabOAuthenticator: "gitlab",
    AzureAdOAuthenticator: "azuread",
    GoogleOAuthenticator: "google",
}
_OTHER_ACCOUNT = (
    "The user {name} of this hub belongs to another account, which had this name before."
    " An administrator decides: delete the user, or give you another name with Authenticator.username_map."
    " [account-of-another]"
)


@dataclass(frozen=True)
class _Subject:
    """Whom the provider is asked about."""

    db: Any
    name: str
    """The user of the hub; empty at a sign-in, where the account tells."""


_subject: ContextVar[_Subject | None] = ContextVar("allotment_subject", default=None)


class _KeptName(str):
    """The name that a renamed person keeps. It is one of the hub's already: nothing maps it again."""

    __slots__ = ("at_provider",)
    at_provider: str


class AccountNames(Authenticator):
    """The part of `CheckedIdentity` that knows people by their accounts."""

    provider = Unicode(config=True, help="The kind of the provider, if the class does not tell: gitea, gitlab.")
    same_names = Bool(
        False, config=True, help="After a change of the provider: whether who has a user's name there is that user."
    )

    @property
    def place(self) -> tuple[str, str]:
        """The kind and the host of the provider, as accounts have them."""
        host = urlsplit(getattr(self, "authorize_url", "")).netloc.rpartition("@")[2]
        kinds = (name for kind, name in _PROVIDERS.items() if isinstance(self, kind))
        return self.provider or next(kinds, "oidc"), host

    def account_in(self, auth_state: Any) -> Account | None:
        """Return the account that a user signed in with."""
        claims = auth_state.get(getattr(self, "user_auth_state_key", "")) if isinstance(auth_state, Mapping) else None
        return account_of(*self.place, claims)

    async def update_auth_model(self, auth_model: Any) -> Any:
        """Name the user of the hub. oauthenticator calls this before it decides anything."""
        return await super().update_auth_model(self.with_kept_name(auth_model))

    def with_kept_name(self, auth_model: Any) -> Any:
        """Return what a provider said about somebody, with the name that they have in the hub, and as nothing more."""
        subject = _subject.get()
        account = self.account_in(auth_model.get("auth_state")) if isinstance(auth_model, dict) else None
        if subject is None or account is None:
            return auth_model
        name = auth_model["name"]
        names = [subject.name] if subject.name else users_of(subject.db, account)
        if not names or name in names:
            return auth_model
        self.log.warning("The user %s is %s at the identity provider: renamed there", names[0], name)
        kept = _KeptName(names[0])
        kept.at_provider = name
        return {**auth_model, "name": kept, "admin": True if kept in self.admin_users else None}

    def normalize_username(self, username: str) -> str:
        """Return the name of a user of the hub."""
        return username if isinstance(username, _KeptName) else str(super().normalize_username(username))

    async def _check_membership_allowed_organizations(self, org_team: str, username: str, *args: Any) -> bool:
        """Ask GitHub about the account's own login: the one that it had may be somebody else's there."""
        login = username.at_provider if isinstance(username, _KeptName) else username
        return bool(await super()._check_membership_allowed_organizations(org_team, login, *args))

    async def run_post_auth_hook(self, handler: Any, auth_model: Any) -> Any:
        """Refuse a name that belongs to another account."""
        auth_model = {**auth_model, "name": str(auth_model["name"])}
        account = self.account_in(auth_model.get("auth_state"))
        if account:
            await self._check_name(handler, auth_model["name"], account)
        return await super().run_post_auth_hook(handler, auth_model)

    async def _check_name(self, handler: Any, name: str, account: Account) -> None:
        """Raise HTTPError if a user is not that account's.

        A provider gives the name of somebody who was renamed or deleted to somebody else.
        """
        if name in users_of(handler.db, account):
            return
        user = handler.find_user(name)
        record = read_record(handler.db, name) if user else None
        known = record.account if record else self.account_in(await user.get_auth_state()) if user else None
        elsewhere = record is not None and not (known and known.at_same_provider(account))
        if (elsewhere and not self.same_names) or (known and not elsewhere and known.id != account.id):
            self.log.warning("%s was refused: the hub's user %s has another account", account, name)
            raise HTTPError(403, _OTHER_ACCOUNT.format(name=name))


@contextmanager
def asked_about(db: Any, name: str = "") -> Iterator[None]:
    """Note whom a provider is asked about inside: a user of the hub, or whoever signs in."""
    token = _subject.set(_Subject(db, name))
    try:
        yield
    finally:
        _subject.reset(token)
