"""Proposals from the first word to the merge: who may do what, and what counts when others are faster."""

import asyncio
from pathlib import Path

import pytest
from support.fakes.platform import HOUSING, NOTEBOOK, NOTEBOOK_PATH, POLICY, PRICES, PRICES_PATH, Platform, code_of

from allotment_hub.errors import ServiceError, UnavailableError
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_profiles.git.repository import PROPOSE, RECORDS, RefMovedError
from allotment_profiles.records.record import RecordKind

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
OTHER_PATH = "teams/housing/profiles/other.yaml"


async def proposed(
    platform: Platform, by: str = "ana", content: bytes | None = LARGER, **more: bytes
) -> StoredProposal:
    files: dict[str, bytes | None] = {NOTEBOOK_PATH: content, **more}
    done = await platform.submissions.propose(platform.people.actor(by), files, "The tables have grown")
    return done.proposal


async def test_a_proposal_is_approved_and_merged_and_the_history_says_who_and_why(platform: Platform) -> None:
    stored = await proposed(platform)
    await platform.approved(stored)
    merged = await platform.reviews.merge(platform.people.actor("leo"), stored.id, stored.head)
    assert platform.main_file(NOTEBOOK_PATH) == LARGER
    assert not merged.open
    assert merged.branch is None
    landing = platform.landing(NOTEBOOK_PATH)
    assert landing.reviewed
    assert (landing.proposed_by, landing.approved_by, landing.reason) == ("ana", ("lena",), "The tables have grown")
    assert platform.watcher.catalog.revision == platform.forge.main()
    view = await platform.proposals.view(merged, platform.people.actor("ben"))
    assert view.case.state == "live"
    (change,) = view.check.changes
    assert (change.path, change.field, change.category) == (NOTEBOOK_PATH, "resources.memory.limit", "larger-inside")


def damage(database: Path) -> None:
    """Make it what no database can be read from."""
    database.write_bytes(b"no database" * 1000)


async def test_what_was_observed_is_shown_and_only_that_is_missing_while_its_table_is_away(
    platform: Platform, tmp_path: Path
) -> None:
    stored = await proposed(platform)
    await platform.approved(stored)
    merged = await platform.reviews.merge(platform.people.actor("leo"), stored.id, stored.head)
    for there, known in ((True, ["by ben"]), (False, [])):
        if there:
            platform.events.append("start", user="ben", profile="housing/notebook")
        else:
            damage(tmp_path / "events.sqlite")
        view = await platform.proposals.view(merged, platform.people.actor("ben"))
        assert view.case.state == "live"
        assert [step.text for step in view.steps if step.name == "first start" and step.text] == known


async def test_what_was_proposed_survives_its_end(platform: Platform) -> None:
    stored = await proposed(platform)
    await platform.reviews.reject(platform.people.actor("lena"), stored.id, "Too large")
    assert PROPOSE + stored.id not in platform.repository.references(PROPOSE)
    kept = await platform.proposals.stored(stored.id)
    view = await platform.proposals.view(kept, platform.people.actor("ana"))
    assert view.case.state == "rejected"
    assert view.files == {NOTEBOOK_PATH: LARGER}
    assert platform.repository.is_ancestor(stored.head, platform.repository.references(RECORDS)[RECORDS])


@pytest.mark.parametrize(
    ("who", "session", "code"),
    [
        ("ana", False, "own-proposal"),
        ("ben", False, "not-a-reviewer"),
        ("adam", False, "not-a-reviewer"),
        ("dora", False, "not-a-reviewer"),
        ("lena", True, "scope-missing"),
    ],
)
async def test_an_approval_is_refused_to_whom_it_does_not_belong(
    platform: Platform, who: str, session: bool, code: str
) -> None:
    stored = await proposed(platform)
    reader = platform.people.actor(who, session=session)
    assert await code_of(platform.reviews.approve(reader, stored.id, stored.head)) == code
    if who == "adam":  # an administrator ends what should not be, but approves nothing in a lead's place
        return
    assert await code_of(platform.reviews.reject(reader, stored.id, "no")) == code


async def test_a_merge_waits_for_every_approval_and_for_the_right_people(platform: Platform) -> None:
    stored = await proposed(platform)
    for who, code in (("lena", "approvals-missing"), ("ben", "not-a-reviewer"), ("ana", "own-proposal")):
        assert await code_of(platform.reviews.merge(platform.people.actor(who), stored.id, stored.head)) == code
    await platform.approved(stored)
    for who, code in (("ben", "not-a-reviewer"), ("ana", "own-proposal")):
        assert await code_of(platform.reviews.merge(platform.people.actor(who), stored.id, stored.head)) == code
    assert platform.main_file(NOTEBOOK_PATH) == NOTEBOOK


