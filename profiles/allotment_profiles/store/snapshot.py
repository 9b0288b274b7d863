"""Snapshots: the files of a commit, of a commit with changes on top, or of a folder."""

import dataclasses
import datetime as dt
import functools
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from allotment_profiles.catalog.catalog import Version
from allotment_profiles.git.process import GitDataError
from allotment_profiles.git.repository import FileChange, Repository, TreeEntry
from allotment_profiles.model.limits import MAXIMUM_BYTES
from allotment_profiles.model.paths import file_ref, is_stray
from allotment_profiles.store.former_owners import FormerRoles
from allotment_profiles.store.history import REGULAR, Applied, File, fold_history
from allotment_profiles.store.provenance import Provenance

OVERSIZED = b"\0" * (MAXIMUM_BYTES + 1)
"""The content of every file that is too large, so that it is never read into memory."""


@dataclass(frozen=True)
class Snapshot:
    """Files by path, and a function that reads their contents."""

    revision: str
    """The commit; empty for a folder."""
    time: dt.datetime
    files: Mapping[str, File]
    read: Callable[[Iterable[str]], dict[str, bytes]]
    """Returns contents by blob id; OVERSIZED for a file that is too large."""
    gone: frozenset[str] = frozenset()
    former_roles: FormerRoles = dataclasses.field(default_factory=dict)
    provenance: Provenance = dataclasses.field(default_factory=Provenance)

    @functools.cached_property
    def entries(self) -> Mapping[str, TreeEntry]:
        """The versions that apply."""
        return {path: file.entry for path, file in self.files.items() if file.entry}


def differing_bytes(before: Snapshot, after: Snapshot, paths: Iterable[str]) -> frozenset[str]:
    """Return those of the paths whose file is not the same, byte by byte, in two snapshots."""
    return frozenset(path for path in paths if _bytes(before, path) != _bytes(after, path))


def _bytes(snapshot: Snapshot, path: str) -> bytes | None:
    entry = snapshot.entries.get(path)
    if entry is None:
        return None
    if not entry.mode.startswith("100"):  # a link or a submodule
        return f"{entry.mode} {entry.blob}".encode()
    return snapshot.read([entry.blob])[entry.blob]


def _relevant(path: str) -> bool:
    return file_ref(path) is not None or is_stray(path)


def at_commit(repository: Repository, commit: str) -> Snapshot:
    """Return the files of a commit's tree: none is quarantined or has a fallback. Raise GitError."""
    found = repository.commits([commit])
    if not found:
        raise GitDataError(f"there is no commit {commit}")
    files = {
        path: File(entry, _single(commit, found[0].time, entry))
        for path, entry in repository.tree(commit).items()
        if _relevant(path)
    }
    return Snapshot(commit, found[0].time, files, _reader(repository, files))


def applied(repository: Repository, commit: str) -> Snapshot:
    """Return the files that apply at a commit of main, given by its id. Raise GitError where it cannot be read."""
    return of_history(repository, fold_history(repository, commit))


def of_history(repository: Repository, history: Applied) -> Snapshot:
    """Return the files that apply by a folded history."""
    return Snapshot(
        revision=history.head,
        time=history.time,
        files=history.files,
        read=_reader(repository, history.files),
        gone=history.gone,
        former_roles=history.former_roles,
        provenance=history.provenance,
    )


def with_commit(repository: Repository, base: Snapshot, commit: str) -> Snapshot:
    """Return the snapshot of another commit with the changes of this one, none of which is quarantined."""
    found = repository.commits([commit])
    if not found:
        raise GitDataError(f"there is no commit {commit}")
    return with_changes(repository, base, repository.changes(base.revision, commit), commit, found[0].time)


def with_changes(
    repository: Repository, base: Snapshot, changes: Iterable[FileChange], revision: str, time: dt.datetime
) -> Snapshot:
    """Return a snapshot with files as changes leave them, none of which is quarantined. Nothing is written."""
    changes = [change for change in changes if _relevant(change.path)]
    sizes = repository.sizes(change.blob for change in changes if change.mode in REGULAR)
    entries = {
        change.path: None
        if change.removed
        else TreeEntry(change.mode, change.blob, sizes.get(change.blob, 0 if change.mode in REGULAR else -1))
        for change in changes
    }
    snapshot = _changed(base, revision, time, entries)
    return dataclasses.replace(snapshot, read=_reader(repository, snapshot.files))


