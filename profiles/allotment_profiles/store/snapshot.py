"""The files of the repository at one moment, wherever they lie: a commit, a commit with changes on top, a folder."""

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
from allotment_profiles.git.process import GitError
from allotment_profiles.git.repository import Repository, TreeEntry
from allotment_profiles.model.limits import MAXIMUM_BYTES
from allotment_profiles.model.paths import file_ref, is_stray
from allotment_profiles.store.history import REGULAR, Applied, File, fold_history
from allotment_profiles.store.provenance import Provenance

OVERSIZED = b"\0" * (MAXIMUM_BYTES + 1)
"""Stands for what is too large to be looked at, so that it is never read whole."""


@dataclass(frozen=True)
class Snapshot:
    """Files by path, and how to get at their content."""

    revision: str
    """The commit; empty where there is none (a folder)."""
    time: dt.datetime
    """When the commit was made."""
    files: Mapping[str, File]
    """The files that lie in a place of ours, or look as if they were meant to."""
    read: Callable[[Iterable[str]], dict[str, bytes]]
    """Contents by blob id; OVERSIZED for what is larger than a file may be."""
    gone: frozenset[str] = frozenset()
    """The files of data roles that were removed and not added again."""
    provenance: Provenance = dataclasses.field(default_factory=Provenance)
    """Where the files came from; empty where there is no history of main."""

    @functools.cached_property
    def entries(self) -> Mapping[str, TreeEntry]:
        """What applies, without its past."""
        return {path: file.entry for path, file in self.files.items() if file.entry}


def _relevant(path: str) -> bool:
    return file_ref(path) is not None or is_stray(path)


def at_commit(repository: Repository, commit: str) -> Snapshot:
    """Take the raw tree of a commit, nothing held and nothing fallen back on; `commit` is an id.

    Raises GitError where it cannot be read.
    """
    found = repository.commits([commit])
    if not found:
        raise GitError(f"there is no commit {commit}")
    files = {
        path: File(entry, _only(commit, found[0].time, entry))
        for path, entry in repository.tree(commit).items()
        if _relevant(path)
    }
    return Snapshot(commit, found[0].time, files, _reading(repository))


def applied(repository: Repository, commit: str, known: Applied | None = None) -> Snapshot:
    """Take what applies by the first-parent history of a commit of main; `commit` is an id.

    What is `known` of an earlier commit of the line is not read again. Raises GitError where it cannot be read.
    """
    return of_history(repository, fold_history(repository, commit, known))


def of_history(repository: Repository, history: Applied) -> Snapshot:
    """Take what applies as the history was folded."""
    return Snapshot(history.head, history.time, history.files, _reading(repository), history.gone, history.provenance)


def proposed(repository: Repository, main: str, commit: str) -> Snapshot:
    """Take what applies on main with what a commit changes laid over it, nothing of that held."""
    return with_commit(repository, applied(repository, main), commit)


def with_commit(repository: Repository, base: Snapshot, commit: str) -> Snapshot:
    """Lay what a commit changes over the snapshot of another; its files have to be right in themselves."""
    found = repository.commits([commit])
    if not found:
        raise GitError(f"there is no commit {commit}")
    changes = [change for change in repository.changes(base.revision, commit) if _relevant(change.path)]
    sizes = repository.sizes(change.blob for change in changes if change.mode in REGULAR)
    entries = {
        change.path: None
        if change.removed
        else TreeEntry(change.mode, change.blob, sizes.get(change.blob, 0 if change.mode in REGULAR else -1))
        for change in changes
    }
    snapshot = _overlaid(base, commit, found[0].time, entries)
    return dataclasses.replace(snapshot, read=_reading(repository))


def with_files(base: Snapshot, files: Mapping[str, bytes | None]) -> Snapshot:
    """Lay changed files over a snapshot without writing anything; None removes a file."""
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
        ours = {blob: contents[blob] for blob in ids if blob in contents}
        return {**base.read(blob for blob in ids if blob not in contents), **ours}

    relevant = {path: entry for path, entry in entries.items() if _relevant(path)}
    return dataclasses.replace(_overlaid(base, base.revision, base.time, relevant), read=read)


def _overlaid(base: Snapshot, revision: str, time: dt.datetime, entries: Mapping[str, TreeEntry | None]) -> Snapshot:
    files = dict(base.files)
    last = max((file.order for file in files.values()), default=0) + 1
    gone = set(base.gone)
    for path, entry in entries.items():
        old = files.pop(path, None)
        if entry is not None:
            order = old.order if old and old.entry else last
            files[path] = File(entry, _only(revision, time, entry), order)
            gone.discard(path)
        elif old and old.entry and (where := file_ref(path)) and where.kind == "data role":
            gone.add(path)
    return Snapshot(revision, time, files, base.read, frozenset(gone))


def _only(revision: str, time: dt.datetime, entry: TreeEntry) -> tuple[Version, ...]:
    return (Version(revision, time, entry.blob if entry.mode in REGULAR else None),)


def _reading(repository: Repository) -> Callable[[Iterable[str]], dict[str, bytes]]:
    """Give a function that reads blobs; one that is damaged or gone is an error: nobody can say what it held."""

    def read(ids: Iterable[str]) -> dict[str, bytes]:
        wanted = list(ids)
        sizes = repository.sizes(wanted)
        small = [blob for blob in wanted if sizes.get(blob, 0) <= MAXIMUM_BYTES]
        found = repository.objects(small)
        missing = set(small) - found.keys()
        if missing:
            raise GitError(f"the repository lacks the object {min(missing)}")
        return {**found, **{blob: OVERSIZED for blob in wanted if blob not in found}}

    return read


def in_folder(folder: Path) -> Snapshot:
    """Take the files of a folder; links are not followed."""
    now = dt.datetime.now(dt.UTC)
    files, paths = {}, {}
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        folders[:] = sorted(name for name in folders if name != ".git" and name not in links)
        if Path(parent) == folder:
            # Nothing of ours lies elsewhere, and elsewhere may be large.
            folders[:] = [name for name in folders if is_stray(f"{name}/x") or file_ref(f"{name}/x.yaml")]
        for name in sorted(names + links):
            file = Path(parent, name)
            status = file.lstat()
            path = file.relative_to(folder).as_posix().encode(errors="replace").decode()
            if _relevant(path):
                mode = "100644" if stat.S_ISREG(status.st_mode) else "120000"
                entry = TreeEntry(mode, path, status.st_size)
                files[path] = File(entry, _only("", now, entry))
                paths[path] = file

    def read(ids: Iterable[str]) -> dict[str, bytes]:
        found = {}
        for path in ids:
            with paths[path].open("rb") as file:
                found[path] = file.read(MAXIMUM_BYTES + 1)
        return found

    return Snapshot("", now, files, read)
