"""The processes that check changes: started when they are needed, started again when one has ended."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from typing import BinaryIO, cast

from allotment_hub.errors import UnavailableError, refused, unavailable
from allotment_hub.services.judging.catching_up import Updated
from allotment_hub.services.judging.worker import TASK_SECONDS, Result, Task, receive, send
from allotment_profiles.access.people import ADMINISTRATORS

logger = logging.getLogger(__name__)
MAXIMUM_JUDGES = max(1, (os.cpu_count() or 1) // 2)
"""At most one process for each two processors: the service and the sessions of a laptop need the others."""
# With -m, the classes of that module would be those of `__main__`, which the other side does not know.
_COMMAND = (sys.executable, "-P", "-c", "from allotment_hub.services.judging.worker import main; main()")

_FAILED = "The check failed. That is a fault of this service, not a problem of the files; the log has the reason."
_FAILED_HELP = (
    "Tell an administrator. The same files fail again until the service is mended; smaller changes, or others, may not."
)


def interrupted(why: str) -> UnavailableError:
    """Build the error for a check that may well be made the next time."""
    return unavailable("check-interrupted", f"The check was interrupted: {why}.", decides=ADMINISTRATORS)


class Judges:
    """Runs tasks in other processes. Blocks, and can be called from any thread."""

    def __init__(self) -> None:
        self._idle: list[subprocess.Popen[bytes]] = []
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def run(self, task: Task) -> Result:
        """Make a check. Raise a refusal where it takes too much work, and what the check raises."""
        return cast("Result", self._run(task))

    def carry_over(self, task: Task) -> Updated:
        """Return what is carried over to main. Raise as a check does."""
        return cast("Updated", self._run(task))

    def _run(self, task: Task) -> Result | Updated:
        for _attempt in range(2):
            process = self._take()
            try:
                result = _ask(process, task)
            except (EOFError, OSError):
                code = self._end(process)
            except BaseException:
                self._end(process)
                raise
            else:
                self._give_back(process)
                if isinstance(result, RuntimeError):
                    logger.error("%s", result)
                    raise unavailable("check-failed", _FAILED, _FAILED_HELP, ADMINISTRATORS, status=500)
                if isinstance(result, Exception):
                    raise result
                return result
            if code == -signal.SIGPROF:
                raise refused(
                    422,
                    "check-too-costly",
                    "This is not checked.",
                    f"Checking it takes more than {task.work_seconds:g} seconds of work.",
                    "Propose fewer files at once, or offer fewer options and choices.",
                )
            # Otherwise something else has ended it, such as somebody who looks for memory: try once more.
            if code == -signal.SIGALRM:
                raise interrupted(f"it had not ended after {TASK_SECONDS} seconds, as on a machine that is too busy")
        raise interrupted("its process was ended twice, as where there is too little memory")

    def close(self) -> None:
        """End all processes. The calls of `run` that are under way raise an error."""
        with self._lock:
            self._closed = True
            idle = self._idle.copy()
            self._idle.clear()
            for process in (*idle, *self._running):
                process.kill()
        for process in idle:
            self._end(process)

    def _take(self) -> "subprocess.Popen[bytes]":
        with self._lock:
            if self._closed:
                raise interrupted("the service is stopping")
            process = self._idle.pop() if self._idle else None
            if process is None:
                process = subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self._running.add(process)
            return process

    def _give_back(self, process: "subprocess.Popen[bytes]") -> None:
        with self._lock:
            self._running.discard(process)
            closed = self._closed
            if not closed:
                self._idle.append(process)
        if closed:
            self._end(process)

    def _end(self, process: "subprocess.Popen[bytes]") -> int:
        """Reap a process, and return how it ended: by itself, as far as it has."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.kill()
        code = process.wait()
        _close_streams(process)
        with self._lock:
            self._running.discard(process)
        return code


def _ask(process: "subprocess.Popen[bytes]", task: Task) -> Result | Updated | Exception:
    send(cast("BinaryIO", process.stdin), task)
    return cast("Result | Updated | Exception", receive(cast("BinaryIO", process.stdout)))


def _close_streams(process: "subprocess.Popen[bytes]") -> None:
    for stream in (process.stdin, process.stdout):
        if stream:
            with contextlib.suppress(OSError):  # what was not written is for nobody any more
                stream.close()
