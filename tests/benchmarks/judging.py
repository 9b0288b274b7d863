"""What the costliest valid file takes to be checked, and a page while the costliest files are checked."""

import asyncio
import itertools
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from support.costly import costly_profile
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform

from allotment_hub.services.judging.dry_runs import check_files
from allotment_profiles.model.limits import MAXIMUM_BYTES
from benchmarks.measuring import Row, interleaved

COSTLY_PATH = "teams/housing/profiles/costly.yaml"
USERS = 4
"""How many people have the costliest files checked while somebody looks at a page."""


def judging(folder: Path, _profiles: int, rounds: int, _sample: int) -> Iterator[Row]:
    """Measure both."""
    yield from asyncio.run(_measured(folder, rounds))


async def _measured(folder: Path, rounds: int) -> list[Row]:
    platform = Platform(folder)
    await platform.watcher.refresh()
    main = platform.forge.main()
    stored = await platform.proposed({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"8 GiB")})
    reader = platform.people.actor("lena")

    contents = [json.dumps(costly_profile(f"Costly {number}")).encode() for number in range(20)]
    assert all(len(content) <= MAXIMUM_BYTES for content in contents)
    small = [NOTEBOOK.replace(b"4 GiB", b"%d GiB" % (5 + number)) for number in range(20)]

    def work(path: str, content: bytes) -> float:
        began = time.process_time()
        check = check_files(platform.watcher.tracker, main, {path: content}, platform.checking.today())
        assert not check.errors, check.errors
        return (time.process_time() - began) * 1000

    async def looked() -> float:
        began = time.perf_counter()
        await platform.proposals.view(stored, reader)
        return (time.perf_counter() - began) * 1000

    async def keep_busy(user: str) -> None:
        for content in itertools.cycle(contents):
            await platform.checking.files(main, {COSTLY_PATH: content}, user)

    ours, theirs = interleaved(
        rounds,
        lambda number: work(COSTLY_PATH, contents[number % 20]),
        lambda number: work(NOTEBOOK_PATH, small[number % 20]),
    )
    idle: list[float] = []
    busy: list[float] = []
    for _round in range(rounds):
        idle += [await looked() for _ in range(4)]
        tasks = [asyncio.create_task(keep_busy(f"user-{user}")) for user in range(USERS)]
        await asyncio.sleep(0.2)
        busy += [await looked() for _ in range(4)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await platform.close()
    return [
        Row("a check of the costliest valid file, processor time", "a small file", "ms", ours, theirs, 300, limit=True),
        Row(
            f"a proposal's page while {USERS} people have such files checked", "the page while nothing is checked",
            "ms", busy, idle, 1.2 * statistics.median(idle), limit=True,
        ),
    ]  # fmt: skip
