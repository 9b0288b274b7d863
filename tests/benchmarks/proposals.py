"""What the pages of proposals take where there have been very many, beside few."""

import asyncio
import itertools
import math
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from support.conditions import until
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, PRICES, PRICES_PATH, Platform
from support.many_proposals import ManyProposals

from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.forges.record_log import RecordsLoadingError
from allotment_hub.services.judging.judges import Judges
from allotment_hub.services.proposals.overview import overview
from benchmarks.measuring import Row

OPEN, FEW, MANY = 200, 1_000, 100_000

Step = Callable[[Platform], Awaitable[object]]


def proposals(folder: Path, _profiles: int, rounds: int, sample: int) -> Iterator[Row]:
    """Measure each page on both repositories in turn; with a small sample, fewer proposals in both."""
    part = min(1, sample / OPEN) if sample else 1
    still_open, few, many = (
        math.ceil(count * scale) for count, scale in ((OPEN, part), (FEW, part**2), (MANY, part**2))
    )
    yield from asyncio.run(_measured(folder, rounds, still_open, few, many))


async def _measured(folder: Path, rounds: int, still_open: int, few: int, many: int) -> list[Row]:
    platforms = [_platform(folder / name, still_open, ended) for name, ended in (("many", many), ("few", few))]
    numbers = itertools.count()
    steps: dict[str, Step] = {
        "the list": lambda platform: overview(platform.proposals, platform.people.actor("ana")),
        "the list of a lead": lambda platform: overview(platform.proposals, platform.people.actor("lena")),
        "the page of one": _page,
        "a check": lambda platform: _checked(platform, NOTEBOOK_PATH, _other(next(numbers))),
        "propose?path=": lambda platform: _checked(platform, PRICES_PATH, PRICES),
        "proposing": lambda platform: platform.proposed({NOTEBOOK_PATH: _other(next(numbers))}),
    }
    anew = [_read_anew(platform) for platform in platforms]
    restarted: list[list[float]] = [[], []]
    times: dict[str, list[list[float]]] = {name: [[], []] for name in steps}
    for platform in platforms:
        await platform.watcher.refresh()
        for step in steps.values():  # what is judged once is not judged again
            await step(platform)
    for _ in range(rounds):
        for platform, taken in zip(platforms, restarted, strict=True):
            taken.append(_restarted(platform))
        for name, step in steps.items():
            for platform, taken in zip(platforms, times[name], strict=True):
                taken.append(await _milliseconds(step, platform))
    memory = [[_memory(platform)] for platform in platforms]
    for platform in platforms:
        platform.judges.close()
        await platform.close()
    what, against = f"with {many:,} ended proposals", f"with {few:,}"
    return [
        *(Row(f"{name} {what}", against, "ms", *taken, 1 / 1.2) for name, taken in times.items()),
        Row(f"a restart {what}", against, "ms", *restarted, 1000, limit=True),
        Row(f"reading the log anew {what}", against, "ms", *([each] for each in anew), 60_000, limit=True),
        Row(f"memory of the service {what}", against, "MiB", *memory, 1 / 1.5),
    ]


def _platform(folder: Path, still_open: int, ended: int) -> Platform:
    folder.mkdir()
    platform = Platform(folder)
    platform.judges = Judges()  # as each service has its own
    platform.build(folder)
    platform.people.groups |= {f"user-{number}": ["/housing"] for number in range(30)}
    ManyProposals(platform).add(still_open, ended)
    return platform


def _read_anew(platform: Platform) -> float:
    """Read the log without an index, and return the milliseconds."""
    began = time.perf_counter()
    try:
        platform.forge.newest(limit=1)
    except RecordsLoadingError:
        until(lambda: platform.forge.log.progress is None, within=600, what="the end of the reading")
    assert platform.forge.newest(limit=1)
    return (time.perf_counter() - began) * 1000


def _restarted(platform: Platform) -> float:
    """Open the index as a service does that is started again, and return the milliseconds until a list is there."""
    began = time.perf_counter()
    forge = PlainGitForge(
        platform.repository, platform.signer, index=platform.repository.path.parent / "records.sqlite"
    )
    assert forge.newest(limit=50)
    taken = (time.perf_counter() - began) * 1000
    forge.close()
    return taken


def _other(number: int) -> bytes:
    return NOTEBOOK.replace(b"4 GiB", b"%d MiB" % (4097 + number))


async def _page(platform: Platform) -> object:
    reader = platform.people.actor("lena")
    return await platform.proposals.view(await platform.proposals.visible("open-0", reader.user), reader)


async def _checked(platform: Platform, path: str, data: bytes) -> object:
    return await platform.submissions.check(platform.people.actor("ana"), {path: data})


async def _milliseconds(step: Step, platform: Platform) -> float:
    began = time.perf_counter()
    await step(platform)
    return (time.perf_counter() - began) * 1000


def _memory(platform: Platform) -> float:
    """Return the MiB of a process that has made the list and the page of one proposal."""
    command = [sys.executable, "-m", "benchmarks.proposals", str(platform.repository.path.parent)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


async def _service(folder: Path) -> None:
    platform = Platform.opened(folder)
    await platform.watcher.refresh()
    for name in ("ana", "lena"):
        await overview(platform.proposals, platform.people.actor(name))
    await _page(platform)
    await platform.close()


if __name__ == "__main__":
    asyncio.run(_service(Path(sys.argv[1])))
    # What the kernel tells of the process itself: `getrusage` starts with the memory of the process that started it.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    sys.stdout.write(f"{int(peak[1]) / 1024 if peak else 0}\n")
