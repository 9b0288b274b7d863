"""The list of proposals: which wait for the reader, which are their own, and the rest."""

import asyncio
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from allotment_hub.forges.records import StoredProposal
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.rights import Actor
from allotment_profiles.access.people import User


@dataclass(frozen=True, slots=True)
class Line:
    """One proposal as a line of a list."""

    id: str
    title: str
    proposer: str
    state: str
    """`open`, `approved`, `conflict`, `broken`, or how it ended."""
    waits_for: str
    updated: dt.datetime
    mine: bool
    for_me: bool
    """Whether the reader can bring it forward: with an approval that counts, or with the merge."""


@dataclass(frozen=True)
class Overview:
    """The lists of the page."""

    lines: tuple[Line, ...]
    branches: Mapping[str, str]
    """Branches below `propose/` that were pushed outside the hub: name → commit."""

    @property
    def for_me(self) -> list[Line]:
        """The proposals that wait for the reader."""
        return [line for line in self.lines if line.for_me]

    @property
    def mine(self) -> list[Line]:
        """The reader's own proposals."""
        return [line for line in self.lines if line.mine]


async def overview(proposals: Proposals, reader: Actor) -> Overview:
    """List all proposals. Main is looked up once, and the people are asked for once."""
    main = await proposals.main()  # first: what is still open afterwards was open on it
    readable = await proposals.readable(reader.user)
    people = await proposals.people(stored for stored in readable if stored.open)
    lines = []
    for stored in readable:
        state, waits_for, for_me = await _standing(proposals, stored, main, people, reader)
        line = Line(
            id=stored.id,
            title=stored.current.title,
            proposer=stored.proposer,
            state=state,
            waits_for=waits_for,
            updated=stored.records[-1].time,
            mine=stored.proposer == reader.user.name,
            for_me=for_me,
        )
        lines.append(line)
    return Overview(tuple(lines), await asyncio.to_thread(proposals.forge.unrecorded))


async def _standing(
    proposals: Proposals, stored: StoredProposal, main: str, people: Mapping[str, User], reader: Actor
) -> tuple[str, str, bool]:
    """Return the state of a proposal, what it waits for, and whether this reader can bring it forward."""
    if stored.ending:
        return stored.ending.kind, "", False
    own = stored.proposer == reader.user.name
    judgement = await proposals.judgement(stored, main)
    if judgement.conflicts:
        return "conflict", stored.proposer, own
    case, user = await proposals.case(stored, judgement, people), reader.user
    if case.state == "broken":
        return "broken", stored.proposer, own
    if case.merges_itself:
        return "approved", f"{stored.proposer} to merge it", own and reader.may_review
    if case.unmet:
        can = any(case.can_meet(requirement, user) for requirement in case.unmet)
        return "open", " and ".join(requirement.who for requirement in case.unmet), can and reader.may_review
    can = case.reviewed_by(user) or (user.admin and not own)
    return "approved", "somebody to merge it", can and reader.may_review
