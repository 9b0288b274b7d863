"""One team as its members ask about it: who is in it, who decides, and how far. Pure."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from allotment_profiles.access.people import User, answers_for, belongs, leads
from allotment_profiles.catalog.catalog import Catalog, Entry, QuarantinedChange
from allotment_profiles.model import Grant, Team
from allotment_profiles.model.dates import days_left
from allotment_profiles.model.paths import team_path
from allotment_profiles.model.problems import Problem
from allotment_profiles.store.provenance import HistoryEntry, Provenance


@dataclass(frozen=True)
class TeamPage:
    """One team: who is in it, and how far it decides for itself."""

    name: str
    entry: Entry[Team]
    profiles: tuple[tuple[str, str], ...]
    """Those that the reader may know of: id and title."""
    grants: tuple[tuple[str, str, Grant, int], ...]
    """The data that it may use: name, title, grant, days that remain."""
    owns: tuple[tuple[str, str], ...]
    """The data roles that it owns: name and title."""
    mine: bool
    """Whether the reader belongs to it."""
    role: str
    """What the reader is there, in words; empty for strangers."""
    landing: HistoryEntry | None
    problems: tuple[Problem, ...]
    held: tuple[QuarantinedChange, ...]


def team_page(
    catalog: Catalog, provenance: Provenance, user: User, entry: Entry[Team], profiles: Sequence[str]
) -> TeamPage:
    """Put together what a reader sees of a team, with those of its profiles that they may know of."""
    name, team, path = entry.id, entry.value, team_path(entry.id)
    now = dt.datetime.now(dt.UTC)
    roles = [(role, each.value) for role, each in sorted(catalog.data_roles.items())]
    position = "a lead" if leads(user, team) else "a deputy" if answers_for(user, team) else ""
    mine = belongs(user, team)
    return TeamPage(
        name=name,
        entry=entry,
        profiles=tuple((each, catalog.profiles[each].value.title) for each in profiles),
        grants=tuple(
            (role, each.title, each.granted_to[name], days_of(each.granted_to[name], now))
            for role, each in roles
            if name in each.granted_to
        ),
        owns=tuple((role, each.title) for role, each in roles if each.owner == name),
        mine=mine,
        role=position or ("a member" if mine else ""),
        landing=provenance.last(path),
        problems=tuple(catalog.problems_of(path)),
        held=tuple(hold for hold in catalog.quarantined if hold.path == path),
    )


def days_of(grant: Grant, now: dt.datetime) -> int:
    """Count the days that a grant still holds: to its end, or to the day by which it is looked at again."""
    days = days_left(grant.until, now)
    return min(days, days_left(grant.review_by, now)) if grant.review_by else days
