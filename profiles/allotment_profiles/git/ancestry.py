"""The commits of main that many heads were made from, found with one git process instead of one for each. Pure."""

from collections.abc import Container, Iterator, Mapping

Parents = Mapping[str, tuple[str, ...]]
"""Commits and all that precedes them: id → parents."""


class Ancestry:
    """Knows the history of main, and the commits that lead to it from heads."""

    def __init__(self, main: str, parents: Parents) -> None:
        self._parents = parents
        line = list(_line(main, parents))
        # Where the first-parent line has a commit, oldest first, and where it has first led to each other commit.
        self._places = {commit: place for place, commit in enumerate(reversed(line))}
        self._led_to: dict[str, int] = {}
        for commit, place in self._places.items():
            for beside in self._beside(parents[commit][1:], self._led_to):
                self._led_to[beside] = place

    def merge_base(self, main: str, head: str) -> str | None:
        """Return the best common ancestor of a commit of main's line and a head.

        Return None where there is none, or where only git can tell: main has another commit of the head's own.
        """
        place = self._places.get(main)
        beside = list(self._beside((head,)))
        if place is None or not beside or any(self._led_to.get(each, place + 1) <= place for each in beside):
            return None
        on_line = (parent for each in beside for parent in self._parents[each] if parent in self._places)
        base = max(on_line, key=lambda commit: self._places[commit], default=None)
        # A commit of the line precedes all later ones; what was made from a later main than this one is git's to tell.
        return base if base is not None and self._places[base] <= place else None

    def _beside(self, commits: tuple[str, ...], known: Container[str] = ()) -> Iterator[str]:
        """Walk from commits to what precedes them, up to the line of main and to what is known."""
        waiting, seen = list(commits), set(commits)
        while waiting:
            commit = waiting.pop()
            if commit in self._places or commit in known or commit not in self._parents:
                continue
            yield commit
            new = [parent for parent in self._parents[commit] if parent not in seen]
            seen.update(new)
            waiting += new


def _line(main: str, parents: Parents) -> Iterator[str]:
    commit = main
    while commit in parents:
        yield commit
        commit = next(iter(parents[commit]), "")
