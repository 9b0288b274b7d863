"""What a reader may not see is not there for them: no page, answer or deed tells otherwise, or leaves a trace."""

from collections.abc import Awaitable, Callable

import pytest
from support.fakes.platform import NOTEBOOK, POLICY, Platform, refusal_of

from allotment_hub.forges.records import StoredProposal
from allotment_hub.services.proposals.rights import Actor

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
    assert stored.id not in {each.id for each in await platform.proposals.readable(tom.user)}
