"""A local mirror of the repository on a git server: fetched beside, taken over as a whole, pushed with leases.

What is fetched lies apart first. It counts only if nothing was pushed from here meanwhile, so that a slow fetch never
puts a branch back to where it was; and all branches move in one transaction. A branch that cannot be fetched keeps no
change of main away: whoever may push a proposal could keep a revoked grant in force. Calls block; use a thread.
"""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from allotment_profiles.git.process import GitError
from allotment_profiles.git.remotes import MAIN_ALONE, STAGED, Remote, RemoteError
from allotment_profiles.git.repository import NO_OBJECT, RefMovedError, RefUpdate, Repository, is_reference
from allotment_profiles.git.signatures import Verifier

_HEADS = "refs/heads/"
_MAIN = f"{_HEADS}main"
_ATTEMPTS = 3


class Mirror:
    """One bare repository here, and where it comes from."""

    def __init__(self, repository: Repository, remote: Remote) -> None:
        self.repository = repository
        self.remote = remote
        self._pushed = 0
        self._lock = threading.Lock()
        self._fetching = threading.Lock()

    @classmethod
    def opened(cls, path: Path, remote: Remote, verifier: Verifier | None = None) -> "Mirror":
        """Give the mirror at a path; makes an empty repository where there is none."""
        repository = Repository(path, verifier) if (path / "HEAD").exists() else Repository.create(path, verifier)
        return cls(repository, remote)

    def fetch(self) -> bool:
        """Bring the mirror up to date; tells whether anything moved. Raises RemoteError, GitError.

        Where a branch beside main is what cannot be fetched, main has been brought up to date all the same.
        """
        with self._fetching:  # two at a time would trip over each other's references
            for _ in range(_ATTEMPTS):
                before = self._pushed
                trouble = self._stage()
                with self._lock:
                    if self._pushed == before:
                        moved = self._take_over(main_alone=trouble is not None)
                        if trouble:
                            raise trouble
                        return moved
        raise RemoteError("the mirror is pushed to so often that it is not renewed")

    def _stage(self) -> RemoteError | None:
        """Fetch all branches; gives what is wrong where it is main alone that could be fetched."""
        try:
            self.remote.fetch(self.repository.path)
        except RemoteError as error:
            # What was fetched earlier may be in the way: a branch, where there is a folder of its name now.
            self.repository.drop_references(STAGED)
            try:
                self.remote.fetch(self.repository.path, MAIN_ALONE)
            except RemoteError:
                raise error from None
            return error
        return None

    def push(self, updates: Sequence[RefUpdate]) -> None:
        """Move branches on the server, then here; raises RefMovedError, after a fetch, where one was elsewhere."""
        with self._lock:
            self._pushed += 1
        try:
            self.remote.push(self.repository.path, updates)
        except RefMovedError:
            self.fetch()
            raise
        with self._lock:
            self._pushed += 1
            self._follow(updates)

    def _follow(self, updates: Sequence[RefUpdate]) -> None:
        """Put the branches here where they now are on the server, wherever they were."""
        now = self.repository.references(_HEADS)
        moves = [
            RefUpdate(each.name, each.new, now.get(each.name, NO_OBJECT))
            for each in updates
            if now.get(each.name, NO_OBJECT) != each.new
        ]
        if moves:
            self.repository.update_references(moves)

    def _take_over(self, *, main_alone: bool) -> bool:
        staged = self.repository.references(STAGED)
        # A name that git takes and we do not is none of a proposal or a review.
        wanted = {_HEADS + name.removeprefix(STAGED): commit for name, commit in staged.items() if is_reference(name)}
        now = self.repository.references(_HEADS)
        if _MAIN not in wanted:
            raise GitError("the repository on the git server has no branch main")
        moves = [
            RefUpdate(name, wanted.get(name, NO_OBJECT), now.get(name, NO_OBJECT))
            for name in ([_MAIN] if main_alone else sorted(wanted.keys() | now.keys()))
            if wanted.get(name) != now.get(name)
        ]
        for step in _possible_at_once(moves):
            self.repository.update_references(step)
        return bool(moves)


def _possible_at_once(moves: Sequence[RefUpdate]) -> Iterator[Sequence[RefUpdate]]:
    """Give all moves as one step; as two where a branch goes and a folder of its name comes, or the other way round."""
    gone = [each for each in moves if each.new == NO_OBJECT]
    kept = [each for each in moves if each.new != NO_OBJECT]
    names = {each.name for each in moves}
    if any(folder in names for each in moves for folder in _folders(each.name)):
        yield gone
        yield kept
    elif moves:
        yield moves


def _folders(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name
