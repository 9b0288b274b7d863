"""The evidence that goes with a proposal: what the hub says of this session, what it used, and what was added."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allotment_session.capture import cgroup, packages, processes

if TYPE_CHECKING:
    from collections.abc import Mapping

MAXIMUM_PACKAGES = 10_000
MAXIMUM_BYTES = 700_000
"""How long the list of packages may be as JSON: a request has at most 1 MiB."""
_PROC = Path("/proc")


@dataclass(frozen=True)
class Use:
    """What this session used."""

    values: dict[str, Any]
    """As the service takes it, with `memory_now` beside it."""
    since: float
    """When the session started, in seconds since 1970."""
    unknown: str = ""
    """What cannot be known here, and why, in a sentence; empty where all is known."""

    @property
    def sent(self) -> dict[str, Any] | None:
        """What is sent of it; None where nothing was observed."""
        kept = {name: value for name, value in self.values.items() if value is not None and name != "memory_now"}
        return kept if kept.keys() - {"seconds", "source"} else None


def observed(proc: Path = _PROC, root: Path = cgroup.ROOT) -> Use:
    """Return what this session used: by its control group, or else by its processes."""
    now, clock = processes.uptime(proc), time.time()
    folder = cgroup.folder_of(proc, root)
    if folder:
        first = processes.began(proc, 1)
        seconds = now - first if first is not None else 0.0
        values = {**cgroup.memory(folder), **cgroup.cpu(folder, seconds)}
        unknown = "" if values["memory_peak"] is not None else "The kernel here does not count the peak of the memory."
    else:
        found = processes.of_session(proc, os.getpid(), processes.processes(proc))
        if not found:
            why = "macOS tells it to no program" if sys.platform == "darwin" else "this is no session that can be read"
            return Use({"seconds": 0}, clock, f"What the session used is not known: {why}.")
        seconds, values = now - min(each.began for each in found), processes.use(found, now)
        unknown = "Without a container, the peak of all processes together is not known; it is at least this."
    return Use({"source": "session", "seconds": max(0, int(seconds)), **values}, clock - seconds, unknown)


def evidence_of(
    session: Mapping[str, Any], use: Use, environment: Mapping[str, str], home: Path
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Return the evidence as it is sent, and the packages. Of the environment, only folders of packages are read."""
    found = packages.added(home, environment, use.since)
    kept = _within(found[:MAXIMUM_PACKAGES])
    sent = use.sent
    if sent:
        # Where the session knows no limit of its own, as without a container, it is that of the profile.
        limits = {"memory_limit": session.get("memory"), "cpu_limit": session.get("cpu"), "gpus": session.get("gpu")}
        sent = {**{name: value for name, value in limits.items() if value}, **sent}
    evidence = {
        "profile": session.get("profile"),
        "revision": session.get("revision"),
        "options": session.get("options"),
        "image": session.get("image"),
        "digest": session.get("digest"),
        "use": sent,
        "packages": kept,
        "packages_left_out": len(found) - len(kept),
        "data_roles": [each.get("name") for each in session.get("data_roles") or [] if isinstance(each, dict)],
    }
    return {name: value for name, value in evidence.items() if value}, kept


def _within(found: list[dict[str, str]]) -> list[dict[str, str]]:
    size = 0
    for number, package in enumerate(found):
        size += len(json.dumps(package)) + 2
        if size > MAXIMUM_BYTES:
            return found[:number]
    return found
