"""Owners end grants that are used; asking for data never does."""

import datetime as dt

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, PRICES, PRICES_PATH, Platform, code_of

from allotment_hub.errors import ServiceError
from allotment_hub.services.drafts.grants import Ask, ending_grant, with_grant
from allotment_profiles.access import deployments
from allotment_profiles.access.lost_access import lost_access
from allotment_profiles.access.offers import offer

USING = NOTEBOOK + b"data_roles: [prices]\n"
PROFILE = "housing/notebook"


async def used(platform: Platform) -> None:
    """Let the profile use the data."""
    platform.push({NOTEBOOK_PATH: USING})
    await platform.watcher.refresh()


async def test_the_owner_ends_a_grant_that_is_used_and_the_profile_stays_as_it_is(platform: Platform) -> None:
    await used(platform)
    platform.people.groups |= {"dan": ["/data/leads"], "dina": ["/data"]}
    catalog, dina, ana = platform.watcher.catalog, platform.people.actor("dina"), platform.people.actor("ana")
    files = {PRICES_PATH: ending_grant(catalog, "prices", "housing", "")}
    check = await platform.submissions.check(dina, files)
    assert check.errors == []
    assert [problem.code for problem in check.problems] == ["date-past"]
    assert [(change.kind, change.team, change.profiles) for change in check.access] == [
        ("loses", "housing", (PROFILE,))
    ]
    assert [requirement.key for requirement in check.requirements] == ["owner:open-data"]
    stored = await platform.proposed(files, by="dina")
    # The team is told: the page of its profile asks this.
    told = await platform.proposals.others([PRICES_PATH], ana.user)
    assert [other.id for other in told] == [stored.id]
    platform.people.groups["lena"].append("/data")
    assert await code_of(platform.reviews.approve(platform.people.actor("lena"), stored.id, stored.head)) == (
        "not-a-reviewer"
    )
    dan = platform.people.actor("dan")
    await platform.reviews.approve(dan, stored.id, stored.head)
    await platform.reviews.merge(dan, stored.id, stored.head)
    now, catalog = dt.datetime.now(dt.UTC), platform.watcher.catalog
    assert catalog.profiles[PROFILE].source == USING
    assert catalog.profiles[PROFILE].outdated_since is None
    refusal = offer(catalog, ana.user, PROFILE, now, deployments.laptop()).refusal
    assert refusal
    assert refusal.code == "grant-expired"
    assert [lost.data_role for lost in lost_access(catalog, ana.user, PROFILE, ["prices"], now)] == ["prices"]


async def test_who_answers_for_the_data_ends_a_grant_alone(platform: Platform) -> None:
    await used(platform)
    files = {PRICES_PATH: ending_grant(platform.watcher.catalog, "prices", "housing", "")}
    dora = platform.people.actor("dora")
    done = await platform.submissions.propose(dora, files, "It was published by mistake")
    assert done.automatic
    merged = await platform.reviews.merge_if_automatic(dora, done.proposal)
    assert merged.ending
    assert platform.landing(PRICES_PATH).approved_by == ("policy (automatic: grant-shorter)",)
    view = await platform.proposals.view(merged, platform.people.actor("lena"))
    assert view.check.requirements == ()


LONGER = PRICES.replace(b"{until: 2999-12-31}", b"{until: 3000-12-31}")
WIDER = PRICES.replace(b"binding:", b"  transport: {until: 2999-12-31}\nbinding:")
SOONER = PRICES.replace(b"2999-12-31", b"2998-12-31")


@pytest.mark.parametrize(
    ("by", "content", "session"),
    [
        ("dora", LONGER, False),
        ("dora", WIDER.replace(b"2999-12-31}\n  tr", b"2998-12-31}\n  tr"), False),
        ("dora", SOONER.replace(b"public", b"internal"), False),
        ("dora", PRICES.replace(b"  housing: {until: 2999-12-31}\n", b"").replace(b"granted_to:\n", b""), False),
        ("lena", SOONER, False),
        ("adam", SOONER, False),
        ("dora", SOONER, True),
    ],
    ids=[
        "longer",
        "another team as well",
        "another key",
        "out of the file",
        "the other team",
        "administrator",
        "session",
    ],
)
async def test_nothing_else_and_nobody_else_goes_without_an_approval(
    platform: Platform, by: str, content: bytes, session: bool
) -> None:
    actor = platform.people.actor(by, session=session)
    done = await platform.submissions.propose(actor, {PRICES_PATH: content}, "It is needed")
    assert (await platform.reviews.merge_if_automatic(actor, done.proposal)).open
    assert platform.main_file(PRICES_PATH) == PRICES


async def test_a_grant_ends_on_a_day_to_come_and_keeps_its_reason(platform: Platform) -> None:
    reasoned = PRICES.replace(b"2999-12-31}", b"2999-12-31, reason: Counting}")
    platform.push({PRICES_PATH: reasoned})
    await platform.watcher.refresh()
    data = ending_grant(platform.watcher.catalog, "prices", "housing", "2998-01-31")
    assert b"2998-01-31" in data
    assert b"Counting" in data
    check = await platform.submissions.check(platform.people.actor("dora"), {PRICES_PATH: data})
    assert check.errors == []
    assert "date-past" not in {problem.code for problem in check.problems}
    assert [change.kind for change in check.access] in ([], ["shorter"])


async def test_asking_for_data_shortens_nothing(platform: Platform) -> None:
    await used(platform)
    catalog = platform.watcher.catalog
    with pytest.raises(ServiceError) as caught:
        with_grant(catalog, "prices", "housing", Ask("2998-12-31", "Again"))
    assert caught.value.refusal.code == "grant-holds"
    assert "2999-12-31" in caught.value.refusal.why
    assert b"3000-01-01" in with_grant(catalog, "prices", "housing", Ask("3000-01-01", "Again"))


@pytest.mark.parametrize(
    "limit",
    ["open_proposals: {person: 9, total: 2}", "open_proposals: {person: 1}", "daily_limits: {records: 1}"],
    ids=["a full list of others", "own open proposals", "a day's work"],
)
async def test_no_limit_keeps_the_owner_from_ending_a_grant(platform: Platform, limit: str) -> None:
    """It is a decision. Others, or what runs in the owner's session, could fill every limit."""
    policy = (platform.main_file("policy.yaml") or b"") + limit.encode() + b"\n"
    platform.push({"policy.yaml": policy}, "Set up", signed=True)
    await platform.watcher.refresh()
    for name in ("ana", "dora"):
        await platform.proposed({f"teams/housing/profiles/{name}.yaml": NOTEBOOK}, by=name)
    dora = platform.people.actor("dora")
    ended = ending_grant(platform.watcher.catalog, "prices", "housing", "")
    session = platform.people.actor("dora", session=True)
    assert await code_of(platform.submissions.propose(session, {PRICES_PATH: ended}, "It leaked")) in (
        "proposals-many", "daily-limit",
    )  # fmt: skip
    done = await platform.submissions.propose(dora, {PRICES_PATH: ended}, "It leaked", decides=True)
    stored = await platform.reviews.merge_if_automatic(dora, done.proposal)
    assert stored.ending
    assert stored.ending.kind == "merged"
    longer = ending_grant(platform.watcher.catalog, "prices", "housing", "").replace(b"title:", b"# more\ntitle:")
    other = {PRICES_PATH: longer, "teams/housing/profiles/more.yaml": NOTEBOOK}
    assert await code_of(platform.submissions.propose(dora, other, "More")) in ("proposals-many", "daily-limit")
