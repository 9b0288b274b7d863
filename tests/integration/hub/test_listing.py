"""Who sees which profiles, what stands on a profile's and a team's page, and how long lists stay quick."""

import pytest
from support.fakes.platform import (
    HOUSING,
    NOTEBOOK,
    NOTEBOOK_PATH,
    POLICY,
    PRICES,
    PRICES_PATH,
    Platform,
    code_of,
    refusal_of,
)

from allotment_hub.api.serializers import profile_answer, team_answer
from allotment_hub.pages.listings import accepted_problems
from allotment_hub.pages.page import PAGE_SIZE, Pages

DRAFT = "housing/sketch"
DRAFT_PATH = "teams/housing/profiles/sketch.yaml"
FILES = {
    "teams/housing/team.yaml": HOUSING
    + b"deputies: {users: [dan]}\nbudget: {sessions: 5}\nuser_budget: {sessions: 1, memory: 8 GiB}\n",
    NOTEBOOK_PATH: NOTEBOOK + b"storage: {home: 10 GiB, team: read-only}\nonly: [/housing/census]\n",
    DRAFT_PATH: NOTEBOOK + b"visibility: draft\nmaintainers: {users: [ben]}\ndata_roles: [prices]\n",
    "teams/housing/profiles/old.yaml": NOTEBOOK
    + b"visibility: deprecated\nsuccessor: housing/middle\nretired_from: 2026-01-31\n",
    "teams/housing/profiles/middle.yaml": NOTEBOOK + b"visibility: deprecated\nsuccessor: housing/notebook\n",
    PRICES_PATH: PRICES.replace(b"until: 2999-12-31", b"until: 2999-12-31, review_by: 2026-02-01"),
}
pytestmark = pytest.mark.platform(FILES, groups={"dan": [], "tom": ["/transport"]})


@pytest.mark.parametrize(
    ("who", "sees"), [("ana", False), ("tom", False), ("ben", True), ("lena", True), ("dan", True), ("adam", True)]
)
async def test_a_draft_is_seen_by_those_who_work_on_it_and_by_administrators(
    platform: Platform, who: str, sees: bool
) -> None:
    user = platform.people.actor(who).user
    assert (DRAFT in [row.id for row in await platform.profiles.rows(user)]) is sees
    assert (DRAFT in await platform.profiles.search(user, "sketch")) is sees
    assert (DRAFT in [each for each, _ in (await platform.teams.page(user, "housing")).profiles]) is sees
    (grant,) = (await platform.data_roles.row(user, "prices")).grants
    assert (DRAFT in grant.profiles) is sees
    if sees:
        assert (await platform.profiles.row(user, DRAFT)).profile
        return
    hidden = await refusal_of(platform.profiles.row(user, DRAFT))
    nothing = await refusal_of(platform.profiles.row(user, "housing/nothing-here"))
    assert hidden.refusal == nothing.refusal


async def test_a_profile_says_what_takes_its_place_and_whether_it_has_ended(platform: Platform) -> None:
    row = await platform.profiles.row(platform.people.actor("ana").user, "housing/old")
    assert row.successors == ("housing/middle", "housing/notebook")
    assert row.retired
    answer = profile_answer(row, "")
    assert (answer.visibility, answer.retired_from and answer.retired_from.isoformat()) == ("deprecated", "2026-01-31")
    assert answer.refusal
    assert answer.refusal["code"] == "profile-retired"


async def test_the_answer_about_a_profile_has_all_that_the_format_says(platform: Platform) -> None:
    row = await platform.profiles.row(platform.people.actor("ana").user, "housing/notebook")
    answer = profile_answer(row, "").model_dump(mode="json")
    assert answer["home"] == "10 GiB"
    assert answer["team_folder"] == "read-only"
    assert answer["only"] == ["/housing/census"]
    assert answer["cost"]["month"] == pytest.approx(answer["cost"]["hour"] * 730)
    assert answer["held"] == []


async def test_a_team_says_who_is_in_it_who_decides_and_what_it_may_use(platform: Platform) -> None:
    for who, role in (("ana", "a member"), ("lena", "a lead"), ("dan", "a deputy"), ("tom", "")):
        assert (await platform.teams.page(platform.people.actor(who).user, "housing")).role == role
    answer = team_answer(await platform.teams.page(platform.people.actor("tom").user, "housing"))
    said = answer.model_dump(mode="json")
    assert said["deputies"] == {"groups": [], "users": ["dan"]}
    assert said["envelope"]["memory"] == "16 GiB"
    assert said["user_budget"]["sessions"] == 1
    assert said["data_roles"] == [{"name": "prices", "until": "2999-12-31", "review_by": "2026-02-01", "ended": True}]
    assert await code_of(platform.teams.page(platform.people.actor("tom").user, "nobody")) == "team-unknown"


@pytest.mark.parametrize(
    ("until", "review_by", "state"),
    [
        ("2999-12-31", "2026-02-01", "review overdue"),
        ("2026-03-01", "2026-02-01", "ended"),
        ("2026-02-01", "2026-03-01", "ended"),
        ("2999-12-31", "2999-12-31", ""),
    ],
)
async def test_a_grant_says_why_it_gives_no_access(platform: Platform, until: str, review_by: str, state: str) -> None:
    dates = f"until: {until}, review_by: {review_by}"
    platform.push({PRICES_PATH: PRICES.replace(b"until: 2999-12-31", dates.encode())})
    await platform.watcher.refresh()
    user = platform.people.actor("ana").user
    assert [each.state for each in (await platform.data_roles.row(user, "prices")).grants] == [state]
    assert [each[-1] for each in (await platform.teams.page(user, "housing")).grants] == [state]


