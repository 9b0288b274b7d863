"""Whose an account of the forge is at the hub: by the provider's id alone, never by a name."""

from allotment_hub.forges.pull_requests.values import ForgeAccount
from allotment_hub.forges.webhooks import ForgeKind
from allotment_hub.services.identities import Identities, ProviderAccount
from allotment_profiles.access.people import User


class ForgePeople:
    """Asks the hub for the users of the forge's accounts."""

    def __init__(self, identities: Identities, kind: ForgeKind, host: str) -> None:
        """`host` is that of the forge, as the accounts of the identity provider have it."""
        self._identities = identities
        self._kind = kind
        self._host = host

    async def user(self, account: ForgeAccount | None) -> User | None:
        """Return the hub's user who signs in with an account, as the hub knows them now. Raise UnavailableError.

        None where there is no such user, and where there are two: then nobody knows who of them it was.
        """
        if account is None or not account.id:
            return None
        names = await self._identities.users_of(ProviderAccount(self._kind, self._host, account.id, account.login))
        known = await self._identities.known(names[0]) if len(names) == 1 else None
        has = known.account if known else None
        if known is None or has is None or (has.provider, has.host, has.id) != (self._kind, self._host, account.id):
            return None
        return known.user
