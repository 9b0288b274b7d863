"""What a running session has lost: the data roles that a start now would not give to its user. Pure functions.

The rules on the person and on the data decide, the same as for a start. A session without data is lost as a whole when
its user has left the team, or the group that the profile is for. What only prevents new starts ends no session: a
profile's retirement and review date, an acceptance, the policy, what the deployment can do.
"""

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from allotment_profiles.access.people import User
from allotment_profiles.access.rules import RuleContext, RuleResult, data_rules, member_rule, person_rules
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import Policy
from allotment_profiles.model.problems import Refusal, quoted

_LEFT = ("not-a-member", "only-groups")
_DEFAULT_GRACE = int(Policy.model_fields["after_access_ends"].default)


@dataclass(frozen=True, slots=True)
class LostAccess:
    """A data role that a session has, and that its user would not be given any more; or the session as a whole."""

    data_role: str
    """Empty for a session without data, whose user has left."""
    title: str
    """The title of the data, or of the team that the user has left."""
    refusal: Refusal


def lost_access(
    catalog: Catalog, user: User, profile_id: str, data_roles: Sequence[str], now: dt.datetime
) -> tuple[LostAccess, ...]:
    """Return what a session of a user has lost; `data_roles` are those that it was started with."""
    lost = []
    for role in data_roles:
        entry = catalog.data_roles.get(role)
        title = entry.value.title if entry else role
        what = f"The session {quoted(profile_id)} has lost its access to the data {title}."
        context = RuleContext(catalog, user, profile_id, now, what)
        results = itertools.chain([_named(context, role)], person_rules(context), data_rules(context, role))
        refusal = next((result.refusal for result in results if result.refusal), None)
        if refusal:
            lost.append(LostAccess(role, title, refusal))
    return tuple(lost) if data_roles else tuple(_left(catalog, user, profile_id, now))


def _left(catalog: Catalog, user: User, profile_id: str, now: dt.datetime) -> Iterator[LostAccess]:
    """Yield the loss of a session without data if its user is not among those any more whom the profile is for."""
    team = catalog.teams.get(profile_id.partition("/")[0])
    if team is None or profile_id not in catalog.profiles:
        return
    context = _whole(catalog, user, profile_id, now)
    refusal = next((result.refusal for result in person_rules(context) if result.refusal), None)
    if refusal and refusal.code in _LEFT:
        yield LostAccess("", team.value.title, refusal)


def left_team(catalog: Catalog, user: User, profile_id: str, now: dt.datetime) -> tuple[LostAccess, ...]:
    """Return what a trial without data has lost. What the profile says about its users may be what is tried."""
    team = catalog.teams.get(profile_id.partition("/")[0])
    refusal = member_rule(_whole(catalog, user, profile_id, now)).refusal
    return (LostAccess("", team.value.title, refusal),) if team and refusal and refusal.code in _LEFT else ()


def _whole(catalog: Catalog, user: User, profile_id: str, now: dt.datetime) -> RuleContext:
    return RuleContext(catalog, user, profile_id, now, f"The session {quoted(profile_id)} is not for you any more.")


def time_left(catalog: Catalog) -> dt.timedelta:
    """Return how long a session keeps running after it has lost data."""
    return dt.timedelta(seconds=catalog.policy.value.after_access_ends if catalog.policy else _DEFAULT_GRACE)


def _named(context: RuleContext, role: str) -> RuleResult:
    entry, refusal = context.catalog.profiles.get(context.profile_id), None
    if entry is None or role not in entry.data_roles:
        gone = "The profile does not exist any more." if entry is None else "The profile no longer names this data."
        remedy = "Start another profile with this data, or propose one."
        refusal = context.refusal("data-role-dropped", gone, remedy, context.team_leads)
    return RuleResult("named", f"The profile still names the data role {role}.", refusal)
