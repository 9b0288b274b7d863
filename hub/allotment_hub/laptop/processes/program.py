"""The processes of a deployment: starting, recognising and ending them, and nobody else's."""

import asyncio
import contextlib
import json
import subprocess
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from allotment_hub.laptop.folder import write_private
from allotment_profiles import processes


@dataclass(frozen=True)
class Program:
    """One process that the supervisor keeps."""

    name: str
    """As a person reads it: `hub`, `proxy`, `service`."""
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    working_folder: Path
    log: Path
    pid_file: Path
    ready: Callable[[], Awaitable[bool]] = field(repr=False)
    """Whether it answers yet."""
    patience: float
    """Seconds between asking it to end and ending it."""

    async def start(self) -> asyncio.subprocess.Process:
        """Start it, in a session of its own: a Ctrl-C in the terminal is for the supervisor alone."""
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
        record(self.pid_file, process.pid)
        return process

    def last_words(self, lines: int = 15) -> str:
        """Give the end of its log."""
        with self.log.open(encoding="utf-8", errors="replace") as log:
            return "".join(deque(log, maxlen=lines)).rstrip()


def record(pid_file: Path, pid: int) -> None:
    """Write down which process runs, precisely enough to recognise it after a crash."""
    # It may have ended already: then there is nothing to recognise later.
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        write_private(pid_file, json.dumps({"pid": pid, "started": process.create_time()}) + "\n")


def recorded(pid_file: Path) -> psutil.Process | None:
    """Give the process that a file speaks of, if it still runs: another one with its process id is not it."""
    try:
        facts = json.loads(pid_file.read_bytes())
        process = psutil.Process(int(facts["pid"]))
        # The start is counted from the boot in hundredths of a second; the time of boot moves a little with the clock.
        same = abs(process.create_time() - float(facts["started"])) < 1
    except (FileNotFoundError, psutil.NoSuchProcess, ValueError, KeyError, TypeError):
        return None
    return process if same and not processes.has_ended(process) else None


def end_orphans(pid_files: Iterable[Path]) -> list[str]:
    """End what an earlier run left behind when it was killed; give the names.

    At once and without asking: a hub that is asked to end stops the sessions, and these should go on.
    """
    ended: list[str] = []
    for pid_file in pid_files:
        process = recorded(pid_file)
        if process is not None:
            processes.end([process], patience=0)
            ended.append(pid_file.stem)
        pid_file.unlink(missing_ok=True)
    return ended


def of_sessions(hub_origin: str) -> list[psutil.Process]:
    """Find the sessions of one hub and what was started in them: all carry the hub's address in their environment."""
    return processes.with_environment(
        lambda environment: (
            "JUPYTERHUB_USER" in environment and environment.get("JUPYTERHUB_API_URL", "").startswith(f"{hub_origin}/")
        )
    )
