"""What a container used, from the files of its control group (cgroup v2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path("/sys/fs/cgroup")


def folder_of(proc: Path, root: Path = ROOT) -> Path | None:
    """Return the folder of the container's control group; None where this is no container with one of its own.

    On a machine without a container, the group is that of a login or of a service, with other programs in it.
    """
    for line in read(proc / "self" / "cgroup").splitlines():
        number, _, path = line.split(":", 2) if line.count(":") >= 2 else ("", "", "")
        own = path == "/" or "kubepods" in path
        if number == "0" and own and ".." not in path:
            folder = root / path.lstrip("/")
            # The group of the whole machine has no limit, so it has no such file.
            return folder if (folder / "memory.max").is_file() else None
    return None


def memory(folder: Path) -> dict[str, Any]:
    """Return the limit, the use now, the peak, and how often the kernel ended a process; None for what is not known."""
    kills = _fields(folder / "memory.events").get("oom_kill", 0)
    now, cached = _number(read(folder / "memory.current")), _fields(folder / "memory.stat").get("inactive_file", 0)
    return {
        "memory_limit": _number(read(folder / "memory.max")),
        # The kernel gives back what it has cached of files before it ends a process.
        "memory_now": max(0, now - cached) if now is not None else None,
        "memory_peak": _number(read(folder / "memory.peak")),
        "out_of_memory": kills,
    }


def cpu(folder: Path, seconds: float) -> dict[str, Any]:
    """Return the limit, the use on average, and in which share of the time the limit held it back."""
    stat = _fields(folder / "cpu.stat")
    quota, _, period = read(folder / "cpu.max").strip().partition(" ")
    limit = int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else None
    used, periods = stat.get("usage_usec"), stat.get("nr_periods", 0)
    return {
        "cpu_limit": limit,
        "cpu_typical": used / 1e6 / seconds if used is not None and seconds > 0 else None,
        "cpu_throttled": min(1.0, stat.get("nr_throttled", 0) / periods) if periods else None,
    }


def read(path: Path) -> str:
    """Return the text of a small file; empty where it cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(64 * 1024)
    except OSError:
        return ""


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None


def _fields(path: Path) -> dict[str, int]:
    pairs = (line.split() for line in read(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}
