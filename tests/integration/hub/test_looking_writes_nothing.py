"""Whoever looks at proposals, or checks files, writes nothing into the repository: no object, no reference, no lock."""

from pathlib import Path

from support.fakes.platform import HOUSING, JUDGES, NOTEBOOK, NOTEBOOK_PATH, Platform

from allotment_hub.services.event_reader import EventReader
from allotment_hub.services.judging.checking import ChangeChecker
from allotment_hub.services.proposals.overview import overview
from allotment_hub.services.proposals.proposals import Proposals

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
TEAM_PATH = "teams/housing/team.yaml"
OTHER_PATH = "teams/housing/profiles/other.yaml"


def contents(repository: Path) -> dict[str, int]:
    """Return the files of a repository with the times of their last changes."""
    return {str(path): path.stat().st_mtime_ns for path in repository.rglob("*") if path.is_file()}


async def test_fifty_looks_leave_the_repository_as_it_was(platform: Platform) -> None:
    ended = await platform.merged(await platform.proposed({OTHER_PATH: NOTEBOOK}))
    opened = await platform.proposed({NOTEBOOK_PATH: LARGER})
    collides = await platform.proposed({TEAM_PATH: HOUSING + b"# proposed\n"}, by="ben")
    platform.push({TEAM_PATH: HOUSING + b"# pushed\n"})
    await platform.watcher.refresh()
    before = contents(platform.repository.path)
    reader = platform.people.actor("lena")
    for _ in range(17):
        checking = ChangeChecker(platform.watcher.tracker, platform.clock, JUDGES)
        events = EventReader(platform.events)
        proposals = Proposals(platform.forge, checking, platform.directory, platform.watcher, events)
        for stored in (ended, opened, collides):
            await proposals.view(await proposals.stored(stored.id), reader)
        await overview(proposals, reader)
        await checking.files(platform.forge.main(), {NOTEBOOK_PATH: LARGER, TEAM_PATH: None}, "ana")
    assert contents(platform.repository.path) == before
