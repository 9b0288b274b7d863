"""What the processes of a session used, where it has no control group of its own: from /proc, as on a laptop."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from allotment_session.capture.cgroup import read

if TYPE_CHECKING:
    from pathlib import Path

_MARK = b"JUPYTERHUB_SERVICE_PREFIX="


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
    mark = _mark_of(proc, own)
    if own not in known or not mark:
        return []
    top = own
    while known[top].parent in known and _mark_of(proc, known[top].parent) == mark:
        top = known[top].parent
    children: dict[int, list[int]] = {}
    for each in known.values():
        children.setdefault(each.parent, []).append(each.number)
    found, waiting = [], [top]
    while waiting:
        number = waiting.pop()
        found.append(known[number])
        waiting += [child for child in children.get(number, []) if child != number]
    return found


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


def _mark_of(proc: Path, number: int) -> bytes:
    """Return the variable by which a process is known as one of a session; of its environment nothing else is used."""
    try:
        content = (proc / str(number) / "environ").read_bytes()
    except OSError:
        return b""
    return next((each for each in content.split(b"\0") if each.startswith(_MARK)), b"")
