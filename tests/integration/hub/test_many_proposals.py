"""However many proposals there were, a page runs the same few git processes, and shows what it did with few of them."""

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, POLICY, Platform
from support.many_proposals import ManyProposals

from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.services.proposals.overview import overview

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")


async def processes(platform: Platform, proposal: str, counted: list[str]) -> dict[str, Counter[str]]:
    """Return the git commands of each page, the first time that it is opened after a restart."""
    proposals, (ana, lena) = platform.proposals, map(platform.people.actor, ("ana", "lena"))
    steps: dict[str, Callable[[], Awaitable[object]]] = {
        "list": lambda: overview(proposals, ana),
        "list of a lead": lambda: overview(proposals, lena),
        "page": lambda: proposals.view(first, lena),
        "check": lambda: platform.submissions.check(ana, {NOTEBOOK_PATH: LARGER}),
        "propose": lambda: platform.proposed({NOTEBOOK_PATH: LARGER}),
        "list after it": lambda: overview(proposals, lena),
    }
    first, found = await proposals.stored(proposal), {}
    for name, step in steps.items():
        counted.clear()
        await step()
        found[name] = Counter(counted)
    return found


async def test_git_runs_as_often_with_many_proposals_as_with_few(tmp_path: Path, counted: list[str]) -> None:
    found = []
    for name, still_open, ended in (("few", 5, 6), ("many", 25, 60)):
        (tmp_path / name).mkdir()
        platform = Platform(tmp_path / name)
        opened = ManyProposals(platform).add(still_open, ended)
        platform.build(tmp_path / name)
        await platform.watcher.refresh()
        found.append(await processes(platform, opened[0], counted))
        await platform.close()
    assert found[0] == found[1]
    assert max(sum(count.values()) for count in found[0].values()) < 20


async def test_what_is_read_at_once_is_what_is_read_of_each(platform: Platform) -> None:
    ManyProposals(platform).add(4, 6)
    platform.push({"policy.yaml": POLICY + b"listing: own\n"})
    await platform.watcher.refresh()
    each = PlainGitForge(platform.repository, platform.signer)
    listed = platform.forge.newest()
    assert len(listed) == 10
    assert all(each.get(stored.id) == stored for stored in listed)
    platform.people.groups["tom"] = ["/transport"]
    for name, count in (("ana", 10), ("tom", 0), ("adam", 10)):
        user = platform.people.actor(name).user
        assert [stored.id for stored in (await platform.proposals.readable(user)).proposals] == [
            stored.id for stored in listed if await platform.proposals.listed(stored, user)
        ]
        assert len((await platform.proposals.readable(user)).proposals) == count
