"""What a reader may not see is not there for them: no page, answer or deed tells otherwise, or leaves a trace."""

from collections.abc import Awaitable, Callable

import pytest
from support.fakes.platform import NOTEBOOK, POLICY, Platform, refusal_of

from allotment_hub.api.serializers import proposal_answer
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.proposals.overview import JUDGED, overview
from allotment_hub.services.proposals.rights import Actor
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
