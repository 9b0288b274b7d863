"""A team whose file says `merge: when-approved` has its proposals merged by the service, and nothing else is."""

import pytest
from support.conditions import eventually
from support.fakes.platform import (
    DATA,
    HOUSING,
    NOTEBOOK,
    NOTEBOOK_PATH,
    POLICY,
    PRICES,
    PRICES_PATH,
    TRANSPORT,
    Platform,
    code_of,
)
from support.fakes.web_service import WebService

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.merging import ApprovedMerges
from allotment_profiles.git.repository import PROPOSE, RefUpdate

ITSELF = b"merge: when-approved\n"
HOUSING_PATH, DATA_PATH = "teams/housing/team.yaml", "teams/open-data/team.yaml"
TRANSPORT_PATH, RAIL_PATH = "teams/transport/team.yaml", "teams/transport/profiles/rail.yaml"
LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
MANY = {f"teams/housing/profiles/p{number:02}.yaml": NOTEBOOK for number in range(11)}
ASKING = {
    NOTEBOOK_PATH: NOTEBOOK + b"data_roles: [prices]\n",
    PRICES_PATH: PRICES.replace(b"  housing: {until: 2999-12-31}", b"  housing: {until: 3000-12-31}"),
}
pytestmark = pytest.mark.platform({HOUSING_PATH: HOUSING + ITSELF})


async def push(platform: Platform, files: dict[str, bytes | None]) -> None:
    platform.push(files)
    await platform.watcher.refresh()


async def approved(platform: Platform, stored: StoredProposal, by: str = "lena") -> StoredProposal:
    return await platform.reviews.approve(platform.people.actor(by), stored.id, stored.head)


async def recorded(platform: Platform, stored: StoredProposal, by: str = "lena") -> StoredProposal:
    """Record an approval as a service does that is killed right after it."""
    judgement = await platform.proposals.judgement(
        stored, await platform.proposals.main(), platform.people.actor(by).user
    )
    return platform.forge.record(stored, "approved", by=by, candidate=judgement.candidate, digest=judgement.digest)


async def test_the_last_approval_merges_in_the_name_of_whoever_gave_it(platform: Platform, service: WebService) -> None:
    await push(platform, {DATA_PATH: DATA + ITSELF})
    stored = await platform.proposed(ASKING)
    answer = (await service.program("lena").get(f"api/v1/proposals/{stored.id}")).json()
    assert (answer["state"], answer["merges_when_approved"]) == ("open", True)
    assert "merged by itself" in (await service.browser("lena").get(f"proposals/{stored.id}")).text
    first = await approved(platform, stored, "dora")
    assert first.open
    shown = (await platform.proposals.view(first, platform.people.actor("lena"))).case
    body = {"head": stored.head, "digest": shown.judgement.sealed}
    done = await service.program("lena").post(f"api/v1/proposals/{stored.id}/approvals", json=body)
    assert (done.status_code, done.json()["state"]) == (201, "live")
    ended = await platform.proposals.stored(stored.id)
    assert ended.ending
    approval = ended.records[-2]
    assert (approval.kind, approval.by) == ("approved", "lena")
    assert (ended.ending.kind, ended.ending.by, ended.ending.digest) == ("merged", "lena", approval.digest)
    assert platform.main_file(NOTEBOOK_PATH) == ASKING[NOTEBOOK_PATH]
    merge = platform.forge.commit(ended.ending.merge)
    assert merge
    assert merge.trailers()["Merged-by"] == ["lena"]
    assert merge.trailers()["Approved-by"] == ["dora", "lena"]


@pytest.mark.parametrize(
    ("main", "files", "by"),
    [
        ({HOUSING_PATH: HOUSING}, {NOTEBOOK_PATH: LARGER}, "lena"),
        ({HOUSING_PATH: HOUSING + ITSELF + b"merge: [\n"}, {NOTEBOOK_PATH: LARGER}, "lena"),
        ({}, {NOTEBOOK_PATH: LARGER, RAIL_PATH: NOTEBOOK}, "lena"),
        ({}, {PRICES_PATH: PRICES.replace(b"2999-12-31", b"3000-12-31")}, "dora"),
        ({}, {"policy.yaml": POLICY.replace(b"0.02", b"0.03")}, "adam"),
        ({}, {TRANSPORT_PATH: TRANSPORT + ITSELF}, "adam"),
        ({"policy.yaml": POLICY + b"fresh_sign_in: 15 min\n"}, {NOTEBOOK_PATH: ASKING[NOTEBOOK_PATH]}, "lena"),
        (MANY, dict.fromkeys(MANY), "lena"),
    ],
    ids=["by hand", "not valid now", "another team", "data", "policy", "only proposed", "new sign-in", "removals"],
)  # fmt: skip
async def test_everything_else_waits_for_somebody_to_merge_it(
    platform: Platform, main: dict[str, bytes | None], files: dict[str, bytes | None], by: str
) -> None:
    await push(platform, main)
    platform.people.groups["leo"].append("/transport/leads")
    platform.people.sign_ins = {("lena", "x"): 10}
    stored = await platform.proposed(files)
    actor = platform.people.actor(by, sign_in="x")
    assert not (await platform.proposals.view(stored, actor)).case.merges_when_approved
    stored = await platform.reviews.approve(actor, stored.id, stored.head)
    if RAIL_PATH in files:
        assert stored.open
        stored = await approved(platform, stored, "leo")
    assert stored.open
    view = await platform.proposals.view(stored, actor)
    assert (view.case.state, view.waits_for) == ("approved", "somebody to merge it")
    assert (await platform.reviews.merge_when_approved(stored)).open


