"""A proposal is judged for one main, one head and one day: what the page offers is what a merge does."""

import datetime as dt
from collections import Counter
from typing import ClassVar

import pytest
from support.fakes.platform import JUDGES, NOTEBOOK, NOTEBOOK_PATH, POLICY, PRICES, PRICES_PATH, Platform, code_of

from allotment_hub.forges.stored_proposal import Candidate, StoredProposal
from allotment_hub.services.event_reader import EventReader
from allotment_hub.services.judging.checking import ChangeChecker, Check, Files
from allotment_hub.services.proposals import overview as overviews
from allotment_hub.services.proposals.overview import overview
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.proposing import Submissions
from allotment_hub.services.proposals.reviewing import Reviews
from allotment_profiles.git.repository import MAIN, RefMovedError, RefUpdate

LAST_SECOND = dt.datetime(2030, 3, 31, 23, 59, 59, tzinfo=dt.UTC)
FIRST_SECOND = dt.datetime(2030, 4, 1, 0, 0, 0, tzinfo=dt.UTC)
UNTIL_MARCH = PRICES.replace(b"2999-12-31", b"2030-03-31")
LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
pytestmark = pytest.mark.platform(now=LAST_SECOND)


async def approved(platform: Platform) -> StoredProposal:
    ana, dora = platform.people.actor("ana"), platform.people.actor("dora")
    done = await platform.submissions.propose(ana, {PRICES_PATH: UNTIL_MARCH}, "Until the end of March")
    await platform.reviews.approve(dora, done.proposal.id, done.proposal.head)
    return await platform.proposals.stored(done.proposal.id)


async def test_a_page_offers_no_merge_of_a_date_that_passed_at_midnight(platform: Platform) -> None:
    dora, leo = platform.people.actor("dora"), platform.people.actor("leo")
    granted = PRICES.replace(b"binding:", b"  transport: {until: 2030-03-31}\nbinding:")
    stored = await platform.proposed({PRICES_PATH: granted}, by=leo.user.name)
    await platform.approved(stored, by="dora")
    stored = await platform.proposals.stored(stored.id)
    assert (await platform.proposals.view(stored, dora)).actions["merge"] is None
    platform.now = FIRST_SECOND
    view = await platform.proposals.view(stored, dora)
    assert view.case.state == "broken"
    assert [problem.code for problem in view.check.errors] == ["date-past"]
    refusal = view.actions["merge"]
    assert refusal
    assert await code_of(platform.reviews.merge(dora, stored.id, stored.head)) == refusal.code == "problems"
    assert platform.main_file(PRICES_PATH) == PRICES


async def test_a_merge_before_midnight_is_judged_by_that_day_for_ever(platform: Platform) -> None:
    stored, dora = await approved(platform), platform.people.actor("dora")
    merged = await platform.reviews.merge(dora, stored.id, stored.head)
    assert platform.main_file(PRICES_PATH) == UNTIL_MARCH
    platform.now = FIRST_SECOND
    view = await platform.proposals.view(merged, dora)
    assert view.case.state == "live"
    assert view.check.problems == ()


class CountingChecker(ChangeChecker):
    """Counts its checks."""

    counts: ClassVar[Counter[str]]

    async def files(self, main: str, files: Files, by: str) -> Check:
        self.counts["files"] += 1
        return await super().files(main, files, by)

    async def merge(self, candidate: Candidate, day: dt.date) -> tuple[Check, tuple[str, ...]]:
        self.counts["merge"] += 1
        return await super().merge(candidate, day)


async def test_a_proposal_is_checked_once_and_a_merge_uses_the_judgement_of_its_page(platform: Platform) -> None:
    CountingChecker.counts = counts = Counter[str]()
    checking = CountingChecker(platform.watcher.tracker, platform.clock, JUDGES)
    proposals = Proposals(platform.forge, checking, platform.directory, platform.watcher, EventReader(platform.events))
    submissions, reviews = (
        Submissions(proposals, checking),
        Reviews(proposals, platform.watcher, platform.sign_ins, platform.identities),
    )
    ana, dora = platform.people.actor("ana"), platform.people.actor("dora")
    stored = (await submissions.propose(ana, {PRICES_PATH: UNTIL_MARCH}, "Until the end of March")).proposal
    assert counts == {"files": 1}
    stored = await reviews.approve(dora, stored.id, stored.head)
    await proposals.view(stored, dora)
    await overview(proposals, dora)
    await reviews.merge(dora, stored.id, stored.head)
    assert counts == {"files": 1, "merge": 1}
    assert platform.main_file(PRICES_PATH) == UNTIL_MARCH