async def test_the_session_of_a_lead_merges_nothing_even_when_all_have_approved(platform: Platform) -> None:
    stored = await proposed(platform)
    await platform.approved(stored)
    session = platform.people.actor("lena", session=True)
    assert await code_of(platform.reviews.merge(session, stored.id, stored.head)) == "scope-missing"


async def test_an_approval_counts_only_for_the_head_that_was_looked_at(platform: Platform) -> None:
    first = await proposed(platform)
    await platform.approved(first)
    second = await proposed(platform, content=NOTEBOOK.replace(b"4 GiB", b"16 GiB"))
    assert second.id == first.id
    assert second.head != first.head
    lena = platform.people.actor("lena")
    assert await code_of(platform.reviews.merge(lena, first.id, first.head)) == "approvals-missing"
    assert await code_of(platform.reviews.approve(lena, first.id, first.head)) == "head-moved"
    await platform.approved(second)
    assert await code_of(platform.reviews.merge(lena, first.id, first.head)) == "head-moved"
    await platform.reviews.merge(lena, second.id, second.head)


async def test_an_approval_of_an_old_head_does_not_count_for_a_new_one_with_the_same_files(platform: Platform) -> None:
    first = await proposed(platform)
    await platform.approved(first)
    ana = platform.people.actor("ana")
    second = (
        await platform.submissions.propose(ana, {NOTEBOOK_PATH: LARGER}, "For another reason", update=first.id)
    ).proposal
    assert second.head != first.head
    assert await platform.approvers(second) == []
    lena = platform.people.actor("lena")
    assert await code_of(platform.reviews.merge(lena, second.id, second.head)) == "approvals-missing"


async def test_an_approver_who_is_no_lead_any_more_does_not_count(platform: Platform) -> None:
    stored = await proposed(platform)
    await platform.approved(stored)
    platform.people.groups["lena"] = ["/housing"]
    leo = platform.people.actor("leo")
    assert await code_of(platform.reviews.merge(leo, stored.id, stored.head)) == "approvals-missing"


async def test_nothing_is_decided_while_the_hub_does_not_say_who_people_are(platform: Platform) -> None:
    stored = await proposed(platform)
    platform.people.away = True
    with pytest.raises(UnavailableError):
        await platform.reviews.approve(platform.people.actor("lena"), stored.id, stored.head)
    platform.people.away = False
    assert await platform.approvers(stored) == []


async def test_new_data_needs_its_owner_and_a_wider_envelope_an_administrator(platform: Platform) -> None:
    team = HOUSING.replace(b"16 GiB", b"32 GiB")
    with_data = NOTEBOOK.replace(b"4 GiB", b"32 GiB") + b"data_roles: [prices]\n"
    longer = PRICES.replace(b"2999-12-31", b"2999-11-30")
    stored = await proposed(platform, content=with_data, **{"teams/housing/team.yaml": team, PRICES_PATH: longer})
    view = await platform.proposals.view(stored, platform.people.actor("ana"))
    assert [requirement.key for requirement in view.case.unmet] == [
        "lead:housing", "owner:open-data", "administrator",
    ]  # fmt: skip
    assert [change.data_role for change in view.check.access if change.gains] == ["prices"]
    for who in ("lena", "dora"):
        await platform.approved(stored, who)
        refusal = platform.reviews.merge(platform.people.actor(who), stored.id, stored.head)
        assert await code_of(refusal) == "approvals-missing"
    await platform.approved(stored, "adam")
    await platform.reviews.merge(platform.people.actor("adam"), stored.id, stored.head)
    assert platform.main_file(PRICES_PATH) == longer


async def test_a_proposal_cannot_appoint_its_own_reviewer(platform: Platform) -> None:
    mine = HOUSING.replace(b"groups: [/housing/leads]", b"users: [ben]")
    stored = await proposed(platform, **{"teams/housing/team.yaml": mine})
    ben = platform.people.actor("ben")
    assert await code_of(platform.reviews.approve(ben, stored.id, stored.head)) == "not-a-reviewer"


async def test_an_administrator_stands_in_where_the_lead_has_proposed(platform: Platform) -> None:
    stored = await proposed(platform, by="lena")
    await platform.approved(stored, "adam")
    await platform.reviews.merge(platform.people.actor("adam"), stored.id, stored.head)
    assert platform.main_file(NOTEBOOK_PATH) == LARGER


