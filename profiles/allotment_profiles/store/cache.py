"""Keep what was loaded in a file across restarts: the fold of the history, and the resolution of each profile.

The file only saves time. It is used only if it is whole, was written by this very code for the keys that count now,
and names a commit on the line of main; otherwise everything is read from git. It is JSON in short lines, so that
reading it runs no code and delays no other thread for long.
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
from allotment_profiles.catalog.credentials import FormerRole, reach_of
from allotment_profiles.git.repository import TreeEntry
from allotment_profiles.model import Binding
from allotment_profiles.model.paths import file_ref
from allotment_profiles.model.problems import Problem
from allotment_profiles.store.history import Applied, File, QuarantinedVersion
from allotment_profiles.store.loading import Loaded
from allotment_profiles.store.provenance import HistoryEntry, Provenance
from allotment_profiles.store.resolver import CachedResolution

log = logging.getLogger(__name__)

_MAGIC = "allotment-catalog-cache 2"
_ITEMS_PER_LINE = 200
_MAXIMUM_BYTES = 512 * 1024**2


@dataclasses.dataclass(frozen=True)
class Stored:
    """The content of the file."""

    history: Applied
    resolutions: Mapping[str, CachedResolution]


def identity(keys: str) -> str:
    """Return what a file must have been written by and for: this code, the libraries it reads with, the keys."""
    digest = hashlib.sha256()
    digest.update(f"{_version_of_package()} {pydantic.VERSION} {platform.python_version()} {keys}".encode())
    # During development, the code changes without its version.
    for module in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()


def _version_of_package() -> str:
    try:
        return importlib.metadata.version("allotment")
    except importlib.metadata.PackageNotFoundError:  # not installed, but run from a folder
        return ""


def save(path: Path, loaded: Loaded, history: Applied, written_for: str) -> bool:
    """Write the file as a whole or not at all. Return whether it was written; errors of the disk are logged."""
    # All writers share this name: the next one overwrites what a killed one left. If two write at once, the checksum
    # is wrong and the file is not used.
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("wb") as file:
            digest = hashlib.sha256()
            for line in itertools.chain([f"{_MAGIC} {written_for}\n"], _lines(loaded, history)):
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
    """Read the file. Return None where there is none that can be used, whatever the reason."""
    try:
        # Reading a device or a pipe would never end.
        if path.exists() and (not path.is_file() or path.stat().st_size > _MAXIMUM_BYTES):
            return None
        data = path.read_bytes()
        lines = data.split(b"\n")
        if lines[0] != f"{_MAGIC} {written_for}".encode() or len(lines) < 4 or lines[-1] != b"":
            return None
        if hashlib.sha256(data[: -len(lines[-2]) - 1]).hexdigest().encode() != lines[-2]:
            log.warning("the catalog's cache is damaged; everything is read from git")
            return None
        return _stored(lines[1:-2])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, LookupError, RecursionError, MemoryError) as error:
        log.warning("the catalog's cache cannot be read; everything is read from git: %s", error)
        return None


# -- writing: a head, then lines with a few hundred files, commits, or paths of commits each


def _lines(loaded: Loaded, history: Applied) -> Iterator[str]:
    head = {
        "head": history.head, "time": _seconds(history.time), "count": history.count, "gone": sorted(history.gone),
        "direct_push": history.direct_push, "removal_share": history.removal_share,
        "former_roles": [_former(role) for role in history.former_roles.values()],
    }  # fmt: skip
    yield _line(head)
    entries = history.provenance.entries
    files = history.files.items()
    yield from _section("files", ([path, _file(file), _resolution(loaded, path)] for path, file in files))
    yield from _section("entries", (_history_entry(entry) for entry in entries))
    yield from _section("paths", ([number, path] for number, entry in enumerate(entries) for path in entry.paths))


def _section(name: str, items: Iterable[object]) -> Iterator[str]:
    remaining = iter(items)
    while some := list(itertools.islice(remaining, _ITEMS_PER_LINE)):
        yield _line([name, some])


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n"


def _file(file: File) -> list[Any]:
    quarantined = [
        [version.commit, _seconds(version.time), version.reason, _entry(version.entry)] for version in file.quarantined
    ]
    return [_entry(file.entry), file.order, [_version(version) for version in file.versions], quarantined]


def _entry(entry: TreeEntry | None) -> list[Any] | None:
    return [entry.mode, entry.blob, entry.size] if entry else None


def _former(role: FormerRole) -> list[Any]:
    return [role.name, role.owner, role.binding.model_dump(mode="json", exclude_none=True)]


def _version(version: Version | None) -> list[Any] | None:
    return [version.commit, _seconds(version.time), version.blob] if version else None


def _resolution(loaded: Loaded, path: str) -> list[Any] | None:
    """Return the resolution of a profile. Other files are few, and are read again."""
    ref = file_ref(path)
    if ref is None or ref.kind != "profile" or path in loaded.collisions:
        return None
    problems = [dataclasses.astuple(problem) for problem in loaded.problems.get(path, ())]
    successor = loaded.successors.get(ref.id)
    entry = loaded.catalog.profiles.get(ref.id)
    if entry is None:
        return [None, problems, successor, None, []]
    return [entry.blob, problems, successor, _version(entry.outdated_since), entry.data_roles]


def _history_entry(entry: HistoryEntry) -> list[Any]:
    return [
        entry.commit, _seconds(entry.time), entry.subject, entry.author, entry.reviewed, entry.proposal,
        entry.proposed_by, entry.approved_by, entry.reason,
    ]  # fmt: skip


def _seconds(time: dt.datetime) -> int:
    return int(time.timestamp())


# -- reading


def _stored(lines: Iterable[bytes]) -> Stored:
    first, *rest = lines
    head = json.loads(first)
    sections: dict[str, list[list[Any]]] = {"files": [], "entries": [], "paths": []}
    for line in rest:
        name, items = json.loads(line)
        sections[name] += items
    parser = _Parser()
    files = {parser.text(path): parser.file(file) for path, file, _ in sections["files"]}
    paths: dict[int, list[str]] = {}
    for number, path in sections["paths"]:
        paths.setdefault(number, []).append(parser.text(path))
    entries = [
        parser.history_entry(values, tuple(paths.get(number, ()))) for number, values in enumerate(sections["entries"])
    ]
    head |= {"time": _time(head["time"]), "gone": frozenset(head["gone"])}
    former = [FormerRole(name, owner, Binding.model_validate(binding)) for name, owner, binding in head["former_roles"]]
    head["former_roles"] = {(role.owner, reach_of(role.binding)): role for role in former}
    history = Applied(**head, files=files, provenance=Provenance.of_entries(head["head"], entries))
    resolutions = {path: parser.resolution(values) for path, _, values in sections["files"] if values is not None}
    return Stored(history, resolutions)


class _Parser:
    """Builds values from lists. Equal texts become one object, as they are after a fold."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def text(self, text: str) -> str:
        return self._texts.setdefault(text, text)

    def file(self, values: list[Any]) -> File:
        entry, order, versions, quarantined = values
        return File(
            self._entry(entry),
            tuple(self._version(version) for version in versions),
            order,
            tuple(
                QuarantinedVersion(self.text(commit), _time(time), reason, self._entry(written))
                for commit, time, reason, written in quarantined
            ),
        )

    def resolution(self, values: list[Any]) -> CachedResolution:
        blob, problems, successor, since, data_roles = values
        return CachedResolution(
            self.text(blob) if blob else None,
            tuple(Problem(*problem) for problem in problems),
            successor,
            self._version(since) if since else None,
            tuple(data_roles),
        )

    def history_entry(self, values: list[Any], paths: tuple[str, ...]) -> HistoryEntry:
        commit, time, subject, author, reviewed, proposal, proposed_by, approved_by, reason = values
        by, approvers = self.text(proposed_by), tuple(map(self.text, approved_by))
        author = self.text(author)
        return HistoryEntry(
            self.text(commit), _time(time), subject, author, paths, reviewed, proposal, by, approvers, reason
        )

    def _entry(self, values: list[Any] | None) -> TreeEntry | None:
        return TreeEntry(self.text(values[0]), self.text(values[1]), values[2]) if values else None

    def _version(self, values: list[Any]) -> Version:
        commit, time, blob = values
        return Version(self.text(commit), _time(time), self.text(blob) if blob else None)


def _time(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
