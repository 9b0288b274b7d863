"""Users, and the part that they have in a team: member, lead, deputy, maintainer of a profile. Pure functions."""

from dataclasses import dataclass

from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.model import Profile, Team
from allotment_profiles.model.values.texts import listed

ADMINISTRATORS = "an administrator of the platform"


@dataclass(frozen=True)
class User:
    """A user as the hub knows them now."""

    name: str
    groups: frozenset[str]
    admin: bool = False


def belongs(user: User, team: Team) -> bool:
    """Return whether a user is a member, a lead or a deputy of a team."""
    return team.members.include(user.name, user.groups) or answers_for(user, team)


def leads(user: User, team: Team) -> bool:
    """Return whether a user leads a team."""
    return team.leads.include(user.name, user.groups)


def answers_for(user: User, team: Team) -> bool:
    """Return whether a user decides for a team: as a lead, or as a deputy of the leads."""
    return leads(user, team) or team.deputies.include(user.name, user.groups)


def maintains(user: User, profile: Profile) -> bool:
    """Return whether a user is a maintainer of a profile."""
    return profile.maintainers.include(user.name, user.groups)


def works_on(user: User, profile: Profile, team: Entry[Team] | None) -> bool:
    """Return whether a user maintains a profile or decides for its team."""
    return maintains(user, profile) or (team is not None and answers_for(user, team.value))


def leads_of(catalog: Catalog, team: str) -> str:
    """Return the leads of a team in words."""
    entry = catalog.teams.get(team)
    if entry is None:
        return f"the leads of {team}"
    people = listed([*entry.value.leads.users, *entry.value.leads.groups])
    return f"the leads of {entry.value.title} ({people})"
