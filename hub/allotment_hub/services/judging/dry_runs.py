"""Dry runs of a change: its problems, what changes, who gains which data, who has to approve, and what it costs."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from allotment_hub.forges.stored_proposal import Candidate, StoredProposal
from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.git.repository import FileChange
from allotment_profiles.model.paths import file_ref, is_note
from allotment_profiles.model.problems import Problem, Refusal, quoted
from allotment_profiles.review.access_diff import (
    AccessChange,
    StartChange,
    compare_access,
    compare_open_access,
    compare_starts,
)
from allotment_profiles.review.approvals import Requirement, requirements_of
from allotment_profiles.review.automatic import ENDING, automatic_of
from allotment_profiles.review.changes import Change, compare, rewritten
from allotment_profiles.review.cost_changes import CostChange, compare_costs
from allotment_profiles.review.renames import differing
from allotment_profiles.store.history import quarantined_removals
from allotment_profiles.store.loading import Loaded
from allotment_profiles.store.snapshot import Snapshot, with_changes, with_commit, with_files
from allotment_profiles.store.tracker import Tracker

_ENDING = dt.timedelta(days=31)
"""For so long a proposal may wait that ends a grant at once."""
MAXIMUM_SHOWN = 200
"""How many of each that a check lists are shown. All count for what is needed and what is approved."""
_SHOWN_REASONS = 50
"""How many reasons of one requirement are shown."""
BRIEF = ("changes", "access", "starts", "problems", "costs", "requirements", "automatic")
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
    """The approvals that it needs, whoever proposes it. `needed_by` leaves out what a maintainer may do alone."""
    costs: tuple[CostChange, ...]
    before: Catalog
    after: Catalog
    """The proposed catalog: its files, without the problems of those that the change does not touch."""
    removals: tuple[str, ...] = ()
    """The files that a merge removes, where main would quarantine the removal."""
    open_access: tuple[AccessChange, ...] = ()
    """The access as if there were no hidden profiles, for those who may not see one of the `hidden`."""
    hidden: frozenset[str] = frozenset()
    """The ids of the hidden profiles that make the difference."""
    others: tuple[OtherProposal, ...] = ()
    """Other people's open proposals for the same files, as far as the reader may know of them."""
    replaces: StoredProposal | None = None
    """The actor's own open proposal that proposing it would replace, where that was asked."""
    automatic: tuple[str, ...] = ()
    """Why nobody has to approve it, where that was asked for somebody who would propose it."""
    totals: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """How many there are of what `brief` has shortened."""
    made: bool = True
    """Whether it was made; otherwise a problem says why not, and nothing else is known."""

    @property
    def errors(self) -> list[Problem]:
        """The problems that keep it from being proposed or merged."""
        return [problem for problem in self.problems if problem.blocks]

    @property
    def gives_data(self) -> bool:
        """Whether somebody gains data, or more of it."""
        gains = any(change.gains for change in self.access)
        return gains or any(requirement.gives_data for requirement in self.requirements)

    @property
    def only_ends(self) -> bool:
        """Whether it does nothing but end grants, or make them shorter."""
        return bool(self.changes) and all(change.category == ENDING for change in self.changes)

    @property
    def needs_sign_in(self) -> bool:
        """Whether the policy may ask for a fresh sign-in: it gives data, or a say in who gets data."""
        return self.gives_data or any(map(_gives_a_say, self.changes))

    @property
    def lasting(self) -> bool:
        """Whether the same check would come to the same result: it was not interrupted."""
        return self.made or all(problem.code != "check-interrupted" for problem in self.problems)

    def brief(self) -> "Check":
        """Return the check with the first of everything that it lists: what is enough to show."""
        lists: dict[str, Any] = {name: getattr(self, name) for name in BRIEF}
        totals = {name: len(each) for name, each in lists.items()}
        if max(totals.values()) > MAXIMUM_SHOWN:
            # What is left out is what gives least: wording, what somebody loses, and what blocks nothing.
            lists["changes"] = sorted(self.changes, key=lambda change: change.category in ("text", "layout"))
            lists["access"] = sorted(self.access, key=lambda gain: not gain.gains)
            lists["starts"] = sorted(self.starts, key=lambda gain: not gain.gains)
            lists["problems"] = sorted(self.problems, key=lambda problem: not problem.blocks)
        shown: dict[str, Any] = {name: tuple(each[:MAXIMUM_SHOWN]) for name, each in lists.items()}
        shown["requirements"] = tuple(map(_brief, shown["requirements"]))
        return dataclasses.replace(self, totals=totals, **shown)

    def left_out(self, name: str) -> int:
        """Return how many there are more than are shown."""
        return max(0, self.totals.get(name, 0) - len(getattr(self, name)))

    def needed_by(self, proposer: User) -> tuple[tuple[Requirement, ...], tuple[str, ...]]:
        """Return the approvals that it needs when this user proposes it, and for each profile why it needs none.

        It takes long where there are many changes.
        """
        required = tuple(requirements_of(self.changes, self.before, self.after, proposer))
        return required, automatic_of(self.changes, self.before, self.after, proposer)