async def test_a_proposal_that_needs_nobody_waits_for_its_proposer(platform: Platform) -> None:
    await push(platform, {"policy.yaml": POLICY + b"automatic: {enabled: true, changes: [text]}\n"})
    await push(platform, {NOTEBOOK_PATH: NOTEBOOK + b"maintainers: {users: [ana]}\n"})
    own = (NOTEBOOK + b"maintainers: {users: [ana]}\n").replace(b"Counting", b"Adding")
    session = platform.people.actor("ana", session=True)
    stored = (await platform.submissions.propose(session, {NOTEBOOK_PATH: own}, "From a session")).proposal
    assert (await platform.reviews.merge_when_approved(stored)).open


async def test_what_was_approved_before_the_service_was_killed_is_merged_after_its_start(platform: Platform) -> None:
    stored = await recorded(platform, await platform.proposed({NOTEBOOK_PATH: LARGER}))
    view = await platform.proposals.view(stored, platform.people.actor("lena"))
    assert view.waits_for == "the service to merge it"
    merges = ApprovedMerges(platform.proposals, platform.reviews)
    merges.start()
    try:
        await eventually(lambda: platform.main_file(NOTEBOOK_PATH) == LARGER, "it is merged")
    finally:
        await merges.stop()
    ending = (await platform.proposals.stored(stored.id)).ending
    assert ending
    assert ending.by == "lena"


async def test_it_is_merged_when_what_kept_it_goes_away(platform: Platform) -> None:
    await push(platform, {HOUSING_PATH: HOUSING})
    stored = await approved(platform, await platform.proposed({NOTEBOOK_PATH: LARGER}))
    assert stored.open
    merges = ApprovedMerges(platform.proposals, platform.reviews)
    await merges.look()
    assert platform.main_file(NOTEBOOK_PATH) == NOTEBOOK
    await push(platform, {HOUSING_PATH: HOUSING + ITSELF})
    platform.people.identities["lena"] = {"answer": "no-answer"}
    await merges.look()
    assert platform.main_file(NOTEBOOK_PATH) == NOTEBOOK
    del platform.people.identities["lena"]
    await merges.look()
    assert platform.main_file(NOTEBOOK_PATH) == LARGER


async def test_an_approval_that_does_not_count_any_more_merges_nothing(platform: Platform) -> None:
    stored = await recorded(platform, await platform.proposed({NOTEBOOK_PATH: LARGER}))
    platform.people.groups["lena"] = []
    assert (await platform.reviews.merge_when_approved(stored)).open
    platform.people.groups["lena"] = ["/housing/leads"]
    platform.people.identities["lena"] = {"answer": "refused"}
    assert (await platform.reviews.merge_when_approved(stored)).open
    del platform.people.identities["lena"]
    # Somebody pushed to the branch, and nobody has approved that.
    branch, pushed = PROPOSE + stored.id, platform.forge.main()
    platform.repository.update_references([RefUpdate(branch, pushed, stored.head)])
    assert (await platform.reviews.merge_when_approved(stored)).open
    platform.repository.update_references([RefUpdate(branch, stored.head, pushed)])
    assert platform.main_file(NOTEBOOK_PATH) == NOTEBOOK
    assert (await platform.reviews.merge_when_approved(stored)).merged
    assert platform.main_file(NOTEBOOK_PATH) == LARGER


async def test_what_main_says_counts_and_not_what_the_service_has_loaded(platform: Platform) -> None:
    stored = await recorded(platform, await platform.proposed({NOTEBOOK_PATH: LARGER}))
    platform.push({HOUSING_PATH: HOUSING})
    assert (await platform.reviews.merge_when_approved(stored)).open
    assert platform.main_file(NOTEBOOK_PATH) == NOTEBOOK


async def test_a_session_approves_nothing_and_so_merges_nothing(platform: Platform) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    session = platform.people.actor("lena", session=True)
    assert await code_of(platform.reviews.approve(session, stored.id, stored.head)) == "scope-missing"
    assert platform.main_file(NOTEBOOK_PATH) == NOTEBOOK


async def test_of_two_services_that_merge_at_once_one_does(platform: Platform) -> None:
    stored = await recorded(platform, await platform.proposed({NOTEBOOK_PATH: LARGER}))
    main = platform.forge.main()
    first = await platform.reviews.merge_when_approved(stored)
    second = await platform.reviews.merge_when_approved(stored)
    assert first.merged
    assert second == first
    assert platform.repository.first_parents(platform.forge.main(), until=main) == [first.ending and first.ending.merge]
