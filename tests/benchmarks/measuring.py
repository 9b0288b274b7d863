"""What a measure is: two sides run in turn, their medians, their spread and the ratio that was promised."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One line of the result."""

    what: str
    against: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float]
    target: float
    """The ratio that was promised: theirs ÷ ours, for a rate ours ÷ theirs; for a limit, the most that ours may be."""
    limit: bool = False
    """Whether the promise is a limit on ours alone."""
    rate: bool = False
    """Whether more is better: so many in a second."""
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times as much the other side takes; for a rate, how many times as much ours does."""
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        return ours / theirs if self.rate else theirs / ours

    @property
    def kept(self) -> bool:
        """Whether the promise holds in this run."""
        return statistics.median(self.ours) <= self.target if self.limit else self.ratio >= self.target

    def as_dict(self) -> dict[str, Any]:
        """Give the form that a file carries."""
        return {
            "what": self.what, "against": self.against, "unit": self.unit, "ours": list(self.ours),
            "theirs": list(self.theirs), "ratio": self.ratio, "target": self.target, "limit": self.limit,
            "rate": self.rate, "kept": self.kept, "note": self.note,
        }  # fmt: skip


def interleaved(
    rounds: int, ours: Callable[[int], float], theirs: Callable[[int], float]
) -> tuple[list[float], list[float]]:
    """Run both sides in turn, so that what the machine does meanwhile meets both; each gets the round's number."""
    results: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        results[0].append(ours(number))
        results[1].append(theirs(number))
    return results


def in_fresh_process(worker: str, *arguments: str | int) -> Any:
    """Run a function of `benchmarks.workers` in a process of its own; gives what it answers."""
    command = [sys.executable, "-m", "benchmarks.workers", worker, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{worker} failed: {done.stderr.decode()[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
