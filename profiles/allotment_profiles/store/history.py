"""What applies, folded from main's first-parent history: a pure function of that history and the keys that count.

Two changes of main do not apply at once. A commit that removes many files is held until a later commit confirms it.
Where the policy says `direct_push: hold`, what a commit writes that came past the review is held until a reviewed one
touches the same file or confirms it; what it removes is gone at once.
"""

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from allotment_profiles.catalog.catalog import QuarantinedChange, Version
from allotment_profiles.documents.reading import read
from allotment_profiles.git.commits import Commit
from allotment_profiles.git.process import GitError
from allotment_profiles.git.repository import FileChange, LoggedCommit, Repository, TreeEntry
from allotment_profiles.model import Policy
from allotment_profiles.model.limits import MAXIMUM_BYTES, MAXIMUM_FALLBACKS
from allotment_profiles.model.paths import POLICY, file_ref, is_stray
from allotment_profiles.store.provenance import is_reviewed

REGULAR = ("100644", "100755")
FEW = 10
"""So many files may be removed by one commit whatever their share is."""
CONFIRMS_REMOVAL, CONFIRMS_PUSH = "Confirms-removal", "Confirms-push"
_COMMITS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class QuarantinedVersion:
    """One change of one file that does not apply yet."""

    commit: str
    time: dt.datetime
    reason: Literal["removal", "direct-push"]
    entry: TreeEntry | None
    """What the commit wrote; None where it removed the file."""


@dataclass(frozen=True, slots=True)
class File:
    """One file as the history leaves it."""

    entry: TreeEntry | None
    """What applies; None where everything that was ever written is held."""
    versions: tuple[Version, ...] = ()
    """The versions that applied since the file came, newest first, at most MAXIMUM_FALLBACKS."""
    order: int = 0
    """Which commit of the line the file came with, counted from 1."""
    held: tuple[QuarantinedVersion, ...] = ()
    """What does not apply yet, oldest first."""


@dataclass(frozen=True)
class Applied:
    """What applies at one commit of main."""

    head: str
    time: dt.datetime
    count: int
    """How many commits the line has."""
    files: Mapping[str, File]
    """The files that lie in a place of ours, or look as if they were meant to."""
    gone: frozenset[str]
    """The data roles' files that were removed and have not come back."""
    direct_push: Literal["show", "hold"]
    removal_share: int
    """Both as the last policy said that applied and read: removing the policy does not lift its rules."""

    @property
    def holds(self) -> tuple[QuarantinedChange, ...]:
        """What is held, by path."""
        return holds_of(self.files)


def holds_of(files: Mapping[str, File]) -> tuple[QuarantinedChange, ...]:
    """Give what is held, by path, older changes of one path first."""
    paths = sorted(path for path, file in files.items() if file.held)
    return tuple(
        QuarantinedChange(path, held.commit, held.reason, held.time) for path in paths for held in files[path].held
    )


def fold_history(repository: Repository, head: str, known: Applied | None = None) -> Applied:
    """Fold the history of a commit; where a known state is on its line, only what came since.

    Raises GitError where the history cannot be read.
    """
    if known is not None and known.head == head:
        return known
    try:
        logged = repository.log(head, until=known.head if known else None)
    except GitError:
        if known is None:
            raise
        known, logged = None, repository.log(head)  # what is known may be of another history
    if known is not None and not (logged and known.head in logged[0].parents[:1]):
        # Main was rewound, or what is known is not on the line of first parents.
        known, logged = None, repository.log(head)
    folding = _Folding(repository, logged, known)
    for commit in logged:
        folding.take(commit)
    return folding.applied()


