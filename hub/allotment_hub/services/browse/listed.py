"""Which teams and profiles a user may know of. Pure."""

from allotment_profiles.access.offers import may_know
from allotment_profiles.access.people import User, belongs
from allotment_profiles.catalog.catalog import Catalog


def team_is_listed(catalog: Catalog, user: User, team: str) -> bool:
    """Whether the policy lists a team for a user."""
    if catalog.policy is None or catalog.policy.value.listing == "all" or user.admin:
        return True
    entry = catalog.teams.get(team)
    return entry is not None and belongs(user, entry.value)


def profile_is_listed(catalog: Catalog, user: User, profile_id: str) -> bool:
    """Whether a user may know of a profile: its team is listed, and the profile is not hidden from them."""
    visible = profile_id not in catalog.profiles or may_know(catalog, user, profile_id)
    return visible and team_is_listed(catalog, user, profile_id.partition("/")[0])
