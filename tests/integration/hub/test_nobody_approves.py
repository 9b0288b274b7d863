"""Where nobody can approve, the form says so before anything is sent, and the page while it waits."""

import pytest
from support.fakes.platform import HOUSING, NOTEBOOK, NOTEBOOK_PATH, POLICY, PRICES, PRICES_PATH, Platform

from allotment_hub.services.judging.checking import Files
from allotment_profiles.model.problems import Problem

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
        ("ana", {"policy.yaml": POLICY + b"listing: own\n"}, ["adam", "anne"], "make another user one"),
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


@pytest.mark.parametrize("named", ["groups", "users"])
async def test_who_has_not_signed_in_yet_is_asked_to_sign_in_and_counts_at_once(platform: Platform, named: str) -> None:
    groups = platform.people.groups.pop("leo")
    del platform.people.groups["lena"]
    if named == "users":
        platform.push({"teams/housing/team.yaml": HOUSING.replace(b"{groups: [/housing/leads]}", b"{users: [leo]}")})
        await platform.watcher.refresh()
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})

    async def advised(who: str) -> list[Problem]:
        view = await platform.proposals.view(stored, platform.people.actor(who))
        return [problem for problem in view.check.problems if problem.code == CODE]

    (problem,) = await advised("ana")
    assert "Nobody whom this hub knows can approve it for the leads of Housing" in problem.message
    assert problem.message.endswith(": whoever may has not signed in to the hub yet.")
    assert problem.remedy.startswith("Ask one of them to sign in once.")
    # The list of people is up to a minute old.
    platform.people.groups["leo"] = groups
    assert await advised("leo") == []
    await platform.approved(stored, "leo")


async def test_where_the_team_names_nobody_else_that_is_not_said(platform: Platform) -> None:
    own = HOUSING.replace(b"{groups: [/housing/leads]}", b"{users: [lena]}")
    platform.push({"teams/housing/team.yaml": own})
    await platform.watcher.refresh()
    platform.people.admins.clear()
    for who, helps in (("lena", "Only you could"), ("ana", "")):
        remedies = await told(platform, who, {NOTEBOOK_PATH: LARGER + b"#\n"})
        assert [helps in remedy for remedy in remedies] == ([True] if helps else [])
