"""The plain-git forge: proposals, reviews and merges as branches of the profiles repository itself.

    propose/<id>   the proposed files, on top of the commit of main that they were made from
    reviews/<id>   a signed commit for each record; a record that sets the head has the head as its second parent, so
                   that nothing proposed is lost

Each step moves its references in one transaction, by compare-and-swap. If the repository is a mirror, the references of
the git server move first, by compare-and-swap as well. All calls block; services make them in a thread.
"""

import datetime as dt
import logging
from collections.abc import Iterable, Mapping, Sequence

from allotment_hub.forges.heads import Heads
from allotment_hub.forges.records import Candidate, Record, RecordKind, StoredProposal, parse_record
from allotment_hub.forges.touched import TouchedFiles
from allotment_profiles.git.commits import Commit, Person
from allotment_profiles.git.mirror import Mirror
from allotment_profiles.git.process import GitError, GitUnavailableError
from allotment_profiles.git.repository import (
    MAIN,
    NO_OBJECT,
    PROPOSE,
    REVIEWS,
    FileChange,
    RefMovedError,
    RefUpdate,
    Repository,
)
from allotment_profiles.git.signatures import Signer

log = logging.getLogger(__name__)

SERVICE = Person("Allotment", "allotment@localhost")


class MergeConflictError(GitError):
    """Main has changed the files `paths` since a proposal was made that changes them as well."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(f"conflict in {', '.join(paths)}")
        self.paths = tuple(paths)


class PlainGitForge:
    """Keeps proposals in a bare repository, which may be the mirror of one on a git server."""

    def __init__(self, repository: Repository, signer: Signer, mirror: Mirror | None = None) -> None:
        self.repository = repository
        self._mirror = mirror
        self._signer = signer
        self._main = ""
        self._heads = Heads(repository)
        self.touched = TouchedFiles(repository, self._heads)
        self._chains: dict[str, tuple[Record, ...]] = {}
        self._listed: tuple[object, tuple[StoredProposal, ...]] = (None, ())

    # -- reading

    def main(self) -> str:
        """Return the commit that main is at. Raise GitError where there is no main."""
        if not self.repository.is_surely_at(MAIN, self._main):
            commit = self.repository.resolve(MAIN)
            if commit is None:
                raise GitError("the repository has no branch main")
            self._main = commit
        return self._main

    def all(self) -> tuple[StoredProposal, ...]:
        """List all proposals, those with the newest record first."""
        references = self.repository.references(REVIEWS, PROPOSE)
        state, keys = (references, self.repository.keys), self.repository.keys
        was, listed = self._listed
        if was == state:
            return listed
        reviews = {name.removeprefix(REVIEWS): tip for name, tip in references.items() if name.startswith(REVIEWS)}
        self._read_chains(reviews)
        proposals = [self._stored(name, tip, references) for name, tip in reviews.items()]
        # Forget chains that no branch ends at any more.
        current = {f"{name} {tip} {keys}" for name, tip in reviews.items()}
        self._chains = {key: chain for key, chain in self._chains.items() if key in current}
        listed = tuple(sorted(filter(None, proposals), key=lambda proposal: proposal.records[-1].time, reverse=True))
        self._listed = state, listed
        self.touched.forget_others(listed)
        return listed

    def get(self, proposal: str) -> StoredProposal | None:
        """Return one proposal, or None."""
        references = self.repository.references(REVIEWS + proposal, PROPOSE + proposal)
        tip = references.get(REVIEWS + proposal)
        return self._stored(proposal, tip, references) if tip else None

    def changes(self, base: str, head: str) -> tuple[FileChange, ...]:
        """Return the files that differ between two commits."""
        return self._heads.changes(base, head)

    def sealed(self, digest: str) -> str:
        """Return a digest as readers get it: who knows all but a value cannot find the value by trying."""
        return self._signer.sealed(digest)

    def unrecorded(self) -> dict[str, str]:
        """Return the branches below propose/ that were pushed outside the hub: id → commit."""
        references = self.repository.references(REVIEWS, PROPOSE)
        branches = {name.removeprefix(PROPOSE): tip for name, tip in references.items() if name.startswith(PROPOSE)}
        return {name: commit for name, commit in branches.items() if REVIEWS + name not in references}

    def _stored(self, proposal: str, tip: str, branches: Mapping[str, str]) -> StoredProposal | None:
        try:
            records = self._records(proposal, tip)
        except GitUnavailableError:
            raise
        except GitError as error:
            # A damaged or forged branch must not affect the others.
            log.warning("the reviews of %s cannot be read: %s", proposal, error)
            return None
        if not records or records[0].kind != "proposed":
            return None
        head = next(record.head for record in reversed(records) if record.kind in ("proposed", "updated"))
        return StoredProposal(proposal, head, branches.get(PROPOSE + proposal), records, tip)

    def _read_chains(self, reviews: Mapping[str, str]) -> None:
        """Read the records of many proposals at once. What is damaged is left to `_records`, one after the other."""
        keys = self.repository.keys
        new = {name: tip for name, tip in reviews.items() if f"{name} {tip} {keys}" not in self._chains}
        try:
            parents = self.repository.parents(new.values(), first=True) if len(new) > 1 else {}
        except GitUnavailableError:
            raise
        except GitError:
            return
        commits = {commit.id: commit for commit in self.repository.commits(list(parents))}
        for name, tip in new.items():
            chain: list[Record] = []
            commit: str | None = tip
            while commit in commits:
                record = parse_record(commits[commit], name)
                chain += [record] if record else []
                commit = next(iter(parents[commit]), None)
            if parents:
                self._chains[f"{name} {tip} {keys}"] = tuple(reversed(chain))

    def _records(self, proposal: str, tip: str) -> tuple[Record, ...]:
        key = f"{proposal} {tip} {self.repository.keys}"
        if key not in self._chains:
            commits = self.repository.commits(self.repository.first_parents(tip))
            records = (parse_record(commit, proposal) for commit in reversed(commits))
            self._chains[key] = tuple(record for record in records if record)
        return self._chains[key]

    # -- writing

    def open(
        self, slug: str, base: str, files: Mapping[str, bytes | None], *, by: str, title: str, reason: str
    ) -> StoredProposal:
        """Open a proposal on top of a commit of main. Raise RefMovedError."""
        references = self.repository.references(REVIEWS, PROPOSE)
        # Git cannot have a branch `propose/x` beside a branch `propose/x/y`, which somebody may have pushed.
        taken = {name.removeprefix(REVIEWS).removeprefix(PROPOSE).partition("/")[0] for name in references}
        number = 1
        while f"{slug}-{number}" in taken:
            number += 1
        proposal = f"{slug}-{number}"
        head = self._content(base, [base], files, by=by, title=title, reason=reason)
        record = Record("proposed", by, dt.datetime.now(dt.UTC), head, reason, title, size=size_of(files))
        # The chain of records starts with a commit without parents, so that it never leads into proposed content.
        root = self._write(self.repository.write_tree(None, {}), [], f"Reviews of {proposal}\n", SERVICE)
        tip = self._recorded(proposal, record, [root, head])
        self._move(RefUpdate(PROPOSE + proposal, head, NO_OBJECT), RefUpdate(REVIEWS + proposal, tip, NO_OBJECT))
        return self._reload(proposal)

    def update(
        self,
        proposal: StoredProposal,
        base: str,
        files: Mapping[str, bytes | None],
        *,
        by: str,
        title: str,
        reason: str,
    ) -> StoredProposal:
        """Replace the content of an open proposal, on top of a commit of main. Raise RefMovedError."""
        parents = [proposal.branch or proposal.head] + ([base] if base else [])
        head = self._content(base, parents, files, by=by, title=title, reason=reason)
        record = Record("updated", by, dt.datetime.now(dt.UTC), head, reason, title, size=size_of(files))
        tip = self._recorded(proposal.id, record, [proposal.tip, head])
        self._move(
            RefUpdate(PROPOSE + proposal.id, head, proposal.branch or NO_OBJECT),
            RefUpdate(REVIEWS + proposal.id, tip, proposal.tip),
        )
        return self._reload(proposal.id)

    def record(
        self,
        proposal: StoredProposal,
        kind: RecordKind,
        *,
        by: str,
        text: str = "",
        candidate: Candidate | None = None,
        digest: str = "",
    ) -> StoredProposal:
        """Add a comment, a rejection or a withdrawal, or the approval of a candidate. Raise RefMovedError."""
        main = candidate.main if candidate else ""
        record = Record(kind, by, dt.datetime.now(dt.UTC), proposal.head, text, digest=digest, main=main)
        tip = self._recorded(proposal.id, record, [proposal.tip])
        updates = [RefUpdate(REVIEWS + proposal.id, tip, proposal.tip)]
        if proposal.branch and kind in ("rejected", "withdrawn"):
            updates.append(RefUpdate(PROPOSE + proposal.id, NO_OBJECT, proposal.branch))
        elif proposal.branch:
            updates.append(RefUpdate(PROPOSE + proposal.id, proposal.branch, proposal.branch))
        self._move(*updates)
        return self._reload(proposal.id)

    def candidate(self, proposal: StoredProposal, main: str) -> Candidate:
        """Prepare a merge: the files of main that a proposal changes. Raise MergeConflictError. Nothing is written.

        No lines are merged: a file that main has changed as well is a conflict, since nobody has seen what merged lines
        would mean.
        """
        return Candidate(main, proposal.head, self._unmerged(proposal.head, main))

    def prepare(self, proposals: Iterable[StoredProposal], main: str) -> None:
        """Read with a few git processes what the candidates of many proposals need."""
        pairs = [(main, stored.head) for stored in proposals]
        bases = self._heads.bases(pairs)
        made_from = {(base, head) for (_, head), base in bases.items() if base}
        self._heads.changes_of({*made_from, *((base, main) for base, _ in made_from)})

    def _unmerged(self, head: str, main: str) -> tuple[FileChange, ...]:
        """Return how a head changes files of main. Raise MergeConflictError."""
        base = self._heads.base(main, head)
        if base is None:  # main was replaced by another history
            raise MergeConflictError([change.path for change in self._heads.changes(main, head)])
        changes = self._heads.changes(base, head)
        by_main = {change.path: change for change in self._heads.changes(base, main)}
        conflicts = [change.path for change in changes if _overlaps(change, by_main)]
        if conflicts:
            raise MergeConflictError(conflicts)
        return tuple(change for change in changes if change.path not in by_main)

    def merge(
        self, proposal: StoredProposal, candidate: Candidate, message: str, *, by: str, digest: str = ""
    ) -> StoredProposal:
        """Move main to a candidate. Raise RefMovedError unless main and the proposal are still where they were."""
        if candidate.head != proposal.head:
            raise RefMovedError(f"the proposal {proposal.id} has another head than what was judged")
        parents = [candidate.main, proposal.head]
        tree = self.repository.changed_tree(candidate.main, candidate.changes)
        commit = self._write(tree, parents, message, Person(proposal.proposer, ""))
        record = Record("merged", by, dt.datetime.now(dt.UTC), proposal.head, merge=commit, digest=digest)
        tip = self._recorded(proposal.id, record, [proposal.tip])
        self._move(
            RefUpdate(MAIN, commit, candidate.main),
            RefUpdate(REVIEWS + proposal.id, tip, proposal.tip),
            RefUpdate(PROPOSE + proposal.id, NO_OBJECT, proposal.head),
        )
        return self._reload(proposal.id)

    def add_empty(self, main: str, message: str, *, by: str) -> str:
        """Add an empty commit with a message to main. Raise RefMovedError."""
        commit = self._write(self.repository.write_tree(main, {}), [main], message, Person(by, ""))
        self._move(RefUpdate(MAIN, commit, main))
        return commit

    def _write(self, tree: str, parents: Sequence[str], message: str, author: Person) -> str:
        signer, time = self._signer, dt.datetime.now(dt.UTC)
        return self.repository.write_commit(
            tree, parents, message, author=author, committer=SERVICE, time=time, signer=signer
        )

    def _move(self, *updates: RefUpdate) -> None:
        if self._mirror:
            self._mirror.push(updates)
        else:
            self.repository.update_references(updates)

    def _reload(self, proposal: str) -> StoredProposal:
        stored = self.get(proposal)
        if stored is None:
            raise RefMovedError(f"the proposal {proposal} is gone")
        return stored

    def _content(
        self, base: str, parents: Sequence[str], files: Mapping[str, bytes | None], *, by: str, title: str, reason: str
    ) -> str:
        tree = self.repository.write_tree(base, files)
        message = f"Propose: {' '.join(title.split())[:100]}\n\n{reason}\n"
        return self._write(tree, parents, message, Person(by, ""))

    def _recorded(self, proposal: str, record: Record, parents: Sequence[str]) -> str:
        tree = self.repository.write_tree(None, {})
        return self._write(tree, parents, record.message(proposal), Person(record.by, ""))

    def commit(self, commit: str) -> Commit | None:
        """Return one commit, or None."""
        return next(iter(self.repository.commits([commit])), None)


def size_of(files: Mapping[str, bytes | None]) -> int:
    """Return how many bytes files have, as a record counts them."""
    return sum(len(content) for content in files.values() if content)


def _overlaps(change: FileChange, by_main: Mapping[str, FileChange]) -> bool:
    """Return whether main has changed the same file otherwise, or has a folder or a file in its way."""
    path, same = change.path, by_main.get(change.path)
    if same is not None:
        return (same.mode, same.blob) != (change.mode, change.blob)
    return any(other.startswith(f"{path}/") or path.startswith(f"{other}/") for other in by_main)
