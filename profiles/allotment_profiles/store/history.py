"""Fold main's first-parent history into what applies and where every file came from.

The result is a pure function of that history and of the keys whose signatures count. Two kinds of changes are
quarantined. A commit that removes the policy or many files keeps them until a later commit confirms it; a profile that
moves counts as removed unless its people have it as before (`moves`). Where the policy says `direct_push: hold`, the
files that an unreviewed commit writes do not apply until a reviewed commit changes the same file or confirms them; the
files that it removes are gone at once.
"""

import dataclasses
import datetime as dt
import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from allotment_profiles.catalog.catalog import QuarantinedChange, Version
from allotment_profiles.documents.reading import read
from allotment_profiles.git.commits import Commit
from allotment_profiles.git.process import GitDataError
from allotment_profiles.git.repository import FileChange, LoggedCommit, Repository, TreeEntry
from allotment_profiles.model import Policy
from allotment_profiles.model.limits import MAXIMUM_BYTES, MAXIMUM_FALLBACKS
from allotment_profiles.model.paths import POLICY, file_ref, is_stray
from allotment_profiles.store.former_owners import FormerRoles, RoleChange, fold_roles
from allotment_profiles.store.moves import moved_paths
from allotment_profiles.store.provenance import HistoryEntry, Provenance, is_reviewed, may_be_reviewed

REGULAR = ("100644", "100755")
FEW = 10
"""One commit may always remove this many files, whatever their share."""
CONFIRMS_REMOVAL, CONFIRMS_PUSH = "Confirms-removal", "Confirms-push"
_COMMITS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class QuarantinedVersion:
    """One change of one file that does not apply yet."""

    commit: str
    time: dt.datetime
    reason: Literal["removal", "direct-push"]
    entry: TreeEntry | None
    """The file as the commit wrote it; None where the commit removed it."""


@dataclass(frozen=True, slots=True)
class File:
    """One file as the history leaves it."""

    entry: TreeEntry | None
    """The version that applies; None where every version is quarantined."""
    versions: tuple[Version, ...] = ()
    """The versions that have applied since the file was added, newest first, at most MAXIMUM_FALLBACKS."""
    order: int = 0
    """The number of the commit that added the file, counted from 1 along the line."""
    quarantined: tuple[QuarantinedVersion, ...] = ()
    """The changes that do not apply yet, oldest first."""


@dataclass(frozen=True)
class Applied:
    """What applies at one commit of main."""

    head: str
    time: dt.datetime
    count: int
    files: Mapping[str, File]
    """The files at paths that Allotment reads, and strays at similar paths."""
    gone: frozenset[str]
    """The files of data roles that were removed and not added again."""
    former_roles: FormerRoles
    """What data roles named once, and whose it was."""
    direct_push: Literal["show", "hold"]
    removal_share: int
    """Both from the last policy that applied and could be read, so that removing the policy does not lift its rules."""
    provenance: Provenance


def quarantined_changes(files: Mapping[str, File]) -> tuple[QuarantinedChange, ...]:
    """Return the quarantined changes by path, older changes of one path first."""
    paths = sorted(path for path, file in files.items() if file.quarantined)
    return tuple(
        QuarantinedChange(path, version.commit, version.reason, version.time)
        for path in paths
        for version in files[path].quarantined
    )


def quarantined_removals(repository: Repository, history: Applied, changes: Sequence[FileChange]) -> tuple[str, ...]:
    """Return the files that a merge with these changes would remove, and that would be quarantined."""
    removals = _removals_to_quarantine(repository, history.files, history.removal_share, changes, pushed=False)
    return tuple(sorted(removals))