async def test_the_list_judges_the_part_that_is_shown_and_what_may_wait_for_the_reader(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    CountingChecker.counts = counts = Counter[str]()
    checking = CountingChecker(platform.watcher.tracker, platform.clock, JUDGES)
    proposals = Proposals(platform.forge, checking, platform.directory, platform.watcher, EventReader(platform.events))
    files = {f"teams/housing/profiles/p{number}.yaml": NOTEBOOK for number in range(5)}
    for path, data in files.items():
        await platform.proposed({path: data}, by="ben")
    stored = proposals.forge.newest()
    newest_first = [each.id for each in stored]
    ana, ben, lena = (platform.people.actor(name) for name in ("ana", "ben", "lena"))
    monkeypatch.setattr(overviews, "JUDGED", 2)
    for before, ids, more in ((0, newest_first[:2], stored[1].number), (stored[3].number, newest_first[4:], 0)):
        lists = await overview(proposals, ana, before=before)
        assert ([line.id for line in lists.lines], lists.before, lists.for_me, lists.mine) == (ids, more, (), ())
    assert counts["merge"] == 3
    monkeypatch.setattr(overviews, "JUDGED", 5)
    lists = await overview(proposals, ben, before=stored[3].number)
    assert [line.id for line in lists.mine] == newest_first
    lists = await overview(proposals, lena, before=stored[3].number)
    assert [line.id for line in lists.for_me] == newest_first
    assert counts["merge"] == 5


async def test_a_merge_is_judged_again_when_main_has_moved_since_its_page_was_made(platform: Platform) -> None:
    stored, dora = await approved(platform), platform.people.actor("dora")
    first = await platform.proposals.case(stored, platform.people.actor("lena").user)
    platform.push({NOTEBOOK_PATH: NOTEBOOK + b"description: Pushed\n"})
    second = await platform.proposals.case(stored, platform.people.actor("lena").user)
    assert first.judgement.key.main != second.judgement.key.main
    assert first.judgement.candidate
    with pytest.raises(RefMovedError):  # the forge has the last word about what was judged before
        platform.forge.merge(stored, first.judgement.candidate, "Merge", by="dora")
    await platform.reviews.merge(dora, stored.id, stored.head)
    assert platform.main_file(PRICES_PATH) == UNTIL_MARCH
    assert platform.main_file(NOTEBOOK_PATH) == NOTEBOOK + b"description: Pushed\n"


async def test_who_may_not_know_of_a_proposal_cannot_comment_on_it(platform: Platform) -> None:
    platform.push({"policy.yaml": POLICY + b"listing: own\n"})
    await platform.watcher.refresh()
    platform.people.groups["tom"] = ["/transport"]
    done = await platform.submissions.propose(platform.people.actor("ana"), {NOTEBOOK_PATH: LARGER}, "Larger")
    comment = platform.submissions.comment(platform.people.actor("tom"), done.proposal.id, "Hello")
    assert await code_of(comment) == "proposal-unknown"
    assert [record.kind for record in (await platform.proposals.stored(done.proposal.id)).records] == ["proposed"]


async def test_a_main_that_goes_back_to_where_a_conflict_began_is_merged_with(platform: Platform) -> None:
    ana, lena = platform.people.actor("ana"), platform.people.actor("lena")
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    base = platform.forge.main()
    pushed = platform.push({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"2 GiB")}, "Pushed by mistake")
    await platform.watcher.refresh()
    assert (await platform.proposals.view(stored, ana)).case.state == "conflict"
    platform.repository.update_references([RefUpdate(MAIN, base, pushed)])
    await platform.watcher.refresh()
    await platform.reviews.approve(lena, stored.id, stored.head)
    merged = await platform.reviews.merge(lena, stored.id, stored.head)
    assert merged.ending
    assert merged.ending.kind == "merged"
