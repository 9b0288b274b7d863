"""A merged proposal is undone by another one, key by key; what main has changed since stays."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.fakes.platform import (
    NOTEBOOK,
    NOTEBOOK_PATH,
    PRICES,
    PRICES_PATH,
    Platform,
    code_of,
    refusal_of,
)
from support.fakes.web_service import WebService
from support.properties import examples

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.judging.catching_up import updated
from allotment_hub.services.proposals.proposals import ProposalView
from allotment_profiles.documents.parsing import parse_yaml
from allotment_profiles.documents.writing import write

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
GRANTED = PRICES.replace(b"granted_to:", b"granted_to:\n  transport: {until: 2999-12-31}")
OTHER_PATH = "teams/housing/profiles/other.yaml"


async def merged(platform: Platform, files: dict[str, bytes | None]) -> StoredProposal:
    stored = await platform.merged(await platform.proposed(files))
    await platform.watcher.refresh()
    return stored


async def undo(platform: Platform, stored: StoredProposal, by: str = "ana") -> StoredProposal:
    return (await platform.submissions.revert(platform.people.actor(by), stored.id, "It was too much")).proposal


async def seen(platform: Platform, stored: StoredProposal) -> ProposalView:
    return await platform.proposals.view(stored, platform.people.actor("dora"))


@pytest.mark.parametrize(
    ("files", "title"),
    [
        ({NOTEBOOK_PATH: LARGER}, "Undo: Change housing/notebook: memory limit 4 GiB → 8 GiB"),
        ({OTHER_PATH: NOTEBOOK}, "Undo: Add housing/other: Notebook"),
        ({NOTEBOOK_PATH: None}, "Undo: Remove housing/notebook: Notebook"),
        ({NOTEBOOK_PATH: None, OTHER_PATH: LARGER}, "Undo: "),
    ],
    ids=["changed", "added", "removed", "renamed"],
)
async def test_what_undoes_a_merge_brings_its_files_back(
    platform: Platform, files: dict[str, bytes | None], title: str
) -> None:
    before = {path: platform.main_file(path) for path in files}
    stored = await merged(platform, files)
    undoing = await undo(platform, stored)
    assert undoing.current.title.startswith(title)
    assert (undoing.current.text, undoing.undoes, undoing.proposer) == ("It was too much", stored.id, "ana")
    await platform.merged(undoing)
    assert {path: platform.main_file(path) for path in files} == before


async def test_what_main_has_changed_since_stays(platform: Platform) -> None:
    stored = await merged(platform, {NOTEBOOK_PATH: LARGER})
    later = b"# Kept\n" + LARGER.replace(b"Counting houses", b"Counting all houses")
    platform.push({NOTEBOOK_PATH: later})
    await platform.watcher.refresh()
    undoing = await undo(platform, stored)
    assert {change.field for change in (await seen(platform, undoing)).check.changes} == {"resources.memory.limit"}
    await platform.merged(undoing)
    assert platform.main_file(NOTEBOOK_PATH) == later.replace(b"8 GiB", b"4 GiB")
    # It can be undone in turn; and what main has nothing of any more cannot be undone once more.
    assert await code_of(undo(platform, stored)) == "nothing-to-undo"
    again = await undo(platform, await platform.proposals.stored(undoing.id))
    await platform.merged(again)
    assert platform.main_file(NOTEBOOK_PATH) == later


@pytest.mark.parametrize("kind", ["changed", "removed since", "created"])
async def test_where_keys_collide_nothing_is_proposed_and_the_editor_is_offered(
    platform: Platform, service: WebService, kind: str
) -> None:
    path = OTHER_PATH if kind == "created" else NOTEBOOK_PATH
    stored = await merged(platform, {path: LARGER})
    later = None if kind == "removed since" else LARGER.replace(b"8 GiB", b"6 GiB")
    platform.push({path: later})
    await platform.watcher.refresh()
    refusal = await refusal_of(undo(platform, stored))
    assert (refusal.refusal.code, refusal.link) == ("keys-collide", f"propose?undo={stored.id}")
    assert ("memory limit" in refusal.refusal.why) == (kind == "changed")
    assert [each.id for each in await platform.proposals.open_ones()] == []
    browser = service.browser("ana")
    answer = await browser.press(await browser.get(f"proposals/{stored.id}"), "/revert", reason="Too much")
    assert answer.status_code == 409
    assert f"propose?undo={stored.id}" in answer.text
    editor = await browser.get(f"propose?undo={stored.id}")
    assert editor.status_code == 200
    assert "Main has changed these since" in editor.text
    assert ("main: 6 GiB" in editor.text) == (kind == "changed")
    done = await platform.submissions.propose(
        platform.people.actor("ana"), {path: NOTEBOOK if kind != "created" else None}, "Mine", undoes=stored.id
    )
    assert (done.created, done.proposal.undoes) == (True, stored.id)
    assert not done.proposal.current.title.startswith("Undo")  # anything may have been typed
    assert platform.main_file(path) == later


async def test_a_second_click_finds_the_open_proposal_and_each_page_leads_to_the_other(
    platform: Platform, service: WebService
) -> None:
    stored = await merged(platform, {NOTEBOOK_PATH: LARGER})
    ana, ben = service.browser("ana"), service.browser("ben")
    pages = [await each.get(f"proposals/{stored.id}") for each in (ana, ben)]
    first = await ana.press(pages[0], "/revert", reason="It was too much")
    second = await ben.press(pages[1], "/revert", reason="Me, too")
    assert first.status_code == second.status_code == 303
    assert first.headers["Location"] == second.headers["Location"]
    undoing = first.headers["Location"].rpartition("/")[2]
    assert f"proposals/{stored.id}" in (await ana.get(f"proposals/{undoing}")).text
    assert f"proposals/{undoing}" in (await ana.get(f"proposals/{stored.id}")).text
    program = service.program("ana", session=True)
    answer = await program.post(f"api/v1/proposals/{stored.id}/revert", json={"reason": "Once more"})
    assert (answer.status_code, answer.json()["id"], answer.json()["undoes"]) == (200, undoing, stored.id)
    assert (await program.get(f"api/v1/proposals/{stored.id}")).json()["undone_by"] == [undoing]
    answer = await program.post(f"api/v1/proposals/{undoing}/revert", json={"reason": "Too early"})
    assert (answer.status_code, answer.json()["code"]) == (409, "not-merged")


async def test_only_what_the_service_has_made_is_called_an_undoing(platform: Platform) -> None:
    stored = await merged(platform, {NOTEBOOK_PATH: LARGER})
    undoing, ana = await undo(platform, stored), platform.people.actor("ana")
    platform.push({NOTEBOOK_PATH: LARGER.replace(b"Counting", b"Adding")})
    await platform.watcher.refresh()
    undoing = await platform.submissions.bring_up_to_date(ana, undoing.id)
    assert undoing.current.title == "Undo: Change housing/notebook: memory limit 4 GiB → 8 GiB"
    undoing = await platform.proposed(
        {NOTEBOOK_PATH: LARGER.replace(b"cpu: {limit: 2}", b"cpu: {limit: 4}")}, update=undoing.id
    )
    assert (undoing.current.title, undoing.undoes) == (
        "Change housing/notebook: purpose Adding houses → Counting houses and 1 more",
        "",
    )
    assert (await seen(platform, stored)).undone_by == ()


async def test_an_undoing_that_is_sent_again_with_other_content_undoes_nothing(platform: Platform) -> None:
    stored = await merged(platform, {NOTEBOOK_PATH: LARGER})
    undoing = await undo(platform, stored)
    again = await platform.proposed({NOTEBOOK_PATH: NOTEBOOK}, update=undoing.id)  # exactly what it was
    assert (again.current.title, again.undoes) == (undoing.current.title, stored.id)
    again = await platform.proposed({PRICES_PATH: GRANTED}, update=undoing.id)
    assert not again.current.title.startswith("Undo")
    assert again.undoes == ""
    assert (await seen(platform, stored)).undone_by == ()
    again = await platform.proposed({NOTEBOOK_PATH: NOTEBOOK}, update=undoing.id)  # typed, and nothing else
    assert again.undoes == ""
    other = {NOTEBOOK_PATH: NOTEBOOK, PRICES_PATH: GRANTED}
    done = await platform.submissions.propose(platform.people.actor("ana"), other, "Mine", undoes=stored.id)
    assert done.proposal.undoes == ""
    assert (await seen(platform, stored)).undone_by == ()


async def test_another_proposal_for_the_same_profile_is_left_alone(platform: Platform) -> None:
    stored = await merged(platform, {NOTEBOOK_PATH: LARGER})
    mine = await platform.proposed({NOTEBOOK_PATH: LARGER.replace(b"Counting", b"Adding")})
    undoing = await undo(platform, stored)
    assert undoing.id != mine.id
    changed = await platform.proposed({NOTEBOOK_PATH: LARGER.replace(b"Counting", b"Finding")})
    assert changed.id == mine.id
    assert (await platform.proposals.stored(undoing.id)).head == undoing.head


async def test_undoing_a_grant_ends_access_and_undoing_its_end_needs_the_owner(platform: Platform) -> None:
    dora, lena = platform.people.actor("dora"), platform.people.actor("lena")
    shorter = PRICES.replace(b"2999-12-31", b"2100-01-01")
    ended = (await platform.submissions.propose(dora, {PRICES_PATH: shorter}, "Not for ever")).proposal
    ended = await platform.reviews.merge_if_automatic(dora, ended)
    assert ended.merged
    given = await undo(platform, ended)
    view = await seen(platform, given)
    assert [requirement.key for requirement in view.case.unmet] == ["owner:open-data"]
    assert await code_of(platform.reviews.approve(lena, given.id, given.head)) == "not-a-reviewer"
    await platform.reviews.approve(dora, given.id, given.head)
    given = await platform.reviews.merge(dora, given.id, given.head)
    assert platform.main_file(PRICES_PATH) == PRICES
    done = await platform.submissions.revert(dora, given.id, "They do not need it for so long")
    assert done.automatic
    await platform.reviews.merge_if_automatic(dora, done.proposal)
    assert platform.main_file(PRICES_PATH) == shorter


async def test_whoever_may_not_know_of_a_proposal_does_not_undo_it(platform: Platform) -> None:
    hidden = NOTEBOOK + b"visibility: draft\nmaintainers: {users: [ben]}\n"
    stored = await merged(platform, {OTHER_PATH: hidden})
    nothing = await refusal_of(platform.proposals.visible("no-such-proposal", platform.people.actor("dora").user))
    assert (await refusal_of(undo(platform, stored, by="dora"))).refusal == nothing.refusal
    files: dict[str, bytes | None] = {"teams/transport/profiles/own.yaml": NOTEBOOK}
    given = platform.submissions.propose(platform.people.actor("dora"), files, "Mine", undoes=stored.id)
    assert (await refusal_of(given)).refusal == nothing.refusal


async def test_who_may_not_see_a_file_of_it_is_told_nothing_of_what_main_has_changed_there(
    platform: Platform, service: WebService
) -> None:
    hidden = NOTEBOOK.replace(b"Notebook", b"Planted").replace(b"Counting", b"Planted")
    hidden += b"visibility: draft\nmaintainers: {users: [ben]}\n"
    platform.push({OTHER_PATH: hidden})
    await platform.watcher.refresh()
    longer = PRICES.replace(b"2999-12-31", b"3000-12-31")
    stored = await platform.proposed({OTHER_PATH: hidden.replace(b"4 GiB", b"8 GiB"), PRICES_PATH: longer}, by="ben")
    for who in ("lena", "dora"):
        await platform.reviews.approve(platform.people.actor(who), stored.id, stored.head)
    await platform.reviews.merge(platform.people.actor("dora"), stored.id, stored.head)
    dora = service.browser("dora")
    for later, code in ((b"8 GiB", "file-private"), (b"6 GiB", "keys-collide")):
        platform.push({OTHER_PATH: hidden.replace(b"4 GiB", later)})
        await platform.watcher.refresh()
        answer = await dora.press(await dora.get(f"proposals/{stored.id}"), "/revert", reason="Too long")
        assert (answer.status_code, code in answer.text) == (403 if code == "file-private" else 409, True)
        editor = await dora.get(f"propose?undo={stored.id}")
        assert (editor.status_code, "file-private" in editor.text) == (403, True)
        for text in (answer.text, editor.text):
            assert not any(word in text for word in ("Planted", "memory", "6 GiB", "8 GiB"))
    # Those who may see it undo what still can be.
    assert await code_of(undo(platform, stored, by="ben")) == "keys-collide"


async def test_a_rejected_proposal_is_proposed_again_from_its_page(platform: Platform, service: WebService) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await platform.reviews.reject(platform.people.actor("lena"), stored.id, "Not now")
    ana = service.browser("ana")
    assert f"propose?again={stored.id}" in (await ana.get(f"proposals/{stored.id}")).text
    editor = await ana.get(f"propose?again={stored.id}")
    assert editor.status_code == 200
    assert "8 GiB" in editor.text
    assert f'name="update" value="{stored.id}"' not in editor.text


KEYS = ("title", "description", "purpose", "image", "node_pool")
VALUES = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["One", "Two", "Three"]))


@given(before=VALUES, proposed=VALUES, later=VALUES)
@examples(100)
def test_a_merge_and_what_undoes_it_leave_nothing_but_what_main_has_changed_since(
    before: dict[str, str], proposed: dict[str, str], later: dict[str, str]
) -> None:
    touched = {key for key in KEYS if before.get(key) != proposed.get(key)}
    assume(touched)
    now = {**proposed, **{key: value for key, value in later.items() if key not in touched}}
    wanted = {**{key: value for key, value in now.items() if key not in touched}}
    wanted |= {key: before[key] for key in touched if key in before}
    files = [write("profile", {**each, "app": "jupyterlab"}) for each in (proposed, now, before)]
    found = updated(*({NOTEBOOK_PATH: each} for each in files))
    assert found.collisions == ()
    undone = found.files[NOTEBOOK_PATH]
    assert undone is not None
    assert dict(parse_yaml(undone)) == {**wanted, "app": "jupyterlab"}
    if now == proposed:
        assert undone == files[2]
