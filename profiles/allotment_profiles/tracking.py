"""What applies along main, commit after commit, each time from what is known already."""

from allotment_profiles.catalog import Models
from allotment_profiles.git import Repository
from allotment_profiles.history import Applied, follow
from allotment_profiles.loading import Loaded, renew
from allotment_profiles.snapshot import Snapshot, of_history


class Tracker:
    """Loads what applies at commits of one repository's main; not for two threads at one time."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.history: Applied | None = None
        """What was folded last."""
        self._loaded: Loaded | None = None
        self._models = Models()

    def at(self, commit: str) -> Loaded:
        """Load what applies at a commit of main, an id; raises GitError where it cannot be read."""
        if self._loaded is None or self._loaded.snapshot.revision != commit:
            history = follow(self.repository, commit, self.history)
            self._loaded = renew(of_history(self.repository, history), self._loaded, self._models)
            self.history = history
        return self._loaded

    def renewed(self, loaded: Loaded, snapshot: Snapshot) -> Loaded:
        """Load a snapshot that differs from a loaded one in a few files; nothing of it is kept."""
        return renew(snapshot, loaded, self._models)
