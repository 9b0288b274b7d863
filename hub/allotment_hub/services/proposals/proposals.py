"""A proposal as its readers see it: state, checks, what it waits for, and which actions this reader may take."""

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from allotment_hub.errors import ServiceError, refused
from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.forges.records import Record, StoredProposal
from allotment_hub.services.event_reader import EventReader
from allotment_hub.services.hub_api.directory import Directory
from allotment_hub.services.proposals.checking import ChangeChecker, Check
from allotment_hub.services.proposals.removals import removed_at_once
from allotment_hub.services.proposals.rights import Action, Actor, Case, State, actions
from allotment_hub.services.proposals.stages import Stage, stages_of, waiting
from allotment_hub.services.visibility import hides_a_profile, is_new, may_see, redacted
from allotment_profiles.access.people import User
from allotment_profiles.git.commits import Commit
from allotment_profiles.git.repository import MergeConflictError
from allotment_profiles.model.paths import file_ref
from allotment_profiles.model.problems import Refusal
from allotment_profiles.review.requirements import Requirement, addressed, can_meet, missing
from allotment_profiles.store.watcher import CatalogWatcher

MAXIMUM_KEPT = 2000
"""So many proposals' files are kept in memory: a proposal has at most fifty small files, mostly one."""
_KINDS = {"image-version": "another version of the same image", "smaller": "a smaller size", "text": "other words"}
AUTOMATIC = "policy (automatic: "
"""How a merge names its approval where the policy stands in for one."""


@dataclass(frozen=True)
class ProposalView:
    """Everything about one proposal for one reader."""

    stored: StoredProposal
    state: State
    title: str
    reason: str
    files: Mapping[str, bytes | None]
    """What is proposed: path → content, None where removed."""
    base: str
    """The commit of main that the difference is shown against."""
    check: Check
    """Judged against main as it is now; where it conflicts or has ended, against the main that it came from."""
    conflicts: tuple[str, ...]
    """Paths that main changed, too."""
    met: Mapping[str, tuple[str, ...]]
    """Requirement key → who met it."""
    open_requirements: tuple[Requirement, ...]
    steps: tuple[Stage, ...]
    waits_for: str
    since: dt.datetime
    """Since when it waits for that."""
    actions: Mapping[Action, Refusal | None]
    """Each action: None where the reader may take it, else why not."""
    seen: tuple[str, ...]
    """The paths whose text the reader may see."""
    difference: str
    """The unified difference of the files that the reader may see."""
    automatic: tuple[str, ...] = ()
    """Why nobody has to approve, where the policy lets the proposer do without."""
    removals: tuple[str, ...] = ()
    """Files that a merge would remove: so many that whoever merges confirms it."""

    @property
    def id(self) -> str:
        """The proposal's id."""
        return self.stored.id

    @property
    def records(self) -> tuple[Record, ...]:
        """What people did, oldest first."""
        return self.stored.records

    @property
    def profiles(self) -> list[str]:
        """The ids of the profiles that it is about."""
        return profiles_in(self.files)


def profiles_in(files: Mapping[str, bytes | None]) -> list[str]:
    """Give the ids of the profiles among changed files."""
    places = (file_ref(path) for path in files)
    return [where.id for where in places if where and where.kind == "profile"]


