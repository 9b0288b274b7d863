"""The Kubernetes service account of a session: its name follows from the team and the data roles. Pure functions."""

import hashlib
from collections.abc import Iterable

TRIAL_ACCOUNT = "allotment-trial"
"""The account of trials without data: nothing outside the cluster has a reason to trust it."""


def service_account(team: str, data_roles: Iterable[str]) -> str:
    """Return the name of the account of a team's sessions with these data roles.

    Cloud administrators need it before the first session, in a trust policy or an association. So it follows from
    these names alone, in any order. It is a valid name of a Kubernetes object, and differs for different sets.
    """
    roles = sorted(set(data_roles))
    # Names contain neither spaces nor commas, so different sets give different texts.
    digest = hashlib.sha256(f"{team} {','.join(roles)}".encode()).hexdigest()[:12]
    return f"allotment-{team[:40].rstrip('-')}-{digest}"
