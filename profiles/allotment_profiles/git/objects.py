"""Read objects by their ids, and write the files of a commit.

An id never names anything else, so small objects stay in memory for a while.
"""

import re
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path

from allotment_profiles.git.process import GitProcess, input_errors

_REMOVED = ("0", "0" * 40)
_ID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_KEPT_BYTES = 4 << 20
_ENTRY_BYTES = 256
"""What an object that is kept takes besides its content: its id, and its place among the others."""
_LARGEST_KEPT = 64 << 10
_MAXIMUM_COMMITS = 1000


class ObjectReader:
    """Read the objects of one repository. What was read or written last is not read again. Safe in many threads."""

    def __init__(self, process: GitProcess) -> None:
        self._process = process
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self._commits: set[str] = set()

    def read(self, ids: Iterable[str], maximum: int | None = None) -> dict[str, bytes]:
        """Read objects with one process: id → content. Those that are missing, or larger, are left out."""
        wanted, _ = batch(ids)
        contents = {text: content for text in wanted if (content := self._recent(text)) is not None}
        unread = [text for text in wanted if text not in contents]
        if maximum is not None:
            unread = [text for text, size in self.sizes(unread).items() if size <= maximum]
        for text, content in self._read(unread).items():
            self.keep(text, content)
            contents[text] = content
        return {text: contents[text] for text in wanted if text in contents and _fits(contents[text], maximum)}

    def sizes(self, ids: Iterable[str]) -> dict[str, int]:
        """Ask git for the sizes of objects: id → bytes. Objects that are not there now are left out."""
        wanted, stdin = batch(ids)
        command = ("cat-file", "--batch-check=%(objectname) %(objectsize)")
        output = self._process.run(*command, stdin=stdin).stdout if wanted else b""
        pairs = (line.split() for line in output.decode().splitlines())
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}

    def keep(self, text: str, content: bytes) -> None:
        """Keep an object that git has read or written, unless it is large, and drop the ones used longest ago."""
        if len(content) > _LARGEST_KEPT:
            return
        with self._lock:
            earlier = self._kept.pop(text, None)
            self._size += _weight(content) - (0 if earlier is None else _weight(earlier))
            self._kept[text] = content
            while self._size > _KEPT_BYTES:
                self._size -= _weight(self._kept.popitem(last=False)[1])

    def know_commit(self, commit: str) -> None:
        """Note that git has said, or written, that an id names a commit."""
        with self._lock:
            if len(self._commits) >= _MAXIMUM_COMMITS:
                self._commits.clear()
            self._commits.add(commit)

    def is_known_commit(self, text: str) -> bool:
        """Whether an id is known to name a commit. False: unknown, ask git."""
        return text in self._commits

    def forget(self) -> None:
        """Drop everything: objects may have been removed."""
        with self._lock:
            self._kept.clear()
            self._commits.clear()
            self._size = 0

    def _recent(self, text: str) -> bytes | None:
        with self._lock:
            content = self._kept.get(text)
            if content is not None:
                self._kept.move_to_end(text)
            return content

    def _read(self, ids: list[str]) -> dict[str, bytes]:
        wanted, stdin = batch(ids)
        output = self._process.run("cat-file", "--batch", stdin=stdin).stdout if wanted else b""
        contents, position = {}, 0
        for wanted_id in wanted:
            end = output.index(b"\n", position)
            header = output[position:end].split()
            position = end + 1
            if len(header) == 3:
                size = int(header[2])
                contents[wanted_id] = output[position : position + size]
                position += size + 1
        return contents


def is_object_id(text: str) -> bool:
    """Whether a text is the whole id of an object."""
    return _ID.fullmatch(text) is not None


def batch(ids: Iterable[str]) -> tuple[list[str], bytes]:
    """Return the ids without duplicates and without what is no id, and the same as input for `cat-file`."""
    wanted = [text for text in dict.fromkeys(ids) if is_object_id(text)]
    return wanted, "".join(f"{text}\n" for text in wanted).encode()


def _weight(content: bytes) -> int:
    return len(content) + _ENTRY_BYTES


def _fits(content: bytes, maximum: int | None) -> bool:
    return maximum is None or len(content) <= maximum


def write_blobs(process: GitProcess, contents: Mapping[str, bytes]) -> dict[str, str]:
    """Write a blob for each content, and return their ids by the same keys. Raise GitError."""
    if len(contents) <= 1:
        command = ("hash-object", "-w", "--stdin")
        return {key: process.run(*command, stdin=data).stdout.decode().strip() for key, data in contents.items()}
    with input_errors("hash-object"), tempfile.TemporaryDirectory(prefix="allotment-blobs-") as folder:
        paths = [Path(folder, str(number)) for number in range(len(contents))]
        for path, data in zip(paths, contents.values(), strict=True):
            path.write_bytes(data)
        names = "".join(f"{path}\n" for path in paths).encode()
        # Without filters: a repository may have attributes that would change what is written.
        output = process.run("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=names).stdout
    return dict(zip(contents, output.decode().split(), strict=True))


def write_empty_tree(process: GitProcess) -> str:
    """Write the tree without files and return its id. Raise GitError."""
    return process.run("hash-object", "-t", "tree", "-w", "--stdin").stdout.decode().strip()


def write_entries(process: GitProcess, base: str | None, entries: Mapping[str, tuple[str, str] | None]) -> str:
    """Write the tree of a commit (None: an empty one) with other entries: path → mode and blob, or None to remove it.

    Return the id of the tree. Raise GitError.
    """
    lines = b"".join(f"{' '.join(entry or _REMOVED)}\t{path}\0".encode() for path, entry in entries.items())
    with input_errors("update-index"), tempfile.TemporaryDirectory(prefix="allotment-index-") as folder:
        environment = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        if base:
            process.run("read-tree", base, environment=environment)
        process.run("update-index", "-z", "--index-info", stdin=lines, environment=environment)
        return process.run("write-tree", environment=environment).stdout.decode().strip()
