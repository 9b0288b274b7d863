"""When a profile goes out of use, and what takes its place. Pure functions."""

import datetime as dt
from typing import Protocol

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.dates import days_left


class Retiring(Protocol):
    """A profile, or what is kept of one."""

    @property
    def retired_from(self) -> dt.date | None:
        """Give the day from which it no longer starts."""


def is_retired(profile: Retiring, now: dt.datetime) -> bool:
    """Tell whether the day has come from which a profile no longer starts."""
    return profile.retired_from is not None and days_left(profile.retired_from, now) <= 0


def successor_of(catalog: Catalog, profile_id: str, now: dt.datetime) -> str | None:
    """Give what takes a profile's place: the end of the chain, passing over what is deprecated or retired itself."""
    seen = {profile_id}
    entry = catalog.profiles.get(profile_id)
    while entry is not None and entry.value.successor and entry.value.successor not in seen:
        following = catalog.profiles.get(entry.value.successor)
        if following is None:
            return None
        entry = following
        seen.add(entry.id)
        if entry.value.visibility != "deprecated" and not is_retired(entry.value, now):
            return entry.id
    return None
