"""Who a profile is for, as a boolean formula over groups and users. Pure functions.

A user's name and groups decide. The formula comes in two forms: a conjunction of conditions, of which each names
alternative subjects (CNF); and its clauses, the smallest sets of subjects that together are enough (DNF).
"""

import functools
import itertools
import math
from collections.abc import Iterable
from typing import Literal

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import People, Profile, Team
from allotment_profiles.model.values.texts import in_line

Subject = tuple[Literal["group", "user"], str]
Subjects = frozenset[Subject]
Conditions = tuple[Subjects, ...]
"""All conditions must hold; one subject of a condition is enough for it. No conditions: everybody."""
Clause = frozenset[Subject]
"""Subjects that together meet all conditions. No subjects: everybody."""

MAXIMUM_CLAUSES = 1000
"""Above this many clauses, over-approximate with the first condition."""


def subjects_of(people: People) -> Subjects:
    """Return the named groups and users."""
    groups: Iterable[Subject] = (("group", name) for name in people.groups)
    users: Iterable[Subject] = (("user", name) for name in people.users)
    return frozenset([*groups, *users])


def conditions_of(team: Team, profile: Profile | None = None) -> Conditions:
    """Return the conditions for starting a profile; without a profile, for belonging to the team."""
    deciding = subjects_of(team.leads) | subjects_of(team.deputies)
    conditions: list[Subjects] = []
    if not team.members.everyone:
        conditions.append(subjects_of(team.members) | deciding)
    if profile is not None and profile.visibility == "draft":
        conditions.append(deciding | subjects_of(profile.maintainers))
    if profile is not None and profile.only:
        conditions.append(frozenset(("group", name) for name in profile.only))
    return tuple(conditions)


@functools.lru_cache(8)  # a comparison asks for the same conditions once for each data role
def clauses_of(conditions: Conditions) -> tuple[Clause, ...]:
    """Return the smallest sets of subjects that meet all conditions."""
    if math.prod(map(len, conditions)) > MAXIMUM_CLAUSES:
        return tuple(frozenset([subject]) for subject in sorted(conditions[0]))
    combinations = {frozenset(combination) for combination in itertools.product(*conditions)}
    # A person is one user, so a clause with two users is impossible.
    possible = {clause for clause in combinations if sum(kind == "user" for kind, _ in clause) < 2}
    smallest = [clause for clause in possible if not any(part in possible for part in _proper_subsets(clause))]
    return tuple(sorted(smallest, key=lambda clause: (len(clause), sorted(clause))))


def _proper_subsets(clause: Clause) -> Iterable[Clause]:
    for size in range(len(clause)):
        yield from map(frozenset, itertools.combinations(clause, size))


def meets(clause: Clause, conditions: Conditions) -> bool:
    """Return whether a clause meets all conditions."""
    return all(not clause.isdisjoint(condition) for condition in conditions)


def clause_text(clause: Clause) -> str:
    """Return a clause in words: one group or user, or those that are needed together."""
    users_first = sorted(clause, key=lambda subject: (subject[0] == "group", subject[1]))
    return " with ".join(in_line(name) for _, name in users_first) or "everybody who signs in"


def people_of(team: str, catalog: Catalog) -> frozenset[str]:
    """Return the groups and users that belong to a team, in words."""
    entry = catalog.teams.get(team)
    return frozenset(map(clause_text, clauses_of(conditions_of(entry.value)))) if entry else frozenset()
