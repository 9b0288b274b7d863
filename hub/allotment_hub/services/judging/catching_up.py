"""Bring a proposal up to date with a main that has changed the same files: key by key, never line by line."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from allotment_hub.forges.landing import spans
from allotment_profiles.access.people import User
from allotment_profiles.access.visibility import Sight, visible
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.documents.merging import Collision, merged_file
from allotment_profiles.git.repository import Repository
from allotment_profiles.model.limits import MAXIMUM_BYTES
from allotment_profiles.model.paths import file_ref
from allotment_profiles.records.record import Record
from allotment_profiles.review.changes import Change, subject_of
from allotment_profiles.review.labels import label_of

Contents = Mapping[str, bytes | None]
"""Files: path → content, None where there is none."""
_LONG = 200
_WHOLE = Collision("", None, None)


@dataclass(frozen=True)
class Updated:
    """What a proposal would be on top of main as it is now."""

    files: Contents
    """The files to propose. Where keys collide, they have the values of the proposal."""
    collisions: tuple[Change, ...] = ()
    """The keys that both have changed: `before` is the value on main, `after` the proposed one."""
    main: Contents = field(default_factory=dict)
    """The same files as main has them now, whether they apply or not. What is carried over is from them."""
    lasting: bool = True
    """Whether the same question would have the same answer: finding it was not interrupted."""

    def sight(self, reader: User, path: str, catalog: Catalog) -> Sight:
        """Return how much a reader may see of what main has at a path."""
        data = self.main.get(path)
        return Sight.ALL if data is None else visible(reader, path, catalog, data)


def updated(base: Contents, main: Contents, proposed: Contents, *, by_keys: bool = True) -> Updated:
    """Carry proposed files over to main. `base` are the files that the proposal was made from.

    Without keys, each file that main has changed as well collides as a whole: that takes next to no work.
    """
    files: dict[str, bytes | None] = {}
    collisions: list[Change] = []
    for path, data in proposed.items():
        ref = file_ref(path)
        if ref is None or not by_keys:
            files[path] = data
            if main.get(path) not in (base.get(path), data):
                collisions.append(_change(path, _WHOLE))
            continue
        files[path], found = merged_file(ref.kind, base.get(path), main.get(path), data)
        collisions += (_change(path, collision) for collision in found)
    return Updated(files, tuple(collisions), main)


def files_for_main(repository: Repository, head: str, main: str, *, by_keys: bool = True) -> Updated:
    """Return what a head would change on main, with its keys carried over to files that main has changed."""
    return _carried_over(repository, repository.merge_base(main, head) or main, head, main, by_keys=by_keys)


def undone(repository: Repository, ending: Record | None, main: str, *, by_keys: bool = True) -> Updated:
    """Return what undoes a merge on main, with the keys of before carried over to files that main has changed since.

    Files that main has again as they were before are left out.
    """
    before, merge = next(iter(spans(repository, [ending] if ending else []).values()), (main, main))
    found = _carried_over(repository, merge, before, main, by_keys=by_keys)
    changed = {path: data for path, data in found.files.items() if data != found.main.get(path)}
    return replace(found, files=changed)


def _carried_over(repository: Repository, base: str, head: str, main: str, *, by_keys: bool) -> Updated:
    """Carry what differs between two commits over to main."""
    proposed, on_main = repository.changes(base, head), repository.changes(base, main)
    blobs = {
        "base": {change.path: change.old_blob for change in proposed},
        "main": {change.path: change.old_blob for change in proposed} | {each.path: each.blob for each in on_main},
        "proposed": {change.path: change.blob for change in proposed},
    }
    sizes = repository.sizes(side[change.path] for side in blobs.values() for change in proposed)
    contents = repository.objects(blob for blob, size in sizes.items() if size <= MAXIMUM_BYTES)
    # On main, a file that is too large is read as an empty one, which no key is carried over to.
    known = {blob: contents.get(blob, b"") for blob in sizes}
    base_files, main_files, files = (
        {change.path: known.get(side[change.path]) for change in proposed} for side in blobs.values()
    )
    large = {path for path, blob in blobs["proposed"].items() if sizes.get(blob, 0) > MAXIMUM_BYTES}
    small = {path: data for path, data in files.items() if path not in large}
    found = updated(base_files, main_files, small, by_keys=by_keys)
    return replace(found, collisions=(*found.collisions, *(_change(path, _WHOLE) for path in sorted(large))))


def _change(path: str, collision: Collision) -> Change:
    key = collision.field
    label = label_of(key) if key else "the whole file"
    before, after = _text(collision.ours), _text(collision.theirs)
    return Change("changed", path, subject_of(path), key, label, before, after, "unreadable")


def _text(value: Any) -> str | None:
    """Return a value in words; one with keys inside is only named, since some of them may be private."""
    if value is None or value == []:
        return None
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, dict | list) for item in items):
        return "several keys"
    text = ", ".join("yes" if item is True else "no" if item is False else str(item) for item in items)
    return text if len(text) <= _LONG else text[:_LONG] + " …"
