"""Find and end processes of this machine by psutil, which only a deployment on a laptop installs."""

import contextlib
import signal
from collections.abc import Callable, Iterable, Mapping
from time import monotonic, sleep

import psutil

_KILL_SECONDS = 5.0


def with_environment(matches: Callable[[Mapping[str, str]], bool]) -> list[psutil.Process]:
    """Return the running processes whose environment matches."""
    processes: list[psutil.Process] = []
    for process in psutil.process_iter():
        # Processes of other users cannot be read, and others exit meanwhile.
        with contextlib.suppress(psutil.Error, OSError):
            if matches(process.environ()):
                processes.append(process)
    return processes


def end(processes: Iterable[psutil.Process], *, patience: float) -> None:
    """Send SIGTERM, wait up to `patience` seconds, then send SIGKILL. Patience 0 sends SIGKILL at once. Blocks."""
    remaining = list(processes)
    for signal_number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, _KILL_SECONDS)):
        if seconds == 0:
            continue
        for process in remaining:
            # It exited by itself, or changed its user and must not be ended.
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                process.send_signal(signal_number)
        deadline = monotonic() + seconds
        while (remaining := [process for process in remaining if not has_ended(process)]) and monotonic() < deadline:
            sleep(0.02)


def has_ended(process: psutil.Process) -> bool:
    """Check whether a process has exited. A zombie has; psutil's own `wait` would wait until it is reaped.

    A killed process is shown as a zombie while its other threads still end, and until then it holds its ports.
    """
    try:
        if not process.is_running():
            return True
        return bool(process.status() == psutil.STATUS_ZOMBIE) and process.num_threads() <= 1
    except psutil.NoSuchProcess:
        return True
