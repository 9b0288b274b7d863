"""A repository that others write to: damaged branches, locks that were left behind, no main."""

import datetime as dt

import pytest
from support.fakes.platform import HOUSING, NOTEBOOK, NOTEBOOK_PATH, Platform, refusal_of
from support.locks import locked

from allotment_profiles.git.process import GitError, GitUnavailableError
from allotment_profiles.git.repository import MAIN, NO_OBJECT, PROPOSE, RECORDS, REVIEWS, RefMovedError, RefUpdate
from allotment_profiles.records.chain import SERVICE

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
OTHER_PATH = "teams/housing/profiles/other.yaml"


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
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    for name, commit in damaged(platform).items():
        platform.repository.update_references([RefUpdate(REVIEWS + name, commit, NO_OBJECT)])
    ana = platform.people.actor("ana")
    assert [each.id for each in list(platform.forge.newest())] == [stored.id]
    assert [each.id for each in (await platform.proposals.readable(ana.user)).proposals] == [stored.id]
    for name in damaged(platform):
        assert (await refusal_of(platform.proposals.stored(name))).refusal.code == "proposal-unknown"
    other = await platform.proposed({OTHER_PATH: NOTEBOOK}, by="ben")
    assert {each.id for each in list(platform.forge.newest())} == {stored.id, other.id}
    assert not (await platform.merged(stored)).open


@pytest.mark.parametrize("reference", [MAIN, PROPOSE, RECORDS])
async def test_a_lock_of_a_git_that_was_killed_stops_no_merge(platform: Platform, reference: str) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await platform.reviews.approve(platform.people.actor("lena"), stored.id, stored.head)
    (platform.repository.path / f"{reference + (stored.id if reference == PROPOSE else '')}.lock").touch()
    await platform.reviews.merge(platform.people.actor("leo"), stored.id, stored.head)
    assert platform.main_file(NOTEBOOK_PATH) == LARGER


@pytest.mark.parametrize("reference", [MAIN, PROPOSE, RECORDS])
async def test_a_lock_that_a_git_holds_is_no_other_person_and_leaves_nothing_half_done(
    platform: Platform, reference: str
) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await platform.reviews.approve(platform.people.actor("lena"), stored.id, stored.head)
    before = platform.repository.references("refs/heads/")
    name = reference + (stored.id if reference == PROPOSE else "")
    leo = platform.people.actor("leo")
    with locked(platform.repository.path, name), pytest.raises(GitError) as caught:
        await platform.reviews.merge(leo, stored.id, stored.head)
    assert "lock" in str(caught.value)
    assert platform.repository.references("refs/heads/") == before
    assert platform.main_file(NOTEBOOK_PATH) == NOTEBOOK
    again = await platform.proposals.view(await platform.proposals.stored(stored.id), leo)
    assert again.case.state == "approved"
    await platform.reviews.merge(leo, stored.id, stored.head)
    assert platform.main_file(NOTEBOOK_PATH) == LARGER


async def test_a_repository_without_main_is_no_other_person_either(platform: Platform) -> None:
    platform.repository.update_references([RefUpdate(MAIN, NO_OBJECT, platform.forge.main())])
    with pytest.raises(GitError) as caught:
        await platform.proposed({"teams/housing/team.yaml": HOUSING + b"# x\n"})
    assert not isinstance(caught.value, RefMovedError | GitUnavailableError)
