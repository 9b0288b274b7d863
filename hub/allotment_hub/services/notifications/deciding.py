"""Who is asked for a review, first, later and last. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from allotment_hub.services.proposals.case import Case
from allotment_profiles.access.people import User, answers_for, leads
from allotment_profiles.review.approvals import Requirement


@dataclass(frozen=True, slots=True)
class Asked:
    """The people who can give the approvals that a proposal waits for, by name."""

    first: frozenset[str]
    """The leads, or the administrators where their approval is needed; where the hub knows none, who stands in."""
    deputies: frozenset[str]
    administrators: frozenset[str]


def asked_for(case: Case, people: Sequence[User]) -> Asked:
    """Return whom an open proposal waits for; nobody where it needs no approval any more."""
    unmet = case.unmet if case.state == "open" else ()
    contributors = case.stored.contributors
    first: set[str] = set()
    deputies: set[str] = set()
    for requirement in unmet:
        can = [user for user in people if case.can_meet(requirement, user)]
        standing_in = _names(user for user in can if _is_deputy(requirement, user, case))
        deciding = _names(user for user in can if _decides(requirement, user, case))
        first |= deciding or standing_in or _names(can)
        deputies |= standing_in
    administrators = _names(user for user in people if user.admin and user.name not in contributors) if unmet else ()
    return Asked(frozenset(first), frozenset(deputies), frozenset(administrators))


def _decides(requirement: Requirement, user: User, case: Case) -> bool:
    team = case.main.teams.get(requirement.team)
    return leads(user, team.value) if team else user.admin


def _is_deputy(requirement: Requirement, user: User, case: Case) -> bool:
    team = case.main.teams.get(requirement.team)
    return team is not None and answers_for(user, team.value) and not leads(user, team.value)


def _names(people: Iterable[User]) -> set[str]:
    return {user.name for user in people}