@pytest.mark.parametrize("services", [1, 2])
async def test_of_two_merges_at_once_one_wins_and_the_other_is_told(
    platform: Platform, tmp_path: Path, services: int
) -> None:
    stored = await proposed(platform)
    await platform.approved(stored)
    main = platform.forge.main()
    other = platform.beside(tmp_path) if services == 2 else platform
    await other.watcher.refresh()
    done = await asyncio.gather(
        platform.reviews.merge(platform.people.actor("lena"), stored.id, stored.head),
        other.reviews.merge(platform.people.actor("leo"), stored.id, stored.head),
        return_exceptions=True,
    )
    (refused,) = (each.refusal.code for each in done if isinstance(each, ServiceError))
    assert refused == "proposal-ended" or (refused == "moved" and services == 2)
    records = (await platform.proposals.stored(stored.id)).records
    assert [record.kind for record in records] == ["proposed", "approved", "merged"]
    (merge,) = platform.repository.commits([platform.forge.main()])
    assert merge.parents[0] == main
    if other is not platform:
        await other.close()


@pytest.mark.parametrize("kind", ["approved", "commented", "rejected"])
async def test_a_service_that_saw_a_proposal_as_it_was_does_not_move_it(
    platform: Platform, tmp_path: Path, kind: RecordKind
) -> None:
    stored = await proposed(platform)
    other = platform.beside(tmp_path)
    platform.forge.record(stored, "approved", by="lena")
    with pytest.raises(RefMovedError):
        other.forge.record(stored, kind, by="leo")
    assert [record.by for record in (await other.proposals.stored(stored.id)).records] == ["ana", "lena"]
    await other.close()


async def test_a_base_that_moved_elsewhere_is_merged_and_one_that_conflicts_is_refused(platform: Platform) -> None:
    stored = await proposed(platform)
    await platform.approved(stored)
    platform.push({OTHER_PATH: NOTEBOOK})
    fine = await platform.proposals.view(stored, platform.people.actor("lena"))
    assert fine.check is not None
    assert {change.path for change in fine.check.changes} == {NOTEBOOK_PATH}
    platform.push({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"6 GiB")})
    stored = await platform.proposals.stored(stored.id)
    view = await platform.proposals.view(stored, platform.people.actor("lena"))
    assert view.case.state == "conflict"
    assert view.case.judgement.conflicts == (NOTEBOOK_PATH,)
    lena = platform.people.actor("lena")
    assert await code_of(platform.reviews.merge(lena, stored.id, stored.head)) == "conflict"
    again = await proposed(platform)
    assert again.id == stored.id
    await platform.approved(again)
    await platform.reviews.merge(lena, again.id, again.head)
    assert platform.main_file(NOTEBOOK_PATH) == LARGER
    assert platform.main_file(OTHER_PATH) == NOTEBOOK


async def test_what_is_needed_is_computed_again_on_the_merged_tree(platform: Platform) -> None:
    stored = await proposed(platform, content=NOTEBOOK.replace(b"4 GiB", b"16 GiB"))
    await platform.approved(stored)
    platform.push({"teams/housing/team.yaml": HOUSING.replace(b"16 GiB", b"8 GiB")})
    stored = await platform.proposals.stored(stored.id)
    lena = platform.people.actor("lena")
    assert await code_of(platform.reviews.merge(lena, stored.id, stored.head)) == "problems"
    assert platform.main_file(NOTEBOOK_PATH) == NOTEBOOK


async def test_while_the_policy_does_not_read_nothing_merges_but_its_correction(platform: Platform) -> None:
    stored = await proposed(platform)
    await platform.approved(stored)
    platform.push({"policy.yaml": b"format: [\n"})
    lena = platform.people.actor("lena")
    assert await code_of(platform.reviews.merge(lena, stored.id, stored.head)) == "problems"
    done = await platform.submissions.propose(platform.people.actor("adam"), {"policy.yaml": POLICY + b"# x\n"}, "mend")
    await platform.approved(done.proposal, "anne")
    await platform.reviews.merge(platform.people.actor("anne"), done.proposal.id, done.proposal.head)
    await platform.reviews.merge(lena, stored.id, stored.head)


async def test_a_comment_leaves_approvals_as_they_are(platform: Platform) -> None:
    stored = await proposed(platform)
    await platform.approved(stored)
    await platform.submissions.comment(platform.people.actor("ben"), stored.id, "<b>{7*7}</b> ' OR 1=1")
    stored = await platform.proposals.stored(stored.id)
    assert stored.records[-1].text == "<b>{7*7}</b> ' OR 1=1"
    assert await platform.approvers(stored) == ["lena"]


async def test_an_unknown_proposal_is_said_to_be_unknown(platform: Platform) -> None:
    for name in ("nothing", "--output=x", "../../heads/main", "a" * 500, "é"):
        assert await code_of(platform.proposals.stored(name)) == "proposal-unknown"
