"""Load the catalog at one commit of main after another, each from the one before it."""

import logging
import threading
from pathlib import Path

from allotment_profiles.catalog.catalog import ModelCache
from allotment_profiles.git.process import GitDataError
from allotment_profiles.git.repository import Repository
from allotment_profiles.store.cache import identity, restore, save
from allotment_profiles.store.history import Applied, fold_history
from allotment_profiles.store.loading import Loaded, renew
from allotment_profiles.store.snapshot import Snapshot, of_history
from allotment_profiles.threads import in_small_steps

log = logging.getLogger(__name__)

_UNSAVED_COMMITS = 64
"""This many commits are read from git in a moment, so the cache need not be written more often."""


class Tracker:
    """Load the catalog at commits of one repository's main. All methods block and are safe to call from any thread.

    One commit is loaded at a time, from the one before it. A call for the commit that is loaded returns at once.
    """

    def __init__(self, repository: Repository, cache: Path | None = None) -> None:
        """With `cache`, keep what was loaded in this file across restarts."""
        self.repository = repository
        self.cache = cache
        self._history: Applied | None = None
        self._saved: Applied | None = None
        self._loaded: Loaded | None = None
        self._keys = ""
        self._models = ModelCache()
        self._lock = threading.Lock()
        self._saving = threading.Lock()

    @property
    def revision(self) -> str:
        """The commit that is loaded; empty before the first."""
        loaded = self._loaded
        return loaded.snapshot.revision if loaded else ""

    def at(self, commit: str) -> Loaded:
        """Load the catalog at a commit of main, given by its id. Raise GitError where it cannot be read."""
        with self._lock, in_small_steps():
            return self._advance(commit)[0]

    def peek(self, commit: str) -> tuple[Loaded, Applied]:
        """Load the catalog at any commit of main, for a dry run, and return it with the history behind it.

        The tracker keeps its own commit: a dry run on an older one does not make the next load start from there. Where
        nothing is loaded yet, this commit is.
        """
        with self._lock, in_small_steps():
            self._forget_other_keys()
            if self._loaded is None or self._history is None:
                return self._advance(commit)
            loaded, history = self._loaded, self._history
        if loaded.snapshot.revision == commit:
            return loaded, history
        history = fold_history(self.repository, commit, history)
        return renew(of_history(self.repository, history), loaded, self._models), history

    def _forget_other_keys(self) -> None:
        """What was loaded holds for the keys whose signatures counted then."""
        if self._keys != self.repository.keys:
            self._keys = self.repository.keys
            self._loaded = self._history = self._saved = None

    def _advance(self, commit: str) -> tuple[Loaded, Applied]:
        self._forget_other_keys()
        if self._loaded is None:
            self._restore()
        if self._loaded is None or self._history is None or self._loaded.snapshot.revision != commit:
            history = fold_history(self.repository, commit, self._history)
            self._loaded = renew(of_history(self.repository, history), self._loaded, self._models)
            self._history = history
        return self._loaded, self._history

    def renewed(self, loaded: Loaded, snapshot: Snapshot) -> Loaded:
        """Load a snapshot that differs from `loaded` in a few files, such as a dry run. The result is not kept."""
        return renew(snapshot, loaded, self._models)

    def save(self, *, soon: bool = False) -> None:
        """Write the cache if many commits were loaded since it was written, or with `soon` if any was."""
        if self.cache is None:
            return
        with self._saving:  # a slow disk delays no load
            with self._lock:
                loaded, history, saved, keys = self._loaded, self._history, self._saved, self._keys
            if loaded is None or history is None or history is saved:
                return
            if saved is None or soon or not 0 <= history.count - saved.count < _UNSAVED_COMMITS:
                with in_small_steps():
                    save(self.cache, loaded, history, identity(keys))
                # After a failure, too: it is tried again after as many commits, not after each.
                self._saved = history

    def _restore(self) -> None:
        stored = restore(self.cache, identity(self.repository.keys)) if self.cache else None
        if stored is None:
            return
        try:
            snapshot = of_history(self.repository, stored.history)
            self._loaded = renew(snapshot, None, self._models, stored.resolutions)
        except GitDataError as error:  # it is another repository's, or main was rewound and the commit is gone
            log.warning("the catalog's cache does not fit the repository: %s", error)
        else:
            self._history = self._saved = stored.history
