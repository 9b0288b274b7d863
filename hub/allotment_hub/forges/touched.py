"""The files that proposals touch and for whom they are, kept for all proposals: a few words of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from allotment_hub.forges.heads import Heads
from allotment_hub.forges.landing import spans
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_profiles.access.visibility import Audience, audience_of
from allotment_profiles.git.repository import FileChange, Repository
from allotment_profiles.model import People

_BATCH = 200
"""How many proposals' files are read at once: each has at most fifty small ones."""


@dataclass(frozen=True, slots=True)
class Touched:
    """What a proposal touches, compared with the commit of main that it was made from."""

    base: str
    files: Mapping[str, tuple[Audience | None, ...]]
    """Path → for whom the versions before and after are, as far as there are; None where one does not read."""


class TouchedFiles:
    """Reads what proposals touch, many at a time. Blocks."""

    def __init__(self, repository: Repository, heads: Heads) -> None:
        self._repository = repository
        self._heads = heads
        self._kept: dict[str, Touched] = {}

    def of(self, proposals: Sequence[StoredProposal], main: str) -> dict[str, Touched]:
        """Return what proposals touch, by their ids. `main` is where main is.

        Most records say it. It is read from git for those from before they did, and for very large ones.
        """
        written = {stored.id: _written(stored) for stored in proposals}
        found = {id_: touched for id_, touched in written.items() if touched}
        return found | self._found([stored for stored in proposals if stored.id not in found], main)

    def _found(self, proposals: Sequence[StoredProposal], main: str) -> dict[str, Touched]:
        keys = {stored.id: _key(stored) for stored in proposals}
        missing = [stored for stored in proposals if keys[stored.id] not in self._kept]
        if missing:
            self._kept |= zip(map(_key, missing), self._read(missing, main), strict=True)
        return {id_: self._kept[key] for id_, key in keys.items()}

    def forget_others(self, proposals: Sequence[StoredProposal]) -> None:
        """Forget what these proposals do not touch any more, where that has become much."""
        if len(self._kept) > 2 * len(proposals) + _BATCH:
            self._kept = {key: self._kept[key] for key in map(_key, proposals) if key in self._kept}

    def _read(self, missing: Sequence[StoredProposal], main: str) -> Iterator[Touched]:
        # A merge is compared with the main that it was merged into.
        found = spans(self._repository, [stored.ending for stored in missing if stored.ending])
        mains = [found.get(stored.ending.merge, (main,))[0] if stored.ending else main for stored in missing]
        pairs = [(each, stored.head) for each, stored in zip(mains, missing, strict=True)]
        bases = [
            _recorded_base(stored) or base or pair[0]
            for stored, pair, base in zip(missing, pairs, self._heads.read_bases(pairs), strict=True)
        ]
        compared = [(base, head) for base, (_, head) in zip(bases, pairs, strict=True)]
        changes = self._repository.changes_of(compared)
        for start in range(0, len(missing), _BATCH):
            part = slice(start, start + _BATCH)
            blobs = {blob for changed in changes[part] for change in changed for blob in _blobs(change)}
            contents = self._repository.objects(blobs)
            for base, changed in zip(bases[part], changes[part], strict=True):
                yield Touched(base, {change.path: _audiences(change, contents) for change in changed})


def _audiences(change: FileChange, contents: Mapping[str, bytes]) -> tuple[Audience | None, ...]:
    return tuple(audience_of(change.path, contents.get(blob, b"")) for blob in _blobs(change))


def _key(stored: StoredProposal) -> str:
    # What a head changes stays the same, but the merge of an ended proposal is compared with its own main.
    return f"{stored.head} {stored.ending.merge if stored.ending else ''}"


def _blobs(change: FileChange) -> Iterator[str]:
    if change.old_blob.strip("0"):
        yield change.old_blob
    if not change.removed:
        yield change.blob


_MAXIMUM_WRITTEN = 32 * 1024
"""How many characters a record says about what it touches. Of larger ones it is read from git."""


def touches(repository: Repository, base: str, head: str) -> dict[str, list[Any]] | None:
    """Return what a record says about what a head touches: path → for whom the versions before and after are.

    Return None where that would be too long.
    """
    changes = repository.changes(base, head)
    contents = repository.objects({blob for change in changes for blob in _blobs(change)})
    said = {change.path: [_words(audience) for audience in _audiences(change, contents)] for change in changes}
    return said if len(str(said)) <= _MAXIMUM_WRITTEN else None


def _words(audience: Audience | None) -> dict[str, Any] | None:
    if audience is None:
        return None
    maintainers = audience.maintainers.model_dump(mode="json", exclude_defaults=True) if audience.maintainers else None
    words = {"owner": audience.owner, "hidden": audience.hidden, "maintainers": maintainers}
    return {key: value for key, value in words.items() if value}


def _written(stored: StoredProposal) -> Touched | None:
    """Return what the record that set the head says; None where it does not."""
    base, said = _recorded_base(stored), stored.current.touches
    if said is None or not base:
        return None
    return Touched(base, {path: tuple(map(_audience, words)) for path, words in said.items()})


def _recorded_base(stored: StoredProposal) -> str:
    """Return what the record that set the head says that it was made from; empty where it does not.

    Once main has the head, git says that it was made from itself.
    """
    return stored.current.base if stored.current.head == stored.head else ""


def _audience(said: Mapping[str, Any] | None) -> Audience | None:
    if said is None:
        return None
    maintainers = People.model_validate(said["maintainers"]) if said.get("maintainers") else None
    return Audience(str(said.get("owner", "")), bool(said.get("hidden")), maintainers)