def _removals_to_quarantine(
    repository: Repository, files: Mapping[str, File], share: int, changes: Sequence[FileChange], pushed: bool
) -> set[str]:
    """Return the removed paths that keep their version: that of the policy, and all where there are so many."""
    removed = {change.path for change in changes if _is_removal(change)}
    policy = {path for path in removed if path == POLICY and files.get(POLICY, File(None)).entry}
    if len(removed) <= FEW:
        return policy
    before = {path: file.entry for path, file in files.items() if file.entry and file_ref(path)}

    def many(paths: set[str]) -> bool:
        return len(paths) > FEW and len(paths) * 100 > share * len(before)

    lost = removed & before.keys()
    # What is pushed without a review does not apply, so no file was moved there.
    if many(lost) and not pushed:
        written = {change.path: change.blob for change in changes if change.mode in REGULAR and file_ref(change.path)}
        regular = {path: entry.blob for path, entry in before.items() if entry.mode in REGULAR}
        kept = {path: blob for path, blob in regular.items() if path not in removed}
        lost -= moved_paths(repository, regular, {**kept, **written})
    return lost | policy if many(lost) else policy


def _is_removal(change: FileChange) -> bool:
    # A link or a submodule in a file's place ends it like its removal: no earlier version applies.
    return bool(file_ref(change.path)) and change.mode not in REGULAR


def fold_history(repository: Repository, head: str, known: Applied | None = None) -> Applied:
    """Fold the history of a commit, from `known` if that is on its line. Raise GitError if it cannot be read."""
    if known is not None and known.head == head:
        return known
    fold, first = _Fold(repository, known), list[LoggedCommit]()
    try:
        parts = repository.log(head, until=known.head if known else None)
        first = next(parts, first)
    except GitDataError:
        if known is None:
            raise  # otherwise it may be from another repository
    if known is not None and not (first and known.head in first[0].parents[:1]):
        # Main was rewound, or `known` is not on the first-parent line.
        fold, first, parts = _Fold(repository, None), [], repository.log(head)
    for part in itertools.chain([first], parts):
        fold.add(part)
    return fold.applied()


