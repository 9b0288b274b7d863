"""The repository over the git command line: bare, never a worktree, never a checkout.

Revisions become ids with `rev-parse --verify --end-of-options` first; only ids, and paths and names from our own
patterns, reach other commands. Every call has an environment of its own, so that no user's configuration steers it.
"""

import datetime as dt
import os
import re
import secrets
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from allotment_profiles.git.commits import Commit, Person, commit_bytes, moment, parse_commit
from allotment_profiles.git.signatures import Signer, Verifier
from allotment_profiles.model.problems import AllotmentError

NO_OBJECT = "0" * 40
_ID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
# What a reference may be called here: nothing that a line of git's protocol, an option or a pattern could be made of.
_REFERENCE = re.compile(r"refs/[A-Za-z0-9][A-Za-z0-9._/@+-]{0,250}", re.ASCII)
_MAXIMUM_REVISION = 500
_SECONDS = 60
MINIMUM_VERSION = (2, 38)


class GitError(AllotmentError):
    """Git did not do what it was asked."""


class RefMovedError(GitError):
    """A reference was not where it was expected: somebody else was faster."""


class MergeConflictError(GitError):
    """Two commits changed the same lines; carries the paths."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(f"conflict in {', '.join(paths)}")
        self.paths = tuple(paths)


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file of a tree."""

    mode: str
    blob: str
    size: int
    """Bytes; -1 for what is no blob (a submodule)."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """What a commit did to one file."""

    path: str
    old_blob: str
    mode: str
    """The new mode; `000000` where the file was removed."""
    blob: str
    """The new blob; zeros where the file was removed."""

    @property
    def removed(self) -> bool:
        """Whether the file is gone."""
        return self.mode == "000000"


@dataclass(frozen=True, slots=True)
class LoggedCommit:
    """One commit of a first-parent history with what it changed against its first parent."""

    id: str
    time: dt.datetime
    parents: tuple[str, ...]
    message: str
    changes: tuple[FileChange, ...]


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """One reference to move; `old` is what it must be now (NO_OBJECT: it must not exist), `new` NO_OBJECT deletes."""

    name: str
    new: str
    old: str


def version() -> tuple[int, int]:
    """Give git's version as two numbers; raises GitError where there is no git."""
    try:
        output = subprocess.run(["git", "version"], capture_output=True, check=True, timeout=_SECONDS).stdout.decode()
    except (OSError, subprocess.SubprocessError) as error:
        raise GitError("git is not installed") from error
    match = re.search(r"(\d+)\.(\d+)", output)
    return (int(match[1]), int(match[2])) if match else (0, 0)


