"""What a merge has put on main: one of the service's, and one with the forge's own button. All calls block."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from allotment_hub.forges.stored_proposal import Candidate
from allotment_profiles.git.repository import FileChange, Repository
from allotment_profiles.records.record import Record
from allotment_profiles.store.history import CONFIRMS_PUSH


@dataclass(frozen=True, slots=True)
class Landing:
    """The commits that the forge's own button has put on main."""

    before: str
    """Where main was."""
    commits: tuple[str, ...]
    """Oldest first; more than one where it rebased."""


def landings(repository: Repository, merge: str, base: str, head: str) -> Iterator[Landing]:
    """Yield how a commit of main may have come from a head that was made from a base.

    A merge and a squash are one commit. A rebase is one for each of the head's, recognised by what each changes.
    """
    commits = repository.commits([merge])
    parents = commits[0].parents if commits else ()
    if not parents:
        return
    # First all of a rebase: its last commit alone is what is left of the head after the others.
    own = repository.first_parents(head, until=base) if base and len(parents) == 1 else []
    wanted = [changed for _, _, changed in _steps(repository, own)]
    if len(wanted) > 1:
        steps = _steps(repository, repository.first_parents(merge, limit=len(own)))[: len(wanted)]
        if [changed for _, _, changed in steps] == wanted:
            yield Landing(steps[-1][0], tuple(commit for _, commit, _ in reversed(steps)))
    yield Landing(parents[0], (merge,))


def _steps(repository: Repository, line: Sequence[str]) -> list[tuple[str, str, frozenset[FileChange]]]:
    """Return the commits of a line that change something, each with the one before and what it changes."""
    pairs = [(commit.parents[0], commit.id) for commit in repository.commits(line) if commit.parents]
    changes = repository.changes_of(pairs)
    return [(*pair, frozenset(changed)) for pair, changed in zip(pairs, changes, strict=True) if changed]


def is_exactly(repository: Repository, landing: Landing, candidate: Candidate) -> bool:
    """Return whether main has got exactly what a candidate says."""
    put = repository.changes(landing.before, landing.commits[-1])
    return bool(put) and set(put) == set(candidate.changes)


def spans(repository: Repository, endings: Iterable[Record]) -> dict[str, tuple[str, str]]:
    """Return where main was before and after merges, by what their records say.

    Of one with the forge's own button that the service has confirmed, these are the commits that it confirms.
    """
    befores = {ending.merge: ending.main for ending in endings if ending.merge}
    found = {}
    for commit in repository.commits(list(befores)):
        before = befores[commit.id] or next(iter(commit.parents), "")
        confirmed = commit.trailers().get(CONFIRMS_PUSH, ()) if befores[commit.id] and commit.signed_by else ()
        if before:
            found[commit.id] = before, (confirmed[-1] if confirmed else commit.id)
    return found
