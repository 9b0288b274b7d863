"""The dry run of a change: problems, what changes, who gains which data, who has to approve, and what it costs."""

import asyncio
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.git.repository import Repository
from allotment_profiles.model.paths import file_ref
from allotment_profiles.model.problems import Problem, quoted
from allotment_profiles.review.access_diff import AccessChange, StartChange, compare_access, compare_starts
from allotment_profiles.review.changes import Change, compare, rewritten
from allotment_profiles.review.cost_changes import CostChange, compare_costs
from allotment_profiles.review.requirements import Requirement, automatic_of, requirements_of
from allotment_profiles.store.loading import Loaded
from allotment_profiles.store.snapshot import with_commit, with_files
from allotment_profiles.store.tracker import Tracker

Files = Mapping[str, bytes | None]
"""Changed files: path → content, None where it is removed."""


@dataclass(frozen=True)
class Check:
    """What is known about a change before it is made."""

    problems: tuple[Problem, ...]
    """Errors and warnings that the change brings; any error and it cannot be proposed or merged."""
    changes: tuple[Change, ...]
    access: tuple[AccessChange, ...]
    starts: tuple[StartChange, ...]
    """Who can start what they could not start before, and who no longer can."""
    requirements: tuple[Requirement, ...]
    """What it needs whoever proposes it; `required_of` knows what a maintainer does without an approval."""
    costs: tuple[CostChange, ...]
    before: Catalog
    after: Catalog

    @property
    def errors(self) -> list[Problem]:
        """The problems that stand in the way."""
        return [problem for problem in self.problems if problem.blocks]

    def required_of(self, proposer: User) -> tuple[Requirement, ...]:
        """Give what it needs when this user proposes it: nothing for what the policy lets maintainers do."""
        return tuple(requirements_of(self.changes, self.before, self.after, proposer))

    def automatic_for(self, proposer: User) -> tuple[str, ...]:
        """Say for which profiles it needs nobody when this user proposes it, and why."""
        return automatic_of(self.changes, self.before, self.after, proposer)


class ChangeChecker:
    """Checks changes against main; nothing is written."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._tracker = Tracker(repository)
        self._lock = asyncio.Lock()

    async def files(self, main: str, files: Files) -> Check:
        """Check changed files on top of a commit of main."""
        async with self._lock:
            return await asyncio.to_thread(self._files, main, files)

    async def commit(self, main: str, commit: str) -> Check:
        """Check a commit (a prepared merge) against a commit of main."""
        async with self._lock:
            return await asyncio.to_thread(self._commit, main, commit)

    def _files(self, main: str, files: Files) -> Check:
        before = self._tracker.at(main)
        base = before.snapshot
        own = [_no_place(path) for path in files if file_ref(path) is None]
        own += [_folder(path) for path in files if any(each.startswith(f"{path}/") for each in base.entries)]
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
        return self._compare(before, self._tracker.renewed(before, with_files(base, readable)), differing, own)

    def _commit(self, main: str, commit: str) -> Check:
        before = self._tracker.at(main)
        # All files, not only what a catalog reads: nothing may come to main unseen.
        changed = tuple(change.path for change in self._repository.changes(main, commit))
        after = self._tracker.renewed(before, with_commit(self._repository, before.snapshot, commit))
        return self._compare(before, after, changed, [_no_place(path) for path in changed if file_ref(path) is None])

    def _compare(self, base: Loaded, proposed: Loaded, paths: Sequence[str], own: Sequence[Problem]) -> Check:
        before, after = base.catalog, proposed.catalog
        known = {(problem.path, problem.code, problem.field) for problem in before.problems}
        problems = [
            problem
            for problem in after.problems
            if problem.path in paths or (problem.path, problem.code, problem.field) not in known
        ]
        changes = compare(before, after)
        told = {path for change in changes for path in (change.path, change.moved_from)}
        changes += [rewritten(path) for path in paths if path not in told and file_ref(path)]
        own = [*own, *_past_dates(changes)]
        if not changes and not own and not problems:
            own = [Problem("", "no-change", "Nothing would change.", "Change something first.")]
        if not before.policy_reads:
            why = "While the platform's policy does not read, nothing merges but its correction."
            if not after.policy_reads:
                own = [*own, Problem("policy.yaml", "policy-missing", why, "Ask an administrator.")]
        now = dt.datetime.now(dt.UTC)
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


def _past_dates(changes: Iterable[Change]) -> Iterator[Problem]:
    """Find days in the past that a change sets: right in a file, never what somebody means to propose."""
    today = dt.datetime.now(dt.UTC).date().isoformat()
    for change in changes:
        granted = change.field.startswith("granted_to.") and change.field.endswith(".until")
        dated = granted or change.field == "review_by"
        if dated and change.after is not None and change.after < today:
            message = f"{change.label[0].upper()}{change.label[1:]}: {change.after} has passed."
            yield Problem(change.path, "date-past", message, "Choose a day that is still to come.", field=change.field)


def _folder(path: str) -> Problem:
    return Problem(path, "folder", "There is a folder of this name.", "Choose another name.")


def _no_place(path: str) -> Problem:
    remedy = "Use teams/NAME/team.yaml, teams/NAME/profiles/NAME.yaml, data-roles/NAME.yaml or policy.yaml."
    return Problem(quoted(path).strip("'"), "path", "Nothing is read from this path.", remedy)
