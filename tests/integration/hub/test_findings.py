"""What a new user and an attacker found once: each finding stays mended."""

import datetime as dt

import pytest
from support.fakes.platform import HOUSING, NOTEBOOK, NOTEBOOK_PATH, PRICES, PRICES_PATH, Platform

from allotment_hub.api.serializers import profile_details
from allotment_hub.errors import ServiceError
from allotment_hub.forges.plain_git import PROPOSE, REVIEWS, SERVICE
from allotment_hub.forges.records import StoredProposal
from allotment_hub.services.browse.profiles import Profiles
from allotment_hub.services.proposals import proposing
from allotment_hub.services.proposals.checking import Files
from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.git.process import GitError
from allotment_profiles.git.repository import NO_OBJECT, RefUpdate
from allotment_profiles.store.watcher import MAIN

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
OTHER_PATH = "teams/housing/profiles/other.yaml"
PASSED = b"2020-01-31"


@pytest.fixture
def profiles(platform: Platform) -> Profiles:
    capabilities = Capabilities("this laptop", frozenset({"volume"}), {})
    return Profiles(platform.watcher, platform.history, platform.directory, lambda: capabilities)


async def proposed(platform: Platform, files: Files, by: str = "ana", update: str | None = None) -> StoredProposal:
    done = await platform.proposing.propose(platform.people.reader(by), files, "It is needed", update=update)
    return done.proposal


async def refusal_of(doing: object) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await doing  # type: ignore[misc]
    return caught.value


async def merged(platform: Platform, stored: StoredProposal) -> StoredProposal:
    await platform.reviewing.approve(platform.people.reader("lena"), stored.id, stored.head)
    return await platform.reviewing.merge(platform.people.reader("leo"), stored.id, stored.head)


# What is for the people behind a file

WITH_VALUES = (
    NOTEBOOK
    + b"""\
environment: {BUCKET: outer-value}
options:
  size:
    title: Size
    default: normal
    choices:
      normal: {title: Normal}
      large: {title: Large, environment: {BUCKET: inner-value}}
"""
)


async def test_a_stranger_sees_the_names_of_variables_and_no_value_not_even_of_a_choice(
    platform: Platform, profiles: Profiles
) -> None:
    platform.push({NOTEBOOK_PATH: WITH_VALUES})
    await platform.watcher.refresh()
    for name, knows in (("ana", True), ("lena", True), ("adam", True), ("dora", False)):
        row = await profiles.row(platform.people.reader(name).user, "housing/notebook")
        details = profile_details(row, "")
        told = details.model_dump_json()
        assert ("outer-value" in told, "inner-value" in told) == (knows, knows), name
        assert details.settings["environment"].keys() == {"BUCKET"}
        assert details.settings["options"]["size"]["choices"]["large"]["environment"].keys() == {"BUCKET"}


# What may be proposed


async def test_an_update_of_ones_own_proposal_does_not_go_round_somebody_elses(platform: Platform) -> None:
    theirs = await proposed(platform, {NOTEBOOK_PATH: LARGER}, by="ben")
    own = await proposed(platform, {OTHER_PATH: NOTEBOOK})
    for files in ({NOTEBOOK_PATH: LARGER}, {NOTEBOOK_PATH: LARGER, OTHER_PATH: LARGER}):
        refused = await refusal_of(proposed(platform, files, update=own.id))
        assert (refused.refusal.code, refused.link) == ("proposal-exists", f"proposals/{theirs.id}")
    assert (await platform.proposals.stored(own.id)).head == own.head
    assert (await proposed(platform, {OTHER_PATH: LARGER}, update=own.id)).id == own.id


async def test_a_file_cannot_take_the_place_of_a_folder(platform: Platform) -> None:
    platform.push({f"{OTHER_PATH}/deeper.yaml": b"x: y\n"})
    refused = await refusal_of(proposed(platform, {OTHER_PATH: NOTEBOOK}))
    assert "folder" in {problem.code for problem in refused.problems}
    assert await platform.proposals.all() == []


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
    refused = await refusal_of(proposed(platform, {path: data}))
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
        check = await platform.proposing.check(platform.people.reader("ana"), files)
        assert check.errors == []


async def test_a_day_that_passes_after_a_merge_does_not_turn_its_story_around(platform: Platform) -> None:
    head = platform.forge.main()
    stored = platform.forge.open("old", head, {NOTEBOOK_PATH: REVIEWED}, by="ana", title="Old", reason="Long ago")
    done = platform.forge.merge(stored, platform.forge.candidate(stored, head), "Merge", by="lena")
    await platform.watcher.refresh()
    view = await platform.proposals.view(done, platform.people.reader("ana"))
    assert view.check.problems == ()
    assert [step.name for step in view.steps if step.state == "failed"] == []


# What is said