def with_files(base: Snapshot, files: Mapping[str, bytes | None]) -> Snapshot:
    """Return a snapshot with some files changed, or removed (None). Nothing is written."""
    entries: dict[str, TreeEntry | None] = {}
    contents = {}
    for path, data in files.items():
        entries[path] = None
        if data is not None:
            blob = "new:" + hashlib.sha256(data).hexdigest()
            contents[blob] = data
            entries[path] = TreeEntry("100644", blob, len(data))

    def read(ids: Iterable[str]) -> dict[str, bytes]:
        ids = list(ids)
        changed = {blob: contents[blob] for blob in ids if blob in contents}
        return {**base.read(blob for blob in ids if blob not in contents), **changed}

    relevant = {path: entry for path, entry in entries.items() if _relevant(path)}
    return dataclasses.replace(_changed(base, base.revision, base.time, relevant), read=read)


def _changed(base: Snapshot, revision: str, time: dt.datetime, entries: Mapping[str, TreeEntry | None]) -> Snapshot:
    files = dict(base.files)
    last = max((file.order for file in files.values()), default=0) + 1
    gone = set(base.gone)
    for path, entry in entries.items():
        old = files.pop(path, None)
        if entry is not None:
            order = old.order if old and old.entry else last
            files[path] = File(entry, _single(revision, time, entry), order)
            gone.discard(path)
        elif old and old.entry and (ref := file_ref(path)) and ref.kind == "data role":
            gone.add(path)
    return Snapshot(revision, time, files, base.read, frozenset(gone), base.former_roles)


def _single(revision: str, time: dt.datetime, entry: TreeEntry) -> tuple[Version, ...]:
    return (Version(revision, time, entry.blob if entry.mode in REGULAR else None),)


def _reader(repository: Repository, files: Mapping[str, File]) -> Callable[[Iterable[str]], dict[str, bytes]]:
    """Return a function that reads blobs. It raises GitError for a missing blob, whose content nobody knows.

    Git is asked only for the sizes that the files do not say: those of earlier versions.
    """

    def read(ids: Iterable[str]) -> dict[str, bytes]:
        wanted = list(ids)
        left = set(wanted)
        entries = (file.entry for file in files.values() if file.entry and file.entry.blob in left)
        sizes = {entry.blob: entry.size for entry in entries if entry.size >= 0}
        sizes |= repository.sizes(blob for blob in wanted if blob not in sizes)
        small = [blob for blob in wanted if sizes.get(blob, 0) <= MAXIMUM_BYTES]
        found = repository.objects(small)
        missing = set(small) - found.keys()
        if missing:
            raise GitDataError(f"the repository lacks the object {min(missing)}")
        return {**found, **{blob: OVERSIZED for blob in wanted if blob not in found}}

    return read


def in_folder(folder: Path) -> Snapshot:
    """Return the files of a folder. Links are not followed."""
    now = dt.datetime.now(dt.UTC)
    files, paths = {}, {}
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        folders[:] = sorted(name for name in folders if name != ".git" and name not in links)
        if Path(parent) == folder:
            # No other folder has files of ours, and others may be large.
            folders[:] = [name for name in folders if is_stray(f"{name}/x") or file_ref(f"{name}/x.yaml")]
        for name in sorted(names + links):
            file = Path(parent, name)
            status = file.lstat()
            path = file.relative_to(folder).as_posix().encode(errors="replace").decode()
            if _relevant(path):
                mode = "100644" if stat.S_ISREG(status.st_mode) else "120000"
                entry = TreeEntry(mode, path, status.st_size)
                files[path] = File(entry, _single("", now, entry))
                paths[path] = file

    def read(ids: Iterable[str]) -> dict[str, bytes]:
        found = {}
        for path in ids:
            with paths[path].open("rb") as file:
                found[path] = file.read(MAXIMUM_BYTES + 1)
        return found

    return Snapshot("", now, files, read)
