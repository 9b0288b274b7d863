"""A local mirror of the repository on a git server: fetched beside, taken over as a whole, pushed with leases.

What is fetched lies apart first. It counts only if nothing was pushed from here meanwhile, so that a slow fetch never
puts a branch back to where it was; and all branches move in one transaction. Calls block; use a thread.
"""

import threading
from collections.abc import Sequence
from pathlib import Path

from allotment_profiles.git import NO_OBJECT, GitError, RefMovedError, RefUpdate, Repository
from allotment_profiles.remotes import STAGED, Remote, RemoteError
from allotment_profiles.signatures import Verifier

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
        """Bring the mirror up to date; tells whether anything moved. Raises RemoteError, GitError."""
        with self._fetching:  # two at a time would trip over each other's references
            for _ in range(_ATTEMPTS):
                before = self._pushed
                self.remote.fetch(self.repository.path)
                with self._lock:
                    if self._pushed == before:
                        return self._take_over()
        raise RemoteError("the mirror is pushed to so often that it is not renewed")

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

    def _take_over(self) -> bool:
        staged = self.repository.references(STAGED)
        wanted = {_HEADS + name.removeprefix(STAGED): commit for name, commit in staged.items()}
        now = self.repository.references(_HEADS)
        if _MAIN not in wanted:
            raise GitError("the repository on the git server has no branch main")
        moves = [
            RefUpdate(name, wanted.get(name, NO_OBJECT), now.get(name, NO_OBJECT))
            for name in sorted(wanted.keys() | now.keys())
            if wanted.get(name) != now.get(name)
        ]
        if moves:
            self.repository.update_references(moves)
        return bool(moves)
