"""When a profile is retired, and which profile succeeds it. Pure functions."""

import datetime as dt

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.values.dates import days_left


def is_retired(retired_from: dt.date | None, now: dt.datetime) -> bool:
    """Return whether a profile that is retired from a day on no longer starts."""
    return retired_from is not None and days_left(retired_from, now) <= 0


def successor_of(catalog: Catalog, profile_id: str, now: dt.datetime) -> str | None:
    """Return the first profile in the chain of successors that is neither deprecated nor retired itself."""
    seen = {profile_id}
    entry = catalog.profiles.get(profile_id)
    while entry is not None and entry.value.successor and entry.value.successor not in seen:
        entry = catalog.profiles.get(entry.value.successor)
        if entry is None:
            return None
        seen.add(entry.id)
        if entry.value.visibility != "deprecated" and not is_retired(entry.value.retired_from, now):
            return entry.id
    return None
