"""Signing in on a laptop."""

import hmac
from typing import Any

from jupyterhub.auth import Authenticator
from traitlets import Dict, Unicode

from allotment_hub.laptop.hub.accounts import ACCOUNTS


class LocalAccounts(Authenticator):
    """Signs in the three accounts with the passwords of access.json."""

    passwords = Dict(key_trait=Unicode(), value_trait=Unicode(), config=True, help="A password for each account.")

    async def authenticate(self, _handler: Any, data: dict[str, str]) -> dict[str, Any] | None:
        """Give the account when the password is right."""
        name = data.get("username", "")
        expected = self.passwords.get(name, "")
        # The same work whether the account exists or not, and however much of the password is right.
        right = hmac.compare_digest(expected.encode(), data.get("password", "").encode())
        if not right or not expected:
            return None
        return _described(name)

    async def refresh_user(self, user: Any, _handler: Any = None) -> dict[str, Any] | bool:
        """Give the groups as they are now; an account that is gone has to sign in again."""
        return _described(user.name) or False


def _described(name: str) -> dict[str, Any] | None:
    account = ACCOUNTS.get(name)
    if account is None:
        return None
    return {"name": name, "admin": account.admin, "groups": list(account.groups)}
