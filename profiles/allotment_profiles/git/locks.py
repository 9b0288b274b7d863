"""Remove what a killed git leaves in a repository: its lock files and its unfinished packs.

While a lock file lies there, every change of that reference fails, and nothing but its git ever removes it. The rule:
a file is left over if no git that could have made it is alive. On Linux, `/proc` shows the living git processes that
work in this repository and run a command that writes. The age of a lock proves nothing there: a person may hold one
for an hour, and a git that was killed a second ago leaves a new one. Where processes cannot be seen (other systems,
files of other users), a file is left over when it is older than any git of ours may run. Each container has its own
processes: there, one container alone may write to a repository, as in our chart.

The files are listed before the processes are read, and a file is removed only if it is still the same one. If its git
was alive at first and has ended since, it has removed its lock; and no new git can take a lock while it lies there.
"""

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)

_LONGEST_SECONDS = 600
"""Longer than the time limit of every git command of ours."""
# Commands that write no reference and no pack. Ours run all the time, beside those that write.
_READING = frozenset(
    b"cat-file diff-tree for-each-ref hash-object log ls-remote ls-tree merge-base merge-tree rev-list"
    b" rev-parse".split()
)
_OPTIONS_WITH_A_VALUE = (b"-c", b"-C")
_PROCESSES = Path("/proc")


def clear_leftovers(repository: Path) -> list[Path]:
    """Remove the locks and unfinished packs that no living git holds, and return them. Nothing is raised."""
    if not any(_possible(repository)):
        return []
    removed = []
    try:
        with _alone(repository):
            files = {path: status for path in _possible(repository) if (status := _status(path))}
            writing = _owners_of_writing_gits(repository)
            for path, status in files.items():
                if _is_left_over(status, writing) and _identity(_status(path)) == _identity(status):
                    path.unlink(missing_ok=True)
                    removed.append(path)
    except OSError as error:
        log.warning("the locks of a git that has ended cannot be removed: %s", error)
    if removed:
        names = ", ".join(str(path.relative_to(repository)) for path in removed[:5])
        log.warning("removed what a git that has ended left behind: %s (%d files)", names, len(removed))
    return removed


def oldest_lock(repository: Path, *references: str) -> float | None:
    """Return the time (seconds since 1970) of the oldest lock that keeps these references from moving, or None."""
    names = [*(f"{name}.lock" for name in references), "packed-refs.lock", "HEAD.lock"]
    return min((status.st_mtime for name in names if (status := _status(repository / name))), default=None)


def _possible(repository: Path) -> Iterator[Path]:
    """Yield the files that a git holds while it runs. No branch has such a name: git refuses `.lock` at the end."""
    yield from repository.glob("*.lock")
    yield from repository.glob("packed-refs.new")  # git creates it under packed-refs.lock, and fails where it exists
    yield from repository.glob("objects/info/**/*.lock")
    yield from repository.glob("objects/pack/*.lock")
    yield from repository.glob("objects/pack/tmp_*")
    for folder in ("refs", "logs"):
        for parent, _, names in os.walk(repository / folder):
            yield from (Path(parent, name) for name in names if name.endswith(".lock"))


def _is_left_over(status: os.stat_result, writing: set[int] | None) -> bool:
    visible = os.geteuid() in (0, status.st_uid)
    if writing is None or not visible:
        return time.time() - status.st_mtime > _LONGEST_SECONDS
    return not writing & {status.st_uid, 0}


def _owners_of_writing_gits(repository: Path) -> set[int] | None:
    """Return the users with a living git that may write to the repository. None: processes cannot be seen here."""
    if not (_PROCESSES / "self" / "comm").exists():
        return None
    repository = repository.resolve()
    owners = set()
    for process in _PROCESSES.iterdir():
        if process.name.isdecimal():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                if _writes_to(process, repository):
                    owners.add(process.stat().st_uid)
    return owners


def _writes_to(process: Path, repository: Path) -> bool:
    if not (process / "comm").read_bytes().startswith(b"git"):
        return False
    words = (process / "cmdline").read_bytes().split(b"\0")
    if not words[0] or _command(words) in _READING:
        return False  # without words it has ended, and only its parent has not noticed
    place = repository.parent if repository.name == ".git" else repository
    try:
        folder = Path((process / "cwd").readlink())
        environment = (process / "environ").read_bytes()
    except PermissionError:
        return True  # another user's: it counts for the files of that user only
    named = [word for word in environment.split(b"\0") if word.startswith(b"GIT_DIR=")]
    paths = [folder, *(folder / os.fsdecode(word.rpartition(b"=")[2]) for word in [*words, *named])]
    return any(_is_in(path, place) for path in paths)


def _is_in(path: Path, place: Path) -> bool:
    try:
        return path.resolve().is_relative_to(place)
    except (OSError, RuntimeError):  # a word that is no path
        return False


def _command(words: list[bytes]) -> bytes:
    """Return the command of `git [options] COMMAND …`; of `git-COMMAND …` nothing."""
    position = 1
    while position < len(words) and words[position].startswith(b"-"):
        position += 2 if words[position] in _OPTIONS_WITH_A_VALUE else 1
    return words[position] if position < len(words) else b""


@contextlib.contextmanager
def _alone(repository: Path) -> Iterator[None]:
    """Let one process at a time clear a repository: another one might remove what a new git has just made."""
    folder = os.open(repository, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None


def _identity(status: os.stat_result | None) -> tuple[int, int, int] | None:
    return (status.st_dev, status.st_ino, status.st_mtime_ns) if status else None
