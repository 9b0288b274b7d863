"""Ending what a session on this machine left running: kernels, the programs behind RStudio and VS Code, and their own.

JupyterHub ends the one process that it started. On a cluster the rest ends with the pod; here somebody has to do it.
"""

import contextlib
import signal
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, sleep

import psutil


def marks(user: str, server: str, home: Path) -> Mapping[str, str]:
    """Give the variables by which every process of one session is known, also to a hub that was started anew.

    The home folder stands for the deployment: another one on this machine may have a user of the same name.
    """
    return {"JUPYTERHUB_USER": user, "JUPYTERHUB_SERVER_NAME": server, "HOME": str(home)}


def end_orphans(of_session: Mapping[str, str], *, patience: float = 3.0) -> int:
    """End every process that carries these marks, after asking it to end; give how many there were. It may wait."""
    left = found = _carrying(of_session)
    for ask, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        for process in left:
            # It ended by itself, or became another user's: that one is not ours to end.
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                process.send_signal(ask)
        deadline = monotonic() + seconds
        while (left := [process for process in left if not _has_ended(process)]) and monotonic() < deadline:
            sleep(0.02)
    return len(found)


def _carrying(marked: Mapping[str, str]) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except (psutil.Error, OSError):
            continue  # another user's, or gone
        if all(environment.get(name) == value for name, value in marked.items()):
            found.append(process)
    return found


def _has_ended(process: psutil.Process) -> bool:
    # A zombie has ended, whenever process 1 gets round to it: psutil's own waiting would wait for that.
    try:
        return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