class _Folding:
    """The state of one fold, from one commit of the line to a later one."""

    def __init__(self, repository: Repository, logged: Sequence[LoggedCommit], known: Applied | None) -> None:
        self._repository = repository
        self._positions = {commit.id: position for position, commit in enumerate(logged)}
        self._logged = logged
        self._commits: dict[str, Commit] = {}
        self._policies: dict[str, Policy | None] = {}
        self._head, self._time = (known.head, known.time) if known else ("", dt.datetime.fromtimestamp(0, dt.UTC))
        self._count = known.count if known else 0
        self._files = dict(known.files) if known else {}
        self._gone = set(known.gone) if known else set()
        self._direct_push: Literal["show", "hold"] = known.direct_push if known else "show"
        self._removal_share = known.removal_share if known else Policy.model_fields["removal_share"].default

    def applied(self) -> Applied:
        """Give the state with the sizes of what applies, so that nothing large has to be read to be refused."""
        unsized = {
            path: file.entry
            for path, file in self._files.items()
            if file.entry and file.entry.size < 0 and file.entry.mode in REGULAR
        }
        sizes = self._repository.sizes(entry.blob for entry in unsized.values())
        for path, entry in unsized.items():
            if entry.blob not in sizes:
                raise GitError(f"the repository lacks the object {entry.blob}")
            sized = TreeEntry(entry.mode, entry.blob, sizes[entry.blob])
            file = self._files[path]
            self._files[path] = File(sized, file.versions, file.order, file.held)
        return Applied(
            self._head, self._time, self._count, self._files, frozenset(self._gone), self._direct_push,
            self._removal_share,
        )  # fmt: skip

    def take(self, commit: LoggedCommit) -> None:
        """Go on by one commit."""
        self._head, self._time, self._count = commit.id, commit.time, self._count + 1
        policy = self._files.get(POLICY)
        confirmed = self._confirm(commit)
        changes = [change for change in commit.changes if file_ref(change.path) or is_stray(change.path)]
        past_review = bool(changes) and self._direct_push == "hold" and not is_reviewed(self._commit(commit.id))
        held = set() if confirmed else self._held_removals(changes, past_review)
        for change in changes:
            if change.removed:
                self._remove(commit, change.path, held=change.path in held)
            elif past_review:
                self._hold_push(commit, change)
            else:
                self._write(commit, change.path, TreeEntry(change.mode, change.blob, -1))
        if self._files.get(POLICY) is not policy:
            self._renew_rules()

    def _confirm(self, commit: LoggedCommit) -> bool:
        """Do what the commit confirms; tell whether it confirms its own removals, by naming the head that it merges."""
        if "Confirms-" not in commit.message:
            return False
        trailers = self._commit(commit.id).trailers()
        removals = set(trailers.get(CONFIRMS_REMOVAL, ()))
        for path in [path for path, file in self._files.items() if file.held]:
            last = self._files[path].held[-1]
            if last.reason == "removal" and last.commit in removals:
                self._remove(commit, path, held=False)
        if CONFIRMS_PUSH in trailers and is_reviewed(self._commit(commit.id)):
            self._release(commit, set(trailers[CONFIRMS_PUSH]))
        return not removals.isdisjoint(commit.parents[1:])

    def _release(self, commit: LoggedCommit, pushes: set[str]) -> None:
        for path, file in list(self._files.items()):
            for index, held in reversed(list(enumerate(file.held))):
                if held.entry and held.commit in pushes:
                    self._write(commit, path, held.entry, held=file.held[index + 1 :])
                    break

    def _held_removals(self, changes: Sequence[FileChange], past_review: bool) -> set[str]:
        """Give the removed paths that keep their version, because the commit removes so many."""
        removed = [change for change in changes if change.removed and file_ref(change.path)]
        if len(removed) <= FEW:
            return set()
        # What is written past the review does not apply, so nothing was moved there.
        written = Counter(
            change.blob for change in changes if not change.removed and not past_review and file_ref(change.path)
            and not change.old_blob.strip("0")
        )  # fmt: skip
        counted = set()
        for change in sorted(removed, key=lambda change: change.path):
            file = self._files.get(change.path)
            if written[change.old_blob] > 0:
                written[change.old_blob] -= 1
            elif file and file.entry:
                counted.add(change.path)
        if len(counted) <= FEW:
            return set()
        before = sum(1 for path, file in self._files.items() if file.entry and file_ref(path))
        return counted if len(counted) * 100 > self._removal_share * before else set()

    def _remove(self, commit: LoggedCommit, path: str, *, held: bool) -> None:
        file = self._files.get(path)
        if file is None:
            return
        if held:
            self._files[path] = dataclasses.replace(
                file, held=(QuarantinedVersion(commit.id, commit.time, "removal", None),)
            )
            return
        del self._files[path]
        where = file_ref(path)
        if where and where.kind == "data role" and file.entry:
            self._gone.add(path)

    def _hold_push(self, commit: LoggedCommit, change: FileChange) -> None:
        file = self._files.get(change.path) or File(None)
        held = QuarantinedVersion(commit.id, commit.time, "direct-push", TreeEntry(change.mode, change.blob, -1))
        pushes = [each for each in file.held if each.reason == "direct-push"]
        self._files[change.path] = dataclasses.replace(file, held=(*pushes, held)[-MAXIMUM_FALLBACKS:])

    def _write(
        self, commit: LoggedCommit, path: str, entry: TreeEntry, held: tuple[QuarantinedVersion, ...] = ()
    ) -> None:
        file = self._files.get(path)
        blob = entry.blob if entry.mode in REGULAR else None
        version = Version(commit.id, commit.time, blob)
        came = file is None or file.entry is None
        # What is no regular file ends the line of versions: nothing before it is fallen back on.
        earlier = () if file is None or blob is None else file.versions[: MAXIMUM_FALLBACKS - 1]
        order = self._count if file is None or came else file.order
        self._files[path] = File(entry, (version, *earlier), order, held)
        self._gone.discard(path)

    def _renew_rules(self) -> None:
        file = self._files.get(POLICY)
        for version in file.versions if file else ():
            policy = self._policy(version.blob) if version.blob else None
            if policy:
                self._direct_push, self._removal_share = policy.direct_push, policy.removal_share
                return

    def _policy(self, blob: str) -> Policy | None:
        if blob not in self._policies:
            small = self._repository.sizes([blob]).get(blob, 0) <= MAXIMUM_BYTES
            source = self._repository.objects([blob]).get(blob) if small else b""
            if source is None:
                raise GitError(f"the repository lacks the object {blob}")
            value = read("policy", POLICY, source).value
            self._policies[blob] = value if isinstance(value, Policy) else None
        return self._policies[blob]

    def _commit(self, commit: str) -> Commit:
        """Give a commit with its signature checked; its neighbours are read with it, for one process has room."""
        if commit not in self._commits:
            position = self._positions[commit]
            ids = [each.id for each in self._logged[position : position + _COMMITS_AT_ONCE]]
            self._commits = {each.id: each for each in self._repository.commits(ids)}
        if commit not in self._commits:
            raise GitError(f"the repository lacks the object {commit}")
        return self._commits[commit]
