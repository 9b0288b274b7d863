"""One side of one round, in a process of its own, so that nothing is warm that would not be: answers as JSON."""

import asyncio
import gc
import json
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

from allotment_profiles.git.repository import MAIN, Repository
from allotment_profiles.store.loading import load
from allotment_profiles.store.snapshot import applied
from allotment_profiles.store.watcher import CatalogWatcher
from benchmarks import others


def full_load(path: str) -> float:
    """Load everything, checked, as a hub does that starts with nothing."""
    began = time.perf_counter()
    catalog = asyncio.run(CatalogWatcher(Repository(Path(path))).refresh())
    seconds = time.perf_counter() - began
    assert catalog.profiles
    assert not any(problem.blocks for problem in catalog.problems)
    return seconds


def restart(path: str, cache: str) -> float:
    """Load everything with what an earlier process has kept."""
    began = time.perf_counter()
    catalog = asyncio.run(CatalogWatcher(Repository(Path(path)), cache=Path(cache)).refresh())
    seconds = time.perf_counter() - began
    assert catalog.profiles
    return seconds


def warm(path: str, cache: str) -> int:
    """Leave a cache behind."""

    async def run() -> int:
        watcher = CatalogWatcher(Repository(Path(path)), cache=Path(cache))
        watcher.start()
        catalog = await watcher.refresh()
        await watcher.stop()
        return len(catalog.profiles)

    return asyncio.run(run())


def batch(path: str) -> float:
    """Do the same by hand: git in batches, PyYAML in C, pydantic."""
    began = time.perf_counter()
    assert others.load_batch(Path(path))
    return time.perf_counter() - began


def worktree(path: str, sample: str) -> float:
    """Do the same as most pipelines do; a sample is scaled to the whole."""
    began = time.perf_counter()
    read, of = others.load_worktree(Path(path), int(sample) or None)
    return (time.perf_counter() - began) * of / read


def memory(path: str, side: str) -> float:
    """Give the MiB that stay allocated for what is held."""
    tracemalloc.start()
    held: Any
    if side == "ours":
        held = CatalogWatcher(Repository(Path(path)))
        asyncio.run(held.refresh())
        assert held.catalog.profiles
    else:
        held = list(others.batch_documents(Path(path)).values())
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0]
    assert held
    return kept / 2**20


def pause(path: str, side: str) -> float:
    """Give the longest time, in milliseconds, that a loop could not serve while everything is loaded."""

    async def run() -> float:
        watcher = CatalogWatcher(Repository(Path(path)))
        longest, done = 0.0, asyncio.Event()

        async def serve() -> None:
            nonlocal longest
            last = time.perf_counter()
            while not done.is_set():
                await asyncio.sleep(0.001)
                now = time.perf_counter()
                longest, last = max(longest, now - last), now

        serving = asyncio.create_task(serve())
        await asyncio.sleep(0.05)
        if side == "ours":
            assert (await watcher.refresh()).profiles
        else:
            repository = Repository(Path(path))
            commit = repository.resolve(MAIN)
            assert commit
            assert load(applied(repository, commit)).profiles
            await asyncio.sleep(0.01)
        done.set()
        await serving
        return longest * 1000

    return asyncio.run(run())


def readiness(folder: str, namespace: str, rounds: str, home: str) -> tuple[list[float], list[float]]:
    """Start sessions on a real cluster."""
    from benchmarks.readiness import in_turn  # noqa: PLC0415  (it asks for the way to a cluster when it is imported)

    return asyncio.run(in_turn(Path(folder), namespace, int(rounds), home=bool(home)))


WORKERS = {each.__name__: each for each in (full_load, restart, warm, batch, worktree, memory, pause, readiness)}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(WORKERS[sys.argv[1]](*sys.argv[2:])) + "\n")  # type: ignore[operator]
