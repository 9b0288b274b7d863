"""How long a hostile file can hold the reader: the slowest of all that are known, in processor time."""

import gc
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import yaml
from support.hostile import HOSTILE

from allotment_profiles.documents.reading import read
from allotment_profiles.model.limits import MAXIMUM_BYTES
from benchmarks.measuring import Row


def refusals(_folder: Path, _profiles: int, rounds: int, _sample: int) -> Iterator[Row]:
    """Measure the refusal of each hostile file; the other side is the event stream of PyYAML over the same bytes."""
    read("profile", "a.yaml", b"warm: up")  # what the first mistake of a process builds for all later ones
    gc.freeze()  # what other measures left behind is not these files' time
    slowest: dict[str, float] = {}
    for name, (data, _) in HOSTILE.items():
        spent = []
        for _round in range(max(3, rounds)):
            began = time.process_time()
            reading = read("profile", "teams/a/profiles/b.yaml", data)
            spent.append((time.process_time() - began) * 1000)
            assert reading.value is not None or reading.problems
        slowest[name] = statistics.median(spent)
    gc.unfreeze()
    worst = max(slowest, key=lambda name: slowest[name])
    began = time.process_time()
    try:
        for _ in yaml.parse(HOSTILE[worst][0][:MAXIMUM_BYTES], Loader=yaml.CSafeLoader):
            pass
    except (yaml.YAMLError, ValueError, RecursionError):
        pass
    events = (time.process_time() - began) * 1000
    what = f"the slowest of {len(HOSTILE)} hostile files: {worst}"
    yield Row(what, "PyYAML's events of the same file", "ms", [slowest[worst]], [events], 100, limit=True)
