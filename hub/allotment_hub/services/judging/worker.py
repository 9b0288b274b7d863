"""A process that checks changes, so that it can be ended.

It reads pickled tasks from its standard input and writes pickled results to its standard output. It ends when its
parent has ended, and by itself when a task is too much. What it has loaded of a repository is kept for the next task.
"""

import contextlib
import dataclasses
import datetime as dt
import os
import pickle
import resource
import signal
import struct
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from allotment_hub.forges.stored_proposal import Candidate
from allotment_hub.services.judging.catching_up import Updated, files_for_main, undone
from allotment_hub.services.judging.dry_runs import CatalogChange, Check, Files, check_commit, check_files, check_merge
from allotment_profiles.git.process import GitError
from allotment_profiles.git.repository import Repository
from allotment_profiles.records.record import Record
from allotment_profiles.store.tracker import Tracker
from allotment_profiles.threads import in_small_steps

TASK_SECONDS = 120
"""Time for a task with everything around it, such as git and the loading of main. Then SIGALRM ends the process."""
_NICENESS = 10
_LENGTH = struct.Struct(">Q")


@dataclass(frozen=True)
class Task:
    """A check to be made, of files, of a prepared merge or of a commit; or what is to be carried over to main."""

    repository: Repository
    cache: Path | None
    """The service's cache of main, which is only read."""
    latest: str
    """The commit of main that the service has loaded: later tasks start from there."""
    main: str
    """The commit of main to check against."""
    day: dt.date
    now: dt.datetime
    work_seconds: float
    """Processor time for the check, once main is loaded. What takes more is ended by SIGPROF."""
    files: Files | None = None
    candidate: Candidate | None = None
    commit: str = ""
    carried: str = ""
    """The head whose keys are carried over to files that main has changed."""
    undone: Record | None = None
    """The end of the proposal that is undone, with its keys carried over."""


@dataclass(frozen=True)
class Result:
    """The result of a check, whose catalogs the parent fills in."""

    check: Check
    change: CatalogChange


def send(stream: BinaryIO, value: object) -> None:
    """Write a value with its length before it."""
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """Read a value. Raise EOFError where the other side has ended.

    A large one is made of very many objects, and a run of the garbage collector meanwhile would stop the event loop.
    """
    head = stream.read(_LENGTH.size)
    data = stream.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else b""
    if len(head) < _LENGTH.size or len(data) < _LENGTH.unpack(head)[0]:
        raise EOFError("the other side has ended")
    with in_small_steps():
        return pickle.loads(data)  # noqa: S301  (from the process at the other end of our own pipe)


def _run(task: Task, tracker: Tracker) -> Result | Updated:
    if task.carried or task.undone:
        with _budget(task):
            if task.carried:
                return files_for_main(task.repository, task.carried, task.main)
            return undone(task.repository, task.undone, task.main)
    tracker.at(task.latest)
    tracker.peek(task.main)
    with _budget(task):
        if task.files is not None:
            check = check_files(tracker, task.main, task.files, task.day)
        elif task.candidate is not None:
            check = check_merge(tracker, task.candidate, task.day, task.now)
        else:
            check = check_commit(tracker, task.main, task.commit, task.day)
    nothing = dataclasses.replace(check.before, policy=None, teams={}, data_roles={}, profiles={}, problems=())
    change = CatalogChange.between(check.before, check.after)
    return Result(dataclasses.replace(check, before=nothing, after=nothing), change)


@contextlib.contextmanager
def _budget(task: Task) -> Iterator[None]:
    """End the process where what is inside takes more than the work that the task allows."""
    signal.setitimer(signal.ITIMER_PROF, task.work_seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def serve(tasks: BinaryIO, results: BinaryIO) -> None:
    """Run tasks until the parent ends."""
    tracker: Tracker | None = None
    while True:
        task: Task = receive(tasks)
        signal.alarm(TASK_SECONDS)
        if tracker is None or _source(tracker.repository) != _source(task.repository):
            tracker = Tracker(task.repository, task.cache)
        send(results, _result(task, tracker))
        signal.alarm(0)


def _source(repository: Repository) -> tuple[Path, str]:
    return repository.path, repository.keys


def _result(task: Task, tracker: Tracker) -> Result | Updated | Exception:
    """Return the result of a task, or the error to raise in the parent."""
    try:
        return _run(task, tracker)
    except GitError as error:
        return error
    except MemoryError:
        raise  # which ends the process, and frees its memory
    except Exception:  # noqa: BLE001  (the parent logs it)
        return RuntimeError(f"a check failed:\n{traceback.format_exc()}")


def main() -> None:
    """Serve on the standard streams."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, with which this ends
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed by mistake is no result
    with results, contextlib.suppress(EOFError, BrokenPipeError):
        serve(sys.stdin.buffer, results)
