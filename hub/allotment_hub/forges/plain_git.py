"""The plain-git forge: proposals, reviews and merges as branches of the profiles repository itself.

    propose/<id>        while a proposal is open: the proposed files, on top of the commit of main that they were made
                        from
    allotment/records   a signed commit for each record, on top of the one before, with the head that it speaks of as
                        second parent, so that nothing proposed is lost

Each step moves its references in one transaction, by compare-and-swap. If the repository is a mirror, the references of
the git server move first, by compare-and-swap as well. All calls block; services make them in a thread.
"""

import contextlib
import datetime as dt
import itertools
import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Unpack

from allotment_hub.forges.adopted import AdoptedProposals
from allotment_hub.forges.heads import Heads
from allotment_hub.forges.record_index import DamagedIndexError, RecordIndex
from allotment_hub.forges.record_log import RecordLog
from allotment_hub.forges.stored_proposal import Candidate, StoredProposal, Words
from allotment_hub.forges.touched import TouchedFiles, touches
from allotment_profiles.git.commits import Commit, Person
from allotment_profiles.git.mirror import Mirror, in_the_way, move
from allotment_profiles.git.process import GitError
from allotment_profiles.git.repository import (
    MAIN,
    NO_OBJECT,
    PROPOSE,
    FileChange,
    RefMovedError,
    RefUpdate,
    Repository,
)
from allotment_profiles.git.signatures import Signer
from allotment_profiles.records.chain import SERVICE
from allotment_profiles.records.record import ENDINGS, SETTERS, Record, RecordKind, Source

log = logging.getLogger(__name__)

RETRY_SECONDS = 60.0


