"""Dry runs of a change: its problems, what changes, who gains which data, who has to approve, and what it costs."""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from allotment_hub.forges.records import Candidate
from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.git.repository import FileChange
from allotment_profiles.model.paths import file_ref
from allotment_profiles.model.problems import Problem, quoted
from allotment_profiles.review.access_diff import AccessChange, StartChange, compare_access, compare_starts
from allotment_profiles.review.approvals import Requirement, requirements_of
from allotment_profiles.review.automatic import automatic_of
from allotment_profiles.review.changes import Change, compare, rewritten
from allotment_profiles.review.cost_changes import CostChange, compare_costs
from allotment_profiles.store.history import quarantined_removals
from allotment_profiles.store.loading import Loaded
from allotment_profiles.store.snapshot import Snapshot, with_changes, with_commit, with_files
from allotment_profiles.store.tracker import Tracker

Files = Mapping[str, bytes | None]
"""Changed files: path → content, None where the file is removed."""


@dataclass(frozen=True, slots=True)
class OtherProposal:
    """An open proposal, to link to."""

    id: str
    title: str
    proposer: str


@dataclass(frozen=True)
class Check:
    """The result of a dry run."""

    problems: tuple[Problem, ...]
    """Errors and warnings that the change brings. With an error it can be neither proposed nor merged."""
    changes: tuple[Change, ...]
    access: tuple[AccessChange, ...]
    starts: tuple[StartChange, ...]
    """Who can start what they could not start before, and who no longer can."""
    requirements: tuple[Requirement, ...]
    """The approvals that it needs, whoever proposes it. `required_of` leaves out what a maintainer may do alone."""
    costs: tuple[CostChange, ...]
    before: Catalog
    after: Catalog
    others: tuple[OtherProposal, ...] = ()
    """Other people's open proposals for the same files, as far as the reader may know of them."""

    @property
    def errors(self) -> list[Problem]:
        """The problems that keep it from being proposed or merged."""
        return [problem for problem in self.problems if problem.blocks]

    def required_of(self, proposer: User) -> tuple[Requirement, ...]:
        """Return the approvals that it needs when this user proposes it."""
        return tuple(requirements_of(self.changes, self.before, self.after, proposer))

    def automatic_for(self, proposer: User) -> tuple[str, ...]:
        """Return the reasons why it needs no approval when this user proposes it, one for each profile."""
        return automatic_of(self.changes, self.before, self.after, proposer)


