"""Who a profile is for, as groups and users: by the rules' conditions on a user's name and groups. Pure."""

import itertools
import math
from collections.abc import Iterable
from typing import Literal

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import People, Profile, Team

Atom = tuple[Literal["group", "user"], str]
"""Being in a group, or being a user."""
Audience = tuple[frozenset[Atom], ...]
"""Conditions that all have to hold; each holds for whoever is one of its atoms. None at all: everybody."""
Clause = frozenset[Atom]
"""Atoms that together are enough; none at all: everybody."""

MAXIMUM_CLAUSES = 5000
"""From so many combinations on, people are named by the first condition alone: too many, never too few."""


def atoms(people: People) -> frozenset[Atom]:
    """Give the groups and users that are named."""
    groups: Iterable[Atom] = (("group", name) for name in people.groups)
    users: Iterable[Atom] = (("user", name) for name in people.users)
    return frozenset([*groups, *users])


def audience(team: Team, profile: Profile | None = None) -> Audience:
    """Give the conditions for starting a profile; without one, for belonging to the team."""
    deciding = atoms(team.leads) | atoms(team.deputies)
    conditions: list[frozenset[Atom]] = []
    if not team.members.everyone:
        conditions.append(atoms(team.members) | deciding)
    if profile is not None and profile.visibility == "draft":
        conditions.append(deciding | atoms(profile.maintainers))
    if profile is not None and profile.only:
        conditions.append(frozenset(("group", name) for name in profile.only))
    return tuple(conditions)


def clauses(conditions: Audience) -> tuple[Clause, ...]:
    """Give the smallest combinations of atoms that meet all conditions."""
    if math.prod(map(len, conditions)) > MAXIMUM_CLAUSES:
        return tuple(frozenset([atom]) for atom in sorted(conditions[0]))
    found = {frozenset(combination) for combination in itertools.product(*conditions)}
    possible = {each for each in found if sum(kind == "user" for kind, _ in each) < 2}
    smallest = [each for each in possible if not any(part in possible for part in _smaller(each))]
    return tuple(sorted(smallest, key=lambda each: (len(each), sorted(each))))


def _smaller(clause: Clause) -> Iterable[Clause]:
    for size in range(len(clause)):
        yield from map(frozenset, itertools.combinations(clause, size))


def meets(clause: Clause, conditions: Audience) -> bool:
    """Tell whether a clause is enough for all conditions."""
    return all(not clause.isdisjoint(condition) for condition in conditions)


def in_words(clause: Clause) -> str:
    """Name a clause: one group or user, or what has to come together."""
    users_first = sorted(clause, key=lambda atom: (atom[0] == "group", atom[1]))
    return " with ".join(name for _, name in users_first) or "everybody who signs in"


def people_of(team: str, catalog: Catalog) -> frozenset[str]:
    """Name the groups and users that belong to a team."""
    entry = catalog.teams.get(team)
    return frozenset(map(in_words, clauses(audience(entry.value)))) if entry else frozenset()
