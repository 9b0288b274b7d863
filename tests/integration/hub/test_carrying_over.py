"""The records of version 0.1 are carried over into the log at the first start, and nothing of them is lost."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from support.conditions import until
from support.earlier_records import as_earlier
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform

from allotment_hub.forges import record_log
from allotment_hub.forges.record_log import RecordsLoadingError
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_profiles.git.process import GitError
from allotment_profiles.git.repository import NO_OBJECT, RECORDS, REVIEWS, RefUpdate

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
OTHER_PATH = "teams/housing/profiles/other.yaml"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A folder for another service, which has read nothing yet."""
    folder = tmp_path / "other"
    folder.mkdir()
    return folder


async def earlier(platform: Platform) -> dict[str, StoredProposal]:
    """Have a merged, an approved and a rejected proposal, all recorded as version 0.1 did."""
    await platform.merged(await platform.proposed({NOTEBOOK_PATH: LARGER}))
    await platform.approved(await platform.proposed({OTHER_PATH: NOTEBOOK}, by="ben"))
    rejected = await platform.proposed({NOTEBOOK_PATH: NOTEBOOK + b"# x\n"})
    await platform.reviews.reject(platform.people.actor("lena"), rejected.id, "No")
    found = {stored.id: stored for stored in platform.forge.newest()}
    as_earlier(platform)
    return found


def told(stored: StoredProposal) -> list[tuple[object, ...]]:
    return [
        (record.kind, record.by, record.time.replace(microsecond=0), record.head, record.text, record.merge)
        for record in stored.records
    ]


def check(platform: Platform, before: dict[str, StoredProposal]) -> None:
    """Check that everything is in the log, once."""
    found = {stored.id: stored for stored in platform.forge.newest()}
    assert {id_: told(stored) for id_, stored in found.items()} == {id_: told(each) for id_, each in before.items()}
    assert platform.repository.references(REVIEWS) == {}
    tip = platform.repository.references(RECORDS)[RECORDS]
    assert len(platform.repository.first_parents(tip)) == 1 + sum(len(stored.records) for stored in before.values())


async def test_what_was_recorded_is_in_the_log_with_its_times_and_the_branches_are_gone(
    platform: Platform, other: Path
) -> None:
    before = await earlier(platform)
    again = platform.beside(other)
    check(again, before)
    assert again.forge.log.broken is None
    await again.watcher.refresh()
    opened = next(stored for stored in again.forge.newest() if stored.open)
    assert [record.by for record in opened.records] == ["ben", "lena"]
    await again.reviews.merge(again.people.actor("leo"), opened.id, opened.head)
    assert again.main_file(OTHER_PATH) == NOTEBOOK
    await again.close()


@pytest.mark.parametrize("number", [1, 2])
async def test_carrying_over_that_is_interrupted_goes_on(platform: Platform, other: Path, number: int) -> None:
    before = await earlier(platform)
    again = platform.beside(other)
    move, calls = again.repository.update_references, 0

    def fail(updates: Sequence[RefUpdate]) -> None:
        nonlocal calls
        calls += 1
        if calls == number:
            raise GitError("the disk is full")
        move(updates)

    again.forge.log._move = fail
    again.forge.newest()
    again.forge.close()
    (other / "third").mkdir()
    third = platform.beside(other / "third")
    check(third, before)
    third.forge.close()


async def test_another_proposal_of_the_same_name_is_left_alone(platform: Platform, other: Path) -> None:
    """The version of before may have been started once more, and have begun to count anew."""
    before = await earlier(platform)
    platform.beside(other).forge.newest()
    tip, name = platform.repository.references(RECORDS)[RECORDS], REVIEWS + next(iter(before))
    commit = platform.repository.first_parents(tip)[-1]
    platform.repository.update_references([RefUpdate(name, commit, NO_OBJECT)])
    (other / "third").mkdir()
    third = platform.beside(other / "third")
    assert len(third.forge.newest()) == 3
    assert platform.repository.references(REVIEWS) == {name: commit}


async def test_many_are_carried_over_beside_everything_else(
    platform: Platform, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await earlier(platform)
    monkeypatch.setattr(record_log, "_AT_ONCE", 3)
    again = platform.beside(other)
    with pytest.raises(RecordsLoadingError):
        again.forge.newest()
    until(lambda: again.forge.log.progress is None, what="the end of carrying over")
    check(again, before)
