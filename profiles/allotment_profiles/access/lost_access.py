"""Which data roles a running session has lost: those that a start now would not give to its user. Pure.

The rules about the person and about the data decide, the same that decide a start. What only ends starts ends no
session: a profile's retirement and review date, an acceptance, the policy, what the deployment can do.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from allotment_profiles.access.rules import RuleResult, User, data_steps, leads_of, person_steps
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import Policy
from allotment_profiles.model.problems import Refusal, quoted

_OTHERWISE = int(Policy.model_fields["after_access_ends"].default)


@dataclass(frozen=True, slots=True)
class LostAccess:
    """A data role that a session has, and that its user would not be given any more."""

    data_role: str
    title: str
    """What the data is called; the data role's name, where its file is gone."""
    refusal: Refusal


def lost_access(
    catalog: Catalog, user: User, profile_id: str, data_roles: Sequence[str], now: dt.datetime
) -> tuple[LostAccess, ...]:
    """Give what a session of a user has lost; `data_roles` are those that it was started with."""
    found = []
    for role in data_roles:
        entry = catalog.data_roles.get(role)
        title = entry.value.title if entry else role
        what = f"The session {quoted(profile_id)} has lost its access to the data {title}."
        refusal = next(
            (step.refusal for step in _steps(catalog, user, profile_id, role, what, now) if step.refusal), None
        )
        if refusal:
            found.append(LostAccess(role, title, refusal))
    return tuple(found)


def time_left(catalog: Catalog) -> dt.timedelta:
    """Say how long a session runs on after it has lost data."""
    return dt.timedelta(seconds=catalog.policy.value.after_access_ends if catalog.policy else _OTHERWISE)


def _steps(
    catalog: Catalog, user: User, profile_id: str, role: str, what: str, now: dt.datetime
) -> Iterator[RuleResult]:
    yield _named(catalog, profile_id, role, what)
    yield from person_steps(catalog, user, profile_id, what, now)
    yield from data_steps(catalog, role, profile_id.partition("/")[0], what, now)


def _named(catalog: Catalog, profile_id: str, role: str, what: str) -> RuleResult:
    text = f"The profile still names the data role {role}."
    entry = catalog.profiles.get(profile_id)
    if entry is not None and role in entry.reaches:
        return RuleResult("named", text)
    gone = "There is no such profile any more." if entry is None else "The profile does not name this data any more."
    return RuleResult("named", text, Refusal(
        "data-role-dropped", what, gone, "Start another profile with this data, or propose one.",
        leads_of(catalog, profile_id.partition("/")[0]),
    ))  # fmt: skip
