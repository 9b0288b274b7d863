"""A day that has passed is not proposed; one that passes later stands in the way of nothing else."""

import datetime as dt

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, PRICES, PRICES_PATH, Platform, refusal_of

OTHER_PATH = "teams/housing/profiles/other.yaml"
PASSED = b"2020-01-31"
REVIEWED = NOTEBOOK + b"review_by: " + PASSED + b"\n"
ENDED = PRICES.replace(b"2999-12-31", PASSED)


@pytest.mark.parametrize(
    ("path", "data", "field"),
    [
        (NOTEBOOK_PATH, REVIEWED, "review_by"),
        (OTHER_PATH, REVIEWED, "review_by"),
        (PRICES_PATH, ENDED, "granted_to.housing.until"),
        ("data-roles/more.yaml", ENDED, "granted_to.housing.until"),
        (PRICES_PATH, PRICES.replace(b"binding", b"  transport: {until: " + PASSED + b"}\nbinding"),
         "granted_to.transport.until"),
    ],
)  # fmt: skip
async def test_a_day_that_has_passed_is_not_proposed(platform: Platform, path: str, data: bytes, field: str) -> None:
    refused = await refusal_of(platform.proposed({path: data}))
    assert [(problem.code, problem.path, problem.field) for problem in refused.problems] == [("date-past", path, field)]
    assert PASSED.decode() in refused.problems[0].message


async def test_a_day_that_passed_on_main_is_in_the_way_of_nothing_else(platform: Platform) -> None:
    platform.push({NOTEBOOK_PATH: REVIEWED, PRICES_PATH: ENDED})
    today = dt.datetime.now(dt.UTC).date().isoformat().encode()
    for files in (
        {NOTEBOOK_PATH: REVIEWED.replace(b"4 GiB", b"8 GiB")},
        {NOTEBOOK_PATH: NOTEBOOK},
        {NOTEBOOK_PATH: None},
        {NOTEBOOK_PATH: NOTEBOOK + b"review_by: " + today + b"\n"},
        {PRICES_PATH: ENDED.replace(b"Reading house prices", b"Reading the prices of houses")},
        {PRICES_PATH: PRICES},
    ):
        check = await platform.submissions.check(platform.people.actor("ana"), files)
        assert check.errors == []


async def test_a_day_that_passes_after_a_merge_does_not_turn_its_story_around(platform: Platform) -> None:
    head = platform.forge.main()
    stored = platform.forge.open("old", head, {NOTEBOOK_PATH: REVIEWED}, by="ana", title="Old", reason="Long ago")
    done = platform.forge.merge(stored, platform.forge.candidate(stored, head), "Merge", by="lena")
    await platform.watcher.refresh()
    view = await platform.proposals.view(done, platform.people.actor("ana"))
    assert view.check.problems == ()
    assert [step.name for step in view.steps if step.state == "failed"] == []
