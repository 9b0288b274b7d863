"""Keep a local mirror of the repository on a git server.

A fetch writes to staging references first. It is applied only if nothing was pushed from here meanwhile, so that a
slow fetch never moves a branch back; and all branches move in one transaction. A branch that cannot be fetched does
not delay main: otherwise anyone who may push a proposal could keep a revoked grant in force. All calls block.
"""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from allotment_profiles.git.locks import clear_leftovers
from allotment_profiles.git.process import GitError
from allotment_profiles.git.remotes import MAIN_ALONE, STAGED, Remote, RemoteError
from allotment_profiles.git.repository import MAIN, NO_OBJECT, RefMovedError, RefUpdate, Repository, is_reference
from allotment_profiles.git.signatures import Verifier

_HEADS = "refs/heads/"
_ATTEMPTS = 3


class Mirror:
    """A bare repository, and the remote repository that it mirrors."""

    def __init__(self, repository: Repository, remote: Remote) -> None:
        self.repository = repository
        self.remote = remote
        self._pushes = 0
        self._lock = threading.Lock()
        self._fetching = threading.Lock()

    @classmethod
    def opened(cls, path: Path, remote: Remote, verifier: Verifier | None = None) -> "Mirror":
        """Return the mirror at a path, without the locks of a git that was killed. If there is none, create one."""
        repository = Repository(path, verifier) if (path / "HEAD").exists() else Repository.create(path, verifier)
        clear_leftovers(path)
        return cls(repository, remote)

    def fetch(self) -> bool:
        """Update the mirror. Return whether any branch moved. Raise RemoteError, GitError.

        If only a branch besides main cannot be fetched, main is updated before the error is raised.
        """
        with self._fetching:  # two fetches would use the same staging references
            for _ in range(_ATTEMPTS):
                before = self._pushes
                error = self._stage()
                with self._lock:
                    if self._pushes == before:
                        moved = self._apply(main_alone=error is not None)
                        if error:
                            raise error
                        return moved
        raise RemoteError("the mirror was not updated: it is pushed to too often")

    def _stage(self) -> RemoteError | None:
        """Fetch all branches. If only main can be fetched, return the error."""
        try:
            self.remote.fetch(self.repository.path)
        except RemoteError as error:
            # Staged references may be in the way: a branch where the server now has a folder of that name.
            self.repository.drop_references(STAGED)
            try:
                self.remote.fetch(self.repository.path, MAIN_ALONE)
            except RemoteError:
                raise error from None
            return error
        return None

    def push(self, updates: Sequence[RefUpdate]) -> None:
        """Move branches on the server, then here. Raise RefMovedError, after a fetch, where one has moved."""
        with self._lock:
            self._pushes += 1
        try:
            self.remote.push(self.repository.path, updates)
        except RefMovedError:
            self.fetch()
            raise
        with self._lock:
            self._pushes += 1
            self._move_as_pushed(updates)

    def _move_as_pushed(self, updates: Sequence[RefUpdate]) -> None:
        """Move the branches here to where they now are on the server, wherever they were."""
        now = self.repository.references(_HEADS)
        moves = [
            RefUpdate(update.name, update.new, now.get(update.name, NO_OBJECT))
            for update in updates
            if now.get(update.name, NO_OBJECT) != update.new
        ]
        if moves:
            self.repository.update_references(moves)

    def _apply(self, *, main_alone: bool) -> bool:
        """Move the branches to where they were fetched. Return whether any moved."""
        staged = self.repository.references(STAGED)
        # A name that git allows and we do not is never that of a proposal or a review.
        wanted = {_HEADS + name.removeprefix(STAGED): commit for name, commit in staged.items() if is_reference(name)}
        now = self.repository.references(_HEADS)
        if MAIN not in wanted:
            raise GitError("the repository on the git server has no branch main")
        moves = [
            RefUpdate(name, wanted.get(name, NO_OBJECT), now.get(name, NO_OBJECT))
            for name in ([MAIN] if main_alone else sorted(wanted.keys() | now.keys()))
            if wanted.get(name) != now.get(name)
        ]
        for transaction in _transactions(moves):
            self.repository.update_references(transaction)
        return bool(moves)


def _transactions(moves: Sequence[RefUpdate]) -> Iterator[Sequence[RefUpdate]]:
    """Yield all moves as one transaction; as two where a branch is replaced by a folder of its name, or vice versa."""
    deleted = [move for move in moves if move.new == NO_OBJECT]
    others = [move for move in moves if move.new != NO_OBJECT]
    names = {move.name for move in moves}
    if any(folder in names for move in moves for folder in _folders(move.name)):
        yield deleted
        yield others
    elif moves:
        yield moves


def _folders(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name