class PlainGitForge:
    """Keeps proposals in a bare repository, which may be the mirror of one on a git server."""

    def __init__(
        self, repository: Repository, signer: Signer, mirror: Mirror | None = None, index: Path | None = None
    ) -> None:
        """With `index`, keep what the log of records says in this file."""
        self.repository = repository
        self._mirror = mirror
        self._signer = signer
        self._main = ""
        self._heads = Heads(repository)
        self.touched = TouchedFiles(repository, self._heads)
        self.log = RecordLog(repository, signer, RecordIndex(index), self._move, self._is_complete)
        self.adopted = AdoptedProposals(repository, self.log, self._move, mirror)
        if mirror:
            mirror.recorded = self._recorded_branches
        self._listed: tuple[object, tuple[StoredProposal, ...]] = (None, ())
        self.merged_branches_stay = False
        """Whether the branch of a proposal outlives its merge: a forge only sees a merge while there is a branch."""

    # -- reading

    def begin(self) -> None:
        """Read the log. Once everything was fetched, carry over what version 0.1 has recorded. Blocks until then."""
        self.log.look()
        if self._mirror:
            self._mirror.complete.wait()
        while True:
            try:
                self.log.carry_over()
            except GitError as error:
                log.warning("the records of an earlier version were not carried over yet: %s", error)
                time.sleep(RETRY_SECONDS)
            else:
                return

    def close(self) -> None:
        """Close the index of records."""
        self.log.close()

    def main(self) -> str:
        """Return the commit that main is at. Raise GitError where there is no main."""
        if not self.repository.is_surely_at(MAIN, self._main):
            commit = self.repository.resolve(MAIN)
            if commit is None:
                raise GitError("the repository has no branch main")
            self._main = commit
        return self._main

    def open_ones(self) -> tuple[StoredProposal, ...]:
        """List the open proposals, those with the newest record first."""
        found = self.log.ask(lambda index: index.newest(state="open"))
        branches = self._branches(proposal for proposal, _ in found)
        state = found, self.repository.keys, branches
        was, listed = self._listed
        if was != state:
            listed = self._stored(found, branches)
            self._listed = state, listed
            self.touched.forget_others(listed)
        return listed

    def newest(
        self, *, state: str = "", proposer: str = "", before: int = 0, limit: int = -1
    ) -> tuple[StoredProposal, ...]:
        """List proposals, those with the newest record first: of a state and a person, after the one with a number.

        `state` is `open`, `merged`, `rejected`, `withdrawn`, or `ended` for the last three.
        """
        wanted = {"state": state, "proposer": proposer}
        found = self.log.ask(lambda index: index.newest(**wanted, before=before, limit=limit))
        return self._stored(found)

    def totals(self) -> Mapping[str, int]:
        """Return how many proposals are in each state."""
        return self.log.ask(RecordIndex.totals)

    def added(self, person: str, since: dt.datetime) -> tuple[int, int]:
        """Return how many proposals, updates and comments somebody has sent since a time, and their bytes."""
        return self.log.ask(lambda index: index.added(person, since))

    def get(self, proposal: str) -> StoredProposal | None:
        """Return one proposal, or None."""
        return next(iter(self._stored([(proposal, 0)])), None)

    def undoing(self, proposal: str) -> tuple[StoredProposal, ...]:
        """List the proposals that undo a merged one, those with the newest record first."""
        return self._stored(self.log.ask(lambda index: index.undoing(proposal)))

    def redacted(self, proposals: Collection[str]) -> dict[str, Record]:
        """Return the record whose title and reason main has of a merged proposal, where they are redacted."""
        redacted = self.log.ask(lambda index: index.redacted()).intersection(proposals)
        found = self._stored([(proposal, 0) for proposal in redacted]) if redacted else ()
        return {stored.id: stored.current for stored in found if stored.current.redacted}

    def _stored(
        self, found: Sequence[tuple[str, int]], branches: Mapping[str, str] | None = None
    ) -> tuple[StoredProposal, ...]:
        records = self.log.ask(lambda index: index.records([proposal for proposal, _ in found]))
        if branches is None:  # those of ended proposals are of no interest
            still_open = (each for each in records if not any(record.kind in ENDINGS for record in records[each]))
            branches = self._branches(still_open)
        return tuple(
            _proposal(proposal, number, records[proposal], branches.get(PROPOSE + proposal))
            for proposal, number in found
            if proposal in records
        )

    def _branches(self, proposals: Iterable[str]) -> dict[str, str]:
        """Return the branches of some proposals, and no others: very many may have been pushed."""
        return self.repository.references_named(PROPOSE + proposal for proposal in proposals)

    def changes(self, base: str, head: str) -> tuple[FileChange, ...]:
        """Return the files that differ between two commits."""
        return self._heads.changes(base, head)

    def sealed(self, digest: str) -> str:
        """Return a digest as readers get it: who knows all but a value cannot find the value by trying."""
        return self._signer.sealed(digest)

    def unrecorded(self) -> dict[str, str]:
        """Return the branches below propose/ that were pushed outside the hub: id → commit."""
        ended = self.ended_branches()
        return {name: commit for name, commit in self._not_open().items() if name not in ended}

    def ended_branches(self) -> dict[str, StoredProposal]:
        """Return the ended proposals whose branches are still there, as they were proposed."""
        branches = self._not_open()
        records = self.log.ask(lambda index: index.records(list(branches)))
        ended = (_proposal(id_, 0, found, branches[id_]) for id_, found in records.items())
        return {stored.id: stored for stored in ended if stored.ending and stored.branch == stored.head}

    def _not_open(self) -> dict[str, str]:
        branches = self.repository.references(PROPOSE)
        names = {name.removeprefix(PROPOSE): commit for name, commit in branches.items()}
        recorded = {proposal for proposal, _ in self.log.ask(lambda index: index.newest(state="open"))}
        return {name: commit for name, commit in names.items() if name not in recorded}

    def remove_branch(self, ended: StoredProposal) -> None:
        """Remove the branch of a proposal that has ended. Raise RefMovedError where it is at another commit."""
        self._move([RefUpdate(PROPOSE + ended.id, NO_OBJECT, ended.head)])

    # -- writing

    def open(
        self,
        slug: str,
        base: str,
        files: Mapping[str, bytes | None],
        *,
        undoes: str = "",
        evidence: bytes = b"",
        **words: Unpack[Words],
    ) -> StoredProposal:
        """Open a proposal on top of a commit of main: with `undoes`, one that undoes another. Raise RefMovedError."""
        # Git cannot have a branch `propose/x` beside a branch `propose/x/y`, which somebody may have pushed.
        pushed = {name.removeprefix(PROPOSE).partition("/")[0] for name in self.repository.references(PROPOSE + slug)}
        taken = pushed | self.log.ask(lambda index: index.taken(slug))
        names = itertools.chain([slug], (f"{slug}-{number}" for number in itertools.count(2)))
        proposal = next(name for name in names if name not in taken)
        head = self._content(base, [base], files, **words)
        record = self._setting("proposed", proposal, base, head, files, undoes, evidence, **words)
        self.log.append(record, "", RefUpdate(PROPOSE + proposal, head, NO_OBJECT))
        return self._reload(proposal)

    def update(
        self,
        proposal: StoredProposal,
        base: str,
        files: Mapping[str, bytes | None],
        *,
        undoes: str = "",
        evidence: bytes = b"",
        **words: Unpack[Words],
    ) -> StoredProposal:
        """Replace the content of an open proposal, on top of a commit of main. Raise RefMovedError."""
        parents = [proposal.branch or proposal.head] + ([base] if base else [])
        head = self._content(base, parents, files, **words)
        record = self._setting("updated", proposal.id, base, head, files, undoes, evidence, **words)
        branch = RefUpdate(PROPOSE + proposal.id, head, proposal.branch or NO_OBJECT)
        self.log.append(record, proposal.basis, branch)
        return self._reload(proposal.id)

    def _setting(
        self,
        kind: RecordKind,
        proposal: str,
        base: str,
        head: str,
        files: Mapping[str, bytes | None],
        undoes: str,
        evidence: bytes,
        **words: Unpack[Words],
    ) -> Record:
        """Return the record that sets a head."""
        return Record(
            kind, words["by"], dt.datetime.now(dt.UTC), head, words["reason"], words["title"],
            size=size_of(files) + len(evidence), proposal=proposal, base=base, undoes=undoes, evidence=evidence,
            touches=touches(self.repository, base, head), by_assistant=words.get("by_assistant", False),
        )  # fmt: skip

    def record(
        self,
        proposal: StoredProposal,
        kind: RecordKind,
        *,
        by: str,
        text: str = "",
        candidate: Candidate | None = None,
        digest: str = "",
        source: Source | None = None,
        dismisses: str = "",
        redacts: str = "",
        tried: str = "",
        evidence: bytes = b"",
    ) -> StoredProposal:
        """Add a comment, a decision, a redaction, or the outcome of a trial of a head. Raise RefMovedError."""
        main, now = candidate.main if candidate else "", dt.datetime.now(dt.UTC)
        record = Record(
            kind, by, now, tried or proposal.head, text, evidence=evidence,
            digest=digest, main=main, proposal=proposal.id, source=source, dismisses=dismisses, redacts=redacts,
        )  # fmt: skip
        new = NO_OBJECT if kind in ENDINGS else proposal.branch
        branches = [RefUpdate(PROPOSE + proposal.id, new, proposal.branch)] if proposal.branch and new else []
        self.log.append(record, proposal.basis, *branches)
        return self._reload(proposal.id)

    def candidate(self, proposal: StoredProposal, main: str) -> Candidate:
        """Prepare a merge: the files of main that a proposal changes. Raise MergeConflictError. Nothing is written.

        No lines are merged: a file that main has changed as well is a conflict, since nobody has seen what merged lines
        would mean.
        """
        self._made_from(proposal, main)
        return Candidate(main, proposal.head, self._heads.unmerged(proposal.head, main))

    def prepare(self, proposals: Iterable[StoredProposal], main: str) -> None:
        """Read with a few git processes what the candidates of many proposals need."""
        proposals = tuple(proposals)
        for stored in proposals:
            self._made_from(stored, main)
        pairs = [(main, stored.head) for stored in proposals]
        bases = self._heads.bases(pairs)
        made_from = {(base, head) for (_, head), base in bases.items() if base}
        self._heads.changes_of({*made_from, *((base, main) for base, _ in made_from)})

    def _made_from(self, proposal: StoredProposal, main: str) -> None:
        if proposal.current.head == proposal.head and proposal.current.base:
            self._heads.made_from(main, proposal.head, proposal.current.base)

    def merge(
        self,
        proposal: StoredProposal,
        candidate: Candidate,
        message: str,
        *,
        by: str,
        digest: str = "",
        source: Source | None = None,
    ) -> StoredProposal:
        """Move main to a candidate. Raise RefMovedError unless main and the proposal are still where they were."""
        if candidate.head != proposal.head:
            raise RefMovedError(f"the proposal {proposal.id} has another head than what was judged")
        parents = [candidate.main, proposal.head]
        tree = self.repository.changed_tree(candidate.main, candidate.changes)
        commit = self._write(tree, parents, message, Person(proposal.proposer, ""))
        now = dt.datetime.now(dt.UTC)
        record = Record(
            "merged", by, now, proposal.head, merge=commit, digest=digest, proposal=proposal.id, source=source
        )
        left = proposal.head if self.merged_branches_stay else NO_OBJECT
        branch = RefUpdate(PROPOSE + proposal.id, left, proposal.head)
        self.log.append(record, proposal.basis, RefUpdate(MAIN, commit, candidate.main), branch)
        return self._reload(proposal.id)

    def confirm(self, main: str, confirmed: str, message: str, *, by: str, reason: str) -> str:
        """Add an empty commit to main that confirms another one. Raise RefMovedError."""
        commit = self._write(self.repository.write_tree(main, {}), [main], message, Person(by, ""))
        record = Record("confirmed", by, dt.datetime.now(dt.UTC), confirmed, reason, merge=commit)
        self.log.append(record, "", RefUpdate(MAIN, commit, main))
        return commit

    def merged_there(
        self, proposal: StoredProposal, merge: str, *, by: str, source: Source, main: str = "", digest: str = "",
        text: str = "", confirmation: str = "", on: str = "",
    ) -> StoredProposal:  # fmt: skip
        """Record that the forge merged a proposal into a commit of main. Raise RefMovedError.

        With a message of a `confirmation`, an empty commit `on` top of main confirms it, and is what is recorded.
        """
        updates = [RefUpdate(PROPOSE + proposal.id, NO_OBJECT, proposal.branch)] if proposal.branch else []
        if confirmation:
            merge = self._write(self.repository.write_tree(on, {}), [on], confirmation, Person(proposal.proposer, ""))
            updates.append(RefUpdate(MAIN, merge, on))
        record = Record(
            "merged", by, dt.datetime.now(dt.UTC), proposal.head, text,
            merge=merge, digest=digest, main=main, proposal=proposal.id, source=source,
        )  # fmt: skip
        self.log.append(record, proposal.basis, *updates)
        return self._reload(proposal.id)

    def _write(self, tree: str, parents: Sequence[str], message: str, author: Person) -> str:
        now = dt.datetime.now(dt.UTC)
        return self.repository.write_commit(
            tree, parents, message, author=author, committer=SERVICE, time=now, signer=self._signer
        )

    def in_the_way(self) -> tuple[str, ...]:
        """Return the branches that keep the service from making its own: nothing is proposed while there is one."""
        return in_the_way(self.repository, self._mirror)

    def _move(self, updates: Sequence[RefUpdate]) -> None:
        move(self.repository, self._mirror, updates)

    def _recorded_branches(self) -> list[str]:
        """Return the branches of the open proposals, as far as they have been read."""
        with contextlib.suppress(GitError, DamagedIndexError):
            return [PROPOSE + proposal for proposal, _ in self.log.index.newest(state="open")]
        return []

    def _is_complete(self) -> bool:
        """Return whether all branches of proposals are here."""
        return self._mirror is None or self._mirror.complete.is_set()

    def _reload(self, proposal: str) -> StoredProposal:
        stored = self.get(proposal)
        if stored is None:
            raise RefMovedError(f"the proposal {proposal} is gone")
        return stored

    def _content(
        self, base: str, parents: Sequence[str], files: Mapping[str, bytes | None], **words: Unpack[Words]
    ) -> str:
        tree = self.repository.write_tree(base, files)
        message = f"Propose: {' '.join(words['title'].split())[:100]}\n\n{words['reason']}\n"
        return self._write(tree, parents, message, Person(words["by"], ""))

    def commit(self, commit: str) -> Commit | None:
        """Return one commit, or None."""
        return next(iter(self.repository.commits([commit])), None)


def _proposal(id_: str, number: int, records: tuple[Record, ...], branch: str | None) -> StoredProposal:
    head = next(record.head for record in reversed(records) if record.kind in SETTERS)
    return StoredProposal(id_, head, branch, records, number)


def size_of(files: Mapping[str, bytes | None]) -> int:
    """Return how many bytes files have, as a record counts them."""
    return sum(len(content) for content in files.values() if content)
