"""Reading proposals: judging them against main, and what one reader sees of one of them."""

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import get_args

from allotment_hub.forges.heads import drop_oldest
from allotment_hub.forges.landing import spans
from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.approvers import Approvers
from allotment_hub.services.event_reader import EventReader
from allotment_hub.services.hub_api import Directory
from allotment_hub.services.judging.advice import Channels, advice_on, no_channels
from allotment_hub.services.judging.catching_up import Updated
from allotment_hub.services.judging.checking import MAXIMUM_SHOWN, ChangeChecker, Check
from allotment_hub.services.proposals.case import Case, CaseKey, Judgement, counting_approvals
from allotment_hub.services.proposals.digest import Lapsed, first_texts, sentences_of
from allotment_hub.services.proposals.judgements import Judgements
from allotment_hub.services.proposals.readable import ReadableProposals
from allotment_hub.services.proposals.rights import (
    Action,
    Actor,
    refusal_of,
    refusal_to_comment,
    refusal_to_redact,
    refusal_to_revert,
)
from allotment_hub.services.proposals.sights import (
    MainNow,
    Sights,
    records_of,
    shown,
    sights_of,
    texts_seen,
    without_others,
)
from allotment_hub.services.proposals.stages import Stage, stages_of, waiting
from allotment_hub.services.visibility import as_new, redacted
from allotment_profiles.access.people import User
from allotment_profiles.access.visibility import Sight, decides_about
from allotment_profiles.git.commits import Commit
from allotment_profiles.model.paths import file_ref
from allotment_profiles.model.problems import Refusal
from allotment_profiles.records.evidence import RecordedEvidence
from allotment_profiles.records.record import Record
from allotment_profiles.review.automatic import ACTIONS, ENDING
from allotment_profiles.review.changes import Change
from allotment_profiles.store.watcher import CatalogWatcher

_Sides = tuple[dict[str, bytes | None], dict[str, bytes]]
"""The files of a proposal as proposed (None: removed), and as they were."""
MAXIMUM_KEPT = 200
"""How many proposals' files are kept in memory, for pages that show them."""
AUTOMATIC = "policy (automatic: "
"""How the message of a merge names the approval where the policy stands in for one."""


@dataclass(frozen=True)
class ProposalView:
    """One proposal as one reader sees it."""

    case: Case
    check: Check
    """The check without the values that the reader may not see."""
    files: Mapping[str, bytes | None]
    """What is proposed: path → content, None where the file is removed."""
    seen: tuple[str, ...]
    """The paths whose proposed text the reader may see; of a file that is removed, the text before."""
    news_only: tuple[str, ...]
    """Those of them whose text before the reader may not see. Their difference shows the proposed text as new."""
    base: str
    """The commit of main that the difference is shown against."""
    difference: str
    """The unified difference of the files that the reader may see."""
    steps: tuple[Stage, ...]
    waits_for: str
    since: dt.datetime
    """Since when it waits for that."""
    actions: Mapping[str, Refusal | None]
    """For each action None where the reader may take it, otherwise why not."""
    lapsed: Lapsed | None = None
    """The reader's approval, or else the last one, where it does not count any more."""
    records: tuple[Record, ...] = ()
    evidence: tuple[RecordedEvidence, ...] = ()
    """What the session of the proposer said last, and the outcomes of trials, the newest first."""
    collisions: tuple[Change, ...] = ()
    """In a conflict, the first keys that both have changed; without any, one click carries it over."""
    totals: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """How many changes, accesses, starts and collisions there are, shown or not."""
    undoes: StoredProposal | None = None
    """The merged proposal that it undoes, where the reader may know of it."""
    undone_by: tuple[StoredProposal, ...] = ()
    """The open and merged proposals that undo it and that the reader may know of, the newest first."""


def profiles_in(files: Iterable[str]) -> list[str]:
    """Return the ids of the profiles among changed files."""
    return [ref.id for ref in map(file_ref, files) if ref and ref.kind == "profile"]


