"""Who may do what with a proposal. The page's buttons and the actions themselves ask the same function. Pure."""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.proposals.case import Case
from allotment_profiles.access.people import ADMINISTRATORS, User
from allotment_profiles.access.visibility import decides_about
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import DailyLimits, OpenProposals, Policy
from allotment_profiles.model.problems import Refusal
from allotment_profiles.model.values.quantities import format_memory

MAXIMUM_COMMENTS = 300
"""How many comments a proposal has, and how many its proposer or one of those who decide about it may write."""
MAXIMUM_OF_ONE = 50
"""How many comments anybody else may write on one proposal."""
ALWAYS_OF_ONE = 10
"""How many of these are left to each, however many comments of others there are."""
ADMINISTRATORS_TIMES = 10
"""How many times as much as others administrators may add in a day."""
DAY = dt.timedelta(days=1)

Action = Literal["approve", "reject", "merge", "withdraw", "update"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who opens a page or calls the API."""

    user: User
    may_review: bool
    """Whether the token has the scope for reviewing. The token of a session does not have it."""
    sign_in: str = ""
    """The secret of the browser's sign-in, by which the hub knows it; empty for a token without a browser."""
    server: str | None = None
    """The name of the session whose token it is, empty for the default one; None for every other token."""


def refusal_of(action: Action, case: Case, actor: Actor) -> Refusal | None:
    """Return why an action is refused, or None where it is allowed."""
    if action in ("withdraw", "update"):
        return refusal_to_change(case.stored, actor)
    return _ended(case.stored) or _reviewing(action, case, actor)


def refusal_to_change(stored: StoredProposal, actor: Actor) -> Refusal | None:
    """Return why an actor may not withdraw or update a proposal, or None. It need not be judged for that."""
    if stored.open and actor.user.name != stored.proposer:
        what, why = "Only the proposer can do this.", f"{stored.proposer} proposed it."
        return Refusal("not-the-proposer", what, why, "Leave a comment instead.", stored.proposer)
    return _ended(stored)


def refusal_to_revert(stored: StoredProposal) -> Refusal | None:
    """Return why a proposal cannot be undone, or None. Whoever may see it may propose that."""
    if stored.merged:
        return None
    why = "Main does not have what it proposes."
    return Refusal("not-merged", "Only a merged proposal can be undone.", why, "Leave it as it is.", status=409)


def refusal_to_redact(actor: Actor) -> Refusal | None:
    """Return why an actor may not redact a text, or None."""
    if not actor.user.admin:
        what, why = "You cannot redact this.", "Only administrators redact what others have written."
        return Refusal("not-an-administrator", what, why, "Ask an administrator.", ADMINISTRATORS)
    if not actor.may_review:
        what, why = "A session can ask, but not decide.", "This token is from a session, or lacks the scope."
        return Refusal("scope-missing", what, why, "Open the proposal's page in a browser.", ADMINISTRATORS)
    return None


def refusal_to_comment(stored: StoredProposal, actor: Actor, *, decides: bool) -> Refusal | None:
    """Return why an actor may not comment, or None. Others never keep the proposer and those who decide from it."""
    name = actor.user.name
    # Those of people on a forge whom the hub does not know have a limit of their own.
    comments = [record.by for record in stored.records if record.kind == "commented" and record.by]
    own, concerned = comments.count(name), decides or actor.user.admin or name == stored.proposer
    if stored.ending and not concerned and all(record.by != name for record in stored.records):
        what, why = "The conversation has ended.", f"The proposal was {stored.ending.kind}, and you took no part in it."
        return Refusal("proposal-ended", what, why, f"Ask {stored.proposer}.", stored.proposer, 409)
    remedy = "Continue elsewhere, or make a new proposal."
    if own >= (MAXIMUM_COMMENTS if concerned else MAXIMUM_OF_ONE):
        why = f"You have written {own} comments on this proposal."
        return Refusal("conversation-full", "You cannot add another comment.", why, remedy, status=409)
    if not concerned and own >= ALWAYS_OF_ONE and len(comments) >= MAXIMUM_COMMENTS:
        why = f"It has {len(comments)} comments, and you have written {own} of them."
        return Refusal("conversation-full", "The conversation is full.", why, remedy, status=409)
    return None


def may_reject(stored: StoredProposal, paths: Iterable[str], catalog: Catalog, actor: Actor) -> bool:
    """Return whether an actor may reject a proposal however it is judged: they decide about one of its files.

    Those whose approval would count may reject it, too.
    """
    decides = any(decides_about(actor.user, path, catalog) for path in paths)
    return stored.open and actor.may_review and actor.user.name != stored.proposer and decides


def refusal_to_add(records: int, sent: int, actor: Actor, limits: DailyLimits, size: int = 0) -> Refusal | None:
    """Return why an actor may not add another record with files of a size, or None.

    `records` and `sent` are the proposals, updates and comments that they have sent within a day, and their bytes.
    What is decided (approved, rejected, merged, withdrawn) is never too much.
    """
    times = ADMINISTRATORS_TIMES if actor.user.admin else 1
    allowed, most = times * limits.records, times * limits.size
    if records >= allowed:
        why = f"You have sent {records} proposals, updates and comments in 24 hours; {allowed} are allowed."
    elif size and sent + size > most:
        why = f"With it, you would have proposed {sent + size} bytes in 24 hours; {format_memory(most)} are allowed."
    else:
        return None
    remedy = "Wait until tomorrow, or ask an administrator for larger `daily_limits` in the policy."
    return Refusal("daily-limit", "This is too much for one day.", why, remedy, ADMINISTRATORS, 409)


def refusal_to_open(actor: Actor, still_open: Collection[StoredProposal], policy: Policy | None) -> Refusal | None:
    """Return why so many proposals are open that an actor may not open another one, or None."""
    what, limits = "This cannot be proposed.", (policy.open_proposals if policy else None) or OpenProposals()
    own = sum(stored.proposer == actor.user.name for stored in still_open)
    if own >= limits.person:
        why = f"You have {own} open proposals; {limits.person} are allowed."
        return Refusal("proposals-many", what, why, "Withdraw one, or wait until one is decided.", status=409)
    # Administrators end what should not be open, so a full list does not stop them.
    if len(still_open) >= limits.total and not actor.user.admin:
        why = f"{len(still_open)} proposals are open; {limits.total} are allowed."
        return Refusal("proposals-many", what, why, "Ask an administrator to end some.", ADMINISTRATORS, 409)
    return None


def _ended(stored: StoredProposal) -> Refusal | None:
    if stored.ending is None:
        return None
    why, remedy = f"It was {stored.ending.kind}.", "Propose again, from this one or from scratch."
    return Refusal("proposal-ended", "The proposal is not open any more.", why, remedy, status=409)


def _reviewing(action: Action, case: Case, actor: Actor) -> Refusal | None:
    decides = case.proposer.name if case.merges_itself else ADMINISTRATORS
    who = " and ".join(requirement.who for requirement in case.requirements) or decides
    if not actor.may_review:
        what = "A session can ask, but not decide."
        why = "Reviews need a person who is signed in. This token is from a session, or lacks the scope."
        return Refusal("scope-missing", what, why, "Open the proposal's page in a browser.", who)
    if actor.user.name == case.stored.proposer:
        if action == "merge" and case.merges_itself:
            return _not_ready(action, case, actor)
        what, why = "You cannot review your own proposal.", "Two people look at every change."
        return Refusal("own-proposal", what, why, "Withdraw it, or ask one of those who decide.", who)
    decides_anyway = action == "reject" or not case.check.made
    if not case.reviewed_by(actor.user) and not (
        (actor.user.admin and action != "approve")
        or (decides_anyway and may_reject(case.stored, case.paths, case.main, actor))
    ):
        what = "You are not a reviewer of this change."
        return Refusal("not-a-reviewer", what, "Your approval would not count.", "Leave a comment instead.", who)
    return None if action == "reject" else _not_ready(action, case, actor)


def _not_ready(action: Action, case: Case, actor: Actor) -> Refusal | None:
    """Return why the proposal cannot be approved or merged as it is now, or None."""
    proposer = case.stored.proposer
    if case.stored.branch != case.stored.head:
        why, remedy = "Its content has no proposer.", f"{proposer} can propose again; that sets the branch."
        if case.stored.records[0].kind == "adopted":
            remedy = f"{proposer} can propose it on the page that the comment on its pull request links to."
        return Refusal("head-unrecorded", "Someone pushed to this branch outside the hub.", why, remedy, proposer, 409)
    if case.state == "conflict":
        what, why = "It conflicts with main.", f"Main has changed {', '.join(case.judgement.conflicts)} since."
        return Refusal("conflict", what, why, f"{proposer} can bring it up to date.", proposer, 409)
    if case.state == "broken":
        what = "It has problems."
        return Refusal("problems", what, "They are listed on the page.", f"{proposer} can correct them.", proposer, 409)
    if action == "approve" and any(record.by == actor.user.name for record in case.approvals):
        remedy = "It can be merged once the others have approved it."
        return Refusal("already-approved", "You have approved it already.", "", remedy, status=409)
    if action == "merge" and case.unmet:
        waiting = " and ".join(requirement.who for requirement in case.unmet)
        what, why = "It cannot be merged yet.", f"It waits for {waiting}."
        return Refusal("approvals-missing", what, why, "They can approve on this page.", waiting, 409)
    return None
