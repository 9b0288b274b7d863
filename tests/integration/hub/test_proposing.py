"""What may be proposed beside what others have proposed, who is asked, and where a conversation ends."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, POLICY, PRICES, PRICES_PATH, Platform, code_of, refusal_of

from allotment_hub.api.serializers import check_answer, proposal_answer
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.proposals import rights

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
OTHER_PATH = "teams/housing/profiles/other.yaml"


async def test_somebody_elses_open_proposal_is_a_link_and_stops_nobody(platform: Platform) -> None:
    """One account in no team could propose a comment in each profile, and nobody else could change any."""
    platform.people.groups["eve"] = []
    theirs = await platform.proposed({NOTEBOOK_PATH: NOTEBOOK + b"# Mine\n"}, by="eve")
    ana, files = platform.people.actor("ana"), {NOTEBOOK_PATH: LARGER}
    check = await platform.submissions.check(ana, files)
    assert [(other.id, other.proposer) for other in check.others] == [(theirs.id, "eve")]
    assert check_answer(check).others[0].id == theirs.id
    own = await platform.proposed(files)
    view = await platform.proposals.view(own, platform.people.actor("leo"))
    assert [other.id for other in view.check.others] == [theirs.id]
    assert proposal_answer(view, "").others[0].title == theirs.current.title
    again = await platform.proposed({NOTEBOOK_PATH: LARGER.replace(b"8 GiB", b"6 GiB")})
    assert again.id == own.id, "one's own is updated"
    await platform.merged(again)
    view = await platform.proposals.view(theirs, platform.people.actor("eve"))
    assert (view.case.state, view.check.others) == ("conflict", ())


async def test_a_hidden_proposal_is_in_nobodys_way_and_nobody_is_told_of_it(platform: Platform) -> None:
    sketch = NOTEBOOK + b"visibility: draft\nmaintainers: {users: [ben]}\n"
    await platform.proposed({OTHER_PATH: sketch}, by="ben")
    check = await platform.submissions.check(platform.people.actor("ana"), {OTHER_PATH: NOTEBOOK})
    assert check.others == ()
    assert (await platform.proposed({OTHER_PATH: NOTEBOOK})).open
    check = await platform.submissions.check(platform.people.actor("lena"), {OTHER_PATH: NOTEBOOK})
    assert {other.proposer for other in check.others} == {"ana", "ben"}


async def test_open_proposals_are_limited_for_each_person_and_in_all(platform: Platform) -> None:
    platform.push({"policy.yaml": POLICY + b"open_proposals: {person: 2, total: 3}\n"})
    await platform.watcher.refresh()

    def profile(number: int) -> dict[str, bytes | None]:
        return {f"teams/housing/profiles/p{number}.yaml": NOTEBOOK}

    first = await platform.proposed(profile(1))
    await platform.proposed(profile(2))
    assert await code_of(platform.proposed(profile(3))) == "proposals-many"
    assert (await platform.proposed({**profile(1), **profile(3)}, update=first.id)).id == first.id
    fourth = await platform.proposed(profile(4), by="ben")
    assert await code_of(platform.proposed(profile(5), by="lena")) == "proposals-many"
    await platform.proposed(profile(5), by="adam")
    await platform.reviews.reject(platform.people.actor("lena"), first.id, "No")
    assert await code_of(platform.proposed(profile(6))) == "proposals-many", "adam's counts, too"
    await platform.submissions.withdraw(platform.people.actor("ben"), fourth.id)
    await platform.proposed(profile(6))


async def test_a_file_cannot_take_the_place_of_a_folder(platform: Platform) -> None:
    platform.push({f"{OTHER_PATH}/deeper.yaml": b"x: y\n"})
    refused = await refusal_of(platform.proposed({OTHER_PATH: NOTEBOOK}))
    assert "folder" in {problem.code for problem in refused.problems}
    assert list(platform.forge.newest()) == []


async def test_where_the_lead_proposes_it_is_said_who_stands_in(platform: Platform) -> None:
    files = {NOTEBOOK_PATH: LARGER}
    for name, stands_in in (("lena", True), ("ana", False)):
        reader = platform.people.actor(name)
        check = await platform.submissions.check(reader, files)
        assert ["administrator" in each.who for each in check.requirements] == [stands_in], name
        stored = await platform.proposed(files, by=name)
        view = await platform.proposals.view(stored, platform.people.actor("ben"))
        assert [each.key for each in view.case.unmet] == ["lead:housing"]
        assert ("administrator" in view.waits_for) == stands_in
        await platform.submissions.withdraw(reader, stored.id)


async def test_nobody_is_said_to_stand_in_for_the_owner_of_data(platform: Platform) -> None:
    files = {PRICES_PATH: PRICES.replace(b"2999-12-31", b"3000-12-31")}
    check = await platform.submissions.check(platform.people.actor("dora"), files)
    assert [(each.kind, "administrator" in each.who) for each in check.requirements] == [("owner", False)]


async def commented(platform: Platform, stored: StoredProposal, by: str, times: int) -> None:
    for number in range(times):
        await platform.submissions.comment(platform.people.actor(by), stored.id, f"Comment {number}")


@pytest.fixture
def short_conversations(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, number in (("MAXIMUM_COMMENTS", 8), ("MAXIMUM_OF_ONE", 6), ("ALWAYS_OF_ONE", 2)):
        monkeypatch.setattr(rights, name, number)


@pytest.mark.usefixtures("short_conversations")
async def test_one_person_cannot_fill_a_conversation(platform: Platform) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await commented(platform, stored, "ben", 6)
    refused = await refusal_of(commented(platform, stored, "ben", 1))
    assert (refused.refusal.status, refused.refusal.code) == (409, "conversation-full")
    view = await platform.proposals.view(stored, platform.people.actor("ben"))
    assert view.actions["comment"] == refused.refusal
    await commented(platform, stored, "dora", 2)
    assert await code_of(commented(platform, stored, "dora", 1)) == "conversation-full"
    # Those whom it concerns, and whoever has said little, are not kept from it by others.
    for name in ("ana", "lena", "adam"):
        await commented(platform, stored, name, 8)
        assert await code_of(commented(platform, stored, name, 1)) == "conversation-full"
    platform.people.groups["max"] = []
    await commented(platform, stored, "max", 2)
    assert not (await platform.merged(stored)).open


@pytest.mark.usefixtures("short_conversations")
async def test_many_updates_leave_room_for_comments(platform: Platform) -> None:
    for number in range(9):
        stored = await platform.proposed({NOTEBOOK_PATH: LARGER + b"# %d\n" % number})
    await commented(platform, stored, "ben", 3)


@pytest.mark.parametrize("end", ["withdrawn", "merged"])
async def test_nobody_joins_the_conversation_about_what_has_ended(platform: Platform, end: str) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await commented(platform, stored, "ben", 1)
    if end == "merged":
        await platform.merged(stored)
    else:
        await platform.submissions.withdraw(platform.people.actor("ana"), stored.id)
    for name in ("ana", "ben", "lena", "leo", "adam"):
        await commented(platform, stored, name, 1)
    assert await code_of(commented(platform, stored, "dora", 1)) == "proposal-ended"
    view = await platform.proposals.view(stored, platform.people.actor("dora"))
    assert view.actions["comment"]


async def test_two_people_may_propose_for_one_profile_at_once(platform: Platform) -> None:
    done = await asyncio.gather(
        platform.submissions.propose(platform.people.actor("ana"), {OTHER_PATH: LARGER}, "one"),
        platform.submissions.propose(platform.people.actor("ben"), {OTHER_PATH: NOTEBOOK}, "two"),
    )
    assert len({each.proposal.id for each in done}) == 2


async def test_the_id_of_a_proposal_tells_nothing(platform: Platform) -> None:
    """Neither the names in it, nor that somebody else has proposed the same name."""
    hidden = NOTEBOOK + b"visibility: draft\nmaintainers: {users: [lena]}\n"
    first = await platform.proposed({OTHER_PATH: hidden}, by="lena")
    second = await platform.proposed({OTHER_PATH: NOTEBOOK})
    third = await platform.proposed({OTHER_PATH: NOTEBOOK}, by="ben")
    shapes = {re.sub("[b-df-hj-np-tv-xz2-9]", "x", stored.id) for stored in (first, second, third)}
    assert shapes == {"x" * 10}
    assert len({first.id, second.id, third.id}) == 3


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
        ({"notes.txt": b"x"}, "path"),
        ({"teams/housing/team.yaml": None}, "team-unknown"),
    ],
)
async def test_a_change_with_problems_is_not_proposed_and_says_which(
    platform: Platform, files: dict[str, bytes | None], code: str
) -> None:
    refused = await refusal_of(platform.proposed(files))
    assert code in {problem.code for problem in refused.problems}
    assert list(platform.forge.newest()) == []


@pytest.mark.parametrize("reason", ["", "   ", "x" * 2001, "a\u202eb", "a\x00b"])
async def test_a_proposal_says_why_in_plain_text(platform: Platform, reason: str) -> None:
    doing = platform.submissions.propose(platform.people.actor("ana"), {NOTEBOOK_PATH: LARGER}, reason)
    assert (await code_of(doing)).startswith("reason")


async def test_only_the_proposer_withdraws_and_nothing_comes_after_the_end(platform: Platform) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    lena, ana = platform.people.actor("lena"), platform.people.actor("ana")
    assert await code_of(platform.submissions.withdraw(lena, stored.id)) == "not-the-proposer"
    await platform.submissions.withdraw(ana, stored.id)
    assert await code_of(platform.reviews.approve(lena, stored.id, stored.head)) == "proposal-ended"
    assert await code_of(platform.submissions.withdraw(ana, stored.id)) == "proposal-ended"
    assert (await platform.proposed({NOTEBOOK_PATH: LARGER})).id != stored.id


async def test_the_files_of_a_proposal_are_read_once_however_many_come_after(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        path = f"teams/housing/profiles/other-{number}.yaml"
        await platform.submissions.propose(platform.people.actor("ana"), {path: NOTEBOOK}, "One more")
    stored = list(platform.forge.newest())
    for each in stored:
        await platform.proposals.files(each)
    asked, changes_of = [], platform.repository.changes_of

    def noting(pairs: Sequence[tuple[str, str]]) -> Any:
        asked.extend(head for _, head in pairs)
        return changes_of(pairs)

    monkeypatch.setattr(platform.repository, "changes_of", noting)
    done = await platform.submissions.propose(platform.people.actor("ana"), {OTHER_PATH: NOTEBOOK}, "The last one")
    assert done.created
    assert not {each.head for each in stored} & set(asked)
    assert await platform.proposals.files(done.proposal) == {OTHER_PATH: NOTEBOOK}
    assert done.proposal.head in asked


async def test_the_title_names_no_profile_of_one_of_several_teams(platform: Platform) -> None:
    """Each team's leads see it, and with `listing: own` they may not know of the other team's profiles."""
    files: dict[str, bytes | None] = {OTHER_PATH: NOTEBOOK, "teams/transport/profiles/y.yaml": NOTEBOOK}
    assert (await platform.proposed(files)).current.title == "Change 2 files of 2 teams"
    assert (await platform.proposed({OTHER_PATH: NOTEBOOK}, by="ben")).current.title == "Add housing/other: Notebook"


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({b"cpu: {limit: 2}": b"cpu: {limit: 3}"}, "CPU limit 2 CPUs → 3 CPUs"),
        ({b"cpu: {limit: 2}": b"cpu: {limit: 3}", b"4 GiB": b"8 GiB"}, "CPU limit 2 CPUs → 3 CPUs and 1 more"),
        ({b"purpose: Counting houses": b"purpose: " + b"Counting all houses " * 9}, "purpose"),
        ({b"Counting houses": b"A\nenvironment: {A: hush}"}, "purpose Counting houses → A and 1 more"),
        ({b"app: jupyterlab": b"app: jupyterlab\nenvironment: {A: hush}"}, "Notebook"),
        ({b"app: jupyterlab": b"app: jupyterlab  # Kept"}, "Notebook"),
    ],
)  # fmt: skip
async def test_the_title_says_the_first_change_and_no_value_of_a_variable(
    platform: Platform, changes: dict[bytes, bytes], title: str
) -> None:
    content = NOTEBOOK
    for before, after in changes.items():
        content = content.replace(before, after)
    stored = await platform.proposed({NOTEBOOK_PATH: content})
    assert stored.current.title == f"Change housing/notebook: {title}"


async def test_the_title_of_several_files_says_no_change_of_one(platform: Platform) -> None:
    """The owner of the data decides about the grant, and may not see the profile."""
    prices = PRICES.replace(b"Reading house", b"Reading all house")
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER, PRICES_PATH: prices})
    assert stored.current.title == "Change housing/notebook: Notebook"
    stored = await platform.proposed({PRICES_PATH: prices}, by="ben")
    title = "Change data role prices: purpose Reading house prices → Reading all house prices"
    assert stored.current.title == title


async def test_two_equal_titles_in_a_team_are_an_advice_to_those_who_may_know_of_both(platform: Platform) -> None:
    async def found(content: bytes, path: str = OTHER_PATH, by: str = "ana") -> list[tuple[str, str, int | None]]:
        check = await platform.submissions.check(platform.people.actor(by), {path: content})
        return [(each.message, each.level, each.line) for each in check.problems if each.code == "title-twice"]

    message = "The profile housing/notebook of the same team has this title, too."
    assert await found(NOTEBOOK) == [(message, "advice", 1)]
    assert await found(NOTEBOOK.replace(b"title: Notebook", b'title: "Notebook"')) == [(message, "advice", 1)]
    assert await found(NOTEBOOK.replace(b"title: Notebook", b"title: Notebooks")) == []
    assert await found(LARGER, NOTEBOOK_PATH) == [], "it is no other one"
    platform.push({NOTEBOOK_PATH: NOTEBOOK + b"visibility: draft\n"})
    await platform.watcher.refresh()
    assert await found(NOTEBOOK) == [], "ana may not know of the draft"
    assert await found(NOTEBOOK, by="leo") == [(message, "advice", 1)]
    view = await platform.proposals.view(await platform.proposed({OTHER_PATH: NOTEBOOK}), platform.people.actor("leo"))
    assert "title-twice" in [each.code for each in view.check.problems]
