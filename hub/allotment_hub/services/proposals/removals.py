"""Whether a merge removes so many files that it has to be confirmed: by the very rule that would hold it."""

from allotment_profiles.git.repository import Repository
from allotment_profiles.model.paths import file_ref
from allotment_profiles.store.history import FEW, fold_history


def removed_at_once(repository: Repository, main: str, candidate: str) -> tuple[str, ...]:
    """Give the files whose removal would be held if a commit came to main as it is."""
    removed = [
        change.path for change in repository.changes(main, candidate) if change.removed and file_ref(change.path)
    ]
    if len(removed) <= FEW:
        return ()
    holds = fold_history(repository, candidate).holds
    return tuple(hold.path for hold in holds if hold.commit == candidate and hold.reason == "removal")
