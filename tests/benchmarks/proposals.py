"""What the pages of proposals take where there have been many, beside few, and beside git processes for each."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, PRICES, PRICES_PATH, Platform
from support.many_proposals import ManyProposals

from allotment_hub.services.proposals.overview import overview
from allotment_profiles.git.repository import REVIEWS
from benchmarks.measuring import Row

OPEN, ALL = 275, 2_100
_SAMPLE = 50
"""So many proposals are read with git processes for each; the time is scaled up."""

Step = Callable[[Platform], Awaitable[object]]


def proposals(folder: Path, _profiles: int, rounds: int, sample: int) -> Iterator[Row]:
    """Measure each page on both repositories in turn; fewer proposals where a small sample is asked for."""
    still_open = min(OPEN, sample + 10) if sample else OPEN
    yield from asyncio.run(_measured(folder, rounds, still_open, ALL * still_open // OPEN))


async def _measured(folder: Path, rounds: int, still_open: int, of_all: int) -> list[Row]:
    few = _platform(folder / "few", still_open, 0)
    many = _platform(folder / "many", still_open, of_all - still_open)
    numbers = itertools.count()
    steps: dict[str, Step] = {
        "/proposals": lambda platform: overview(platform.proposals, platform.people.actor("ana")),
        "/proposals of a lead": lambda platform: overview(platform.proposals, platform.people.actor("lena")),
        "the page of one": _page,
        "a check": lambda platform: _checked(platform, NOTEBOOK_PATH, _other(next(numbers))),
        "propose?path=": lambda platform: _checked(platform, PRICES_PATH, PRICES),
        "proposing": lambda platform: platform.proposed({NOTEBOOK_PATH: _other(next(numbers))}),
    }
    first: tuple[list[float], list[float]] = ([], [])
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in steps}
    each: list[float] = []
    for number in range(rounds):
        if number < 2:
            for platform, restarted in zip((many, few), first, strict=True):
                platform.build(platform.repository.path.parent)
                await platform.watcher.refresh()
                restarted.append(await _milliseconds(steps["/proposals"], platform))
                await steps["/proposals of a lead"](platform)
        for name, step in steps.items():
            for platform, taken in zip((many, few), times[name], strict=True):
                taken.append(await _milliseconds(step, platform))
        each.append(await asyncio.to_thread(_git_for_each, many))
    for platform in (many, few):
        await platform.close()
    what = f"of {of_all:,} proposals, {still_open} of them open"
    against = f"{still_open} open ones alone"
    lists = times["/proposals"][0]
    return [
        Row(f"/proposals {what}", "four git processes for each", "ms", lists, each, 20),
        Row(f"/proposals {what}, the first time after a restart", against, "ms", *first, 10_000, limit=True),
        *(Row(f"{name} {what}", against, "ms", *taken, 1000, limit=True) for name, taken in times.items()),
    ]


def _platform(folder: Path, still_open: int, ended: int) -> Platform:
    folder.mkdir()
    platform = Platform(folder)
    platform.people.groups |= {f"user-{number}": ["/housing"] for number in range(30)}
    ManyProposals(platform).add(still_open, ended)
    return platform


def _other(number: int) -> bytes:
    return NOTEBOOK.replace(b"4 GiB", b"%d MiB" % (4097 + number))


async def _page(platform: Platform) -> object:
    reader = platform.people.actor("lena")
    return await platform.proposals.view(await platform.proposals.visible("open-7", reader.user), reader)


async def _checked(platform: Platform, path: str, data: bytes) -> object:
    return await platform.submissions.check(platform.people.actor("ana"), {path: data})


async def _milliseconds(step: Step, platform: Platform) -> float:
    began = time.perf_counter()
    await step(platform)
    return (time.perf_counter() - began) * 1000


def _git_for_each(platform: Platform) -> float:
    """Read the records and the files of proposals with git processes for each of them."""
    repository, main = platform.repository, platform.forge.main()
    began = time.perf_counter()
    tips = list(repository.references(REVIEWS).values())
    some = tips[:_SAMPLE]
    for tip in some:
        commits = repository.commits(repository.first_parents(tip))
        head = commits[-2].parents[1]
        repository.changes(repository.merge_base(main, head) or main, head)
    return (time.perf_counter() - began) * 1000 * len(tips) / len(some)