class Proposals(ReadableProposals):
    """Judges proposals against main as it is now, and shows them."""

    def __init__(
        self,
        forge: PlainGitForge,
        checking: ChangeChecker,
        directory: Directory,
        watcher: CatalogWatcher,
        events: EventReader,
    ) -> None:
        super().__init__(forge, watcher)
        self.approvers = Approvers(directory)
        self._checking = checking
        self._directory = directory
        self._events = events
        self.channels: Channels = no_channels
        """The channels that teams may name. Where messages are sent, their file says so."""
        self.judgements = Judgements(forge, checking)
        self._changed: dict[str, _Sides] = {}

    # -- reading

    async def files(self, stored: StoredProposal) -> dict[str, bytes | None]:
        """Return what a proposal changes against the commit that it was made from. Do not alter the result."""
        return (await self._sides(stored))[0]

    async def _sides(self, stored: StoredProposal) -> _Sides:
        """Return the changed files as proposed, and as they are at the commit that the proposal was made from."""
        # What a head changes stays the same, but the merge of an ended proposal is compared with its own main.
        key = f"{stored.head} {stored.ending.merge if stored.ending else ''}"
        if key not in self._changed:
            self._changed[key] = await asyncio.to_thread(self._read_sides, stored)
            drop_oldest(self._changed, MAXIMUM_KEPT)
        return self._changed[key]

    async def files_for_main(self, stored: StoredProposal, main: str, by: User) -> Updated:
        """Return what a proposal would change on main, with its keys carried over; in a user's turn, and once."""
        return await self.judgements.carried_over(stored, main, by.name)

    async def undone(self, stored: StoredProposal, main: str, by: User) -> Updated:
        """Return what undoes a merged proposal on main, in the same way."""
        return await self.judgements.undone(stored.ending, main, by.name) if stored.ending else Updated({})

    # -- judging

    async def main(self) -> str:
        """Return the commit that main is at."""
        return await asyncio.to_thread(self.forge.main)

    async def people(self, proposals: Iterable[StoredProposal]) -> dict[str, User]:
        """Ask the hub for those who proposed or approved, with their groups as they are now."""
        names = {
            name
            for stored in proposals
            for name in (stored.proposer, *(each.by for each in stored.records if each.kind == "approved"))
        }
        return {user.name: user for user in await self._directory.users(sorted(names))}

    async def judgement(self, stored: StoredProposal, main: str, by: User) -> Judgement:
        """Judge the merge of an open proposal with a commit of main for a user, or return what still holds."""
        return await self.judgements.of(stored, main, by.name)

    async def case(
        self,
        stored: StoredProposal,
        by: User,
        judgement: Judgement | None = None,
        people: Mapping[str, User] | None = None,
    ) -> Case:
        """Return a judged proposal with the people of the moment, for a user. What is passed in is not computed again.

        An open proposal is judged against main as it is now, an ended one against main as it was at its end.
        """
        merge = await asyncio.to_thread(self._merge, stored)
        if stored.ending:
            judgement = await self._judgement_at_end(stored, stored.ending, merge, by)
        elif judgement is None:
            judgement = await self.judgement(stored, await self.main(), by)
        check, key = judgement.check, judgement.key
        if check is None:  # in a conflict, the check is against the main that the proposal was made from
            key = dataclasses.replace(key, main=await self._base(stored))
            check = await self.judgements.check(key, by.name)
        people = people if people is not None else await self.people([stored])
        proposer = people.get(stored.proposer, User(stored.proposer, frozenset()))
        required, automatic = await self.judgements.needed(key, check, proposer)
        return Case(
            stored=stored,
            judgement=judgement,
            check=check,
            main=self._watcher.catalog if judgement.conflicts else check.before,
            proposer=proposer,
            approvers=tuple(people[each.by] for each in counting_approvals(stored, judgement) if each.by in people),
            required=required,
            paths=frozenset((await self.touched([stored]))[stored.id]),
            automatic=_written_automatic(merge) if stored.ending else automatic,
            live=bool(merge and await self.applies(merge.id)),
        )

    def _merge(self, stored: StoredProposal) -> Commit | None:
        return self.forge.commit(stored.ending.merge) if stored.ending and stored.ending.merge else None

    async def _judgement_at_end(
        self, stored: StoredProposal, ending: Record, merge: Commit | None, by: User
    ) -> Judgement:
        """Judge an ended proposal by the main and the day of its end."""
        found = await asyncio.to_thread(spans, self.forge.repository, [ending]) if merge else {}
        main, head = found.get(ending.merge) or (await self._base(stored), stored.head)
        key = CaseKey(main, head, ending.time.date(), self.forge.repository.keys)
        check = await self.judgements.check(key, by.name)
        # It may have ended a moment after the midnight at which a date of it passed.
        problems = tuple(problem for problem in check.problems if problem.code != "date-past")
        return Judgement(key, dataclasses.replace(check, problems=problems))

    async def applies(self, merge: str) -> bool:
        """Return whether a merge is part of the catalog that applies."""
        revision = self._watcher.catalog.revision
        if any(change.commit == merge for change in self._watcher.catalog.quarantined):
            return False
        return bool(revision) and await asyncio.to_thread(self.forge.repository.is_ancestor, merge, revision)

    async def _base(self, stored: StoredProposal) -> str:
        return (await asyncio.to_thread(self._touched, [stored]))[stored.id].base

    def _read_sides(self, stored: StoredProposal) -> _Sides:
        base = self._touched([stored])[stored.id].base
        changed = sorted(self.forge.changes(base, stored.head), key=lambda change: change.path)
        olds = {change.path: change.old_blob for change in changed if change.old_blob.strip("0")}
        news = [change.blob for change in changed if not change.removed]
        contents = self.forge.repository.objects({*olds.values(), *news})
        files = {change.path: None if change.removed else contents.get(change.blob) for change in changed}
        return files, {path: contents.get(blob, b"") for path, blob in olds.items()}

    # -- showing

    async def view(self, stored: StoredProposal, reader: Actor) -> ProposalView:
        """Return a proposal as it is now, as a reader sees it. Raise a refusal where they may not know of it."""
        # A merge ends a proposal and moves main at once: one that is open after main was read was open on that main.
        main = await self.main()
        stored = await self.visible(stored.id, reader.user)
        judgement = await self.judgement(stored, main, reader.user) if stored.open else None
        case = await self.case(stored, reader.user, judgement)
        (files, before), base = await self._sides(stored), await self._base(stored)
        sights = sights_of(case, reader.user, files, before, self._main_now)
        seen, news_only, difference = await self._texts(stored, sights)
        case = await asyncio.to_thread(_told, case, sights)
        waits_for, since = waiting(case)
        check, conflict = await self._advised(case, sights), case.state == "conflict"
        updated = await self.files_for_main(stored, main, reader.user) if conflict else Updated({})

        def of_main(path: str) -> Sight:
            return min(sights.of_main(path), updated.sight(reader.user, path, self.catalog))

        records = await self.records_for(stored, reader.user)
        collisions = await asyncio.to_thread(redacted, updated.collisions, of_main, known=files)
        return ProposalView(
            case=case,
            check=check,
            files=files,
            seen=seen,
            news_only=news_only,
            base=base,
            difference=difference,
            steps=tuple(await self._stages(case, files)),
            waits_for=waits_for,
            since=since,
            actions={
                **{action: refusal_of(action, case, reader) for action in get_args(Action)},
                "comment": await self.refusal_to_comment(stored, reader),
                "revert": refusal_to_revert(stored),
                "redact": refusal_to_redact(reader),
            },
            lapsed=await self._lapsed(case, reader.user, sights),
            records=records,
            evidence=await self.evidence(records, reader.user),
            collisions=collisions[:MAXIMUM_SHOWN],
            totals={**check.totals, "collisions": len(collisions)},
            undoes=await self.to_undo(stored, reader.user),
            undone_by=await self.undoing(stored, reader.user) if stored.merged else (),
        )

    async def difference(self, case: Case, reader: User) -> tuple[Collection[str], str]:
        """Return the paths whose proposed text a reader may see, and the difference of these files."""
        files, before = await self._sides(case.stored)
        seen, _, difference = await self._texts(case.stored, sights_of(case, reader, files, before, self._main_now))
        return seen, difference

    async def _texts(self, stored: StoredProposal, sights: Sights) -> tuple[tuple[str, ...], tuple[str, ...], str]:
        base = await self._base(stored)
        seen, news_only = await asyncio.to_thread(texts_seen, sights)
        find = partial(self._difference, base, stored.head, seen, news_only, sights.files)
        return seen, news_only, await asyncio.to_thread(find)

    async def records_for(self, stored: StoredProposal, reader: User) -> tuple[Record, ...]:
        """Return the records of a proposal without words that a reader may not see."""
        return await asyncio.to_thread(records_of, stored, reader, self.catalog, self._touched)

    async def refusal_to_comment(self, stored: StoredProposal, actor: Actor) -> Refusal | None:
        """Return why an actor may not comment on a proposal, or None. It is not judged for that."""
        paths = (await self.touched([stored]))[stored.id]
        decides = any(decides_about(actor.user, path, self.catalog) for path in paths)
        return refusal_to_comment(stored, actor, decides=decides)

    async def _advised(self, case: Case, sights: Sights) -> Check:
        """Return what a reader may see of the check, with advice to them."""
        check = (await asyncio.to_thread(shown, case.check, sights, case.requirements)).brief()
        unmet = case.unmet if case.stored.open else ()
        advice = await self.approvers.advice(
            unmet, case.main, case.proposer, case.stored.contributors, reader=sights.reader
        )
        files = await self.files(case.stored) if case.stored.open else {}
        others = await self.others(files, sights.reader, but=case.stored.id)
        advised = await asyncio.to_thread(list, advice_on(case.check.after, files, self.channels, sights.reader))
        return dataclasses.replace(check, problems=(*check.problems, *advice, *advised), others=others)

    async def _lapsed(self, case: Case, reader: User, sights: Sights) -> Lapsed | None:
        """Find an approval that does not count any more, and what differs since it was given."""
        stored, counting = case.stored, {record.by for record in case.approvals}
        given = [each for each in stored.records if each.kind == "approved" and each.commit not in stored.dismissed]
        lapsed = [record for record in given if record.by not in counting]
        if stored.ending or case.judgement.check is None or not lapsed:
            return None
        approval = next((record for record in reversed(lapsed) if record.by == reader.name), lapsed[-1])
        was = await self.judgements.then(stored, approval, reader.name)
        if was is None:
            return Lapsed(approval)
        return await asyncio.to_thread(_compared, approval, was, case.check, sights)

    async def told(self, case: Case, user: User) -> Case:
        """Return a case as a user is told of it: without problems of files of others that they have no say in."""
        if not case.check.errors:
            return case
        files, before = await self._sides(case.stored)
        return await asyncio.to_thread(_told, case, sights_of(case, user, files, before, self._main_now))

    async def seen_check(self, case: Case, user: User) -> Check:
        """Return the check of a case with what a user may see of it."""
        files, before = await self._sides(case.stored)
        return await asyncio.to_thread(
            shown, case.check, sights_of(case, user, files, before, self._main_now), case.requirements
        )

    @property
    def _main_now(self) -> MainNow:
        return MainNow(self._watcher.catalog, self._watcher.provenance)

    def is_new(self, path: str) -> bool:
        """Return whether main never had a file, so that its content comes from a proposal alone."""
        return self._main_now.never_had(path)

    def _difference(
        self, base: str, head: str, seen: tuple[str, ...], news_only: tuple[str, ...], files: Mapping[str, bytes | None]
    ) -> str:
        both = [path for path in seen if path not in news_only]
        parts = [self.forge.repository.difference(base, head, both)]
        return "".join([*parts, *(as_new(path, files[path] or b"") for path in news_only)])

    async def _stages(self, case: Case, files: Mapping[str, bytes | None]) -> list[Stage]:
        # A removal and a change of data alone have no first start to wait for.
        offered = profiles_in({path: data for path, data in files.items() if data is not None})
        ending = case.stored.ending
        merged = ending is not None and ending.kind == "merged"
        event = await self._events.first_start(offered, ending.time) if merged and ending else None
        started = Stage("first start", "done", f"by {event.user}", event.time) if event else None
        return stages_of(case, offered=bool(offered), started=started)


