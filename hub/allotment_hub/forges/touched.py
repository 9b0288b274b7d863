"""The files that proposals touch and for whom they are, kept for all proposals: a few words of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from allotment_hub.forges.heads import Heads
from allotment_hub.forges.records import StoredProposal
from allotment_profiles.access.visibility import Audience, audience_of
from allotment_profiles.git.repository import FileChange, Repository

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
        """Return what proposals touch, by their ids. `main` is where main is."""
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
        ids = [stored.ending.merge for stored in missing if stored.ending and stored.ending.merge]
        before = {commit.id: commit.parents[0] for commit in self._repository.commits(ids) if commit.parents}
        mains = [before.get(stored.ending.merge, main) if stored.ending else main for stored in missing]
        pairs = [(each, stored.head) for each, stored in zip(mains, missing, strict=True)]
        bases = [base or pair[0] for pair, base in zip(pairs, self._heads.read_bases(pairs), strict=True)]
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
