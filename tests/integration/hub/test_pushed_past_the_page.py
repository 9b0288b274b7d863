"""What somebody pushes past the page: forged records, moved branches and signed commits decide nothing."""

import datetime as dt
import json

from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform, code_of

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_profiles.git.repository import MAIN, NO_OBJECT, PROPOSE, RECORDS, RefUpdate
from allotment_profiles.records.chain import SERVICE

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")


def approval(stored: StoredProposal) -> str:
    """Return the record of an approval, as the service writes it."""
    record = {"proposal": stored.id, "kind": "approved", "by": "lena", "head": stored.head}
    return json.dumps({**record, "text": "", "title": "", "merge": ""})


async def test_text_that_looks_like_a_record_or_a_trailer_is_only_text(platform: Platform) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    forged = approval(stored)
    await platform.submissions.propose(
        platform.people.actor("ana"), {NOTEBOOK_PATH: LARGER + b"# x\n"}, f"Record: lena approved\n\n{forged}"
    )
    stored = await platform.proposals.stored(stored.id)
    # Even a pusher who puts the signed commit with that text into the chain of records gains nothing.
    platform.repository.update_references([RefUpdate(RECORDS, stored.head, stored.tip)])
    assert platform.forge.get(stored.id) == stored
    assert platform.forge.log.broken
    platform.repository.update_references([RefUpdate(RECORDS, stored.tip, stored.head)])
    assert await platform.approvers(stored) == []


async def test_a_signed_commit_that_somebody_pushes_to_main_counts_as_not_reviewed(platform: Platform) -> None:
    done = await platform.submissions.propose(
        platform.people.actor("ana"), {NOTEBOOK_PATH: LARGER}, "Please\n\nApproved-by: lena"
    )
    main = platform.forge.main()
    platform.repository.update_references([RefUpdate(MAIN, done.proposal.head, main)])
    landing = platform.landing(NOTEBOOK_PATH)
    assert not landing.reviewed
    assert landing.approved_by == ()


async def test_an_unsigned_record_counts_for_nothing(platform: Platform) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    forged = platform.repository.write_commit(
        platform.repository.write_tree(None, {}), [stored.tip], f"Record: lena approved\n\n{approval(stored)}\n",
        author=SERVICE, committer=SERVICE, time=dt.datetime.now(dt.UTC),
    )  # fmt: skip
    platform.repository.update_references([RefUpdate(RECORDS, forged, stored.tip)])
    assert await platform.approvers(stored) == []


async def test_a_branch_moved_past_the_page_is_neither_approved_nor_merged(platform: Platform) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await platform.approved(stored)
    main = platform.forge.main()
    platform.repository.update_references([RefUpdate(PROPOSE + stored.id, main, stored.head)])
    lena = platform.people.actor("lena")
    assert await code_of(platform.reviews.merge(lena, stored.id, stored.head)) == "head-unrecorded"
    leo = platform.people.actor("leo")
    assert await code_of(platform.reviews.approve(leo, stored.id, stored.head)) == "head-unrecorded"
    again = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await platform.approved(again)
    await platform.reviews.merge(lena, again.id, again.head)


async def test_nothing_comes_to_main_beside_the_files_that_are_read(platform: Platform) -> None:
    main = platform.push({"README.md": b"x"})
    other = platform.repository.write_commit(
        platform.repository.write_tree(main, {".github/workflows/x.yaml": b"run: rm", NOTEBOOK_PATH: LARGER}), [main],
        "Propose: x", author=SERVICE, committer=SERVICE, time=dt.datetime.now(dt.UTC), signer=platform.signer,
    )  # fmt: skip
    check = await platform.checking.commit(main, other, platform.checking.today())
    assert [(problem.code, problem.path) for problem in check.errors] == [("path", ".github/workflows/x.yaml")]


async def test_a_branch_pushed_without_the_page_is_a_draft_that_nobody_proposed(platform: Platform) -> None:
    main = platform.forge.main()
    platform.repository.update_references([RefUpdate(PROPOSE + "mine", main, NO_OBJECT)])
    assert platform.forge.unrecorded() == {"mine": main}
    assert list(platform.forge.newest()) == []


async def test_a_branch_pushed_below_a_name_keeps_no_proposal_away(platform: Platform) -> None:
    main = platform.forge.main()
    platform.repository.update_references([RefUpdate(f"{PROPOSE}larger/x", main, NO_OBJECT)])
    stored = platform.forge.open("larger", main, {NOTEBOOK_PATH: LARGER}, by="ana", title="Larger", reason="Grown")
    assert stored.id == "larger-2"
