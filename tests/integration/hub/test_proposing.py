"""What may be proposed beside what others have proposed, who is asked, and where a conversation ends."""

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, PRICES, PRICES_PATH, Platform, refusal_of

from allotment_hub.services.proposals import proposing

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
OTHER_PATH = "teams/housing/profiles/other.yaml"


async def test_an_update_of_ones_own_proposal_does_not_go_round_somebody_elses(platform: Platform) -> None:
    theirs = await platform.proposed({NOTEBOOK_PATH: LARGER}, by="ben")
    own = await platform.proposed({OTHER_PATH: NOTEBOOK})
    for files in ({NOTEBOOK_PATH: LARGER}, {NOTEBOOK_PATH: LARGER, OTHER_PATH: LARGER}):
        refused = await refusal_of(platform.proposed(files, update=own.id))
        assert (refused.refusal.code, refused.link) == ("proposal-exists", f"proposals/{theirs.id}")
    assert (await platform.proposals.stored(own.id)).head == own.head
    assert (await platform.proposed({OTHER_PATH: LARGER}, update=own.id)).id == own.id


async def test_a_file_cannot_take_the_place_of_a_folder(platform: Platform) -> None:
    platform.push({f"{OTHER_PATH}/deeper.yaml": b"x: y\n"})
    refused = await refusal_of(platform.proposed({OTHER_PATH: NOTEBOOK}))
    assert "folder" in {problem.code for problem in refused.problems}
    assert await platform.proposals.all() == []


async def test_where_the_lead_proposes_it_is_said_who_stands_in(platform: Platform) -> None:
    files = {NOTEBOOK_PATH: LARGER}
    for name, stands_in in (("lena", True), ("ana", False)):
        reader = platform.people.reader(name)
        check = await platform.proposing.check(reader, files)
        assert ["administrator" in each.who for each in check.requirements] == [stands_in], name
        stored = await platform.proposed(files, by=name)
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
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    ben = platform.people.reader("ben")
    for text in ("one", "two"):
        await platform.proposing.comment(ben, stored.id, text)
    refused = await refusal_of(platform.proposing.comment(ben, stored.id, "three"))
    assert (refused.refusal.status, refused.refusal.code) == (409, "conversation-full")
    assert len((await platform.proposals.stored(stored.id)).records) == 3
    assert not (await platform.merged(stored)).open
