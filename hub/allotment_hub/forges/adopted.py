"""Proposals that began as pull requests of people: what was pushed is fetched, read, and recorded as it is.

While an adopted proposal is open, `propose/<id>` is at what was pushed last. Its head is what was recorded last. So
what was pushed without being proposed stops every decision, as on each other branch of a proposal. All calls block.
"""

import datetime as dt
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from allotment_hub.forges.record_log import RecordLog
from allotment_hub.forges.stored_proposal import MAXIMUM_FILES, StoredProposal
from allotment_hub.forges.touched import touches
from allotment_hub.forges.webhooks import ForgeKind
from allotment_profiles.git.mirror import Mirror
from allotment_profiles.git.repository import NO_OBJECT, PROPOSE, FileChange, RefUpdate, Repository
from allotment_profiles.model.paths import ROOTS, file_ref
from allotment_profiles.model.problems import AllotmentError, quoted
from allotment_profiles.records.record import Record, RecordKind, Source

OPENED = "opened"
"""The act of the source of a proposal that was adopted."""
MAXIMUM_COMMITS = 1000
NEWEST = 2000
"""A head has to be made from one of so many newest commits of main."""
_NAMED = 5
"""So many files are named of those that cannot be proposed."""
_REGULAR, _REMOVED = "100644", "000000"
_MODES = {"120000": "a symbolic link", "160000": "a submodule", "100755": "executable"}
_POINTER, _POINTER_BYTES = b"version https://git-lfs.github.com/spec/", 1024
_REFERENCES: Mapping[ForgeKind, str] = {
    "gitea": "refs/pull/{}/head",
    "github": "refs/pull/{}/head",
    "gitlab": "refs/merge-requests/{}/head",
}


class UnfitHeadError(AllotmentError):
    """What was pushed cannot be a proposal; the text says why, and what helps."""


@dataclass(frozen=True, slots=True)
class PushedHead:
    """The head of a pull request, and what it changes."""

    head: str
    base: str
    """The commit of main that it was made from."""
    paths: tuple[str, ...]
    size: int
    """Bytes of the changed files."""