async def test_an_accepted_problem_says_who_accepted_it_when_and_why(platform: Platform) -> None:
    content = NOTEBOOK.replace(b"{limit: 2}", b"{limit: 12}") + b"accepted: {cpu-envelope: {reason: The census}}\n"
    ana = platform.people.actor("ana")
    stored = (await platform.submissions.propose(ana, {NOTEBOOK_PATH: content}, "Larger")).proposal
    lena, adam = platform.people.actor("lena"), platform.people.actor("adam")
    await platform.reviews.approve(lena, stored.id, stored.head)
    view = await platform.proposals.view(await platform.proposals.stored(stored.id), adam)
    assert [each.key for each in view.case.unmet] == ["administrator"]
    await platform.reviews.approve(adam, stored.id, stored.head)
    await platform.reviews.merge(lena, stored.id, stored.head)
    row = await platform.profiles.row(ana.user, "housing/notebook")
    assert [(each.code, each.reason) for each in profile_answer(row, "").accepted] == [("cpu-envelope", "The census")]
    (accepted,) = accepted_problems(row.profile, await platform.history.of(ana.user, NOTEBOOK_PATH))
    assert accepted.entry
    assert "adam" in accepted.entry.approved_by
    assert accepted.acceptance.reason == "The census"
    assert [problem.level for problem in row.problems] == ["advice"]


async def test_words_find_profiles_and_what_changes_is_found_by_its_new_words(platform: Platform) -> None:
    user = platform.people.actor("lena").user
    assert await platform.profiles.search(user, "HOUSES notebook") == [
        "housing/middle", "housing/notebook", "housing/old", "housing/sketch",
    ]  # fmt: skip
    platform.push({NOTEBOOK_PATH: NOTEBOOK.replace(b"Counting houses", b"Counting sheds")})
    await platform.watcher.refresh()
    assert await platform.profiles.search(user, "sheds") == ["housing/notebook"]
    assert "housing/notebook" not in await platform.profiles.search(user, "houses counting")


@pytest.mark.parametrize(
    ("query", "finds"),
    [
        ("deprecated", {"housing/old", "housing/middle"}),
        ("a10 counting", {"housing/accelerated"}),
        ("prices HOUSING", {"housing/sketch"}),
        ("open data", set()),
        (
            "/housing/leads",
            {"housing/accelerated", "housing/middle", "housing/notebook", "housing/old", "housing/sketch"},
        ),
    ],
)
async def test_the_filter_in_the_browser_finds_what_the_search_finds(
    platform: Platform, query: str, finds: set[str]
) -> None:
    gpu = NOTEBOOK.replace(b"memory: {limit: 4 GiB}", b"memory: {limit: 4 GiB}\n  gpu: 1\n  gpu_kind: a10")
    policy = POLICY.replace(b"ceilings: {", b"gpu_kinds: {a10: {title: A10}}\nceilings: {gpu: 1, ")
    team = HOUSING.replace(b"envelope: {", b"envelope: {gpu: 1, ")
    files = {"policy.yaml": policy, "teams/housing/team.yaml": team, "teams/housing/profiles/accelerated.yaml": gpu}
    platform.push(dict(files), "GPUs", signed=True)
    await platform.watcher.refresh()
    user = platform.people.actor("lena").user
    # As `filterTable` in pages.js does.
    rows = await platform.profiles.rows(user)
    filtered = [row.id for row in rows if all(word in row.words for word in query.lower().split())]
    assert filtered == await platform.profiles.search(user, query)
    assert set(filtered) == finds


def test_a_part_of_a_list_is_the_nearest_that_there_is() -> None:
    total = 2 * PAGE_SIZE + 1
    for asked, number in (("", 1), ("2", 2), ("3", 3), ("99", 3), ("0", 1), ("-1", 1), ("x", 1), ("9" * 5000, 1)):
        assert Pages.of(asked, total).number == number
    last = Pages.of("3", total)
    assert (last.first, last.last, last.count) == (total, total, 3)
    assert Pages.of("1", 0).slice == slice(0, PAGE_SIZE)


async def test_a_proposal_of_a_draft_is_seen_by_those_who_may_know_the_draft(platform: Platform) -> None:
    draft = NOTEBOOK + b"visibility: draft\n"
    path = "teams/housing/profiles/secret.yaml"
    stored = (await platform.submissions.propose(platform.people.actor("ben"), {path: draft}, "A sketch")).proposal
    for who, sees in (("ben", True), ("lena", True), ("dan", True), ("adam", True), ("ana", False), ("tom", False)):
        listed = (await platform.proposals.readable(platform.people.actor(who).user)).proposals
        assert (stored.id in [each.id for each in listed]) is sees, who
    assert await code_of(platform.proposals.view(stored, platform.people.actor("ana"))) == "proposal-unknown"
    granted = PRICES.replace(b"binding:", b"  transport: {until: 2999-12-31}\nbinding:")
    files: dict[str, bytes | None] = {path: draft, PRICES_PATH: granted}
    await platform.submissions.propose(platform.people.actor("ben"), files, "With data")
    listed = (await platform.proposals.readable(platform.people.actor("dora").user)).proposals
    assert stored.id in [each.id for each in listed]


async def test_a_draft_is_not_told_by_comparing_with_it(platform: Platform) -> None:
    files: dict[str, bytes | None] = {DRAFT_PATH: NOTEBOOK}
    for doing in (
        platform.submissions.check(platform.people.actor("ana"), files),
        platform.submissions.propose(platform.people.actor("ana"), files, "Guessed"),
    ):
        assert await code_of(doing) == "name-taken"
    assert (await platform.submissions.check(platform.people.actor("ben"), files)).changes
