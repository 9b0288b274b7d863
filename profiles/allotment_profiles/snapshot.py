"""The files of the repository at one moment, wherever they lie: a commit, a commit with changes on top, a folder."""

import datetime as dt
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from allotment_profiles.commits import Version
from allotment_profiles.git import GitError, Repository, TreeEntry
from allotment_profiles.paths import is_stray, place
from allotment_profiles.reading import MAXIMUM_BYTES

MAXIMUM_FALLBACKS = 30
"""So many versions of a file are looked at for the last good one."""

History = Callable[[str], list[Version]]
"""Versions of a path, newest first."""


@dataclass(frozen=True)
class Snapshot:
    """Files by path, and how to get at their content."""

    revision: str
    """The commit; empty where there is none (a folder)."""
    time: dt.datetime
    """When the commit was made."""
    entries: Mapping[str, TreeEntry]
    """The files that lie in a place of ours, or look as if they were meant to."""
    read: Callable[[Iterable[str]], dict[str, bytes]]
    """Contents by blob id."""
    history: History | None = None
    """Where earlier versions are; None where broken files must not fall back on them."""


def _relevant(entries: Mapping[str, TreeEntry]) -> dict[str, TreeEntry]:
    return {path: entry for path, entry in entries.items() if place(path) or is_stray(path)}


def at_commit(repository: Repository, commit: str) -> Snapshot:
    """Take the files of a commit; `commit` is an id. Raises GitError where it cannot be read."""
    found = repository.commits([commit])
    if not found:
        raise GitError(f"there is no commit {commit}")
    return Snapshot(
        revision=commit,
        time=found[0].time,
        entries=_relevant(repository.tree(commit)),
        read=lambda blobs: _complete(repository, list(blobs)),
        history=lambda path: repository.versions(commit, path, limit=MAXIMUM_FALLBACKS),
    )


def applied(repository: Repository, commit: str) -> Snapshot:
    """Take what applies by the first-parent history of a commit of main, changes that are held left out."""
    return at_commit(repository, commit)


def proposed(repository: Repository, main: str, commit: str) -> Snapshot:
    """Take what applies on main with what a commit changes laid over it, nothing of that held."""
    return at_commit(repository, commit)


def _complete(repository: Repository, blobs: list[str]) -> dict[str, bytes]:
    """Read blobs; one that is damaged or gone is an error, since nobody can say what its file held."""
    found = repository.objects(blobs)
    missing = set(blobs) - found.keys()
    if missing:
        raise GitError(f"the repository lacks the object {min(missing)}")
    return found


def with_files(base: Snapshot, files: Mapping[str, bytes | None]) -> Snapshot:
    """Lay changed files over a snapshot without writing anything; None removes a file."""
    entries, contents = dict(base.entries), {}
    for path, data in files.items():
        entries.pop(path, None)
        if data is not None:
            blob = "new:" + hashlib.sha256(data).hexdigest()
            contents[blob] = data
            entries[path] = TreeEntry("100644", blob, len(data))

    def read(ids: Iterable[str]) -> dict[str, bytes]:
        ids = list(ids)
        ours = {blob: contents[blob] for blob in ids if blob in contents}
        return {**base.read(blob for blob in ids if blob not in contents), **ours}

    def history(path: str) -> list[Version]:
        return [] if path in files or base.history is None else base.history(path)

    return Snapshot(base.revision, base.time, _relevant(entries), read, history)


def in_folder(folder: Path) -> Snapshot:
    """Take the files of a folder; links are not followed."""
    entries, paths = {}, {}
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        folders[:] = sorted(name for name in folders if name != ".git" and name not in links)
        if Path(parent) == folder:
            # Nothing of ours lies elsewhere, and elsewhere may be large.
            folders[:] = [name for name in folders if is_stray(f"{name}/x") or place(f"{name}/x.yaml")]
        for name in sorted(names + links):
            file = Path(parent, name)
            status = file.lstat()
            path = file.relative_to(folder).as_posix().encode(errors="replace").decode()
            mode = "100644" if stat.S_ISREG(status.st_mode) else "120000"
            entries[path] = TreeEntry(mode, path, status.st_size)
            paths[path] = file

    def read(ids: Iterable[str]) -> dict[str, bytes]:
        found = {}
        for path in ids:
            with paths[path].open("rb") as file:
                found[path] = file.read(MAXIMUM_BYTES + 1)
        return found

    return Snapshot("", dt.datetime.now(dt.UTC), _relevant(entries), read)