class AdoptedProposals:
    """Fetches the heads of pull requests, and records them as proposals."""

    def __init__(
        self,
        repository: Repository,
        log: RecordLog,
        move: Callable[[Sequence[RefUpdate]], None],
        mirror: Mirror | None = None,
    ) -> None:
        self._repository = repository
        self._log = log
        self._move = move
        self._mirror = mirror

    def fetch(self, forge: ForgeKind, number: int) -> str | None:
        """Fetch the head of a pull request, and return its commit. Keep it until `drop`.

        Return None where it is to blame that it cannot be fetched. Raise GitError.
        """
        reference = _REFERENCES[forge].format(number)
        return self._mirror.fetch_aside(reference) if self._mirror else self._repository.resolve(reference)

    def drop(self, forge: ForgeKind, number: int) -> None:
        """Forget a head that was fetched, and that a branch has now, or nobody needs. Raise GitError."""
        if self._mirror:
            self._mirror.drop_aside(_REFERENCES[forge].format(number))

    def read(self, head: str, main: str, *, foreign: bool) -> PushedHead:
        """Return what a head that is here changes of main; a foreign one is from another repository, as a fork is.

        Raise UnfitHeadError where it cannot be a proposal.
        """
        repository = self._repository
        base = repository.merge_base(main, head)
        if base is None:
            raise UnfitHeadError("It has no commit in common with main. Make its branch from main.")
        if base not in repository.first_parents(main, limit=NEWEST):
            raise UnfitHeadError(f"It was made from none of the newest {NEWEST:,} commits of main. Rebase it.")
        own = {commit: parents for commit, parents in repository.parents([head], since=main).items() if commit != main}
        if len(own) > MAXIMUM_COMMITS:
            raise UnfitHeadError(f"It has {len(own):,} commits; {MAXIMUM_COMMITS:,} are allowed. Squash them.")
        for commit, parents in own.items():
            # To merge main into it is what forges offer as "update branch".
            if not parents or sum(parent in own for parent in parents) > 1:
                why = f"Its commit {commit[:10]} merges a branch other than main. Rebase it onto main."
                raise UnfitHeadError(why)
        changes = repository.changes(base, head)
        blobs = [change.blob for change in changes if not change.removed]
        sizes = repository.sizes(blobs)
        self._check_files(changes, sizes)
        if foreign:
            self._check_harmless(head, main, changes)
        size = sum(sizes.get(blob, 0) for blob in blobs)
        return PushedHead(head, base, tuple(change.path for change in changes), size)

    def _check_files(self, changes: Sequence[FileChange], sizes: Mapping[str, int]) -> None:
        # Of more files than a proposal may change, none is read: they are refused by their number.
        may_be = sizes.items() if len(changes) <= MAXIMUM_FILES else ()
        small = self._repository.objects(blob for blob, size in may_be if size <= _POINTER_BYTES)
        pointers = {blob for blob, content in small.items() if content.startswith(_POINTER)}
        found = []
        for change in changes:
            if change.mode not in (_REGULAR, _REMOVED):
                found.append(f"{quoted(change.path)} is {_MODES.get(change.mode, 'no regular file')}")
            elif change.blob in pointers:
                found.append(f"{quoted(change.path)} is a pointer of Git LFS")
            elif not change.path.isprintable() or "\N{REPLACEMENT CHARACTER}" in change.path:
                found.append(f"the name {quoted(change.path)} has characters that are not allowed")
        if found:
            more = f", and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
            why = f"Only plain files can be proposed: {', '.join(found[:_NAMED])}{more}. Change that, and push again."
            raise UnfitHeadError(why)

    def _check_harmless(self, head: str, main: str, changes: Sequence[FileChange]) -> None:
        """Check that a head from a fork brings nothing but files that Allotment reads, and has not meanwhile either.

        The service pushes it to a branch. A forge takes that for the push of somebody whom it trusts, and may run what
        the workflows in it say, with the rights and secrets of the repository.
        """
        paths, where = [change.path for change in changes if file_ref(change.path) is None], "It"
        between = [] if paths else self._repository.commits_beside(ROOTS, head, since=main)
        if between:
            where = f"Its commit {between[0][:10]}"
            (commit,) = self._repository.commits(between[:1])
            found = self._repository.changes(commit.parents[0], commit.id)
            paths = [change.path for change in found if file_ref(change.path) is None]
        if paths:
            more = f", and {len(paths) - _NAMED:,} more" if len(paths) > _NAMED else ""
            named = ", ".join(quoted(path) for path in paths[:_NAMED])
            raise UnfitHeadError(
                f"{where} changes {named}{more}. It is from a fork, from where only files that Allotment reads are "
                "taken over. Somebody who may push to this repository can propose a README or CODEOWNERS from a branch "
                "in it. Make the branch anew from main without it."
            )

    # -- recording

    def find(self, forge: ForgeKind, number: int, server: str = "", head: str = "") -> str:
        """Return the id of the proposal that a pull request has become, open or ended; empty where there is none.

        One of another server is another one, unless it has a head of the proposal: the server was renamed then.
        """
        return self._found(self._names(number), Source(forge, number, OPENED, "", server=server), head)

    def _names(self, number: int) -> set[str]:
        """Return the ids that begin as that of a pull request's proposal."""
        name = re.compile(rf"{_name(number)}(-\d+)?")
        return {each for each in self._log.ask(lambda index: index.taken(_name(number))) if name.fullmatch(each)}

    def _found(self, names: set[str], wanted: Source, head: str) -> str:
        records = self._log.ask(lambda index: index.records(sorted(names)))
        for proposal, (first, *others) in sorted(records.items()):
            source = first.source
            if source is None or (source.key, source.act) != (wanted.key, OPENED):
                continue
            same = source.server == wanted.server or not source.server or not wanted.server
            if same or head in (record.head for record in (first, *others)):
                return proposal
        return ""

    def adopt(self, pushed: PushedHead, source: Source, *, by: str, title: str, text: str) -> str:
        """Record a proposal at a head that was pushed, with its branch. Return its id, or that of an earlier adoption.

        Raise RefMovedError where another service has adopted it at the same moment, and GitError.
        """
        names = self._names(source.pull_request)
        if earlier := self._found(names, source, pushed.head):
            return earlier
        name = _name(source.pull_request)
        # Somebody may have pushed branches with any of these names, or below one.
        branches = self._repository.references(PROPOSE)
        names |= {branch.removeprefix(PROPOSE).partition("/")[0] for branch in branches}
        numbered = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        proposal = next(each for each in numbered if each not in names)
        record = self._record("adopted", proposal, pushed, source, by=by, title=title, text=text)
        self._log.append(record, "", RefUpdate(PROPOSE + proposal, pushed.head, NO_OBJECT))
        return proposal

    def update(
        self, proposal: StoredProposal, pushed: PushedHead, source: Source, *, by: str, title: str, text: str
    ) -> None:
        """Record that a person proposes what was pushed since. Raise RefMovedError, GitError."""
        record = self._record("updated", proposal.id, pushed, source, by=by, title=title, text=text)
        branch = RefUpdate(PROPOSE + proposal.id, pushed.head, proposal.branch or NO_OBJECT)
        self._log.append(record, proposal.basis, branch)

    def as_proposed(
        self, earlier: StoredProposal | None, pushed: PushedHead, source: Source, *, by: str, title: str, text: str
    ) -> StoredProposal:
        """Return a proposal as it would be if somebody proposed what was pushed. Nothing is written."""
        kind: RecordKind = "updated" if earlier else "adopted"
        records = earlier.records if earlier else ()
        id_ = earlier.id if earlier else _name(source.pull_request)
        record = self._record(kind, id_, pushed, source, by=by, title=title, text=text)
        return StoredProposal(id_, pushed.head, pushed.head, (*records, record))

    def follow(self, proposal: StoredProposal, head: str) -> None:
        """Move the branch of a proposal to a commit that nobody has proposed, or back to its head. Raise GitError."""
        self._move([RefUpdate(PROPOSE + proposal.id, head, proposal.branch or NO_OBJECT)])

    def is_part(self, commit: str, head: str) -> bool:
        """Return whether a commit precedes a head. One that is not here does not."""
        return bool(self._repository.sizes([commit])) and self._repository.is_ancestor(commit, head)

    def _record(
        self, kind: RecordKind, proposal: str, pushed: PushedHead, source: Source, *, by: str, title: str, text: str
    ) -> Record:
        return Record(
            kind, by, dt.datetime.now(dt.UTC), pushed.head, text, title, size=pushed.size, proposal=proposal,
            base=pushed.base, touches=touches(self._repository, pushed.base, pushed.head), source=source,
        )  # fmt: skip


def _name(number: int) -> str:
    return f"pull-{number}"
