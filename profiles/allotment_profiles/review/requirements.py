"""Which approvals a set of changes needs, from whom and why; and who can give them. Pure."""

import dataclasses
from collections.abc import Container, Iterable
from dataclasses import dataclass

from allotment_profiles.access.people import ADMINISTRATORS, User, answers_for, leads, leads_of
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.review.automatic import automatic_of, automatic_paths
from allotment_profiles.review.changes import Change
from allotment_profiles.review.needs import Need, RequirementKind, needs_of

__all__ = [
    "Requirement", "RequirementKind", "addressed", "automatic_of", "can_meet", "missing", "requirements_of",
]  # fmt: skip

_ORDER: dict[RequirementKind, int] = {"lead": 0, "owner": 1, "administrator": 2}


@dataclass(frozen=True, slots=True)
class Requirement:
    """An approval that a change needs."""

    kind: RequirementKind
    team: str
    """The team whose leads approve; empty for administrators."""
    reasons: tuple[str, ...]
    """Why, one sentence each."""
    who: str
    """Who can give it, in words."""
    leads_only: bool = False
    """Whether a deputy cannot stand in."""
    or_administrator: bool = False
    """Whether an administrator may give it as well."""

    @property
    def key(self) -> str:
        """Stable, for machines: `lead:housing`, `administrator`."""
        return f"{self.kind}:{self.team}" if self.team else self.kind

    @property
    def text(self) -> str:
        """Who has to approve, and why."""
        return f"{self.who}: {' '.join(self.reasons)}"

    def as_dict(self) -> dict[str, object]:
        """Give the form that JSON answers carry."""
        return {
            "key": self.key,
            "kind": self.kind,
            "team": self.team,
            "who": self.who,
            "reasons": list(self.reasons),
            "text": self.text,
        }


def requirements_of(
    changes: Iterable[Change], before: Catalog, after: Catalog, proposer: User | None = None
) -> list[Requirement]:
    """Say which approvals the changes need, judged by main (`before`): a proposal cannot appoint its own reviewer.

    What is automatic for the proposer needs nobody; `automatic_of` says why. Without a proposer nothing is automatic.
    """
    changes = list(changes)
    automatic = automatic_paths(changes, before, after, proposer)
    needs: dict[tuple[RequirementKind, str], list[Need]] = {}
    for need in needs_of([change for change in changes if change.path not in automatic], before, after):
        # A team that is new has no leads on main yet: an administrator answers for it.
        known = need.kind == "administrator" or need.team in before.teams
        needs.setdefault((need.kind, need.team) if known else ("administrator", ""), []).append(need)
    return [
        _requirement(kind, team, needs[kind, team], before)
        for kind, team in sorted(needs, key=lambda key: (_ORDER[key[0]], key[1]))
    ]


def _requirement(kind: RequirementKind, team: str, needs: list[Need], main: Catalog) -> Requirement:
    """Put the needs of the same people together: the strictest of them decides who can stand in."""
    leads_only = any(need.leads_only for need in needs)
    or_administrator = kind == "lead" and all(need.or_administrator for need in needs)
    who = leads_of(main, team) if team else ADMINISTRATORS
    if or_administrator:
        who += f", or {ADMINISTRATORS}"
    reasons = tuple(dict.fromkeys(need.reason for need in needs))
    return Requirement(kind, team, reasons, who, leads_only, or_administrator)


def can_meet(
    requirement: Requirement, user: User, main: Catalog, proposer: User, contributors: Container[str] = ()
) -> bool:
    """Tell whether a user's approval meets a requirement.

    The proposer's never does, nor that of anybody who set a head of the proposal (`contributors`, by name). A deputy
    stands in for a lead, but where deputies are appointed. Where the proposer leads the team in question, an
    administrator may stand in for a lead, since the team may have no other; nobody but a deputy stands in for the
    owner of data.
    """
    if user.name == proposer.name or user.name in contributors:
        return False
    if requirement.kind == "administrator" or (user.admin and requirement.or_administrator):
        return user.admin
    team = main.teams.get(requirement.team)
    if team is None:
        return False
    if leads(user, team.value) or (not requirement.leads_only and answers_for(user, team.value)):
        return True
    return requirement.kind == "lead" and user.admin and leads(proposer, team.value)


def addressed(requirements: Iterable[Requirement], main: Catalog, proposer: User) -> tuple[Requirement, ...]:
    """Say in each requirement who can meet it when this user proposes: where the proposer leads, who stands in."""
    found = []
    for requirement in requirements:
        team = main.teams.get(requirement.team)
        stands_in = requirement.kind == "lead" and not requirement.or_administrator
        if stands_in and team and leads(proposer, team.value):
            who = f"another of {requirement.who}, or {ADMINISTRATORS} in their place"
            found.append(dataclasses.replace(requirement, who=who))
        else:
            found.append(requirement)
    return tuple(found)


def missing(
    requirements: Iterable[Requirement],
    approvers: Iterable[User],
    main: Catalog,
    proposer: User,
    contributors: Container[str] = (),
) -> list[Requirement]:
    """Give the requirements that no approver meets."""
    people = list(approvers)
    return [
        requirement
        for requirement in requirements
        if not any(can_meet(requirement, user, main, proposer, contributors) for user in people)
    ]
