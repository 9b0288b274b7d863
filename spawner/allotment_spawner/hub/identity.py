"""Whether the identity provider has said recently enough who a user is."""

from typing import Any

from allotment_profiles.model.problems import RefusedError


def check_identity(authenticator: Any, user: Any) -> None:
    """Check what the hub's authenticator knows of a user. Raise RefusedError if no session starts from it.

    JupyterHub has asked the provider before. It goes on where it got no answer, and where a token asks.
    """
    refusal_to_start = getattr(authenticator, "refusal_to_start", None)
    refusal = refusal_to_start(user) if refusal_to_start else None
    if refusal:
        raise RefusedError(refusal)
