"""What was loaded, kept in a file across restarts: the fold of the history and what became of each profile.

The file is a help, never a source: it is believed only where it is whole, was written by this very code for the keys
that count now, and names a commit on the line of main. Whatever is wrong with it costs the time of reading anew.
It is JSON, one short line for some hundred files, so that reading it can run nothing and stops no other thread.
"""

import contextlib
import dataclasses
import datetime as dt
import hashlib
import importlib.metadata
import itertools
import json
import logging
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pydantic

from allotment_profiles.catalog.catalog import Version
from allotment_profiles.git.repository import TreeEntry
from allotment_profiles.model.paths import file_ref
from allotment_profiles.model.problems import Problem
from allotment_profiles.store.history import Applied, File, QuarantinedVersion
from allotment_profiles.store.loading import Loaded
from allotment_profiles.store.resolver import CachedResolution

log = logging.getLogger(__name__)

_BEGIN = "allotment-catalog-cache 1"
_LINES_AT_ONCE = 200
_MAXIMUM_BYTES = 512 * 1024**2


@dataclasses.dataclass(frozen=True)
class Stored:
    """What came out of the file."""

    history: Applied
    settled: Mapping[str, CachedResolution]


def identity(keys: str) -> str:
    """Say what a file has to be written by and for: this code, the libraries that read, the keys that count."""
    digest = hashlib.sha256()
    digest.update(f"{_version_of_package()} {pydantic.VERSION} {platform.python_version()} {keys}".encode())
    # A rule may change without the version changing while somebody works on it.
    for module in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()


def _version_of_package() -> str:
    try:
        return importlib.metadata.version("allotment")
    except importlib.metadata.PackageNotFoundError:  # run from a folder that was never installed
        return ""


def save(path: Path, loaded: Loaded, history: Applied, written_for: str) -> bool:
    """Write the file whole or not at all, and tell whether it was; raises nothing for a folder or a disk."""
    # One name for all writers: what a killed one leaves is written over, what two make at once is not believed.
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("wb") as file:
            digest = hashlib.sha256()
            for line in itertools.chain([f"{_BEGIN} {written_for}\n"], _lines(loaded, history)):
                data = line.encode()
                digest.update(data)
                file.write(data)
            file.write(digest.hexdigest().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        log.warning("the catalog's cache was not written: %s", error)
        with contextlib.suppress(OSError):
            temporary.unlink()
        return False
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def restore(path: Path, written_for: str) -> Stored | None:
    """Read the file; None where there is none that can be believed, whatever is in its place."""
    try:
        # A device or a pipe would be read for ever.
        if path.exists() and (not path.is_file() or path.stat().st_size > _MAXIMUM_BYTES):
            return None
        data = path.read_bytes()
        lines = data.split(b"\n")
        if lines[0] != f"{_BEGIN} {written_for}".encode() or len(lines) < 4 or lines[-1] != b"":
            return None
        if hashlib.sha256(data[: -len(lines[-2]) - 1]).hexdigest().encode() != lines[-2]:
            log.warning("the catalog's cache is damaged; everything is read anew")
            return None
        return _stored(lines[1:-2])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, LookupError, RecursionError, MemoryError) as error:
        log.warning("the catalog's cache cannot be read; everything is read anew: %s", error)
        return None


# -- the lines: a head, then some hundred files each


def _lines(loaded: Loaded, history: Applied) -> Iterator[str]:
    yield _line({
        "head": history.head, "time": _seconds(history.time), "count": history.count, "gone": sorted(history.gone),
        "direct_push": history.direct_push, "removal_share": history.removal_share,
    })  # fmt: skip
    names = iter(sorted(history.files))
    while some := list(itertools.islice(names, _LINES_AT_ONCE)):
        yield _line([[path, _file(history.files[path]), _settled(loaded, path)] for path in some])


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n"


def _file(file: File) -> list[Any]:
    held = [[each.commit, _seconds(each.time), each.reason, _entry(each.entry)] for each in file.held]
    return [_entry(file.entry), file.order, [_version(each) for each in file.versions], held]


def _entry(entry: TreeEntry | None) -> list[Any] | None:
    return [entry.mode, entry.blob, entry.size] if entry else None


def _version(version: Version | None) -> list[Any] | None:
    return [version.commit, _seconds(version.time), version.blob] if version else None


def _settled(loaded: Loaded, path: str) -> list[Any] | None:
    """Give what became of a profile; other files are few and are read again."""
    where = file_ref(path)
    if where is None or where.kind != "profile" or path in loaded.collisions:
        return None
    problems = [dataclasses.astuple(problem) for problem in loaded.problems.get(path, ())]
    successor = loaded.successors.get(where.id)
    entry = loaded.catalog.profiles.get(where.id)
    if entry is None:
        return [None, problems, successor, None, []]
    return [entry.blob, problems, successor, _version(entry.outdated_since), entry.data_roles]


def _seconds(time: dt.datetime) -> int:
    return int(time.timestamp())


# -- and back


def _stored(lines: Iterable[bytes]) -> Stored:
    head, *rest = lines
    said = json.loads(head)
    one: dict[str, str] = {}  # equal texts are one, as they are where git was asked
    files: dict[str, File] = {}
    settled: dict[str, CachedResolution] = {}
    for line in rest:
        for path, file, outcome in json.loads(line):
            files[path] = _file_of(file, one)
            if outcome is not None:
                settled[path] = _settled_of(outcome, one)
    history = Applied(
        said["head"], _time(said["time"]), said["count"], files, frozenset(said["gone"]), said["direct_push"],
        said["removal_share"],
    )  # fmt: skip
    return Stored(history, settled)


def _file_of(said: list[Any], one: dict[str, str]) -> File:
    entry, order, versions, held = said
    return File(
        _entry_of(entry, one), tuple(_version_of(each, one) for each in versions), order,
        tuple(
            QuarantinedVersion(commit, _time(time), reason, _entry_of(each, one))
            for commit, time, reason, each in held
        ),
    )  # fmt: skip


def _entry_of(said: list[Any] | None, one: dict[str, str]) -> TreeEntry | None:
    return TreeEntry(one.setdefault(said[0], said[0]), one.setdefault(said[1], said[1]), said[2]) if said else None


def _version_of(said: list[Any], one: dict[str, str]) -> Version:
    commit, time, blob = said
    return Version(one.setdefault(commit, commit), _time(time), one.setdefault(blob, blob) if blob else None)


def _settled_of(said: list[Any], one: dict[str, str]) -> CachedResolution:
    blob, problems, successor, since, reaches = said
    return CachedResolution(
        one.setdefault(blob, blob) if blob else None, tuple(Problem(*problem) for problem in problems), successor,
        _version_of(since, one) if since else None, tuple(reaches),
    )  # fmt: skip


def _time(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
