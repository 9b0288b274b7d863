"""The records of version 0.1 are carried over into the log at the first start, and nothing of them is lost."""

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.earlier_records import as_earlier
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_profiles.git.process import GitError
from allotment_profiles.git.repository import NO_OBJECT, RECORDS, REVIEWS, RefUpdate
from allotment_profiles.records.chain import SERVICE

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
    again.forge.begin()
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
    with contextlib.suppress(GitError):
        again.forge.log.carry_over()
    again.forge.close()
    (other / "third").mkdir()
    third = platform.beside(other / "third")
    third.forge.begin()
    check(third, before)
    third.forge.close()


async def test_another_proposal_of_the_same_name_is_left_alone(platform: Platform, other: Path) -> None:
    """The version of before may have been started once more, and have begun to count anew."""
    before = await earlier(platform)
    platform.beside(other).forge.begin()
    tip, name = platform.repository.references(RECORDS)[RECORDS], REVIEWS + next(iter(before))
    commit = platform.repository.first_parents(tip)[-1]
    platform.repository.update_references([RefUpdate(name, commit, NO_OBJECT)])
    (other / "third").mkdir()
    third = platform.beside(other / "third")
    third.forge.begin()
    assert len(third.forge.newest()) == 3
    assert platform.repository.references(REVIEWS) == {name: commit}


async def test_branches_that_may_not_be_deleted_are_left_and_stop_nothing(platform: Platform, other: Path) -> None:
    """The branches below `reviews/` may be protected on the git server."""
    before = await earlier(platform)
    again = platform.beside(other)
    move = again.repository.update_references

    def protected(updates: Sequence[RefUpdate]) -> None:
        if any(update.name.startswith(REVIEWS) for update in updates):
            raise GitError("the branch is protected")
        move(updates)

    again.forge.log._move = protected
    again.forge.begin()
    assert {stored.id for stored in again.forge.newest()} == before.keys()
    opened = again.forge.open_ones()[0]
    again.forge.record(opened, "commented", by="ana", text="Well")
    again.forge.begin()
    assert len(again.forge.newest()) == 3


async def test_the_order_of_a_chain_counts_whatever_its_clocks_say(platform: Platform, other: Path) -> None:
    await platform.approved(await platform.proposed({NOTEBOOK_PATH: LARGER}))
    stored = platform.forge.newest()[0]
    late, early = (stored.records[0].time + dt.timedelta(hours=hours) for hours in (1, -1))
    records = [dataclasses.replace(each, time=time) for each, time in zip(stored.records, (late, early), strict=True)]
    as_earlier(platform, {stored.id: records})
    again = platform.beside(other)
    again.forge.begin()
    found = again.forge.newest()[0]
    assert [record.kind for record in found.records] == ["proposed", "approved"]
    assert found.proposer == "ana"


async def test_a_chain_with_something_else_in_it_stays_as_evidence(platform: Platform, other: Path) -> None:
    await earlier(platform)
    name, tip = next(iter(platform.repository.references(REVIEWS).items()))
    bad = platform.repository.write_commit(
        platform.repository.write_tree(None, {}), [tip], "Record: lena approved\n\n{}\n",
        author=SERVICE, committer=SERVICE, time=dt.datetime.now(dt.UTC),
    )  # fmt: skip
    platform.repository.update_references([RefUpdate(name, bad, tip)])
    again = platform.beside(other)
    again.forge.begin()
    assert len(again.forge.newest()) == 2
    assert platform.repository.references(REVIEWS) == {name: bad}


async def test_a_log_that_was_carried_over_and_set_back_is_found_out(platform: Platform, other: Path) -> None:
    await earlier(platform)
    platform.beside(other).forge.begin()
    tip = platform.repository.references(RECORDS)[RECORDS]
    first = platform.repository.first_parents(tip)[-2]
    platform.repository.update_references([RefUpdate(RECORDS, first, tip)])
    (other / "third").mkdir()
    third = platform.beside(other / "third")
    third.forge.begin()
    assert third.forge.log.broken
