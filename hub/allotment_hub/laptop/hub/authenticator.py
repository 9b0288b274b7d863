"""The authenticator of a laptop deployment."""

import hmac
from typing import Any

from jupyterhub.auth import Authenticator
from traitlets import Dict, Unicode

from allotment_hub.laptop.hub.accounts import ACCOUNTS


class LocalAccounts(Authenticator):
    """Signs in the three accounts with the passwords of access.json."""

    passwords = Dict(key_trait=Unicode(), value_trait=Unicode(), config=True, help="A password for each account.")

    async def authenticate(self, _handler: Any, data: dict[str, str]) -> dict[str, Any] | None:
        """Return the account if the password is correct, else None."""
        name = data.get("username", "")
        expected = self.passwords.get(name, "")
        # In constant time, so that the duration reveals nothing about the account or the password.
        correct = hmac.compare_digest(expected.encode(), data.get("password", "").encode())
        if not correct or not expected:
            return None
        return _user_model(name)

    async def refresh_user(self, user: Any, _handler: Any = None) -> dict[str, Any] | bool:
        """Return the current groups; an account that no longer exists has to sign in again."""
        return _user_model(user.name) or False


def _user_model(name: str) -> dict[str, Any] | None:
    account = ACCOUNTS.get(name)
    if account is None:
        return None
    return {"name": name, "admin": account.admin, "groups": list(account.groups)}
