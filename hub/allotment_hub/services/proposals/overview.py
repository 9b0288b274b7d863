"""The list of proposals: which wait for the reader, which are their own, and the rest.

A proposal has to be judged for its state (open, approved, in conflict, with problems), for what it waits for, and to
say that it waits for the reader. The list shows at once what is known of that, and which are still being checked.
"""

import asyncio
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.proposals.case import Judgement
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.readable import MAXIMUM_LOOKED_THROUGH
from allotment_hub.services.proposals.rights import Actor
from allotment_profiles.access.people import User, answers_for
from allotment_profiles.access.visibility import decides_about

CHECKING = "checking"
JUDGED = 50
"""How many proposals are judged for each list of a page."""


@dataclass(frozen=True, slots=True)
class Line:
    """One proposal as a line of a list."""

    id: str
    title: str
    proposer: str
    state: str
    """`open`, `approved`, `conflict`, `broken`, or how it ended; `checking` while none of these is known."""
    waits_for: str
    updated: dt.datetime
    mine: bool
    for_me: bool
    """Whether the reader can bring it forward: with an approval that counts, or with the merge."""
    unreviewed: bool = False
    """Whether it was merged with the forge's own button, and not as it was judged and approved here."""


@dataclass(frozen=True)
class Overview:
    """The lists of the page."""

    lines: tuple[Line, ...]
    """The lines of the part of the list that is shown."""
    before: int
    """Where the next part begins; 0 where there is none."""
    for_me: tuple[Line, ...]
    """The proposals that wait for the reader, of the `JUDGED` that most likely do."""
    checking: int
    """How many more may wait for the reader: they are still being checked."""
    mine: tuple[Line, ...]
    """The reader's own proposals, at most `JUDGED`."""
    branches: Mapping[str, str]
    """To administrators, the first branches below `propose/` that were pushed outside the hub: name → commit."""
    more_branches: int = 0
    """How many others there are."""


async def overview(proposals: Proposals, reader: Actor, *, state: str = "", before: int = 0) -> Overview:
    """List proposals: a part of those in a state, the reader's own, and those that wait for the reader."""
    main = await proposals.main()  # first: what is still open afterwards was open on it
    part = await proposals.readable(reader.user, state=state, before=before, limit=JUDGED)
    own = (await proposals.readable(reader.user, proposer=reader.user.name, limit=JUDGED)).proposals
    likely = await _likely(proposals, reader)
    wanted = {stored.id: stored for stored in (*own, *likely, *part.proposals)}
    still_open = [stored for stored in wanted.values() if stored.open]
    await asyncio.to_thread(proposals.forge.prepare, still_open, main)
    people = await proposals.people(still_open)
    known = await proposals.judgements.known(still_open, main, people)
    lines = {id_: await _line(proposals, stored, known.get(id_), people, reader) for id_, stored in wanted.items()}
    branches = sorted((await asyncio.to_thread(proposals.forge.unrecorded)).items()) if reader.user.admin else []
    newest_first = sorted((lines[id_] for id_ in wanted), key=lambda line: line.updated, reverse=True)
    return Overview(
        lines=tuple(lines[stored.id] for stored in part.proposals),
        before=part.before,
        for_me=tuple(line for line in newest_first if line.for_me),
        checking=sum(lines[stored.id].state == CHECKING for stored in likely),
        mine=tuple(lines[stored.id] for stored in own),
        branches=dict(branches[:JUDGED]),
        more_branches=len(branches[JUDGED:]),
    )


async def waiting(proposals: Proposals, reader: Actor) -> tuple[int, int]:
    """Return how many open proposals wait for a reader, and how many more may: those are still being checked.

    Their own ones wait for them where only they can bring them forward. The lists of the page say the same.
    """
    main = await proposals.main()  # first, as for the lists
    own = await proposals.readable(reader.user, state="open", proposer=reader.user.name, limit=JUDGED)
    wanted = [*own.proposals, *await _likely(proposals, reader)]
    await asyncio.to_thread(proposals.forge.prepare, wanted, main)
    people = await proposals.people(wanted)
    known = await proposals.judgements.known(wanted, main, people)
    lines = [await _line(proposals, stored, known.get(stored.id), people, reader) for stored in wanted]
    return sum(line.for_me for line in lines), sum(line.state == CHECKING for line in lines)


async def _likely(proposals: Proposals, reader: Actor) -> list[StoredProposal]:
    """Return the open proposals that most likely wait for a reader, judging none: those of their files first."""
    catalog, user = proposals.catalog, reader.user
    leads = any(answers_for(user, team.value) for team in catalog.teams.values())
    if not reader.may_review or not (leads or user.admin):
        return []
    readable = await proposals.readable(user, state="open", limit=MAXIMUM_LOOKED_THROUGH)
    others = [stored for stored in readable.proposals if stored.proposer != user.name]
    touched = await proposals.touched(others)
    about = {id_: any(decides_about(user, path, catalog) for path in paths) for id_, paths in touched.items()}
    return sorted(others, key=lambda stored: not about[stored.id])[:JUDGED]


async def _line(
    proposals: Proposals, stored: StoredProposal, known: Judgement | None, people: Mapping[str, User], reader: Actor
) -> Line:
    state, waits_for, for_me = await _standing(proposals, stored, known, people, reader)
    return Line(
        id=stored.id,
        title=stored.current.title,
        proposer=stored.proposer,
        state=state,
        waits_for=waits_for,
        updated=stored.records[-1].time,
        mine=stored.proposer == reader.user.name,
        for_me=for_me,
        unreviewed=stored.unreviewed,
    )


async def _standing(
    proposals: Proposals, stored: StoredProposal, known: Judgement | None, people: Mapping[str, User], reader: Actor
) -> tuple[str, str, bool]:
    """Return the state of a proposal, what it waits for, and whether this reader can bring it forward."""
    if stored.ending or known is None:
        return (stored.ending.kind if stored.ending else CHECKING), "", False
    own = stored.proposer == reader.user.name
    if known.conflicts:
        return "conflict", stored.proposer, own
    case, user = await proposals.case(stored, reader.user, known, people), reader.user
    case = await proposals.told(case, user)
    if case.state == "broken":
        return "broken", stored.proposer, own
    if case.merges_itself:
        return "approved", f"{stored.proposer} to merge it", own and reader.may_review
    if case.unmet:
        can = any(case.can_meet(requirement, user) for requirement in case.unmet)
        return "open", " and ".join(requirement.who for requirement in case.unmet), can and reader.may_review
    can = case.reviewed_by(user) or (user.admin and not own)
    waits_for = "the service to merge it" if case.merges_when_approved else "somebody to merge it"
    return "approved", waits_for, can and reader.may_review
