"""Read and write a bare git repository with the git command line; there is never a worktree or a checkout.

A revision from outside is resolved to an id with `rev-parse --verify --end-of-options` first. Other commands receive
nothing but ids, and names and paths that match patterns of ours.
"""

import datetime as dt
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from allotment_profiles.git.commits import Commit, Person, commit_bytes, moment, parse_commit
from allotment_profiles.git.objects import (
    ObjectReader,
    batch,
    is_object_id,
    write_blobs,
    write_empty_tree,
    write_entries,
)
from allotment_profiles.git.packing import pack
from allotment_profiles.git.process import GitDataError, GitError, GitProcess
from allotment_profiles.git.references import is_reference, read_reference
from allotment_profiles.git.signatures import Signer, Verifier

MAIN = "refs/heads/main"
PROPOSE = "refs/heads/propose/"
"""Below it, a branch with the content of each open proposal."""
RECORDS = "refs/heads/allotment/records"
"""The branch with the log of records: what people did with all proposals."""
REVIEWS = "refs/heads/reviews/"
"""Below it, a branch with the records of each proposal, as there were before the log."""
NO_OBJECT = "0" * 40
_MAXIMUM_REVISION = 500
# How git lists changed files: whole ids, a rename as a removal and an addition, submodules as what they are.
_AT_ONCE = 1000
_RAW = ("--raw", "--no-abbrev", "--no-renames", "--ignore-submodules=none")


