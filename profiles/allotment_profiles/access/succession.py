"""When a profile is retired, and which profile succeeds it. Pure functions."""

import datetime as dt
from typing import Protocol

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.values.dates import days_left


class Retiring(Protocol):
    """A profile, or an index entry made from one."""

    @property
    def retired_from(self) -> dt.date | None:
        """The first day on which it no longer starts."""


def is_retired(profile: Retiring, now: dt.datetime) -> bool:
    """Return whether a profile no longer starts."""
    return profile.retired_from is not None and days_left(profile.retired_from, now) <= 0


def successor_of(catalog: Catalog, profile_id: str, now: dt.datetime) -> str | None:
    """Return the first profile in the chain of successors that is neither deprecated nor retired itself."""
    seen = {profile_id}
    entry = catalog.profiles.get(profile_id)
    while entry is not None and entry.value.successor and entry.value.successor not in seen:
        entry = catalog.profiles.get(entry.value.successor)
        if entry is None:
            return None
        seen.add(entry.id)
        if entry.value.visibility != "deprecated" and not is_retired(entry.value, now):
            return entry.id
    return None
