"""What a user may start now: the one evaluation behind the start page, explanations and every spawn. Pure functions."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.people import User, belongs
from allotment_profiles.access.rules import RuleContext, RuleResult, is_retired, start_rules, successor_of
from allotment_profiles.access.visibility import may_know, profile_is_listed
from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.model import Profile, Team
from allotment_profiles.model.problems import Refusal, quoted
from allotment_profiles.model.values.dates import days_left

_ONE_DAY = 86400


@dataclass(frozen=True)
class Offer:
    """A profile as one user sees it: startable, or refused with the reason."""

    profile_id: str
    entry: Entry[Profile] | None
    team: Entry[Team] | None
    results: tuple[RuleResult, ...]
    warnings: tuple[str, ...] = ()

    @property
    def refusal(self) -> Refusal | None:
        """Why it cannot be started, or None."""
        return next((result.refusal for result in self.results if result.refusal), None)

    @property
    def startable(self) -> bool:
        """Whether every rule allows the start."""
        return self.refusal is None


def offer(
    catalog: Catalog,
    user: User,
    profile_id: str,
    now: dt.datetime,
    capabilities: Capabilities,
    *,
    reviewing: bool = False,
) -> Offer:
    """Evaluate the rules for one user and one profile, in order, up to the first refusal.

    `reviewing`: the user tries what somebody else proposes, and need not be among those whom it is for.
    """
    context = RuleContext(catalog, user, profile_id, now, f"{quoted(profile_id)} cannot be started.", reviewing)
    results: list[RuleResult] = []
    for result in start_rules(context, capabilities):
        results.append(result)
        if result.refusal:
            break
    entry = catalog.profiles.get(profile_id)
    warnings = tuple(_warnings(catalog, user, entry, now)) if entry else ()
    return Offer(profile_id, entry, catalog.teams.get(context.team), tuple(results), warnings)


def offers(catalog: Catalog, user: User, now: dt.datetime, capabilities: Capabilities) -> list[Offer]:
    """Return the start page's offers: the profiles of the user's teams that the user may see, startable ones first."""
    teams = {name for name, team in catalog.teams.items() if belongs(user, team.value)}
    broken = (path.split("/") for path in catalog.broken if path.startswith("teams/") and "/profiles/" in path)
    ids = {profile_id for name in teams for profile_id in catalog.profiles_of(name)}
    ids |= {f"{parts[1]}/{parts[3].removesuffix('.yaml')}" for parts in broken if parts[1] in teams}
    visible = [
        offer(catalog, user, profile_id, now, capabilities)
        for profile_id in sorted(ids)
        if profile_id not in catalog.profiles or may_know(catalog, user, profile_id)
    ]
    return sorted(visible, key=lambda offered: not offered.startable)


def _warnings(catalog: Catalog, user: User, entry: Entry[Profile], now: dt.datetime) -> Iterator[str]:
    profile = entry.value
    if entry.outdated_since:
        yield "The newest version of the file is not valid; an earlier version applies."
    if profile.visibility == "deprecated" and not is_retired(profile.retired_from, now):
        successor = successor_of(catalog, entry.id, now) or ""
        known = successor in catalog.profiles and profile_is_listed(catalog, user, successor)
        successor_entry = catalog.profiles[successor] if known else None
        successor = successor if known else profile.successor or ""
        name = f"{successor_entry.value.title} ({successor})" if successor_entry else successor
        yield f"It is deprecated; its successor is {name}."
    window = (catalog.policy.value.review_warning if catalog.policy else 0) // _ONE_DAY
    for day, warning in _dated_warnings(catalog, entry, now):
        if day is not None and 0 <= days_left(day, now) <= window:
            yield warning


def _dated_warnings(catalog: Catalog, entry: Entry[Profile], now: dt.datetime) -> Iterator[tuple[dt.date | None, str]]:
    """Yield each day about which users are warned when it is near, with the warning."""
    profile = entry.value
    if not is_retired(profile.retired_from, now):
        yield profile.retired_from, f"It is retired from {profile.retired_from} on."
    yield profile.review_by, f"Its review is due by {profile.review_by}."
    for code, acceptance in profile.accepted.items():
        yield acceptance.until, f"An administrator's acceptance of {code} ends on {acceptance.until}."
    for role in profile.data_roles:
        data_role = catalog.data_roles.get(role)
        grant = data_role.value.granted_to.get(entry.id.partition("/")[0]) if data_role else None
        if grant:
            yield grant.until, f"The grant for {role} ends on {grant.until}."
            yield grant.review_by, f"The review of the grant for {role} is due by {grant.review_by}."
