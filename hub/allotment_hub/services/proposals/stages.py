"""The stages of a proposal on its way to a session, with who and when, and what it waits for. Pure."""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from allotment_hub.services.proposals.case import Case


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage on the way from a proposal to a session."""

    name: str
    """`proposed`, `checked`, `approved`, `merged`, `live`, `first start`; or `rejected`, `withdrawn`."""
    state: Literal["done", "now", "later", "failed"]
    text: str = ""
    """Who, or what is missing."""
    time: dt.datetime | None = None


def stages_of(case: Case, *, offered: bool, started: Stage | None) -> list[Stage]:
    """Return the stages. `offered`: whether it leads to sessions; `started`: the stage of the first one."""
    stored, state = case.stored, case.state
    current, ending = stored.current, stored.ending
    stages = [Stage("proposed", "done", f"by {stored.proposer}", current.time), _checked(case)]
    if ending and ending.kind in ("rejected", "withdrawn"):
        return [*stages, Stage(ending.kind, "failed", f"by {ending.by}", ending.time)]
    approved = state in ("approved", "merged", "live")
    stages.append(_approved(case, approved=approved))
    if ending is None:
        stages.append(Stage("merged", "now" if approved else "later"))
        stages.append(Stage("live", "later"))
        return [*stages, Stage("first start", "later")] if offered else stages
    live = state == "live"
    by = ending.by or (ending.source.login if ending.source else "")
    stages.append(Stage("merged", "done", f"by {by}" if by else "", ending.time))
    stages.append(Stage("live", "done" if live else "now", "", ending.time if live else None))
    return [*stages, started or Stage("first start", "now" if live else "later")] if offered else stages


def _checked(case: Case) -> Stage:
    if case.state == "conflict":
        return Stage("checked", "failed", "main has changed the same files")
    if case.check.errors:
        return Stage("checked", "failed", "it has problems")
    return Stage("checked", "done", "no problems", case.stored.current.time)


def _approved(case: Case, *, approved: bool) -> Stage:
    if case.stored.unreviewed:
        return Stage("approved", "failed", "not reviewed here")
    if not approved:
        waiting = "; ".join(requirement.who for requirement in case.unmet)
        now: Literal["now", "later"] = "now" if case.state == "open" else "later"
        return Stage("approved", now, f"waits for {waiting}" if waiting else "")
    approvals = case.approvals
    who = ", ".join(record.by for record in approvals)
    text = f"by {who}" if who else "by the policy" if case.merges_itself else ""
    return Stage("approved", "done", text, approvals[-1].time if approvals else case.stored.current.time)


def waiting(case: Case) -> tuple[str, dt.datetime]:
    """Return what a proposal waits for, and since when."""
    stored, state = case.stored, case.state
    approvals = case.approvals
    since = stored.ending.time if stored.ending else stored.current.time
    if stored.open and stored.branch != stored.head:
        return f"{stored.proposer}, to propose what somebody pushed", since
    if state == "open":
        return "an approval by " + " and by ".join(requirement.who for requirement in case.unmet), since
    if state == "approved":
        anybody = "the service to merge it" if case.merges_when_approved else "somebody to merge it"
        who = f"{stored.proposer} to merge it" if case.merges_itself else anybody
        return who, approvals[-1].time if approvals else since
    if state in ("conflict", "broken"):
        what = "bring it up to date with main" if state == "conflict" else "correct its problems"
        return f"{stored.proposer}, to {what}", since
    if stored.unreviewed and state == "merged":
        return "administrators to confirm it, if it is quarantined", since
    return ("the hub to take it up" if state == "merged" else "nobody"), since