class _Fold:
    """The state of one fold, from one commit of the line to a later one."""

    def __init__(self, repository: Repository, known: Applied | None) -> None:
        self._repository = repository
        self._positions: dict[str, int] = {}
        self._logged: Sequence[LoggedCommit] = ()
        self._commits: dict[str, Commit] = {}
        self._policies: dict[str, Policy | None] = {}
        self._head, self._time = (known.head, known.time) if known else ("", dt.datetime.fromtimestamp(0, dt.UTC))
        self._count = known.count if known else 0
        self._files = dict(known.files) if known else {}
        self._gone = set(known.gone) if known else set()
        self._former_roles: FormerRoles = known.former_roles if known else {}
        self._role_changes: list[RoleChange] = []
        self._direct_push: Literal["show", "hold"] = known.direct_push if known else "show"
        self._removal_share = known.removal_share if known else Policy.model_fields["removal_share"].default
        before = known.provenance if known else Provenance()
        self._older = before.entries
        self._entries: list[HistoryEntry] = []
        self._by_path = dict(before.by_path)
        self._changed: dict[str, list[HistoryEntry]] = {}
        """What is not in `_by_path` yet, oldest first: a path may be changed by very many commits."""

    def applied(self) -> Applied:
        """Return the state, with the sizes of the files that apply, so that a large file is refused unread."""
        unsized = {
            path: file.entry
            for path, file in self._files.items()
            if file.entry and file.entry.size < 0 and file.entry.mode in REGULAR
        }
        sizes = self._repository.sizes(entry.blob for entry in unsized.values())
        for path, entry in unsized.items():
            if entry.blob not in sizes:
                raise GitDataError(f"the repository lacks the object {entry.blob}")
            sized = TreeEntry(entry.mode, entry.blob, sizes[entry.blob])
            self._files[path] = dataclasses.replace(self._files[path], entry=sized)
        entries = (*reversed(self._entries), *self._older)
        return Applied(
            head=self._head,
            time=self._time,
            count=self._count,
            files=self._files,
            gone=frozenset(self._gone),
            former_roles=fold_roles(self._repository, self._former_roles, self._role_changes),
            direct_push=self._direct_push,
            removal_share=self._removal_share,
            provenance=Provenance(self._head, entries, self._paths()),
        )

    def add(self, commits: Sequence[LoggedCommit]) -> None:
        """Apply the next commits of the line."""
        self._positions = {commit.id: position for position, commit in enumerate(commits)}
        self._logged, self._commits = commits, {}
        for commit in commits:
            self._add(commit)

    def _add(self, commit: LoggedCommit) -> None:
        self._head, self._time, self._count = commit.id, commit.time, self._count + 1
        reviewed = self._record(commit).reviewed
        policy = self._files.get(POLICY)
        confirmed = self._confirm(commit, reviewed)
        changes = [change for change in commit.changes if file_ref(change.path) or is_stray(change.path)]
        pushed = self._direct_push == "hold" and not reviewed
        kept = set() if confirmed else self._removals_to_quarantine(changes, pushed)
        for change in changes:
            if change.path in kept:
                removal = QuarantinedVersion(commit.id, commit.time, "removal", None)
                self._files[change.path] = dataclasses.replace(self._files[change.path], quarantined=(removal,))
            elif change.removed:
                self._remove(commit, change.path)
            elif pushed:
                self._quarantine_push(commit, change)
            else:
                self._write(commit, change.path, TreeEntry(change.mode, change.blob, -1))
        if self._files.get(POLICY) is not policy:
            self._update_rules()

    def _removals_to_quarantine(self, changes: Sequence[FileChange], pushed: bool) -> set[str]:
        return _removals_to_quarantine(self._repository, self._files, self._removal_share, changes, pushed)

    def _record(self, commit: LoggedCommit) -> HistoryEntry:
        reviewed = may_be_reviewed(commit.message) and is_reviewed(self._commit(commit.id))
        trailers = self._commit(commit.id).trailers() if reviewed else {}
        entry = HistoryEntry(
            commit=commit.id,
            time=commit.time,
            subject=commit.message.partition("\n")[0],
            author=sys.intern(commit.author),
            paths=tuple(sys.intern(change.path) for change in commit.changes),
            reviewed=reviewed,
            proposal=trailers.get("Proposal", [""])[0],
            proposed_by=sys.intern(trailers.get("Proposed-by", [""])[0]),
            approved_by=tuple(map(sys.intern, trailers.get("Approved-by", []))),
            reason=trailers.get("Reason", [""])[0],
        )
        self._entries.append(entry)
        for path in entry.paths:
            self._changed.setdefault(path, []).append(entry)
        return entry

    def _confirm(self, commit: LoggedCommit, reviewed: bool) -> bool:
        """Apply what the commit confirms. Return whether it confirms its own removals, by naming a head it merges."""
        if "Confirms-" not in commit.message:
            return False
        trailers = self._commit(commit.id).trailers()
        removals = set(trailers.get(CONFIRMS_REMOVAL, ()))
        for path in [path for path, file in self._files.items() if file.quarantined]:
            last = self._files[path].quarantined[-1]
            if last.reason == "removal" and last.commit in removals:
                self._remove(commit, path)
        if CONFIRMS_PUSH in trailers and reviewed:
            self._release(commit, set(trailers[CONFIRMS_PUSH]))
            if "Proposal" in trailers:
                self._review(frozenset(trailers[CONFIRMS_PUSH]), self._entries[-1])
        return not removals.isdisjoint(commit.parents[1:])

    def _release(self, commit: LoggedCommit, pushes: set[str]) -> None:
        """Apply the newest confirmed version of each file; newer versions stay in quarantine."""
        for path, file in list(self._files.items()):
            for index, version in reversed(list(enumerate(file.quarantined))):
                if version.entry and version.commit in pushes:
                    self._write(commit, path, version.entry, file.quarantined[index + 1 :])
                    break

    def _review(self, merged: frozenset[str], confirmation: HistoryEntry) -> None:
        """Show commits as reviewed: a forge's merge of a proposal, which the service has confirmed to be as judged."""
        paths: set[str] = set()

        def reviewed(entries: Iterable[HistoryEntry]) -> Iterator[HistoryEntry]:
            for entry in entries:
                if entry.commit in merged:
                    paths.update(entry.paths)
                    yield dataclasses.replace(
                        confirmation, commit=entry.commit, time=entry.time, author=entry.author, paths=entry.paths
                    )
                else:
                    yield entry

        self._entries, self._older = list(reviewed(self._entries)), tuple(reviewed(self._older))
        for path in tuple(paths):
            self._by_path[path] = tuple(reviewed(self._paths()[path]))

    def _paths(self) -> dict[str, tuple[HistoryEntry, ...]]:
        """Return the entries of each path, newest first."""
        for path, changed in self._changed.items():
            self._by_path[path] = (*reversed(changed), *self._by_path.get(path, ()))
        self._changed.clear()
        return self._by_path

    def _remove(self, commit: LoggedCommit, path: str) -> None:
        file = self._files.pop(path, None)
        self._note_role(commit, path, file, None)
        ref = file_ref(path)
        if file and file.entry and ref and ref.kind == "data role":
            self._gone.add(path)

    def _quarantine_push(self, commit: LoggedCommit, change: FileChange) -> None:
        file = self._files.get(change.path) or File(None)
        version = QuarantinedVersion(commit.id, commit.time, "direct-push", TreeEntry(change.mode, change.blob, -1))
        pushes = [earlier for earlier in file.quarantined if earlier.reason == "direct-push"]
        self._files[change.path] = dataclasses.replace(file, quarantined=(*pushes, version)[-MAXIMUM_FALLBACKS:])

    def _write(
        self, commit: LoggedCommit, path: str, entry: TreeEntry, quarantined: tuple[QuarantinedVersion, ...] = ()
    ) -> None:
        file = self._files.get(path)
        blob = entry.blob if entry.mode in REGULAR else None
        self._note_role(commit, path, file, blob)
        version = Version(commit.id, commit.time, blob)
        # What is no regular file ends the line of versions: no earlier version can apply in its place.
        earlier = () if file is None or blob is None else file.versions[: MAXIMUM_FALLBACKS - 1]
        order = file.order if file and file.entry else self._count
        self._files[path] = File(entry, (version, *earlier), order, quarantined)
        self._gone.discard(path)

    def _note_role(self, commit: LoggedCommit, path: str, file: File | None, blob: str | None) -> None:
        before = file.entry.blob if file and file.entry and file.entry.mode in REGULAR else None
        change = RoleChange.of(commit.id, path, before, blob)
        self._role_changes += [change] if change else []

    def _update_rules(self) -> None:
        file = self._files.get(POLICY)
        for version in file.versions if file else ():
            policy = self._policy(version.blob) if version.blob else None
            if policy:
                self._direct_push, self._removal_share = policy.direct_push, policy.removal_share
                return

    def _policy(self, blob: str) -> Policy | None:
        if blob not in self._policies:
            source = self._repository.objects([blob], maximum=MAXIMUM_BYTES).get(blob)
            if source is None and blob not in self._repository.sizes([blob]):
                raise GitDataError(f"the repository lacks the object {blob}")
            value = read("policy", POLICY, source or b"").value
            self._policies[blob] = value if isinstance(value, Policy) else None
        return self._policies[blob]

    def _commit(self, commit: str) -> Commit:
        """Return a commit with its signature checked. The commits after it are read by the same process."""
        if commit not in self._commits:
            position = self._positions[commit]
            ids = [logged.id for logged in self._logged[position : position + _COMMITS_AT_ONCE]]
            self._commits = {read.id: read for read in self._repository.commits(ids)}
        if commit not in self._commits:
            raise GitDataError(f"the repository lacks the object {commit}")
        return self._commits[commit]