class ChangeChecker:
    """Checks changes against main. Nothing is written.

    A check depends on main, on the change and on the day. All dates in files hold for whole days, UTC, so the rules
    get the day instead of the time.
    """

    def __init__(self, tracker: Tracker, clock: Callable[[], dt.datetime]) -> None:
        self._repository = tracker.repository
        self._tracker = tracker
        self._clock = clock
        self._lock = asyncio.Lock()

    def today(self) -> dt.date:
        """Return the current day, UTC."""
        return self._clock().astimezone(dt.UTC).date()

    async def files(self, main: str, files: Files) -> Check:
        """Check changed files on top of a commit of main."""
        async with self._lock:
            return await asyncio.to_thread(self._files, main, files, self.today())

    async def commit(self, main: str, commit: str, day: dt.date) -> Check:
        """Check a commit against a commit of main, by the rules of a day."""
        async with self._lock:
            return await asyncio.to_thread(self._commit, main, commit, day)

    async def merge(self, candidate: Candidate, day: dt.date) -> tuple[Check, tuple[str, ...]]:
        """Check a prepared merge, and return the check with the removals that main would quarantine."""
        async with self._lock:
            return await asyncio.to_thread(self._merge, candidate, day)

    def _files(self, main: str, files: Files, day: dt.date) -> Check:
        before, _ = self._tracker.peek(main)
        base = before.snapshot
        own = [_unread_path(path) for path in files if file_ref(path) is None]
        own += [_folder(path) for path in files if any(entry.startswith(f"{path}/") for entry in base.entries)]
        own += [
            Problem(path, "file-missing", "The file to be removed does not exist.", "Look at what exists now.")
            for path, data in files.items()
            if data is None and path not in base.entries
        ]
        readable = {path: data for path, data in files.items() if file_ref(path)}
        blobs = {path: base.entries[path].blob for path in readable if path in base.entries}
        contents = base.read(blobs.values())
        differing = tuple(
            path for path, data in files.items() if path not in blobs or contents.get(blobs[path]) != data
        )
        after = self._tracker.renewed(before, with_files(base, readable))
        return _compare(before, after, differing, own, day)

    def _commit(self, main: str, commit: str, day: dt.date) -> Check:
        before, _ = self._tracker.peek(main)
        changes = self._repository.changes(main, commit)
        return self._compared(before, with_commit(self._repository, before.snapshot, commit), changes, day)

    def _merge(self, candidate: Candidate, day: dt.date) -> tuple[Check, tuple[str, ...]]:
        before, history = self._tracker.peek(candidate.main)
        changes, now = candidate.changes, self._clock()
        # From the changes, not from a commit: whoever looks at a proposal writes nothing into the repository.
        after = with_changes(self._repository, before.snapshot, changes, candidate.head, now)
        return self._compared(before, after, changes, day), quarantined_removals(history, changes)

    def _compared(self, before: Loaded, after: Snapshot, changes: Sequence[FileChange], day: dt.date) -> Check:
        # All files, not only those that a catalog reads: nothing may come to main unseen.
        paths = tuple(change.path for change in changes)
        own = [_unread_path(path) for path in paths if file_ref(path) is None]
        return _compare(before, self._tracker.renewed(before, after), paths, own, day)


def _compare(base: Loaded, proposed: Loaded, paths: Sequence[str], own: Sequence[Problem], day: dt.date) -> Check:
    before, after = base.catalog, proposed.catalog
    known = {(problem.path, problem.code, problem.field) for problem in before.problems}
    problems = [
        problem
        for problem in after.problems
        if problem.path in paths or (problem.path, problem.code, problem.field) not in known
    ]
    changes = compare(before, after)
    compared = {path for change in changes for path in (change.path, change.moved_from)}
    changes += [rewritten(path) for path in paths if path not in compared and file_ref(path)]
    own = [*own, *_past_dates(changes, day)]
    if not changes and not own and not problems:
        own = [Problem("", "no-change", "Nothing would change.", "Change something first.")]
    if not before.policy_reads and not after.policy_reads:
        why = "While the platform's policy cannot be read, only a correction of it can be merged."
        own = [*own, Problem("policy.yaml", "policy-missing", why, "Ask an administrator.")]
    now = dt.datetime.combine(day, dt.time(), dt.UTC)
    return Check(
        problems=(*own, *problems),
        changes=tuple(changes),
        access=tuple(compare_access(before, after, now)),
        starts=tuple(compare_starts(before, after, now)),
        requirements=tuple(requirements_of(changes, before, after)),
        costs=tuple(compare_costs(changes, before, after)),
        before=before,
        after=after,
    )


def _past_dates(changes: Iterable[Change], day: dt.date) -> Iterator[Problem]:
    """Find dates in the past that a change sets. A file may contain them, but nobody means to propose them."""
    for change in changes:
        granted = change.field.startswith("granted_to.") and change.field.endswith(".until")
        dated = granted or change.field == "review_by"
        if dated and change.after is not None and change.after < day.isoformat():
            message = f"{change.label[0].upper()}{change.label[1:]}: {change.after} has passed."
            yield Problem(change.path, "date-past", message, "Choose a later day.", field=change.field)


def _folder(path: str) -> Problem:
    return Problem(path, "folder", "There is a folder of this name.", "Choose another name.")


def _unread_path(path: str) -> Problem:
    remedy = "Use teams/NAME/team.yaml, teams/NAME/profiles/NAME.yaml, data-roles/NAME.yaml or policy.yaml."
    return Problem(quoted(path).strip("'"), "path", "Nothing is read from this path.", remedy)
