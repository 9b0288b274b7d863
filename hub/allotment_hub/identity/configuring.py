"""Put the layer over a deployment's authenticator, the same on a laptop and on a cluster."""

import os
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

from jupyterhub.auth import Authenticator
from oauthenticator.oauth2 import OAuthenticator
from traitlets.utils.importstring import import_item

from allotment_hub.identity.authenticator import checked

HANDLERS = [
    (r"/api/allotment/identities", "allotment_hub.identity.handlers.IdentityHandler"),
    (r"/api/allotment/user-tokens", "allotment_hub.identity.handlers.UserTokenHandler"),
    (r"/api/allotment/accounts", "allotment_hub.identity.handlers.AccountHandler"),
]
"""For JupyterHub's `extra_handlers`. They can be imported when the scopes of `hub_rights` are known."""


def configure_identity(c: Any) -> Iterator[str]:
    """Configure how people sign in, and yield what an administrator should know. Raise ValueError for an unknown class.

    `c` has the deployment's own options already, which stay.
    """
    kind = _authenticator_class(c.JupyterHub.get("authenticator_class") or "pam")
    c.JupyterHub.authenticator_class = checked(kind)
    options = c.Authenticator
    # Groups decide what a user may start, so they come from the identity provider, anew before each start.
    options.manage_groups = options.get("manage_groups", True)
    options.refresh_pre_spawn = options.get("refresh_pre_spawn", True)
    if not issubclass(kind, OAuthenticator):
        return
    has_key = bool(c.CryptKeeper.get("keys") or os.environ.get("JUPYTERHUB_CRYPT_KEY"))
    options.enable_auth_state = options.get("enable_auth_state", has_key)
    if not any(c[section].get("enable_auth_state") for section in ("Authenticator", kind.__name__)):
        key = "" if has_key else " and CryptKeeper.keys"
        yield (
            f"Set Authenticator.enable_auth_state{key}: without it the hub keeps no token, cannot ask the identity"
            " provider about groups between two sign-ins, and people have to sign in again every"
            " CheckedIdentity.maximum_age."
        )


def _authenticator_class(name: Any) -> type[Authenticator]:
    """Return a class from what `authenticator_class` may be: a class, its path, or a name that a package registers."""
    if isinstance(name, type) and issubclass(name, Authenticator):
        return name
    text = str(name)
    for entry in entry_points(group="jupyterhub.authenticators"):
        if entry.name.lower() == text.lower():
            name = entry.load()
    try:
        found = import_item(text) if isinstance(name, str) else name
    except ImportError as error:
        raise ValueError(f"There is no authenticator {text}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Authenticator)):
        raise ValueError(f"{text} is no authenticator")
    return found