async def test_of_a_removed_profile_it_is_said_who_removed_it_and_where(platform: Platform, profiles: Profiles) -> None:
    stored = await proposed(platform, {NOTEBOOK_PATH: None})
    ana = platform.people.reader("ana")
    waiting = await platform.proposals.view(stored, ana)
    done = await merged(platform, stored)
    view = await platform.proposals.view(done, ana)
    assert view.state == "live"
    assert [step.name for step in view.steps] == ["proposed", "checked", "approved", "merged", "live"]
    assert [step.name for step in waiting.steps] == [step.name for step in view.steps]
    gone = await refusal_of(profiles.row(ana.user, "housing/notebook"))
    assert (gone.refusal.status, gone.refusal.code, gone.link) == (404, "profile-removed", f"proposals/{stored.id}")
    assert "by ana" in gone.refusal.why
    never = await refusal_of(profiles.row(ana.user, "housing/never"))
    assert (never.refusal.code, never.link) == ("profile-unknown", "")


async def test_where_the_lead_proposes_it_is_said_who_stands_in(platform: Platform) -> None:
    files = {NOTEBOOK_PATH: LARGER}
    for name, stands_in in (("lena", True), ("ana", False)):
        reader = platform.people.reader(name)
        check = await platform.proposing.check(reader, files)
        assert ["administrator" in each.who for each in check.requirements] == [stands_in], name
        stored = await proposed(platform, files, by=name)
        view = await platform.proposals.view(stored, platform.people.reader("ben"))
        assert [each.key for each in view.case.unmet] == ["lead:housing"]
        assert ("administrator" in view.waits_for) == stands_in
        await platform.proposing.withdraw(reader, stored.id)


async def test_nobody_is_said_to_stand_in_for_the_owner_of_data(platform: Platform) -> None:
    files = {PRICES_PATH: PRICES.replace(b"2999-12-31", b"2999-12-30")}
    check = await platform.proposing.check(platform.people.reader("dora"), files)
    assert [(each.kind, "administrator" in each.who) for each in check.requirements] == [("owner", False)]


async def test_a_full_conversation_ends_and_decisions_are_still_taken(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposing, "MAXIMUM_RECORDS", 3)
    stored = await proposed(platform, {NOTEBOOK_PATH: LARGER})
    ben = platform.people.reader("ben")
    for text in ("one", "two"):
        await platform.proposing.comment(ben, stored.id, text)
    refused = await refusal_of(platform.proposing.comment(ben, stored.id, "three"))
    assert (refused.refusal.status, refused.refusal.code) == (409, "conversation-full")
    assert len((await platform.proposals.stored(stored.id)).records) == 3
    assert not (await merged(platform, stored)).open


# A repository that others write to


def damaged(platform: Platform) -> dict[str, str]:
    """Give commits at which a branch of reviews has no business to be, by the branch's name."""
    head = platform.repository.resolve(MAIN)
    assert head
    torn = platform.repository.write_commit(
        platform.repository.write_tree(None, {}), ["1" * 40], "Record: ben approved it\n\n{}\n",
        author=SERVICE, committer=SERVICE, time=dt.datetime.now(dt.UTC), signer=platform.signer,
    )  # fmt: skip
    return {"at-main-1": head, "torn-1": torn}


async def test_a_damaged_branch_of_reviews_takes_nothing_from_the_others(platform: Platform) -> None:
    stored = await proposed(platform, {NOTEBOOK_PATH: LARGER})
    for name, commit in damaged(platform).items():
        platform.repository.update_references([RefUpdate(REVIEWS + name, commit, NO_OBJECT)])
    ana = platform.people.reader("ana")
    assert [each.id for each in await platform.proposals.all()] == [stored.id]
    assert [each.id for each in await platform.proposals.readable(ana.user)] == [stored.id]
    for name in damaged(platform):
        assert (await refusal_of(platform.proposals.stored(name))).refusal.code == "proposal-unknown"
    other = await proposed(platform, {OTHER_PATH: NOTEBOOK}, by="ben")
    assert {each.id for each in await platform.proposals.all()} == {stored.id, other.id}
    assert not (await merged(platform, stored)).open


@pytest.mark.parametrize("reference", [MAIN, PROPOSE, REVIEWS])
async def test_a_lock_that_was_left_behind_is_no_other_person_and_leaves_nothing_half_done(
    platform: Platform, reference: str
) -> None:
    stored = await proposed(platform, {NOTEBOOK_PATH: LARGER})
    await platform.reviewing.approve(platform.people.reader("lena"), stored.id, stored.head)
    before = platform.repository.references("refs/heads/")
    name = reference if reference == MAIN else reference + stored.id
    lock = platform.repository.path / f"{name}.lock"
    lock.touch()
    leo = platform.people.reader("leo")
    with pytest.raises(GitError) as caught:
        await platform.reviewing.merge(leo, stored.id, stored.head)
    assert "lock" in str(caught.value)
    assert platform.repository.references("refs/heads/") == before
    assert platform.main_file(NOTEBOOK_PATH) == NOTEBOOK
    lock.unlink()
    again = await platform.proposals.view(await platform.proposals.stored(stored.id), leo)
    assert again.state == "approved"
    await platform.reviewing.merge(leo, stored.id, stored.head)
    assert platform.main_file(NOTEBOOK_PATH) == LARGER


async def test_a_repository_without_main_is_no_other_person_either(platform: Platform) -> None:
    platform.repository.update_references([RefUpdate(MAIN, NO_OBJECT, platform.forge.main())])
    with pytest.raises(GitError) as caught:
        await proposed(platform, {"teams/housing/team.yaml": HOUSING + b"# x\n"})
    assert caught.type is GitError
