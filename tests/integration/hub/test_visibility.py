"""Values of variables and bindings are for the people behind a file, those who review it, and administrators."""

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, POLICY, PRICES, PRICES_PATH, Platform, code_of

from allotment_hub.api.serializers import check_answer, proposal_answer, readers_answer

OLD, NEW = "old-bucket", "new-bucket"
WITH_VARIABLE = NOTEBOOK + b"environment: {BUCKET: old-bucket}\n"
pytestmark = pytest.mark.platform({NOTEBOOK_PATH: WITH_VARIABLE}, groups={"tom": ["/transport"]})


async def told(platform: Platform, name: str, proposal: str) -> str:
    stored = await platform.proposals.stored(proposal)
    view = await platform.proposals.view(stored, platform.people.actor(name))
    return proposal_answer(view, "").model_dump_json()


async def test_values_in_a_proposal_are_for_the_team_the_reviewers_and_administrators(platform: Platform) -> None:
    files = {NOTEBOOK_PATH: WITH_VARIABLE.replace(OLD.encode(), NEW.encode())}
    done = await platform.submissions.propose(platform.people.actor("ana"), files, "Moved")
    for name in ("ana", "ben", "lena", "adam"):
        answer = await told(platform, name, done.proposal.id)
        assert OLD in answer, name
        assert NEW in answer, name
    for name in ("tom", "dora"):
        answer = await told(platform, name, done.proposal.id)
        assert OLD not in answer, name
        assert NEW not in answer, name
        assert "variable BUCKET (hidden) → (hidden)" in answer


async def test_a_stranger_learns_nothing_by_proposing_or_checking(platform: Platform) -> None:
    tom = platform.people.actor("tom")
    files = {NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"5 GiB") + b"environment: {BUCKET: guess}\n"}
    assert OLD not in check_answer(await platform.submissions.check(tom, files)).model_dump_json()
    bound = {PRICES_PATH: PRICES.replace(b"sub_path: housing", b"sub_path: other")}
    answer = check_answer(await platform.submissions.check(tom, bound)).model_dump_json()
    assert "sub path (hidden)" in answer.replace("_", " ")
    assert "housing → other" not in answer
    done = await platform.submissions.propose(tom, files, "Guessing")
    answer = await told(platform, "tom", done.proposal.id)
    assert OLD not in answer


async def test_whoever_has_to_approve_sees_what_they_approve(platform: Platform) -> None:
    files: dict[str, bytes | None] = {
        NOTEBOOK_PATH: WITH_VARIABLE + b"data_roles: [prices]\n",
        PRICES_PATH: PRICES.replace(b"2999-12-31", b"2999-12-30"),
    }
    done = await platform.submissions.propose(platform.people.actor("ana"), files, "Prices")
    stored = await platform.proposals.stored(done.proposal.id)
    view = await platform.proposals.view(stored, platform.people.actor("dora"))
    assert set(view.seen) == set(files)
    assert OLD in view.difference


async def test_where_profiles_are_listed_for_their_own_teams_proposals_are_too(platform: Platform) -> None:
    platform.push({"policy.yaml": POLICY + b"listing: own\n"})
    await platform.watcher.refresh()
    files = {NOTEBOOK_PATH: NOTEBOOK}
    done = await platform.submissions.propose(platform.people.actor("ana"), files, "Without the variable")
    for name, expected in (("ana", 1), ("lena", 1), ("adam", 1), ("tom", 0)):
        assert len((await platform.proposals.readable(platform.people.actor(name).user)).proposals) == expected, name
    stored = await platform.proposals.stored(done.proposal.id)
    assert await code_of(platform.proposals.view(stored, platform.people.actor("tom"))) == "proposal-unknown"


async def test_another_data_role_with_the_same_credential_is_named_to_those_who_may_see_it(platform: Platform) -> None:
    second = PRICES.replace(b"owner: open-data", b"owner: housing").replace(
        b"sub_path: housing", b"sub_path: housing/old"
    )
    platform.push({"data-roles/old-prices.yaml": second})
    await platform.watcher.refresh()
    for who, sees in (("dora", ("old-prices",)), ("adam", ("old-prices",)), ("ana", ())):
        assert (await platform.data_roles.row(platform.people.actor(who).user, "prices")).also_through == sees
    row = await platform.data_roles.row(platform.people.actor("ana").user, "old-prices")
    assert row.also_through == ("prices",), "of its own team's data role"
    readers = await platform.data_roles.readers(platform.people.actor("dora").user, "prices")
    assert readers_answer(readers).also_through == ["old-prices"]
