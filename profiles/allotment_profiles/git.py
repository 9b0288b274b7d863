"""The repository over the git command line: bare, never a worktree, never a checkout.

Revisions become ids with `rev-parse --verify --end-of-options` first; only ids, and paths and names from our own
patterns, reach other commands. Every call has an environment of its own, so that no user's configuration steers it.
"""

import datetime as dt
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from allotment_profiles.problems import AllotmentError
from allotment_profiles.signatures import Signer, Verifier

NO_OBJECT = "0" * 40
_ID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
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
class Person:
    """Who a commit names; line breaks and angle brackets are taken out when it is written."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as git stores it."""

    id: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    time: dt.datetime
    """When it was committed, UTC."""
    message: str
    signed_by: str | None
    """The principal of the key that signed it, where the verifier knows the key."""

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.partition("\n")[0]

    def trailers(self) -> dict[str, list[str]]:
        """Give the trailers of the message's last paragraph: key → values in their order."""
        last = self.message.rstrip().rpartition("\n\n")[2]
        found: dict[str, list[str]] = {}
        for line in last.splitlines():
            key, colon, value = line.partition(": ")
            if colon and re.fullmatch(r"[A-Z][A-Za-z-]{1,40}", key):
                found.setdefault(key, []).append(value)
        return found


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one file in the first-parent history."""

    commit: str
    time: dt.datetime
    """When the version came to main, UTC."""
    blob: str | None
    """None where the commit removed the file, or made it something else than a regular file."""


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
            **(environment or {}),
        }
        command = ["git", "--no-pager", "-c", "core.fsync=committed,reference", "-c", "gc.auto=0", *arguments]
        try:
            done = subprocess.run(
                command, cwd=self.path, env=env, input=stdin if stdin is not None else b"", capture_output=True,
                check=False, timeout=_SECONDS,
            )  # fmt: skip
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

    def resolve(self, revision: str) -> str | None:
        """Give the id of the commit that a revision names, or None where it names none."""
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
        for record in self._git("ls-tree", "-r", "-l", "-z", "--full-tree", commit).split(b"\0"):
            if record:
                head, _, path = record.partition(b"\t")
                mode, _, blob, size = head.decode().split()
                entries[path.decode(errors="replace")] = TreeEntry(mode, blob, int(size) if size.isdecimal() else -1)
        return entries

    def objects(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Read many objects with one process: id → content; what does not exist is left out."""
        wanted = list(dict.fromkeys(ids))
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

    def file(self, commit: str, path: str) -> bytes | None:
        """Give the content of one file of a commit, or None."""
        blob = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}:{path}", accept=(0, 1, 128))
        return self.objects([blob.decode().strip()]).get(blob.decode().strip()) if not blob.startswith(b"\0") else None

    def commits(self, ids: Sequence[str]) -> list[Commit]:
        """Read commits and check their signatures."""
        raw = self.objects(ids)
        return [self._parsed(commit, raw[commit]) for commit in ids if commit in raw]

    def first_parents(self, head: str, *, until: str | None = None, limit: int | None = None) -> list[str]:
        """List the ids of the first-parent history, newest first, down to and without `until`."""
        arguments = ["rev-list", "--first-parent", *([f"--max-count={limit}"] if limit else []), head]
        return self._git(*arguments, *([f"^{until}"] if until else [])).decode().split()

    def changed_paths(self, head: str, *, until: str | None = None) -> dict[str, list[str]]:
        """Give what each first-parent commit changed, newest first: commit id → paths."""
        output = self._git(
            "log", "--first-parent", "-m", "--name-only", "--no-renames", "-z", "--format=%x01%H", head,
            *([f"^{until}"] if until else []),
        )  # fmt: skip
        changed: dict[str, list[str]] = {}
        for record in output.split(b"\x01")[1:]:
            commit, *paths = (part for part in record.replace(b"\n", b"\0", 1).split(b"\0") if part)
            changed[commit.decode()] = [path.decode(errors="replace") for path in paths]
        return changed

    def versions(self, head: str, path: str, limit: int) -> list[Version]:
        """List the versions of one file in the first-parent history, newest first."""
        output = self._git(
            "log", "--first-parent", "-m", "--raw", "--no-abbrev", "--no-renames", "-z", f"--max-count={limit}",
            "--format=%x01%H %ct", head, "--", f":(literal){path}",
        ).decode(errors="replace")  # fmt: skip
        found = []
        for record in output.split("\x01")[1:]:
            match = re.match(r"([0-9a-f]+) (\d+)\0*\n*:\d+ (\d+) [0-9a-f]+ ([0-9a-f]+) ([A-Z])", record)
            if match:
                regular = match[5] != "D" and match[3] in ("100644", "100755")
                time = dt.datetime.fromtimestamp(int(match[2]), dt.UTC)
                found.append(Version(match[1], time, match[4] if regular else None))
        return found

    def difference(self, before: str, after: str) -> str:
        """Give the unified difference of two commits as text, without external programs."""
        output = self._git(
            "diff-tree", "-r", "-p", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", before, after
        )
        return output.decode(errors="replace")

    def merge_base(self, one: str, other: str) -> str | None:
        """Give the commit that two histories have in common, or None."""
        text = self._git("merge-base", one, other, accept=(0, 1)).decode().strip()
        return text if _ID.fullmatch(text) else None

    def is_ancestor(self, ancestor: str, of: str) -> bool:
        """Tell whether one commit is part of another's history."""
        return not self._git("merge-base", "--is-ancestor", ancestor, of, accept=(0, 1)).startswith(b"\0")

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
                self._git("read-tree", base, environment=environment)
            self._git("update-index", "-z", "--index-info", stdin=lines, environment=environment)
            return self._git("write-tree", environment=environment).decode().strip()

    def merged_tree(self, ours: str, theirs: str) -> str:
        """Merge two commits without a worktree; raises MergeConflictError with the paths."""
        output = self._git(
            "merge-tree", "--write-tree", "--name-only", "--no-messages", "--allow-unrelated-histories", "-z", ours,
            theirs, accept=(0, 1),
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
        stamp = f"{int(time.timestamp())} +0000"
        head = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
        head += [f"author {_ident(author)} {stamp}", f"committer {_ident(committer)} {stamp}"]
        body = message.replace("\0", "").rstrip("\n") + "\n"
        if signer:
            signature = signer.sign(("\n".join(head) + "\n\n" + body).encode())
            head.append("gpgsig " + signature.replace("\n", "\n "))
        return self._object("commit", ("\n".join(head) + "\n\n" + body).encode())

    def update_references(self, updates: Sequence[RefUpdate]) -> None:
        """Move several references in one transaction, all or none; raises RefMovedError where one was elsewhere."""
        lines = ["start"]
        for update in updates:
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
            if "lock" in str(error) or "expected" in str(error):
                raise RefMovedError(str(error)) from error
            raise

    def _object(self, kind: str, data: bytes) -> str:
        return self._git("hash-object", "-t", kind, "-w", "--stdin", stdin=data).decode().strip()

    def _parsed(self, commit: str, raw: bytes) -> Commit:
        head, _, body = raw.partition(b"\n\n")
        fields: dict[str, list[str]] = {}
        unsigned: list[bytes] = []
        key = ""
        for line in head.split(b"\n"):
            if line.startswith(b" "):
                fields[key][-1] += "\n" + line[1:].decode(errors="replace")
            else:
                key, _, value = line.decode(errors="replace").partition(" ")
                fields.setdefault(key, []).append(value)
            if key not in ("gpgsig", "gpgsig-sha256"):
                unsigned.append(line)
        signature = fields.get("gpgsig", [""])[0]
        signed_by = None
        if signature and self._verifier:
            signed_by = self._verifier.verify(b"\n".join(unsigned) + b"\n\n" + body, signature)
        author = re.match(r"(.*?) ?<(.*?)>", fields.get("author", [""])[0])
        time = re.search(r"> (\d{1,11}) ", fields.get("committer", [""])[0])
        return Commit(
            id=commit,
            tree=fields["tree"][0],
            parents=tuple(fields.get("parent", [])),
            author=Person(author[1], author[2]) if author else Person("unknown", ""),
            time=dt.datetime.fromtimestamp(int(time[1]) if time else 0, dt.UTC),
            message=body.decode(errors="replace"),
            signed_by=signed_by,
        )


def _ident(person: Person) -> str:
    def clean(text: str) -> str:
        return re.sub(r"[\x00-\x1f<>]", "", text).strip()

    return f"{clean(person.name) or 'unknown'} <{clean(person.email)}>"
