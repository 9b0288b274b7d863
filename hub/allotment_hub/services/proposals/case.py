"""A proposal as judged: the one value that its page shows, and that approvals and merges are decided from. Pure."""

import datetime as dt
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from allotment_hub.forges.stored_proposal import Candidate, StoredProposal
from allotment_hub.services.judging.checking import Check
from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.paths import file_ref
from allotment_profiles.records.record import Record
from allotment_profiles.review.approvals import Requirement, addressed, can_meet, missing

State = Literal["open", "approved", "conflict", "broken", "merged", "live", "rejected", "withdrawn"]


@dataclass(frozen=True, slots=True)
class CaseKey:
    """Everything that a judgement depends on. While it is the same, the judgement holds."""

    main: str
    """The commit that the policy, the teams and the data are taken from."""
    head: str
    """The commit that is judged."""
    day: dt.date
    """The clock of the rules, UTC. A check gets no finer time."""
    keys: str
    """The keys whose signatures count: they decide what applies on main."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known about a proposal before anybody is asked who the people are."""

    key: CaseKey
    check: Check | None
    """None where the proposal conflicts with main."""
    conflicts: tuple[str, ...] = ()
    """The files that main has changed since as well."""
    candidate: Candidate | None = None
    """What a merge puts on main. None where there is a conflict, and where the proposal has ended."""
    removals: tuple[str, ...] = ()
    """The files that a merge removes: so many that it has to be confirmed."""
    digest: str = ""
    """What an approval and a merge are of. Empty where there is a conflict, and where the proposal has ended."""
    sealed: str = ""
    """The digest as readers get it, and send it back with a decision."""


def counting_approvals(stored: StoredProposal, judgement: Judgement) -> list[Record]:
    """Return the approvals of what was judged: of an ended proposal, at its end."""
    if stored.unreviewed:
        return []
    if stored.ending:
        return stored.approvals(stored.ending.digest)
    return stored.approvals(judgement.digest) if judgement.digest else []


@dataclass(frozen=True)
class Case:
    """A judged proposal with the people of the moment."""

    stored: StoredProposal
    judgement: Judgement
    check: Check
    """The check of the merge. In a conflict, the check against the main that the proposal was made from."""
    main: Catalog
    """The catalog whose teams decide who may approve."""
    proposer: User
    approvers: tuple[User, ...]
    """Who approved exactly this, as far as the hub still knows them."""
    required: tuple[Requirement, ...] = ()
    """The approvals that it needs when this proposer proposes it, addressed to nobody yet."""
    paths: frozenset[str] = frozenset()
    """The files that it touches."""
    automatic: tuple[str, ...] = ()
    """Why the policy stands in for approvals; empty where it does not."""
    live: bool = False
    """Whether its merge is part of the catalog that applies."""

    @functools.cached_property
    def approvals(self) -> tuple[Record, ...]:
        """The approvals of exactly this: in a proposal that has ended, of what was merged."""
        return tuple(counting_approvals(self.stored, self.judgement))

    @functools.cached_property
    def requirements(self) -> tuple[Requirement, ...]:
        """The approvals that it needs."""
        if self.stored.ending and self.automatic:
            return ()
        return addressed(self.required, self.check.before, self.proposer)

    @functools.cached_property
    def met(self) -> Mapping[str, tuple[str, ...]]:
        """Who met each requirement, by its key."""
        return {
            requirement.key: tuple(user.name for user in self.approvers if self.can_meet(requirement, user))
            for requirement in self.requirements
        }

    @functools.cached_property
    def unmet(self) -> tuple[Requirement, ...]:
        """The requirements that nobody has met yet."""
        if self.stored.ending and self.stored.ending.kind == "merged":
            return ()
        contributors = self.stored.contributors
        return tuple(missing(self.requirements, self.approvers, self.main, self.proposer, contributors))

    @property
    def state(self) -> State:
        """Where the proposal stands."""
        ending = self.stored.ending
        if ending:
            if ending.kind == "merged":
                return "live" if self.live else "merged"
            return "rejected" if ending.kind == "rejected" else "withdrawn"
        if self.judgement.conflicts:
            return "conflict"
        if self.check.errors:
            return "broken"
        return "open" if self.unmet else "approved"

    @property
    def completed_by(self) -> User | None:
        """Whose approval was the last one that was needed; None while one is missing, and where none is needed."""
        contributors = self.stored.contributors
        for count in range(1, len(self.approvers) + 1) if self.requirements else ():
            given = self.approvers[:count]
            if not missing(self.requirements, given, self.main, self.proposer, contributors):
                return given[-1]
        return None

    @property
    def needs_fresh_sign_in(self) -> bool:
        """Whether whoever approves or merges it has to sign in anew for that, as main says now."""
        policy = self.check.before.policy
        return self.check.needs_sign_in and (policy is None or policy.value.fresh_sign_in is not None)

    @property
    def merges_when_approved(self) -> bool:
        """Whether the service merges it as soon as all approvals are there: the teams of all its files say so on main.

        What a person has to look at once more waits for that person: many removals, and what needs a new sign-in.
        """
        check, candidate = self.judgement.check, self.judgement.candidate
        if check is None or candidate is None or not self.requirements:
            return False
        if self.judgement.removals or self.needs_fresh_sign_in or check.errors:
            return False
        paths = {*self.paths, *(each.path for each in candidate.changes), *(each.path for each in check.changes)}
        return all(_merges_when_approved(path, check) for path in paths)

    @property
    def merges_itself(self) -> bool:
        """Whether the policy stands in for every approval, so that the proposer merges."""
        own = self.stored.contributors == {self.stored.proposer}
        return own and bool(self.automatic) and not self.requirements

    def can_meet(self, requirement: Requirement, user: User) -> bool:
        """Whether a user's approval meets a requirement."""
        return can_meet(requirement, user, self.main, self.proposer, self.stored.contributors)

    def reviewed_by(self, user: User) -> bool:
        """Whether a user's approval counts for anything here."""
        return any(self.can_meet(requirement, user) for requirement in self.requirements)


def _merges_when_approved(path: str, check: Check) -> bool:
    """Return whether those whom a file is of want it to be merged as soon as it is approved, as main says now."""
    ref, main = file_ref(path), check.before
    if ref is None or ref.kind == "policy":
        return False
    teams = {ref.id.partition("/")[0]}
    if ref.kind == "data role":
        versions = [catalog.data_roles[ref.id] for catalog in (main, check.after) if ref.id in catalog.data_roles]
        teams = {entry.value.owner for entry in versions}
    entries = [main.teams.get(team) for team in teams]
    # A file of a team whose newest version is not valid says nothing now.
    valid = all(entry and not entry.outdated_since and entry.value.merge == "when-approved" for entry in entries)
    return bool(entries) and valid
