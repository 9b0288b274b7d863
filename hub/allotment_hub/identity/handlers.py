"""What the hub answers about identities, to the service alone."""

from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope
from tornado.web import HTTPError

from allotment_hub.identity.authenticator import CheckedIdentity, Standing
from allotment_hub.identity.claims import Account
from allotment_hub.identity.records import users_of
from allotment_profiles.scopes import IDENTITIES_SCOPE

_ASKED = ("user", "provider", "host")


class IdentityHandler(APIHandler):
    """Asks the identity provider who a user is now."""

    @needs_scope(IDENTITIES_SCOPE)
    async def post(self) -> None:
        """POST allotment/identities {user, ask}: what is known; with `ask`, after the provider was asked.

        The groups of the user in the hub are then what the provider says now, if it answers.
        """
        body = self.get_json_body()
        if not isinstance(body, dict) or not isinstance(body.get("user"), str):
            raise HTTPError(400, "Expected the text user.")
        user = self.find_user(body["user"])
        if user is None:
            raise HTTPError(404, "There is no such user.")
        if not isinstance(self.authenticator, CheckedIdentity):
            raise HTTPError(501, "The authenticator's class was set past Allotment's configuration.")
        if body.get("ask", True):
            await self.refresh_auth(user, force=True)
        self.finish(_model(user, self.authenticator.standing(user)))


class UserTokenHandler(APIHandler):
    """Answers with the token of a user's own account, with which the service opens their pull requests."""

    @needs_scope(IDENTITIES_SCOPE)
    async def post(self) -> None:
        """POST allotment/user-tokens {user, provider, host}: {token}, renewed now; empty where there is none to give.

        `CheckedIdentity.user_tokens` has to be on.
        """
        body = self.get_json_body()
        asked = [str(body[key]) for key in _ASKED if isinstance(body.get(key), str)] if isinstance(body, dict) else []
        if len(asked) < len(_ASKED):
            raise HTTPError(400, "Expected the texts user, provider and host.")
        name, provider, host = asked
        user = self.find_user(name)
        if user is None:
            raise HTTPError(404, "There is no such user.")
        token = ""
        if isinstance(self.authenticator, CheckedIdentity) and self.authenticator.user_tokens:
            await self.refresh_auth(user, force=True)
            token = await self.authenticator.token_of(user, provider, host)
        self.set_header("Cache-Control", "no-store")
        self.finish({"token": token})


class AccountHandler(APIHandler):
    """Finds the user of an account."""

    @needs_scope(IDENTITIES_SCOPE)
    def get(self) -> None:
        """GET allotment/accounts?provider=&host=&id=: {users, place}.

        These are those who signed in with this account, and the kind and host of the provider with which people sign
        in; null where their accounts are not known.
        """
        provider, host, id_ = (self.get_query_argument(name) for name in ("provider", "host", "id"))
        checked = self.authenticator if isinstance(self.authenticator, CheckedIdentity) else None
        users = list(users_of(self.db, Account(provider, host, id_, "")))
        self.finish({"users": users, "place": list(checked.place) if checked else None})


def _model(user: Any, standing: Standing) -> dict[str, Any]:
    account = standing.account
    return {
        "name": user.name,
        "admin": bool(user.admin),
        "groups": sorted(group.name for group in user.groups),
        "answer": standing.answer,
        "seconds": standing.seconds,
        "maximum": standing.maximum,
        "reason": standing.reason,
        "unusable": list(standing.unusable),
        "account": vars(account) if account else None,
    }
