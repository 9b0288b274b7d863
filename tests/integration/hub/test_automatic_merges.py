"""What the policy lets maintainers do without an approval: a person at once, a session when the person says so."""

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, POLICY, Platform, code_of

from allotment_hub.api.serializers import check_answer
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.proposals.overview import overview

AUTOMATIC = POLICY + b"automatic: {enabled: true, changes: [image-version, text]}\n"
MAINTAINED = NOTEBOOK + b"maintainers: {users: [ana]}\n"
NEWER = MAINTAINED.replace(b"notebook:1", b"notebook:2")
pytestmark = pytest.mark.platform({"policy.yaml": AUTOMATIC, NOTEBOOK_PATH: MAINTAINED})
LARGER = NEWER.replace(b"4 GiB", b"8 GiB")


async def proposed(platform: Platform, content: bytes, by: str = "ana", *, session: bool = False) -> StoredProposal:
    reader = platform.people.actor(by, session=session)
    done = await platform.submissions.propose(reader, {NOTEBOOK_PATH: content}, "A new version")
    return await platform.reviews.merge_if_automatic(reader, done.proposal)


async def test_a_new_version_by_a_maintainer_is_live_at_once_and_the_history_says_why(platform: Platform) -> None:
    ana = platform.people.actor("ana")
    check = await platform.submissions.check(ana, {NOTEBOOK_PATH: NEWER})
    answer = check_answer(check)
    assert answer.requirements == []
    assert "ana" in answer.automatic[0]
    stored = await proposed(platform, NEWER)
    assert not stored.open
    assert platform.main_file(NOTEBOOK_PATH) == NEWER
    landing = platform.landing(NOTEBOOK_PATH)
    assert landing.reviewed
    assert landing.approved_by == ("policy (automatic: image-version)",)
    platform.people.groups["ana"] = []
    platform.push({"policy.yaml": POLICY}, "Set up without automation", signed=True)
    view = await platform.proposals.view(stored, platform.people.actor("ben"))
    assert view.case.automatic
    assert view.check.requirements == ()
    assert [step.state for step in view.steps if step.name == "approved"] == ["done"]


async def test_what_a_session_proposes_waits_until_the_person_merges_it(platform: Platform) -> None:
    stored = await proposed(platform, NEWER, session=True)
    assert stored.open
    ana, ben = platform.people.actor("ana"), platform.people.actor("ben")
    view = await platform.proposals.view(stored, ana)
    assert view.case.state == "approved"
    assert "ana" in view.waits_for
    assert view.actions["merge"] is None
    assert [line.id for line in (await overview(platform.proposals, ana)).for_me] == [stored.id]
    for reader, code in ((platform.people.actor("ana", session=True), "scope-missing"), (ben, "not-a-reviewer")):
        assert await code_of(platform.reviews.merge(reader, stored.id, stored.head)) == code
    await platform.reviews.merge(ana, stored.id, stored.head)
    assert platform.main_file(NOTEBOOK_PATH) == NEWER


async def test_whatever_goes_further_waits_for_the_lead_as_ever(platform: Platform) -> None:
    stored = await proposed(platform, LARGER)
    assert stored.open
    view = await platform.proposals.view(stored, platform.people.actor("ana"))
    assert view.case.automatic == ()
    refusal = view.actions["merge"]
    assert refusal
    assert refusal.code == "own-proposal"


async def test_who_does_not_maintain_the_profile_waits_for_the_lead(platform: Platform) -> None:
    assert (await proposed(platform, NEWER, by="ben")).open


async def test_the_switch_turns_all_of_it_off_even_for_what_is_already_proposed(platform: Platform) -> None:
    stored = await proposed(platform, NEWER, session=True)
    platform.push({"policy.yaml": AUTOMATIC.replace(b"true", b"false")}, "Set up the switch", signed=True)
    await platform.watcher.refresh()
    view = await platform.proposals.view(stored, platform.people.actor("ana"))
    assert view.case.automatic == ()
    assert view.case.state == "open"
    assert (await platform.reviews.merge_if_automatic(platform.people.actor("ana"), stored)).open
    assert platform.main_file(NOTEBOOK_PATH) == MAINTAINED