def _gives_a_say(change: Change) -> bool:
    """Return whether a change may decide who decides: of the policy, of people, or of whose the data is."""
    ref = file_ref(change.path)
    if ref is None or ref.kind == "profile" or change.category in ("text", "layout"):
        return False
    if ref.kind == "team":
        part = change.field.partition(".")[0]
        return part in ("", "leads", "deputies") or (part == "members" and change.after not in (None, "no"))
    return change.category not in ("grant-removed", "grant-shorter")


def _brief(requirement: Requirement) -> Requirement:
    more = len(requirement.reasons) - _SHOWN_REASONS
    if more <= 0:
        return requirement
    reasons = (*requirement.reasons[:_SHOWN_REASONS], f"And for {more} more reasons.")
    return dataclasses.replace(requirement, reasons=reasons)


def unchecked(before: Catalog, refusal: Refusal) -> Check:
    """Return the check of what is not checked, with the reason as its problem."""
    problem = Problem("", refusal.code, refusal.why, refusal.remedy)
    return Check((problem,), (), (), (), (), (), before=before, after=before, made=False)


@dataclass(frozen=True)
class CatalogChange:
    """What differs between two catalogs: small enough to be sent to another process."""

    revision: str
    time: dt.datetime
    policy: Entry[Any] | None
    entries: Mapping[str, Mapping[str, Entry[Any] | None]]
    """Teams, data roles and profiles that differ, by name of the field; None where they are removed."""
    broken: frozenset[str]

    @classmethod
    def between(cls, before: Catalog, after: Catalog) -> "CatalogChange":
        """Return what differs."""
        entries = {
            kind: {name: _complete(getattr(after, kind).get(name)) for name in differing(*_both(before, after, kind))}
            for kind in ("teams", "data_roles", "profiles")
        }
        return cls(after.revision, after.time, _complete(after.policy), entries, after.broken)

    def applied(self, before: Catalog) -> Catalog:
        """Return the catalog after the change."""
        kinds: dict[str, Any] = {}
        for kind, changed in self.entries.items():
            if not changed:
                continue  # what is kept of a check shares the rest with the catalog before it
            entries = {**getattr(before, kind), **changed}
            kinds[kind] = {name: entries[name] for name in sorted(entries) if entries[name] is not None}
        return dataclasses.replace(
            before, revision=self.revision, time=self.time, policy=self.policy, broken=self.broken, problems=(), **kinds
        )


def _both(before: Catalog, after: Catalog, kind: str) -> tuple[Any, Any]:
    return getattr(before, kind), getattr(after, kind)


def _complete(entry: Entry[Any] | None) -> Entry[Any] | None:
    """Return an entry with its model instead of the cache that the model is read from."""
    if entry is None:
        return None
    return Entry(entry.id, entry.path, entry.value, entry.blob, entry.source, entry.problems, entry.outdated_since)


def check_files(tracker: Tracker, main: str, files: Files, day: dt.date) -> Check:
    """Check changed files on top of a commit of main."""
    before, _ = tracker.peek(main)
    base = before.snapshot
    own = _unread_paths(files)
    notes = {path: tracker.repository.file(main, path) for path in files if is_note(path)}
    folders = {str(folder) for path in base.entries for folder in PurePosixPath(path).parents}
    own += [_folder(path) for path in files if path in folders]
    own += [
        Problem(path, "file-missing", "The file to be removed does not exist.", "Look at what exists now.")
        for path, data in files.items()
        if data is None and path not in base.entries and notes.get(path) is None
    ]
    readable = {path: data for path, data in files.items() if file_ref(path)}
    blobs = {path: base.entries[path].blob for path in readable if path in base.entries}
    contents = base.read(blobs.values())
    changed = tuple(
        path
        for path, data in files.items()
        if path not in notes and (path not in blobs or contents.get(blobs[path]) != data)
    )
    changed += tuple(path for path, data in notes.items() if files[path] != data)
    after = tracker.renewed(before, with_files(base, readable))
    return _compare(before, after, changed, own, day)


