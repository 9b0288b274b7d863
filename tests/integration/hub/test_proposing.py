"""What may be proposed beside what others have proposed, who is asked, and where a conversation ends."""

import asyncio
from typing import Any

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, PRICES, PRICES_PATH, Platform, code_of, refusal_of

from allotment_hub.errors import ServiceError
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


async def test_two_people_cannot_propose_for_one_profile_at_once(platform: Platform) -> None:
    done = await asyncio.gather(
        platform.proposing.propose(platform.people.reader("ana"), {OTHER_PATH: LARGER}, "one"),
        platform.proposing.propose(platform.people.reader("ben"), {OTHER_PATH: NOTEBOOK}, "two"),
        return_exceptions=True,
    )
    refused = [each for each in done if isinstance(each, ServiceError)]
    assert [each.refusal.code for each in refused] == ["proposal-exists"]
    assert refused[0].link.startswith("proposals/")
    assert len(await platform.proposals.all()) == 1


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"4 GB")}, "memory-unit"),
        ({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"17 GiB")}, "memory-envelope"),
        ({NOTEBOOK_PATH: NOTEBOOK + b"data_roles: [nothing]\n"}, "data-role-unknown"),
        ({"teams/transport/profiles/x.yaml": NOTEBOOK + b"data_roles: [prices]\n"}, "grant-missing"),
        ({NOTEBOOK_PATH: NOTEBOOK}, "no-change"),
        ({"../../etc/passwd": b"x"}, "path"),
        ({"teams/housing/profiles/gone.yaml": None}, "file-missing"),
        ({"README.md": b"x"}, "path"),
        ({"teams/housing/team.yaml": None}, "team-unknown"),
    ],
)
async def test_a_change_with_problems_is_not_proposed_and_says_which(
    platform: Platform, files: dict[str, bytes | None], code: str
) -> None:
    refused = await refusal_of(platform.proposed(files))
    assert code in {problem.code for problem in refused.problems}
    assert await platform.proposals.all() == []


@pytest.mark.parametrize("reason", ["", "   ", "x" * 2001, "a\u202eb", "a\x00b"])
async def test_a_proposal_says_why_in_plain_text(platform: Platform, reason: str) -> None:
    doing = platform.proposing.propose(platform.people.reader("ana"), {NOTEBOOK_PATH: LARGER}, reason)
    assert (await code_of(doing)).startswith("reason")


async def test_only_the_proposer_withdraws_and_nothing_comes_after_the_end(platform: Platform) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    lena, ana = platform.people.reader("lena"), platform.people.reader("ana")
    assert await code_of(platform.proposing.withdraw(lena, stored.id)) == "not-the-proposer"
    await platform.proposing.withdraw(ana, stored.id)
    assert await code_of(platform.reviewing.approve(lena, stored.id, stored.head)) == "proposal-ended"
    assert await code_of(platform.proposing.withdraw(ana, stored.id)) == "proposal-ended"
    assert (await platform.proposed({NOTEBOOK_PATH: LARGER})).id != stored.id


async def test_the_files_of_a_proposal_are_read_once_however_many_come_after(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        path = f"teams/housing/profiles/other-{number}.yaml"
        await platform.proposing.propose(platform.people.reader("ana"), {path: NOTEBOOK}, "One more")
    stored = await platform.proposals.all()
    for each in stored:
        await platform.proposals.files(each)
    asked, changes = [], platform.repository.changes

    def noting(base: str, head: str) -> Any:
        asked.append(head)
        return changes(base, head)

    monkeypatch.setattr(platform.repository, "changes", noting)
    done = await platform.proposing.propose(platform.people.reader("ana"), {OTHER_PATH: NOTEBOOK}, "The last one")
    assert done.created
    assert not {each.head for each in stored} & set(asked)
    assert await platform.proposals.files(done.proposal) == {OTHER_PATH: NOTEBOOK}
    assert done.proposal.head in asked