def _told(case: Case, sights: Sights) -> Case:
    """Return a case as a reader is told of it, also of who has to approve it only since files of others break."""
    if sights.told_of_others or not case.check.errors:
        return case
    check = without_others(case.check, sights)
    required, automatic = check.needed_by(case.proposer)
    return dataclasses.replace(case, check=check, required=required, automatic=automatic)


def _compared(approval: Record, was: Check, check: Check, sights: Sights) -> Lapsed:
    """Compare what was approved with what is so now, as a reader may see both."""
    then, now = (
        dict.fromkeys(sentences_of(shown(each, sights.of_check(each), each.requirements))) for each in (was, check)
    )
    gone, new = ([text for text in these if text not in others] for these, others in ((then, now), (now, then)))
    return Lapsed(approval, first_texts(gone), first_texts(new))


def _written_automatic(merge: Commit | None) -> tuple[str, ...]:
    """Return what a merge says about the policy's approval. Who maintains the profile now does not change it."""
    trailers = merge.trailers() if merge and merge.signed_by else {}
    kinds = [
        line.removeprefix(AUTOMATIC).removesuffix(")") for line in trailers.get("Approved-by", ()) if AUTOMATIC in line
    ]
    lines = [line.split(", ") for line in kinds]
    actions = [" and ".join(ACTIONS.get(kind, kind) for kind in line if kind != ENDING) for line in lines]
    ending = ["Those who answer for the data may end its grants."] if any(ENDING in line for line in lines) else []
    return (*(f"The policy lets maintainers {action}." for action in actions if action), *ending)
