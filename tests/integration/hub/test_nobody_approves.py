"""Where nobody can approve, the form says so before anything is sent, and the page while it waits."""

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, POLICY, PRICES, PRICES_PATH, Platform

from allotment_hub.services.judging.checking import Files

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
LONGER = PRICES.replace(b"2999-12-31", b"3000-12-31")
CODE = "nobody-to-approve"


async def told(platform: Platform, who: str, files: Files) -> list[str]:
    """Return what helps, as the form says it before the proposal is sent."""
    check = await platform.submissions.check(platform.people.actor(who), files)
    assert not check.errors
    return [problem.remedy for problem in check.problems if problem.code == CODE]


@pytest.mark.parametrize(
    ("who", "files", "gone", "helps"),
    [
        ("adam", {"policy.yaml": POLICY + b"listing: own\n"}, ["anne"], "Let somebody else propose it"),
        ("ana", {"policy.yaml": POLICY + b"listing: own\n"}, ["adam", "anne"], "make another user an administrator"),
        ("ana", {NOTEBOOK_PATH: LARGER}, ["lena", "leo"], "other leads of the team housing"),
        ("ana", {PRICES_PATH: LONGER}, ["dora"], "other leads of the team open-data"),
        ("dora", {PRICES_PATH: LONGER}, [], "Let somebody else propose it"),
    ],
    ids=["the last administrator", "no administrator", "no lead", "the owner has left", "the only lead of the owner"],
)
async def test_that_nobody_can_approve_is_said_before_it_is_sent(
    platform: Platform, who: str, files: dict[str, bytes | None], gone: list[str], helps: str
) -> None:
    for name in gone:
        del platform.people.groups[name]
    (remedy,) = await told(platform, who, files)
    assert helps in remedy
    stored = await platform.proposed(files, by=who)
    view = await platform.proposals.view(stored, platform.people.actor(who))
    assert [problem.remedy for problem in view.check.problems if problem.code == CODE] == [remedy]
    assert view.case.state == "open"


async def test_where_somebody_can_approve_or_the_hub_is_away_nothing_is_said(platform: Platform) -> None:
    assert await told(platform, "ana", {NOTEBOOK_PATH: LARGER}) == []
    assert await told(platform, "lena", {NOTEBOOK_PATH: LARGER}) == [], "the other lead, or an administrator"
    assert await told(platform, "adam", {"policy.yaml": POLICY + b"listing: own\n"}) == []
    platform.people.away = True
    platform.proposals.approvers = type(platform.proposals.approvers)(platform.directory)
    assert await told(platform, "ana", {NOTEBOOK_PATH: LARGER}) == []
