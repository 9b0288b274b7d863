"""The Kubernetes service account of a session: its name follows from the team and the data roles. Pure."""

import hashlib
from collections.abc import Iterable


def service_account(team: str, data_roles: Iterable[str]) -> str:
    """Give the name of the account that a team's sessions with these data roles have.

    Cloud administrators need it before the first session: in a trust policy, in an association. So it follows from
    these names alone, in any order; it is a valid name of a Kubernetes object, and two sets never share one.
    """
    roles = sorted(set(data_roles))
    # Names hold neither a space nor a comma, so two different sets never read alike.
    digest = hashlib.sha256(f"{team} {','.join(roles)}".encode()).hexdigest()[:12]
    return f"allotment-{team[:40].rstrip('-')}-{digest}"
