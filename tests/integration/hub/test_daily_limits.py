"""How much one person may add to the repository in 24 hours, by what the signed records say."""

import datetime as dt
from pathlib import Path

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, POLICY, Platform, code_of, refusal_of

from allotment_hub.forges.plain_git import size_of
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.proposals import rights

Files = dict[str, bytes | None]


async def limited(platform: Platform, limits: str) -> None:
    platform.push({"policy.yaml": POLICY + f"daily_limits: {limits}\n".encode()})
    await platform.watcher.refresh()


def profile(number: int) -> Files:
    return {f"teams/housing/profiles/p{number}.yaml": NOTEBOOK}


async def proposed_and_withdrawn(platform: Platform, files: Files, by: str = "ana") -> StoredProposal:
    stored = await platform.proposed(files, by=by)
    return await platform.submissions.withdraw(platform.people.actor(by), stored.id)


async def test_proposals_that_have_ended_updates_and_comments_count(platform: Platform, tmp_path: Path) -> None:
    await limited(platform, "{records: 4}")
    await proposed_and_withdrawn(platform, profile(1))
    stored = await platform.proposed(profile(2))
    await platform.proposed({**profile(2), **profile(3)}, update=stored.id)
    ana = platform.people.actor("ana")
    await platform.submissions.comment(ana, stored.id, "Please")
    before = platform.repository.references("refs/")
    for more in (
        platform.proposed(profile(4)),
        platform.proposed(profile(2), update=stored.id),
        platform.submissions.comment(ana, stored.id, "Please!"),
        platform.beside(tmp_path).proposed(profile(5)),
    ):
        refused = (await refusal_of(more)).refusal
        assert (refused.status, refused.code) == (409, "daily-limit")
    assert platform.repository.references("refs/") == before
    await platform.proposed(profile(6), by="ben")
    await platform.submissions.withdraw(ana, stored.id)
    platform.now = dt.datetime.now(dt.UTC) + dt.timedelta(hours=25)
    await platform.proposed(profile(7))


async def test_what_the_files_weigh_counts_again_with_every_update(platform: Platform) -> None:
    await limited(platform, "{size: 1 MiB}")

    def heavy(number: int) -> Files:
        return {NOTEBOOK_PATH: NOTEBOOK + b"# %d %s\n" % (number, b"x" * 60_000)}

    times = 1024**2 // size_of(heavy(0))
    for number in range(times):
        stored = await platform.proposed(heavy(number))
    assert len(stored.records) == times
    assert await code_of(platform.proposed(heavy(99))) == "daily-limit"
    await platform.submissions.comment(platform.people.actor("ana"), stored.id, "It is finished")
    platform.now = dt.datetime.now(dt.UTC) + dt.timedelta(hours=25)
    await platform.proposed(heavy(99))


async def test_whoever_decides_is_never_kept_from_it(platform: Platform) -> None:
    await limited(platform, "{records: 1}")
    stored, other = (
        await platform.proposed({NOTEBOOK_PATH: NOTEBOOK + b"# x\n"}),
        await platform.proposed(profile(1), "ben"),
    )
    lena, leo = platform.people.actor("lena"), platform.people.actor("leo")
    for actor in (lena, leo):
        await platform.submissions.comment(actor, stored.id, "Seen")
        assert await code_of(platform.submissions.comment(actor, stored.id, "Seen")) == "daily-limit"
    await platform.merged(stored)
    await platform.reviews.reject(lena, other.id, "No")


async def test_administrators_may_add_more(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rights, "ADMINISTRATORS_TIMES", 3)
    await limited(platform, "{records: 1}")
    for number in range(3):
        await proposed_and_withdrawn(platform, profile(number), by="adam")
    assert await code_of(platform.proposed(profile(9), by="adam")) == "daily-limit"
