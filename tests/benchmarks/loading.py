"""Loading ten thousand profiles: in full, after one change, after a restart; what is held, and what the loop feels."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

from allotment_profiles.git.repository import Repository
from allotment_profiles.store.watcher import CatalogWatcher
from benchmarks.measuring import Row, in_fresh_process, interleaved
from benchmarks.repositories import change_one, create

BY_HAND = "cat-file --batch + CSafeLoader + pydantic"
WORKTREE = "worktree + safe_load + jsonschema"


def full(folder: Path, profiles: int, rounds: int, sample: int) -> Iterator[Row]:
    """Measure the load of everything, checked, by a process that knows nothing."""
    path = create(folder / "full", profiles).path
    ours, by_hand = interleaved(
        rounds, lambda _: in_fresh_process("full_load", path), lambda _: in_fresh_process("batch", path)
    )
    yield Row(f"full load of {profiles} profile files, checked", BY_HAND, "s", ours, by_hand, 2)
    again, slow = interleaved(
        max(1, rounds // 3), lambda _: in_fresh_process("full_load", path),
        lambda _: in_fresh_process("worktree", path, sample),
    )  # fmt: skip
    note = f"theirs: {sample} of the files, scaled to all" if sample else ""
    yield Row(f"full load of {profiles} profile files, checked", WORKTREE, "s", again, slow, 20, note=note)


def reload(folder: Path, profiles: int, rounds: int, _sample: int) -> Iterator[Row]:
    """Measure the follower's way from a new commit to a new catalog."""
    path = create(folder / "reload", profiles).path
    watcher = CatalogWatcher(Repository(path))
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(watcher.refresh())

        def renew(number: int) -> float:
            commit = change_one(path, profiles, number)
            began = time.perf_counter()
            catalog = loop.run_until_complete(watcher.refresh())
            seconds = time.perf_counter() - began
            assert catalog.revision == commit
            return seconds

        ours, theirs = interleaved(rounds, renew, lambda _: in_fresh_process("batch", path))
    finally:
        loop.close()
    yield Row(f"reload after one changed file of {profiles}", f"{BY_HAND}, in full", "s", ours, theirs, 100)


def restart(folder: Path, profiles: int, rounds: int, _sample: int) -> Iterator[Row]:
    """Measure a process that starts with what an earlier one has kept."""
    path, cache = create(folder / "restart", profiles).path, folder / "cache"
    assert in_fresh_process("warm", path, cache) == profiles
    ours, theirs = interleaved(
        rounds, lambda _: in_fresh_process("restart", path, cache), lambda _: in_fresh_process("batch", path)
    )
    yield Row(f"restart with a warm cache, {profiles} files", BY_HAND, "s", ours, theirs, 5)


def memory(folder: Path, profiles: int, rounds: int, _sample: int) -> Iterator[Row]:
    """Measure what stays allocated: the follower with its catalog, and the list of dictionaries."""
    path = create(folder / "memory", profiles).path
    ours, theirs = interleaved(
        max(1, rounds // 3), lambda _: in_fresh_process("memory", path, "ours"),
        lambda _: in_fresh_process("memory", path, "theirs"),
    )  # fmt: skip
    yield Row(f"memory held for {profiles} profiles", "list of dicts", "MiB", ours, theirs, 1)


def pause(folder: Path, profiles: int, rounds: int, _sample: int) -> Iterator[Row]:
    """Measure the longest time that the event loop could not serve."""
    path = create(folder / "pause", profiles).path
    ours, theirs = interleaved(
        rounds, lambda _: in_fresh_process("pause", path, "ours"), lambda _: in_fresh_process("pause", path, "theirs")
    )
    what = f"longest pause of the event loop while {profiles} files load"
    yield Row(what, "loading in the loop", "ms", ours, theirs, 20, limit=True)
