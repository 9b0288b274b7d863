"""What many heads are made from and change, read with a few git processes for all of them, and kept by commit ids."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from allotment_profiles.git.ancestry import Ancestry
from allotment_profiles.git.process import GitError
from allotment_profiles.git.repository import MAIN, FileChange, Repository

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")

MAXIMUM_KEPT = 10_000
"""More than proposals can be open. What is kept of one is small: a few ids and paths."""
_NEWEST = 2000
"""So many commits of main are looked at for what a head was made from, before git is asked to search."""
_FEW = 3
"""For so many, a git process each takes less than reading the history."""


class MergeConflictError(GitError):
    """Main has changed the files `paths` since a proposal was made that changes them as well."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(f"conflict in {', '.join(paths)}")
        self.paths = tuple(paths)


class Heads:
    """Compares heads with main. All methods block."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._bases: dict[tuple[str, str], str | None] = {}
        self._changes: dict[tuple[str, str], tuple[FileChange, ...]] = {}
        self._newest: tuple[str, frozenset[str]] = ("", frozenset())
        """Where main was, and its newest commits then."""

    def made_from(self, main: str, head: str, base: str) -> None:
        """Keep in mind what a record says that its head was made from, where that is of the newest ones of main."""
        if self._newest[0] != main:
            self._newest = main, frozenset(self._repository.first_parents(main, limit=_NEWEST))
        if base in self._newest[1]:
            self._bases[main, head] = base
            drop_oldest(self._bases, MAXIMUM_KEPT)

    def base(self, main: str, head: str) -> str | None:
        """Return the commit of main that a head was made from, or None."""
        return self.bases([(main, head)])[main, head]

    def bases(self, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str | None]:
        """Return the best common ancestors of commits of main and heads."""
        return _kept(self._bases, pairs, self.read_bases)

    def changes(self, before: str, after: str) -> tuple[FileChange, ...]:
        """Return the files that differ between two commits."""
        return self.changes_of([(before, after)])[before, after]

    def changes_of(self, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[FileChange, ...]]:
        """Return the files that differ between the two commits of each pair."""
        return _kept(self._changes, pairs, self._repository.changes_of)

    def read_bases(self, pairs: Sequence[tuple[str, str]]) -> list[str | None]:
        """Find the best common ancestors of pairs that are not asked for again."""
        repository = self._repository
        main = repository.resolve(MAIN) if len(pairs) > _FEW else None
        ancestry = None
        if main:
            heads = list(dict.fromkeys(head for _, head in pairs))
            # What precedes the oldest base is of no interest: main may have had very many merges before.
            oldest = repository.common_base([main, *heads])
            ancestry = Ancestry(main, repository.parents([main, *heads], since=oldest))
        known = [ancestry.merge_base(*pair) if ancestry else None for pair in pairs]
        return [base or repository.merge_base(*pair) for pair, base in zip(pairs, known, strict=True)]

    def unmerged(self, head: str, main: str) -> tuple[FileChange, ...]:
        """Return how a head changes files of main. Raise MergeConflictError."""
        base = self.base(main, head)
        if base is None:  # main was replaced by another history
            raise MergeConflictError([change.path for change in self.changes(main, head)])
        changes = self.changes(base, head)
        by_main = {change.path: change for change in self.changes(base, main)}
        conflicts = [change.path for change in changes if _overlaps(change, by_main)]
        if conflicts:
            raise MergeConflictError(conflicts)
        return tuple(change for change in changes if change.path not in by_main)


def _kept(
    kept: dict[KeyT, ValueT], keys: Iterable[KeyT], read: Callable[[Sequence[KeyT]], Sequence[ValueT]]
) -> dict[KeyT, ValueT]:
    """Return the values of keys, and read those that are not kept. Drop the oldest beyond the maximum."""
    keys = list(dict.fromkeys(keys))
    missing = [key for key in keys if key not in kept]
    found = {key: kept[key] for key in keys if key in kept}
    if missing:
        found |= zip(missing, read(missing), strict=True)
        kept |= {key: found[key] for key in missing}
        drop_oldest(kept, MAXIMUM_KEPT)
    return found


def drop_oldest(kept: dict[KeyT, ValueT], maximum: int) -> None:
    """Drop what was added first to a dictionary, until it has no more than so many entries."""
    while len(kept) > maximum:
        kept.pop(next(iter(kept)), None)


def _overlaps(change: FileChange, by_main: Mapping[str, FileChange]) -> bool:
    """Return whether main has changed the same file otherwise, or has a folder or a file in its way."""
    path, same = change.path, by_main.get(change.path)
    if same is not None:
        return (same.mode, same.blob) != (change.mode, change.blob)
    return any(other.startswith(f"{path}/") or path.startswith(f"{other}/") for other in by_main)