class Repository:
    """A bare repository (or the git folder of another) on this machine."""

    def __init__(self, path: Path, verifier: Verifier | None = None) -> None:
        self.path = Path(path)
        self._verifier = verifier

    @property
    def keys(self) -> str:
        """What tells the keys whose signatures count from others; empty where none does."""
        return self._verifier.fingerprint if self._verifier else ""

    @classmethod
    def create(cls, path: Path, verifier: Verifier | None = None) -> "Repository":
        """Make an empty bare repository whose branch is main."""
        path.mkdir(parents=True, exist_ok=True)
        repository = cls(path, verifier)
        repository._git("init", "--quiet", "--bare", "--initial-branch=main", "--template=", ".")
        return repository

    def _git(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (0,),
    ) -> bytes:
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "HOME": "/nonexistent",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            # A folder that is no repository is an error, not a reason to find one above it.
            "GIT_CEILING_DIRECTORIES": str(self.path.resolve().parent),
            **(environment or {}),
        }
        command = ["git", "--no-pager", "-c", "core.fsync=committed,reference", "-c", "gc.auto=0", *arguments]
        try:
            # A file for the input: a pipe would be filled by hundreds of small writes.
            with tempfile.TemporaryFile() if stdin else open(os.devnull, "rb") as given:  # noqa: PTH123  (no path)
                if stdin:
                    given.write(stdin)
                    given.seek(0)
                done = subprocess.run(
                    command, cwd=self.path, env=env, stdin=given, capture_output=True, check=False, timeout=_SECONDS
                )
        except subprocess.TimeoutExpired as error:
            raise GitError(f"git {arguments[0]} took more than {_SECONDS} s") from error
        except OSError as error:
            raise GitError(f"git {arguments[0]} could not be started: {error}") from error
        if done.returncode not in accept:
            raise GitError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()[:500]}")
        if done.returncode != 0:
            return b"\0%d\0" % done.returncode + done.stdout
        return done.stdout

    # -- reading

    def is_surely_at(self, name: str, commit: str) -> bool:
        """Tell without a process whether a reference is at a commit; False says nothing: ask git.

        A reference that lies in a file of its own is where that file says, whatever else there is.
        """
        try:
            return (self.path / name).read_bytes() == f"{commit}\n".encode()
        except OSError:
            return False

    def resolve(self, revision: str) -> str | None:
        """Give the id of the commit that a revision names, or None where it names none."""
        if "\0" in revision or len(revision) > _MAXIMUM_REVISION or not _is_unicode(revision):
            return None
        output = self._git(
            "rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}", accept=(0, 1, 128)
        )
        text = output.decode(errors="replace").strip()
        return text if _ID.fullmatch(text) else None

    def references(self, prefix: str) -> dict[str, str]:
        """Give the branches below a prefix such as `refs/heads/propose/`: full name → commit id."""
        output = self._git("for-each-ref", "--format=%(objectname) %(refname)", prefix)
        pairs = (line.split(" ", 1) for line in output.decode(errors="replace").splitlines())
        return {name: commit for commit, name in pairs}

    def tree(self, commit: str) -> dict[str, TreeEntry]:
        """List all files of a commit: path → entry. A path that is no UTF-8 has replacement characters."""
        entries = {}
        for record in self._git("ls-tree", "-r", "-l", "-z", "--full-tree", _id(commit)).split(b"\0"):
            if record:
                head, _, path = record.partition(b"\t")
                mode, _, blob, size = head.decode().split()
                entries[path.decode(errors="replace")] = TreeEntry(mode, blob, int(size) if size.isdecimal() else -1)
        return entries

    def objects(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Read many objects with one process: id → content; what does not exist is left out."""
        wanted = [each for each in dict.fromkeys(ids) if _ID.fullmatch(each)]
        if not wanted:
            return {}
        output = self._git("cat-file", "--batch", stdin="\n".join(wanted).encode() + b"\n")
        found, position = {}, 0
        for wanted_id in wanted:
            end = output.index(b"\n", position)
            header = output[position:end].split()
            position = end + 1
            if len(header) == 3:
                size = int(header[2])
                found[wanted_id] = output[position : position + size]
                position += size + 1
        return found

    def sizes(self, ids: Iterable[str]) -> dict[str, int]:
        """Ask how large objects are without reading them: id → bytes; what does not exist is left out."""
        wanted = [each for each in dict.fromkeys(ids) if _ID.fullmatch(each)]
        if not wanted:
            return {}
        output = self._git(
            "cat-file", "--batch-check=%(objectname) %(objectsize)", stdin="\n".join(wanted).encode() + b"\n"
        )
        pairs = (line.split() for line in output.decode().splitlines())
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}

    def log(self, head: str, *, until: str | None = None) -> list[LoggedCommit]:
        """List the first-parent history with what each commit changed, oldest first, down to and without `until`.

        Where `until` is no part of that line, the list begins anywhere: look at the first one's parents.
        """
        mark = _mark()
        # What the repository's own configuration could change about the output is said here.
        output = self._git(
            "-c", "log.showRoot=true", "log", "--first-parent", "--diff-merges=first-parent", "--reverse", "--raw",
            "--no-abbrev", "--no-renames", "--ignore-submodules=none", "--encoding=UTF-8", "-z",
            f"--format={mark}%H %ct %P%x00%B%x00", _id(head), *([f"^{_id(until)}"] if until else []),
        )  # fmt: skip
        return [_logged(record) for record in output.split(mark.encode())[1:]]

    def changes(self, before: str, after: str) -> tuple[FileChange, ...]:
        """Say which files differ between two commits."""
        output = self._git(
            "diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--ignore-submodules=none",
            _id(before), _id(after),
        )  # fmt: skip
        return _file_changes(output)

    def file(self, commit: str, path: str) -> bytes | None:
        """Give the content of one file of a commit, or None."""
        if "\0" in path or not _is_unicode(path):
            return None
        blob = self._git(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{_id(commit)}:{path}", accept=(0, 1, 128)
        )
        return self.objects([blob.decode().strip()]).get(blob.decode().strip()) if not blob.startswith(b"\0") else None

    def commits(self, ids: Sequence[str]) -> list[Commit]:
        """Read commits and check their signatures."""
        raw = self.objects(ids)
        return [parse_commit(commit, raw[commit], self._verifier) for commit in ids if commit in raw]

    def first_parents(self, head: str, *, until: str | None = None, limit: int | None = None) -> list[str]:
        """List the ids of the first-parent history, newest first, down to and without `until`."""
        arguments = ["rev-list", "--first-parent", *([f"--max-count={limit}"] if limit else []), _id(head)]
        return self._git(*arguments, *([f"^{_id(until)}"] if until else [])).decode().split()

    def changed_paths(self, head: str, *, until: str | None = None) -> dict[str, list[str]]:
        """Give what each first-parent commit changed, newest first: commit id → paths."""
        mark = _mark()
        output = self._git(
            "log", "--first-parent", "-m", "--name-only", "--no-renames", "-z", f"--format={mark}%H%x00", _id(head),
            *([f"^{_id(until)}"] if until else []),
        )  # fmt: skip
        changed: dict[str, list[str]] = {}
        for record in output.split(mark.encode())[1:]:
            commit, *paths = record.split(b"\0")
            changed[commit.decode()] = [
                path.removeprefix(b"\n" if index == 0 else b"").decode(errors="replace")
                for index, path in enumerate(path for path in paths if path)
            ]
        return changed

    def difference(self, before: str, after: str, paths: Sequence[str]) -> str:
        """Give the unified difference of some files of two commits as text, without external programs."""
        if not paths:
            return ""
        output = self._git(
            "diff-tree", "-r", "-p", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames",
            _id(before), _id(after), "--", *(f":(literal){path}" for path in paths),
        )  # fmt: skip
        return output.decode(errors="replace")

    def merge_base(self, one: str, other: str) -> str | None:
        """Give the commit that two histories have in common, or None."""
        text = self._git("merge-base", _id(one), _id(other), accept=(0, 1)).decode().strip()
        return text if _ID.fullmatch(text) else None

    def is_ancestor(self, ancestor: str, of: str) -> bool:
        """Tell whether one commit is part of another's history."""
        return not self._git("merge-base", "--is-ancestor", _id(ancestor), _id(of), accept=(0, 1)).startswith(b"\0")

    # -- writing

    def write_tree(self, base: str | None, files: Mapping[str, bytes | None]) -> str:
        """Write the tree of a commit (None: the empty one) with some files replaced, added or (None) removed."""
        blobs = {path: self._object("blob", data) for path, data in files.items() if data is not None}
        lines = b"".join(
            (f"100644 {blobs[path]}\t{path}" if path in blobs else f"0 {NO_OBJECT}\t{path}").encode() + b"\0"
            for path in files
        )
        with tempfile.TemporaryDirectory(prefix="allotment-index-") as folder:
            environment = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            if base:
                self._git("read-tree", _id(base), environment=environment)
            self._git("update-index", "-z", "--index-info", stdin=lines, environment=environment)
            return self._git("write-tree", environment=environment).decode().strip()

    def merged_tree(self, ours: str, theirs: str) -> str:
        """Merge two commits without a worktree; raises MergeConflictError with the paths."""
        output = self._git(
            "merge-tree", "--write-tree", "--name-only", "--no-messages", "--allow-unrelated-histories", "-z",
            _id(ours), _id(theirs), accept=(0, 1),
        )  # fmt: skip
        if output.startswith(b"\x001\0"):
            _, *paths = output[3:].decode(errors="replace").rstrip("\0").split("\0")
            raise MergeConflictError(sorted({path for path in paths if path}))
        return output.decode().strip("\0\n")

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
        """Write a commit object, signed where a signer is given; no reference moves."""
        return self._object("commit", commit_bytes(tree, parents, message, author, committer, time, signer))

    def update_references(self, updates: Sequence[RefUpdate]) -> None:
        """Move several references in one transaction, all or none; raises RefMovedError where one was elsewhere."""
        lines = ["start"]
        for update in updates:
            if not is_reference(update.name):
                raise GitError(f"{update.name!r} is no name for a reference")
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
        """Delete every reference below a prefix, whatever it is called and wherever it is."""
        self._git("update-ref", "--stdin", stdin=self._git("for-each-ref", "--format=delete %(refname)", prefix))

    def _object(self, kind: str, data: bytes) -> str:
        return self._git("hash-object", "-t", kind, "-w", "--stdin", stdin=data).decode().strip()


def is_reference(name: str) -> bool:
    """Tell whether a text may name a reference here; git itself takes more."""
    return _REFERENCE.fullmatch(name) is not None


def _id(text: str) -> str:
    """Give an object's id back; raises GitError for everything else, which git could take for an option."""
    if not _ID.fullmatch(text):
        raise GitError(f"{text[:80]!r} is no object's id")
    return text


def _logged(record: bytes) -> LoggedCommit:
    head, message, rest = record.split(b"\0", 2)
    commit, seconds, *parents = head.decode().split(" ")
    return LoggedCommit(
        commit, moment(seconds), tuple(filter(None, parents)), message.decode(errors="replace"), _file_changes(rest)
    )


def _file_changes(raw: bytes) -> tuple[FileChange, ...]:
    """Read `:MODE MODE BLOB BLOB STATUS NUL PATH NUL …`; a path that is no UTF-8 has replacement characters."""
    parts = raw.strip(b"\0\n").split(b"\0")
    found = []
    for index in range(0, len(parts) - 1, 2):
        _, mode, old_blob, blob, _ = parts[index].decode().split(" ")
        found.append(FileChange(parts[index + 1].decode(errors="replace"), old_blob, mode, blob))
    return tuple(found)


def _is_unicode(text: str) -> bool:
    """Tell whether a text can be an argument: a lone surrogate cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _mark() -> str:
    """Give what separates records: a new word each time, so that no path in the repository can hold it."""
    return f"record-{secrets.token_hex(16)} "