def check_commit(tracker: Tracker, main: str, commit: str, day: dt.date) -> Check:
    """Check a commit against a commit of main."""
    before, _ = tracker.peek(main)
    changes = tracker.repository.changes(main, commit)
    return _compared(tracker, before, with_commit(tracker.repository, before.snapshot, commit), changes, day)


def check_merge(tracker: Tracker, candidate: Candidate, day: dt.date, now: dt.datetime) -> Check:
    """Check a prepared merge."""
    before, history = tracker.peek(candidate.main)
    # From the changes, not from a commit: whoever looks at a proposal writes nothing into the repository.
    after = with_changes(tracker.repository, before.snapshot, candidate.changes, candidate.head, now)
    check = _compared(tracker, before, after, candidate.changes, day)
    return dataclasses.replace(check, removals=quarantined_removals(tracker.repository, history, candidate.changes))


def _compared(tracker: Tracker, before: Loaded, after: Snapshot, changes: Sequence[FileChange], day: dt.date) -> Check:
    # All files, not only those that a catalog reads: nothing may come to main unseen.
    paths = tuple(change.path for change in changes)
    own = _unread_paths(paths)
    return _compare(before, tracker.renewed(before, after), paths, own, day)


def _compare(base: Loaded, proposed: Loaded, paths: Sequence[str], own: Sequence[Problem], day: dt.date) -> Check:
    before, after = base.catalog, proposed.catalog
    own_paths = set(paths)
    known = {(problem.path, problem.code, problem.field) for problem in before.problems}
    problems = [
        problem
        for problem in after.problems
        if problem.path in own_paths or (problem.path, problem.code, problem.field) not in known
    ]
    changes = compare(before, after)
    compared = {path for change in changes for path in (change.path, change.moved_from)}
    changes += [rewritten(path) for path in paths if path not in compared]
    own = [*own, *_past_dates(changes, day)]
    if not changes and not own and not problems:
        own = [Problem("", "no-change", "Nothing would change.", "Change something first.")]
    if not before.policy_reads and not after.policy_reads:
        why = "While the platform's policy cannot be read, only a correction of it can be merged."
        own = [*own, Problem("policy.yaml", "policy-missing", why, "Ask an administrator.")]
    now = dt.datetime.combine(day, dt.time(), dt.UTC)
    open_access, hidden = compare_open_access(before, after, now)
    return Check(
        problems=(*own, *problems),
        changes=tuple(changes),
        access=tuple(compare_access(before, after, now)),
        starts=tuple(compare_starts(before, after, now)),
        requirements=tuple(requirements_of(changes, before, after)),
        costs=tuple(compare_costs(changes, before, after)),
        before=before,
        after=after,
        open_access=tuple(open_access) if hidden else (),
        hidden=hidden,
    )


def _past_dates(changes: Iterable[Change], day: dt.date) -> Iterator[Problem]:
    """Find dates in the past that a change sets. A file may contain them, but nobody means to propose them.

    Only a grant that still holds may get one, of the last month: that ends it at once. An older date is a slip.
    """
    earliest = (day - _ENDING).isoformat()
    for change in changes:
        granted = change.field.startswith("granted_to.") and change.field.endswith(".until")
        dated = granted or change.field == "review_by"
        if not dated or change.after is None or change.after >= day.isoformat():
            continue
        label = f"{change.label[0].upper()}{change.label[1:]}"
        ends = granted and change.category == "grant-shorter" and (change.before or "") >= day.isoformat()
        if ends and change.after >= earliest:
            message, remedy = f"{label}: it ends at once.", "Choose a later day if that is not meant."
            yield Problem(change.path, "date-past", message, remedy, field=change.field, level="advice")
        else:
            message = f"{label}: {change.after} has passed."
            yield Problem(change.path, "date-past", message, "Choose a later day.", field=change.field)


def _folder(path: str) -> Problem:
    return Problem(path, "folder", "There is a folder of this name.", "Choose another name.")


def _unread_paths(paths: Iterable[str]) -> list[Problem]:
    remedy = "Use teams/NAME/team.yaml, teams/NAME/profiles/NAME.yaml, data-roles/NAME.yaml or policy.yaml."
    return [
        Problem(quoted(path).strip("'"), "path", "Nothing is read from this path.", remedy)
        for path in paths
        if file_ref(path) is None and not is_note(path)
    ]
