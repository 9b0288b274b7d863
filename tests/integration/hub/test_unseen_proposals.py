"""What a reader may not see is not there for them: no page, answer or deed tells otherwise, or leaves a trace."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from support.fakes.platform import NOTEBOOK, POLICY, Platform, refusal_of
from support.hand_made import HOST, HandMade, changed, commit, knows

from allotment_hub.api.serializers import proposal_answer
from allotment_hub.forges.pull_requests.values import PullRequest
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.proposals.overview import JUDGED, overview
from allotment_hub.services.proposals.rights import Actor
from allotment_hub.services.pull_requests.adopting import Adopting
from allotment_profiles.git.repository import NO_OBJECT, RefUpdate

DRAFT_PATH = "teams/housing/profiles/sketch.yaml"
SKETCH = NOTEBOOK + b"visibility: draft\nmaintainers: {users: [ben]}\n"
LARGER = SKETCH.replace(b"4 GiB", b"8 GiB")

Deed = Callable[[Platform, Actor, StoredProposal], Awaitable[object]]
DEEDS: dict[str, Deed] = {
    "look": lambda platform, actor, stored: platform.proposals.visible(stored.id, actor.user),
    "view": lambda platform, actor, stored: platform.proposals.view(stored, actor),
    "comment": lambda platform, actor, stored: platform.submissions.comment(actor, stored.id, "Hello"),
    "approve": lambda platform, actor, stored: platform.reviews.approve(actor, stored.id, stored.head),
    "merge": lambda platform, actor, stored: platform.reviews.merge(actor, stored.id, stored.head),
    "reject": lambda platform, actor, stored: platform.reviews.reject(actor, stored.id, "No"),
    "withdraw": lambda platform, actor, stored: platform.submissions.withdraw(actor, stored.id),
    "update": lambda platform, actor, stored: platform.submissions.bring_up_to_date(actor, stored.id),
    "undo": lambda platform, actor, stored: platform.submissions.revert(actor, stored.id, "No"),
    "redact": lambda platform, actor, stored: platform.reviews.redact(actor, stored.id, stored.tip, "No"),
    "propose over it": lambda platform, actor, stored: platform.submissions.propose(
        actor, {"teams/transport/profiles/own.yaml": NOTEBOOK}, "Mine", update=stored.id
    ),
}
pytestmark = pytest.mark.platform({DRAFT_PATH: SKETCH}, groups={"tom": ["/transport", "/transport/leads"]})


@pytest.mark.parametrize("ended", [False, True], ids=["open", "ended"])
@pytest.mark.parametrize("kind", ["changed", "removed", "not listed"])
async def test_no_deed_reaches_a_proposal_that_its_author_may_not_see(
    platform: Platform, kind: str, ended: bool
) -> None:
    files: dict[str, bytes | None] = {DRAFT_PATH: {"changed": LARGER, "removed": None}.get(kind, LARGER)}
    if kind == "not listed":
        platform.push({"policy.yaml": POLICY + b"listing: own\n"})
        await platform.watcher.refresh()
        files = {"teams/housing/profiles/other.yaml": NOTEBOOK}
    stored = await platform.proposed(files, by="ben")
    if ended:
        stored = await platform.submissions.withdraw(platform.people.actor("ben"), stored.id)
    tom = platform.people.actor("tom")
    nothing = await refusal_of(platform.proposals.visible("no-such-proposal", tom.user))
    for name, deed in DEEDS.items():
        assert (await refusal_of(deed(platform, tom, stored))).refusal == nothing.refusal, name
    assert (await platform.proposals.stored(stored.id)).tip == stored.tip
    assert stored.id not in {each.id for each in (await platform.proposals.readable(tom.user)).proposals}


async def test_words_about_a_hidden_version_stay_hidden_after_an_update_that_all_may_see(platform: Platform) -> None:
    path = "teams/housing/profiles/new.yaml"
    stored = await platform.proposed({path: NOTEBOOK + b"visibility: draft\n"}, by="lena")
    await platform.submissions.comment(platform.people.actor("leo"), stored.id, "About the merger")
    stored = await platform.proposed({path: NOTEBOOK}, by="lena", update=stored.id)
    await platform.submissions.comment(platform.people.actor("ana"), stored.id, "Looks good")
    for who, sees in (("tom", False), ("ana", False), ("leo", True), ("lena", True), ("adam", True)):
        view = await platform.proposals.view(stored, platform.people.actor(who))
        assert ("About the merger" in proposal_answer(view, "").model_dump_json()) is sees, who
        assert "Looks good" in [record.text for record in view.records], who
        assert [record.kind for record in view.records] == [record.kind for record in view.case.stored.records], who


async def words_of(platform: Platform, stored: StoredProposal, *readers: str) -> dict[str, bool]:
    """Return who reads the words "About the merger"."""
    stored = await platform.proposals.stored(stored.id)
    views = {who: await platform.proposals.view(stored, platform.people.actor(who)) for who in readers}
    return {who: "About the merger" in proposal_answer(view, "").model_dump_json() for who, view in views.items()}


@pytest.mark.parametrize("large", [False, True], ids=["recorded", "too large to record"])
@pytest.mark.parametrize("hidden", [False, True], ids=["open", "hidden"])
async def test_words_about_an_earlier_head_stay_as_they_were_once_main_has_it(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hidden: bool, large: bool
) -> None:
    if large:
        monkeypatch.setattr("allotment_hub.forges.touched._MAXIMUM_WRITTEN", 0)
    knows(platform, "lena")
    path = "teams/housing/profiles/new.yaml"
    first = NOTEBOOK + (b"visibility: draft\n" if hidden else b"")
    pull = HandMade(platform, changed(platform, {path: first}))
    adopting = Adopting(platform.proposals, platform.submissions, platform.identities, "gitea", HOST)
    stored = (await adopting.look(pull.value, is_as_opened=as_opened)).stored
    assert stored
    await platform.submissions.comment(platform.people.actor("leo"), stored.id, "About the merger")
    pull.push(commit(platform.repository, [stored.head], {path: NOTEBOOK + b"#\n"}))
    stored = (await adopting.look(pull.value, confirmed_by="lena", is_as_opened=as_opened)).stored
    assert stored
    assert stored.head == pull.value.head
    expected = {"tom": not hidden, "ana": not hidden, "leo": True, "lena": True, "adam": True}
    assert await words_of(platform, stored, *expected) == expected
    await platform.reviews.approve(platform.people.actor("leo"), stored.id, stored.head)
    await platform.reviews.merge(platform.people.actor("leo"), stored.id, stored.head)
    assert platform.repository.is_ancestor(pull.value.head, platform.forge.main())
    # Also by a service that has not read before the merge what the earlier head touches.
    restarted = platform.beside(tmp_path)
    await restarted.watcher.refresh()
    assert await words_of(restarted, stored, *expected) == expected


async def as_opened(_: PullRequest) -> bool:
    return True


async def test_the_title_of_a_hidden_profile_is_not_the_title_of_a_proposal_with_other_files(
    platform: Platform,
) -> None:
    hidden = NOTEBOOK.replace(b"Notebook", b"s3cr3t") + b"visibility: draft\n"
    paths = "teams/housing/profiles/alone.yaml", "teams/housing/profiles/together.yaml"
    alone = await platform.proposed({paths[0]: hidden}, by="lena")
    together = await platform.proposed({paths[1]: hidden, "teams/transport/profiles/rail.yaml": NOTEBOOK}, by="lena")
    assert "s3cr3t" in alone.current.title
    assert "s3cr3t" not in together.current.title


async def test_branches_that_were_pushed_are_told_to_administrators_and_not_all_of_many(platform: Platform) -> None:
    main = platform.forge.main()
    updates = [RefUpdate(f"refs/heads/propose/b{number:03}", main, NO_OBJECT) for number in range(JUDGED + 2)]
    platform.repository.update_references(updates)
    for who, told in (("ana", (0, 0)), ("lena", (0, 0)), ("adam", (JUDGED, 2))):
        shown = await overview(platform.proposals, platform.people.actor(who))
        assert (len(shown.branches), shown.more_branches) == told, who
