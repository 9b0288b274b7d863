"""What the processes of a session used, where it has no control group of its own: from /proc, as on a laptop."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allotment_session.capture.cgroup import read

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARK = "JUPYTERHUB_SERVICE_PREFIX="
_OURS = ("ALLOTMENT_", "JUPYTERHUB_API_TOKEN")
"""How the names of the variables begin that the command needs."""
_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One process."""

    number: int
    parent: int
    began: float
    """Seconds after the start of the machine."""
    cpu: float
    """Seconds of processor time, with those of its children that have ended."""
    memory: int
    """Bytes now."""
    peak: int
    """The most bytes."""


def processes(proc: Path) -> dict[int, Process]:
    """Return all processes that can be read, by their numbers; none where there is no /proc, as on macOS."""
    try:
        names = [each.name for each in os.scandir(proc) if each.name.isdecimal()]
    except OSError:
        return {}
    found = (_process(proc, int(name)) for name in names)
    return {each.number: each for each in found if each}


def of_session(proc: Path, own: int, known: dict[int, Process]) -> list[Process]:
    """Return the processes of the session of a process: the topmost one with its mark, and what that has started."""
    # What RStudio starts has no mark, but RStudio itself does.
    marks = {number: _mark_of(proc, number) for number in _and_above(own, known)}
    mark = next(filter(None, marks.values()), "")
    if not mark:
        return []
    *_, top = (number for number, each in marks.items() if each == mark)
    children: dict[int, list[int]] = {}
    for each in known.values():
        children.setdefault(each.parent, []).append(each.number)
    found, waiting = [], [top]
    while waiting:
        number = waiting.pop()
        found.append(known[number])
        waiting += [child for child in children.get(number, []) if child != number]
    return found


def session_environment(environment: Mapping[str, str], proc: Path = _PROC) -> dict[str, str]:
    """Return an environment with what the hub wrote into that of the session.

    RStudio starts R with a new environment. Then it is that of the nearest process above that was started by the hub.
    """
    if any(name.startswith(_OURS) for name in environment):
        return dict(environment)
    for number in _and_above(os.getpid(), processes(proc)):
        found = dict(each.split("=", 1) for each in _environment_of(proc, number) if "=" in each)
        if found.get("ALLOTMENT_PROFILE"):
            return {**environment, **{name: value for name, value in found.items() if name.startswith(_OURS)}}
    return dict(environment)


def use(found: list[Process], now: float) -> dict[str, Any]:
    """Return what processes used together. The peak is at least this: those of several processes may not add up."""
    seconds = now - min(each.began for each in found)
    memory = sum(each.memory for each in found)
    return {
        "memory_now": memory,
        "memory_peak": max(memory, *(each.peak for each in found)),
        "cpu_typical": sum(each.cpu for each in found) / seconds if seconds > 0 else None,
    }


def uptime(proc: Path) -> float:
    """Return for how many seconds the machine has run; 0 where that is not known."""
    first = read(proc / "uptime").partition(" ")[0]
    return float(first) if first.replace(".", "", 1).isdecimal() else 0.0


def began(proc: Path, number: int) -> float | None:
    """Return how many seconds after the start of the machine a process began."""
    process = _process(proc, number)
    return process.began if process else None


def _process(proc: Path, number: int) -> Process | None:
    # The name of the program stands in brackets, and may have any character.
    fields = read(proc / str(number) / "stat").rpartition(")")[2].split()
    if len(fields) < 20 or not all(fields[place].isdecimal() for place in (1, 11, 12, 13, 14, 19)):
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    status = dict(line.split(":", 1) for line in read(proc / str(number) / "status").splitlines() if ":" in line)
    return Process(
        number=number,
        parent=int(fields[1]),
        began=int(fields[19]) / ticks,
        cpu=sum(int(fields[place]) for place in (11, 12, 13, 14)) / ticks,
        memory=_kib(status.get("VmRSS", "")),
        peak=_kib(status.get("VmHWM", "")),
    )


def _kib(text: str) -> int:
    number = text.strip().partition(" ")[0]
    return int(number) * 1024 if number.isdecimal() else 0


def _and_above(number: int, known: Mapping[int, Process]) -> list[int]:
    """Return a process and those above it, from below."""
    found: dict[int, None] = {}
    while number in known and number not in found:
        found[number] = None
        number = known[number].parent
    return list(found)


def _mark_of(proc: Path, number: int) -> str:
    """Return the variable by which a process is known as one of a session; nothing else is used of its environment."""
    return next((each for each in _environment_of(proc, number) if each.startswith(_MARK)), "")


def _environment_of(proc: Path, number: int) -> list[str]:
    try:
        return os.fsdecode((proc / str(number) / "environ").read_bytes()).split("\0")
    except OSError:
        return []