class RefMovedError(GitError):
    """A reference is not where it was expected: somebody else has moved it."""


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file of a tree."""

    mode: str
    blob: str
    size: int
    """Size in bytes; -1 for a submodule, which is no blob, and where the size is not known."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """How a commit changes one file."""

    path: str
    old_blob: str
    mode: str
    """The new mode; `000000` where the file is removed."""
    blob: str

    @property
    def removed(self) -> bool:
        """Whether the commit removes the file."""
        return self.mode == "000000"


@dataclass(frozen=True, slots=True)
class LoggedCommit:
    """One commit of a first-parent history, with its changes against its first parent."""

    id: str
    time: dt.datetime
    parents: tuple[str, ...]
    author: str
    message: str
    changes: tuple[FileChange, ...]


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """One reference to move."""

    name: str
    new: str
    """The new commit; NO_OBJECT deletes the reference."""
    old: str
    """The commit it must be at now; NO_OBJECT means that it must not exist."""


class Repository:
    """A bare repository, or the git folder of another one. Methods block, and raise GitError where git fails."""

    def __init__(
        self, path: Path, verifier: Verifier | None = None, settings: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.path = Path(path)
        self._settings = dict(settings)
        self._verifier = verifier
        self._histories: dict[Sequence[str], tuple[Sequence[str], frozenset[str]]] = {}
        # The repository's own configuration could change this output.
        self._process = GitProcess(self.path, {"log.showRoot": "true"} | self._settings)
        self._objects = ObjectReader(self._process)
        self._empty_tree = ""

    def __reduce__(self) -> tuple[type["Repository"], tuple[Path, Verifier | None, dict[str, str]]]:
        """Let another process open the same repository."""
        return Repository, (self.path, self._verifier, self._settings)

    @property
    def keys(self) -> str:
        """A fingerprint of the keys whose signatures count; empty where there are none."""
        return self._verifier.fingerprint if self._verifier else ""

    @property
    def key_lines(self) -> frozenset[str]:
        """The keys whose signatures count, with their limits."""
        return self._verifier.lines if self._verifier else frozenset()

    @classmethod
    def create(cls, path: Path, verifier: Verifier | None = None) -> "Repository":
        """Create an empty bare repository with the branch main."""
        path.mkdir(parents=True, exist_ok=True)
        repository = cls(path, verifier)
        repository._git("init", "--quiet", "--bare", "--initial-branch=main", ".")
        return repository

    def _git(self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> bytes:
        return self._process.run(*arguments, stdin=stdin, environment=environment).stdout

    # -- reading

    def is_surely_at(self, name: str, commit: str) -> bool:
        """Whether a reference's own file, which outranks packed ones, names a commit. False: unknown, ask git."""
        return bool(commit) and read_reference(self.path, name) == commit

    def resolve(self, revision: str) -> str | None:
        """Return the id of the commit that a revision names, or None. Known commits of references need no git."""
        if len(revision) > _MAXIMUM_REVISION:
            return None
        named = read_reference(self.path, revision)
        if named == "" or (named and self._objects.is_known_commit(named)):
            return named or None
        commit = self._parse(revision + "^{commit}")
        if commit:
            self._objects.know_commit(commit)
        return commit

    def _parse(self, name: str) -> str | None:
        """Return the id of the object that a name stands for, or None. The name may be anything."""
        if "\0" in name or not _is_unicode(name):
            return None
        arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", name)
        text = self._process.run(*arguments, accept=(0, 1, 128)).stdout.decode(errors="replace").strip()
        return text if is_object_id(text) else None

    def references(self, *prefixes: str) -> dict[str, str]:
        """Return the references below prefixes such as `refs/heads/propose/`: full name → commit id."""
        output = self._git("for-each-ref", "--format=%(objectname) %(refname)", *prefixes)
        pairs = (line.split(" ", 1) for line in output.decode(errors="replace").splitlines())
        return {name: commit for commit, name in pairs}

    def references_named(self, names: Iterable[str]) -> dict[str, str]:
        """Return references by their full names: name → commit. Those that do not exist are left out."""
        found = {name: read_reference(self.path, name) for name in names}
        unknown = [name for name, commit in found.items() if commit is None]
        asked = self.references(*unknown) if unknown else {}
        return {name: commit for name in found if (commit := found[name] or asked.get(name))}

    def tree(self, commit: str) -> dict[str, TreeEntry]:
        """Return all files of a commit: path → entry. A path that is no UTF-8 has replacement characters."""
        entries = {}
        for record in self._git("ls-tree", "-r", "-l", "-z", "--full-tree", _id(commit)).split(b"\0"):
            if record:
                head, _, path = record.partition(b"\t")
                mode, _, blob, size = head.decode().split()
                entries[path.decode(errors="replace")] = TreeEntry(mode, blob, int(size) if size.isdecimal() else -1)
        return entries

    def objects(self, ids: Iterable[str], *, maximum: int | None = None) -> dict[str, bytes]:
        """Read many objects with one process: id → content. Those that are missing, or larger, are left out.

        What was read or written last comes from memory: ask `sizes` for what is there now.
        """
        return self._objects.read(ids, maximum)

    def sizes(self, ids: Iterable[str]) -> dict[str, int]:
        """Return the sizes of objects without reading them: id → bytes. Objects that do not exist are left out."""
        return self._objects.sizes(ids)

    def log(self, head: str, *, until: str | None = None) -> Iterator[list[LoggedCommit]]:
        """Yield the first-parent history with the changes in parts, oldest first, without `until` and what precedes it.

        Where `until` is not on that line, it may begin with any commit: check the parents of the first one.
        """
        line = self.first_parents(head, until=until or "")[::-1]
        for start in range(0, len(line), _AT_ONCE):
            mark = f"record-{secrets.token_hex(16)} "  # a new word each time, so that no path can contain it
            each = ["--no-walk=unsorted", "--stdin", "--diff-merges=first-parent", "--encoding=UTF-8", "-z", *_RAW]
            form = f"--format={mark}%H %ct %P%x00%an%x00%B%x00"
            output = self._git("log", *each, form, stdin=batch(line[start : start + _AT_ONCE])[1])
            yield [_logged(record) for record in output.split(mark.encode())[1:]]

    def changes(self, before: str, after: str) -> tuple[FileChange, ...]:
        """Return the files that differ between two commits."""
        return _file_changes(self._git("diff-tree", "-r", "-z", *_RAW, _id(before), _id(after)))

    def changes_of(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[FileChange, ...]]:
        """Return the files that differ between the two commits of each pair, with one process for all."""
        stdin = "".join(f"{_id(after)} {_id(before)}\n" for before, after in pairs).encode()
        parts = self._git("diff-tree", "--stdin", "--always", "-r", "-z", *_RAW, stdin=stdin).split(b"\0")
        changes: list[list[FileChange]] = []
        position = 0
        while position < len(parts) - 1:
            if parts[position].startswith(b":"):
                changes[-1].append(_file_change(parts[position], parts[position + 1]))
                position += 2
            else:  # the commit that the next changes belong to
                changes.append([])
                position += 1
        return [tuple(each) for each in changes]

    def file(self, commit: str, path: str) -> bytes | None:
        """Return the content of one file of a commit, or None."""
        blob = self._parse(f"{_id(commit)}:{path}")
        return self.objects([blob]).get(blob) if blob else None

    def commits(self, ids: Sequence[str]) -> list[Commit]:
        """Read commits and check their signatures. Commits that do not exist are left out."""
        raw = self.objects(ids)
        looked: set[Sequence[str]] = set()

        def is_within(commit: str, heads: Sequence[str]) -> bool:
            history = self._histories.get(heads, ((), frozenset()))[1]
            if commit not in history and heads not in looked:
                looked.add(heads)  # once for all of these commits
                history = self._history(heads)
            return commit in history

        return [parse_commit(commit, raw[commit], self._verifier, is_within) for commit in ids if commit in raw]

    def _history(self, heads: Sequence[str]) -> frozenset[str]:
        """Return some commits with all that precedes them. Those that are not here, or not yet, are left out."""
        there, history = self._histories.get(heads, ((), frozenset[str]()))
        now = tuple(self.sizes(heads))
        if now != there:
            listed = self._git("rev-list", "--stdin", stdin="".join(f"{head}\n" for head in now).encode())
            history = frozenset(listed.decode().split())
            self._histories[heads] = now, history
        return history

    def common_base(self, commits: Sequence[str]) -> str | None:
        """Return a best common ancestor of all of some commits, or None."""
        arguments = ("merge-base", "--octopus", *map(_id, commits))
        return self._process.run(*arguments, accept=(0, 1)).stdout.decode().strip() or None

    def parents(self, heads: Iterable[str], *, since: str | None = None) -> dict[str, tuple[str, ...]]:
        """Return some commits and what precedes them: id → parents. With `since`, without what precedes that one."""
        wanted, stdin = batch(heads)
        stdin += f"^{_id(since)}^@\n".encode() if since else b""
        output = self._git("rev-list", "--parents", "--stdin", stdin=stdin) if wanted else b""
        return {commit: tuple(parents) for commit, *parents in map(str.split, output.decode().splitlines())}

    def commits_beside(self, paths: Iterable[str], head: str, *, since: str) -> list[str]:
        """Return the commits of a head, newest first, without those of `since`, that change anything but some paths."""
        beside = (f":(exclude){path}" for path in paths)
        return self._git("rev-list", "--full-history", _id(head), f"^{_id(since)}", "--", *beside).decode().split()

    def first_parents(self, head: str, *, until: str = "", limit: int = -1) -> list[str]:
        """Return the ids of the first-parent history, newest first, without `until` and what precedes it."""
        wanted = [f"--max-count={limit}", _id(head), *([f"^{_id(until)}"] if until else [])]
        return self._git("rev-list", "--first-parent", *wanted).decode().split()

    def difference(self, before: str, after: str, paths: Sequence[str]) -> str:
        """Return the unified diff of some files of two commits as text. No external program is run."""
        if not paths:
            return ""
        form = ["-r", "-p", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames"]
        files = [f":(literal){path}" for path in paths]
        output = self._git("diff-tree", *form, _id(before), _id(after), "--", *files)
        return output.decode(errors="replace")

    def merge_base(self, one: str, other: str) -> str | None:
        """Return the best common ancestor of two commits, or None."""
        return self._process.run("merge-base", _id(one), _id(other), accept=(0, 1)).stdout.decode().strip() or None

    def is_ancestor(self, ancestor: str, of: str) -> bool:
        """Whether one commit is part of another's history."""
        return self._process.run("merge-base", "--is-ancestor", _id(ancestor), _id(of), accept=(0, 1)).returncode == 0

    # -- writing

    def write_tree(self, base: str | None, files: Mapping[str, bytes | None]) -> str:
        """Write the tree of a commit (None: an empty tree) with files replaced, added, or removed (None)."""
        if base is None and not files:
            self._empty_tree = self._empty_tree or write_empty_tree(self._process)
            return self._empty_tree
        if base and not files and (tree := self._parse(f"{_id(base)}^{{tree}}")):
            return tree
        blobs = write_blobs(self._process, {path: data for path, data in files.items() if data is not None})
        entries = {path: ("100644", blobs[path]) if path in blobs else None for path in files}
        return write_entries(self._process, _id(base) if base else None, entries)

    def changed_tree(self, base: str, changes: Iterable[FileChange]) -> str:
        """Write the tree of a commit with files as changes leave them, whatever they were before."""
        entries = {each.path: None if each.removed else (each.mode, each.blob) for each in changes}
        return write_entries(self._process, _id(base), entries)

    def write_commit(
        self,
        tree: str,
        parents: Sequence[str],
        message: str,
        *,
        author: Person,
        committer: Person,
        time: dt.datetime,
        signer: Signer | None = None,
    ) -> str:
        """Write a commit object, signed where there is a signer. No reference is moved."""
        data = commit_bytes(tree, parents, message, author, committer, time, signer)
        commit = self._git("hash-object", "-t", "commit", "-w", "--stdin", stdin=data).decode().strip()
        self._objects.know_commit(commit)
        self._objects.keep(commit, data)
        return commit

    def update_references(self, updates: Sequence[RefUpdate]) -> None:
        """Move references in one transaction, all or none. Raise RefMovedError where one is not at its `old`."""
        lines = ["start"]
        for update in updates:
            if not is_reference(update.name):
                raise GitDataError(f"{update.name!r} is not an allowed name of a reference")
            _id(update.new)
            _id(update.old)
            if update.new == NO_OBJECT:
                lines.append(f"delete {update.name} {update.old}")
            elif update.new == update.old:
                lines.append(f"verify {update.name} {update.old}")
            else:
                lines.append(f"update {update.name} {update.new} {update.old}")
        lines += ["prepare", "commit"]
        try:
            self._git("update-ref", "--stdin", stdin=("\n".join(lines) + "\n").encode())
        except GitError as error:
            for update in updates:
                if self.references(update.name).get(update.name, NO_OBJECT) != update.old:
                    raise RefMovedError(str(error)) from error
            raise

    def drop_references(self, prefix: str) -> None:
        """Delete every reference below a prefix, whatever its name and its commit."""
        self._git("update-ref", "--stdin", stdin=self._git("for-each-ref", "--format=delete %(refname)", prefix))

    def upkeep(self) -> None:
        """Pack the objects and remove those of no branch, if they have become many. Not while anything is fetched."""
        try:
            pack(self.path)
        finally:
            self._objects.forget()
            self._empty_tree = ""


def _id(text: str) -> str:
    """Return an object's id as it is. Raise GitError for anything else, which git could take for an option."""
    if not is_object_id(text):
        raise GitDataError(f"{text[:80]!r} is not the id of an object")
    return text


def _logged(record: bytes) -> LoggedCommit:
    head, author, message, rest = record.split(b"\0", 3)
    commit, seconds, *parents = head.decode().split(" ")
    return LoggedCommit(
        id=commit,
        time=moment(seconds),
        parents=tuple(filter(None, parents)),
        author=author.decode(errors="replace"),
        message=message.decode(errors="replace"),
        changes=_file_changes(rest),
    )


def _file_changes(raw: bytes) -> tuple[FileChange, ...]:
    """Parse `:MODE MODE BLOB BLOB STATUS NUL PATH NUL …`. A path that is no UTF-8 has replacement characters."""
    parts = raw.lstrip(b"\0\n").split(b"\0")  # a path may end with a line break: nothing is stripped there
    return tuple(_file_change(head, path) for head, path in zip(parts[::2], parts[1::2], strict=False) if head)


def _file_change(head: bytes, path: bytes) -> FileChange:
    _, mode, old_blob, blob, _ = head.decode().split(" ")
    return FileChange(path.decode(errors="replace"), old_blob, mode, blob)


def _is_unicode(text: str) -> bool:
    """Whether a text can be encoded as an argument: a lone surrogate cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
