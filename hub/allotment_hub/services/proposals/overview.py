"""All proposals at a glance: which wait for the reader, which are the reader's own, and the rest."""

import asyncio
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from allotment_hub.forges.records import StoredProposal
from allotment_hub.services.proposals.checking import Check
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.rights import Actor
from allotment_profiles.access.people import User
from allotment_profiles.review.requirements import can_meet, missing


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
    drafts: Mapping[str, str]
    """Branches that were pushed without the service: id → commit."""

    @property
    def for_me(self) -> list[Line]:
        """What waits for the reader."""
        return [line for line in self.lines if line.for_me]

    @property
    def mine(self) -> list[Line]:
        """What the reader has proposed."""
        return [line for line in self.lines if line.mine]


async def overview(proposals: Proposals, reader: Actor) -> Overview:
    """List all proposals; open ones are judged, each once for every head and main, and people are asked for once."""
    stored = await proposals.readable(reader.user)
    names = {name for each in stored if each.open for name in (each.proposer, *(r.by for r in each.approvals()))}
    people = {user.name: user for user in await proposals.directory.users(sorted(names))}
    lines = [await _line(proposals, each, reader, people) for each in stored]
    return Overview(tuple(lines), await asyncio.to_thread(proposals.forge.unrecorded))


async def _line(proposals: Proposals, stored: StoredProposal, reader: Actor, people: Mapping[str, User]) -> Line:
    state: str = stored.ending.kind if stored.ending else ""
    waits_for, for_me = "", False
    if stored.open:
        judged = await proposals.judged(stored)
        state, waits_for, for_me = _standing(judged, stored, reader, people)
    return Line(
        id=stored.id,
        title=stored.current.title,
        proposer=stored.proposer,
        state=state,
        waits_for=waits_for,
        updated=stored.records[-1].time,
        mine=stored.proposer == reader.user.name,
        for_me=for_me,
    )


def _standing(
    judged: Check | tuple[str, ...], stored: StoredProposal, reader: Actor, people: Mapping[str, User]
) -> tuple[str, str, bool]:
    own = stored.proposer == reader.user.name
    if not isinstance(judged, Check):
        return "conflict", stored.proposer, own
    if judged.errors:
        return "broken", stored.proposer, own
    main, user = judged.before, reader.user
    proposer = people.get(stored.proposer, User(stored.proposer, frozenset()))
    approvers = [people[record.by] for record in stored.approvals() if record.by in people]
    needed, contributors = judged.required_of(proposer), stored.contributors
    unmet = missing(needed, approvers, main, proposer, contributors)
    if not needed and judged.automatic_for(proposer):
        return "approved", f"{stored.proposer} to merge it", own and reader.may_review
    if unmet:
        can = any(can_meet(each, user, main, proposer, contributors) for each in unmet) and reader.may_review
        return "open", " and ".join(each.who for each in unmet), can
    can = any(can_meet(each, user, main, proposer, contributors) for each in needed) or (user.admin and not own)
    return "approved", "somebody to merge it", can and reader.may_review
