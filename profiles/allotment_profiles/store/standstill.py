"""Say since when main does not move here, and why: from what a watcher knows."""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.paths import POLICY
from allotment_profiles.store.provenance import Provenance

Code = Literal[
    "nothing-loaded",
    "git-server",
    "locked",
    "unreadable",
    "policy-missing",
    "policy-invalid",
    "policy-quarantined",
]


@dataclass(frozen=True, slots=True)
class Standstill:
    """Changes of main do not apply, or cannot be merged."""

    code: Code
    since: dt.datetime | None
    """None where it never worked since the program was started."""
    why: str
    """The reason in words that everyone may read: a sentence without its end."""


def policy_standstill(catalog: Catalog, provenance: Provenance) -> Standstill | None:
    """Return what the policy stops. None where the newest one applies."""
    changed = provenance.last(POLICY)
    if catalog.policy is None:
        since = changed.time if changed else catalog.time
        return Standstill("policy-missing", since, f"no version of {POLICY} applies, so that nothing can be started")
    held = [change.since for change in catalog.quarantined if change.path == POLICY]
    if held:
        why = f"{POLICY} was removed or changed on main, and the version before it applies until that is confirmed"
        return Standstill("policy-quarantined", min(held), why)
    if catalog.policy.outdated_since is not None:
        why = f"{POLICY} is invalid: its last valid version applies for a limited time, and nothing can be merged"
        return Standstill("policy-invalid", catalog.policy.outdated_since.time, why)
    return None
