"""Who may do what with a proposal: one function for the page's buttons and for the deeds themselves. Pure."""

from dataclasses import dataclass
from typing import Literal, get_args

from allotment_hub.forges.records import StoredProposal
from allotment_profiles.access.people import ADMINISTRATORS, User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.problems import Refusal
from allotment_profiles.review.requirements import Requirement, can_meet

State = Literal["open", "approved", "conflict", "broken", "merged", "live", "rejected", "withdrawn"]
Action = Literal["comment", "approve", "reject", "merge", "withdraw", "update"]
ACTIONS: tuple[Action, ...] = get_args(Action)
_REVIEWING = ("approve", "reject", "merge")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who looks at the page or calls the API: a user, and whether the token may review."""

    user: User
    may_review: bool
    """Whether the token has the scope for reviewing; a session's token has not."""


@dataclass(frozen=True, slots=True)
class Case:
    """What the rights are judged from."""

    stored: StoredProposal
    state: State
    requirements: tuple[Requirement, ...]
    unmet: tuple[Requirement, ...]
    main: Catalog
    proposer: User
    automatic: tuple[str, ...] = ()
    """Why nobody has to approve, where the policy lets the proposer do without."""

    @property
    def merges_itself(self) -> bool:
        """Whether the policy stands in for every approval, so that the proposer merges."""
        own = self.stored.contributors == {self.stored.proposer}
        return own and bool(self.automatic) and not self.requirements

    def reviewed_by(self, user: User) -> bool:
        """Tell whether a user's approval would count for anything here."""
        return any(
            can_meet(requirement, user, self.main, self.proposer, self.stored.contributors)
            for requirement in self.requirements
        )


def actions(case: Case, reader: Actor) -> dict[Action, Refusal | None]:
    """Give each action: None where the reader may take it, else why not."""
    return {action: refusal_of(action, case, reader) for action in ACTIONS}


def refusal_of(action: Action, case: Case, reader: Actor) -> Refusal | None:
    """Say why a reader may not take an action, or give None."""
    if action == "comment":
        return None
    if case.stored.ending:
        return Refusal(
            "proposal-ended",
            "The proposal is not open any more.",
            f"It was {case.stored.ending.kind}.",
            "Propose again, from this one or from scratch.",
            status=409,
        )
    if action in ("withdraw", "update"):
        return (
            None
            if reader.user.name == case.stored.proposer
            else Refusal(
                "not-the-proposer",
                "This is for the one who proposed.",
                f"{case.stored.proposer} proposed it.",
                "Leave a comment instead.",
                case.stored.proposer,
            )
        )
    return _reviewing(action, case, reader)


def _reviewing(action: Action, case: Case, reader: Actor) -> Refusal | None:
    nobody = case.proposer.name if case.merges_itself else ADMINISTRATORS
    who = " and ".join(requirement.who for requirement in case.requirements) or nobody
    if not reader.may_review:
        return Refusal(
            "scope-missing",
            "A session can ask, not decide.",
            "Reviews need a sign-in of a person; this token comes from a session or lacks the scope.",
            "Open the proposal's page in a browser.",
            who,
        )
    own = reader.user.name == case.stored.proposer
    if own and action == "merge" and case.merges_itself:
        return _standing(action, case, reader)
    if own:
        return Refusal(
            "own-proposal",
            "Nobody reviews what they proposed themselves.",
            "Two people look at every change.",
            "Withdraw it, or ask one of those who decide.",
            who,
        )
    if not case.reviewed_by(reader.user) and not (reader.user.admin and action != "approve"):
        return Refusal(
            "not-a-reviewer",
            "This needs the right to review it.",
            "Your approval would not count for this change.",
            "Leave a comment instead.",
            who,
        )
    if action == "reject":
        return None
    return _standing(action, case, reader)


def _standing(action: Action, case: Case, reader: Actor) -> Refusal | None:
    """Say whether the proposal stands where it can be approved or merged."""
    proposer = case.stored.proposer
    if case.stored.branch != case.stored.head:
        return Refusal(
            "head-unrecorded",
            "The branch was moved past this page.",
            "What lies there was proposed by nobody.",
            f"{proposer} can propose again; that sets the branch.",
            proposer,
            409,
        )
    if case.state == "conflict":
        return Refusal(
            "conflict",
            "It no longer fits main.",
            "Main has changed the same lines meanwhile.",
            f"{proposer} can bring it up to date.",
            proposer,
            409,
        )
    if case.state == "broken":
        return Refusal(
            "problems",
            "It has problems.",
            "They are listed on the page.",
            f"{proposer} can correct them.",
            proposer,
            409,
        )
    if action == "approve" and any(record.by == reader.user.name for record in case.stored.approvals()):
        return Refusal(
            "already-approved",
            "You have approved it already.",
            "",
            "It can be merged when the others have, too.",
            status=409,
        )
    if action == "merge" and case.unmet:
        waiting = " and ".join(requirement.who for requirement in case.unmet)
        return Refusal(
            "approvals-missing",
            "It cannot be merged yet.",
            f"It waits for {waiting}.",
            "They can approve on this page.",
            waiting,
            409,
        )
    return None