class Proposals:
    """Reads proposals and judges them against main as it is now."""

    def __init__(
        self,
        forge: PlainGitForge,
        checking: ChangeChecker,
        directory: Directory,
        watcher: CatalogWatcher,
        observing: EventReader,
    ) -> None:
        self.forge = forge
        self.checking = checking
        self.directory = directory
        self._watcher = watcher
        self._observing = observing
        self._checks: dict[tuple[str, str], Check | tuple[str, ...]] = {}
        self._removals: dict[str, tuple[str, ...]] = {}
        self._changed: dict[str, dict[str, bytes | None]] = {}

    async def stored(self, proposal: str) -> StoredProposal:
        """Give a proposal as the forge keeps it; raises a refusal where there is none."""
        found = await asyncio.to_thread(self.forge.get, proposal) if _is_id(proposal) else None
        if found is None:
            raise _unknown()
        return found

    async def all(self) -> list[StoredProposal]:
        """List all proposals, those with the newest record first."""
        return await asyncio.to_thread(self.forge.all)

    async def readable(self, user: User) -> list[StoredProposal]:
        """List the proposals that a user may see, those with the newest record first."""
        found = await self.all()
        return [stored for stored in found if await self._listed(stored, user)]

    async def _listed(self, stored: StoredProposal, user: User) -> bool:
        catalog = self._watcher.catalog
        if user.admin or user.name == stored.proposer:
            return True
        files = await self.files(stored)
        if hides_a_profile(user, files, catalog):
            # Whoever decides about data that it asks for sees it all the same.
            paths = [path for path in files if (where := file_ref(path)) and where.kind == "data role"]
        elif catalog.policy is None or catalog.policy.value.listing == "all":
            return True
        else:
            paths = list(files)
        return any(may_see(user, path, catalog) for path in paths)

    async def files(self, stored: StoredProposal) -> dict[str, bytes | None]:
        """Give what a proposal changes, against the commit that it was made from; never to be altered."""
        # What a head changes stays as it is, but the merge of an ended one is looked at from main's side.
        key = f"{stored.head} {stored.ending.merge if stored.ending else ''}"
        if key not in self._changed:
            found = await asyncio.to_thread(self._files, stored)
            while len(self._changed) >= MAXIMUM_KEPT:
                self._changed.pop(next(iter(self._changed)))
            self._changed[key] = found
        return self._changed[key]

    async def judged(self, stored: StoredProposal) -> Check | tuple[str, ...]:
        """Check the merge of a proposal with main as it is now; gives the paths where the two conflict."""
        main = await asyncio.to_thread(self.forge.main)
        key = (main, stored.head)
        if key not in self._checks:
            try:
                commit = await asyncio.to_thread(self.forge.candidate, stored, main)
            except MergeConflictError as error:
                self._checks[key] = error.paths
            else:
                self._checks[key] = await self.checking.commit(main, commit)
                removed = await asyncio.to_thread(removed_at_once, self.forge.repository, main, commit)
                self._removals.pop(stored.head, None)
                if removed:
                    self._removals[stored.head] = removed
            while len(self._checks) > 200:
                self._checks.pop(next(iter(self._checks)))
        return self._checks[key]

    async def view(self, stored: StoredProposal, reader: Actor) -> ProposalView:
        """Put together what a reader sees; raises a refusal where the platform's listing does not show it to them."""
        if not await self._listed(stored, reader.user):
            raise _unknown()
        judged = await self._as_proposed(stored) if stored.ending else await self.judged(stored)
        conflicts = () if isinstance(judged, Check) else judged
        # Where it does not fit main, its readers see what it meant to change where it came from.
        check = judged if isinstance(judged, Check) else await self._as_proposed(stored)
        names = [stored.proposer, *(record.by for record in stored.approvals())]
        people = {user.name: user for user in await self.directory.users(names)}
        proposer = people.get(stored.proposer, User(stored.proposer, frozenset()))
        approvers = [people[record.by] for record in stored.approvals() if record.by in people]
        merge = await self._merge_of(stored)
        automatic = _written_automatic(merge) if stored.ending else check.automatic_for(proposer)
        required = () if merge and automatic else check.required_of(proposer)
        check = dataclasses.replace(check, requirements=addressed(required, check.before, proposer))
        requirements = check.requirements
        main = self._watcher.catalog if conflicts else check.before
        merged = stored.ending is not None and stored.ending.kind == "merged"
        unmet = () if merged else tuple(missing(requirements, approvers, main, proposer, stored.contributors))
        met = {
            requirement.key: tuple(
                user.name for user in approvers if can_meet(requirement, user, main, proposer, stored.contributors)
            )
            for requirement in requirements
        }
        state = await self._state(stored, check, conflicts, unmet)
        case = Case(stored, state, requirements, unmet, main, proposer, automatic)
        mine, reviews = reader.user.name == stored.proposer, case.reviewed_by(reader.user)

        def seen(path: str) -> bool:
            return reviews or may_see(reader.user, path, main) or (mine and is_new(path, check.before))

        waits_for, since = waiting(case, check)
        files = await self.files(stored)
        visible = tuple(path for path in files if seen(path))
        base = await asyncio.to_thread(self._base, stored)
        return ProposalView(
            stored=stored,
            state=state,
            title=stored.current.title,
            reason=stored.current.text,
            files=files,
            base=base,
            check=dataclasses.replace(check, changes=redacted(check.changes, seen)),
            conflicts=conflicts,
            met=met,
            open_requirements=unmet,
            steps=tuple(await self._steps(case, check, files)),
            waits_for=waits_for,
            since=since,
            actions=actions(case, reader),
            seen=visible,
            difference=await asyncio.to_thread(self.forge.repository.difference, base, stored.head, visible),
            automatic=automatic if not requirements else (),
            removals=() if stored.ending else self._removals.get(stored.head, ()),
        )

    async def _merge_of(self, stored: StoredProposal) -> Commit | None:
        merge = stored.ending.merge if stored.ending else ""
        return await asyncio.to_thread(self.forge.commit, merge) if merge else None

    def _base(self, stored: StoredProposal) -> str:
        merged = stored.ending.merge if stored.ending and stored.ending.kind == "merged" else ""
        commit = self.forge.commit(merged) if merged else None
        main = commit.parents[0] if commit else self.forge.main()
        return self.forge.repository.merge_base(main, stored.head) or main

    def _files(self, stored: StoredProposal) -> dict[str, bytes | None]:
        repository = self.forge.repository
        changed = repository.changes(self._base(stored), stored.head)
        contents = repository.objects(change.blob for change in changed if not change.removed)
        found = {change.path: None if change.removed else contents.get(change.blob) for change in changed}
        return dict(sorted(found.items()))

    async def _as_proposed(self, stored: StoredProposal) -> Check:
        """Judge a proposal against the main of its time: before its merge, else where it came from."""
        ending = stored.ending
        commit = await self._merge_of(stored)
        base = await asyncio.to_thread(self._base, stored)
        key = (commit.parents[0], commit.id) if commit else (base, stored.head)
        found = self._checks.get(key)
        if not isinstance(found, Check):
            found = self._checks[key] = await self.checking.commit(*key)
        if ending is None:
            return found
        # A day that has passed since was still to come when it was decided.
        problems = tuple(problem for problem in found.problems if problem.code != "date-past")
        return dataclasses.replace(found, problems=problems)

    async def _state(
        self, stored: StoredProposal, check: Check, conflicts: tuple[str, ...], unmet: tuple[Requirement, ...]
    ) -> State:
        ending = stored.ending
        if ending and ending.kind == "merged":
            revision = self._watcher.catalog.revision
            is_ancestor = self.forge.repository.is_ancestor
            landed = bool(revision) and await asyncio.to_thread(is_ancestor, ending.merge, revision)
            return "live" if landed else "merged"
        if ending:
            return "rejected" if ending.kind == "rejected" else "withdrawn"
        if conflicts:
            return "conflict"
        if check.errors:
            return "broken"
        return "open" if unmet else "approved"

    async def _steps(self, case: Case, check: Check, files: Mapping[str, bytes | None]) -> list[Stage]:
        # What is taken away, and data alone, has no first start to wait for.
        offered = profiles_in({path: data for path, data in files.items() if data is not None})
        ending = case.stored.ending
        merged = ending is not None and ending.kind == "merged"
        event = await self._observing.first_start(offered, ending.time) if merged and ending else None
        started = Stage("first start", "done", f"by {event.user}", event.time) if event else None
        return stages_of(case, check, offered=bool(offered), started=started)


def _unknown() -> ServiceError:
    return refused(404, "proposal-unknown", "There is no such proposal.", "", "Look at the list of proposals.")


def _is_id(text: str) -> bool:
    return len(text) < 150 and all(part.isalnum() for part in text.split("-") if part) and text.isascii()


def _written_automatic(merge: Commit | None) -> tuple[str, ...]:
    """Give what a merge says of the policy's approval: whoever maintains the profile now does not change it."""
    trailers = merge.trailers() if merge and merge.signed_by else {}
    kinds = [
        each.removeprefix(AUTOMATIC).removesuffix(")") for each in trailers.get("Approved-by", ()) if AUTOMATIC in each
    ]
    words = [" and ".join(_KINDS.get(kind, kind) for kind in each.split(", ")) for each in kinds]
    return tuple(f"The policy allows maintainers {each}." for each in words)
