"""The forge's own button decides nothing that the page would refuse: neither for whom, nor for what nobody judged."""

from pathlib import Path

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, POLICY, PRICES, PRICES_PATH, Platform
from support.hand_made import HOST, HandMade, changed, commit, knows
from support.merge_button import Button, merged_value
from support.servers.git_server import git

from allotment_hub.forges.pull_requests.values import MergeStyle, PullRequest
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.pull_requests.adopting import Adopting
from allotment_hub.services.pull_requests.merged_there import MergedThere

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
GRANTED = PRICES.replace(b"granted_to:", b"granted_to:\n  transport: {until: 2999-12-31}")
FRESH = POLICY + b"fresh_sign_in: 15 min\n"
BUTTON = "It was merged with Gitea's own button"


@pytest.fixture
def button(platform: Platform, tmp_path: Path) -> Button:
    return Button(platform, tmp_path)


async def ended(platform: Platform, stored: StoredProposal, merged: PullRequest, by: str = "leo") -> tuple[bool, str]:
    """Look at what was merged. Give whether it counts as reviewed, and what the record says."""
    done = await MergedThere(platform.proposals, "gitea", platform.identities).look(stored, merged, by, login="x")
    await platform.watcher.refresh()
    assert done.ending
    return not done.unreviewed, done.ending.text


async def two_commits(platform: Platform) -> StoredProposal:
    """Adopt a pull request of ana whose first commit gives data, and whose second one takes that back."""
    knows(platform, "ana")
    first = changed(platform, {PRICES_PATH: GRANTED}, message="Grant")
    second = commit(platform.repository, [first], {PRICES_PATH: PRICES, NOTEBOOK_PATH: LARGER}, message="Larger")
    adopting = Adopting(platform.proposals, platform.submissions, platform.identities, "gitea", HOST)
    stored = (await adopting.look(HandMade(platform, second).value, confirmed_by="ana")).stored
    assert stored
    await platform.approved(stored)
    return stored


@pytest.mark.parametrize("forward", [False, True])
async def test_several_commits_on_main_are_not_reviewed(platform: Platform, button: Button, forward: bool) -> None:
    stored = await two_commits(platform)
    if forward:
        git(button.folder, "fetch", "--quiet", "origin", stored.head)
        git(button.folder, "push", "--quiet", "origin", f"{stored.head}:main")
        merged = merged_value(HandMade(platform, stored.head).value, stored.head, None)
    else:
        merged = button.press(stored.head, MergeStyle.REBASE)
    reviewed, text = await ended(platform, stored, merged)
    assert (reviewed, text) == (
        False, f"{BUTTON} as several commits on main, and each alone was not judged: only their sum was."
    )  # fmt: skip
    assert not any(entry.approved_by for entry in platform.watcher.provenance.of(PRICES_PATH))


@pytest.mark.parametrize("style", [MergeStyle.MERGE, MergeStyle.SQUASH])
async def test_the_sum_of_them_is_reviewed(platform: Platform, button: Button, style: MergeStyle) -> None:
    stored = await two_commits(platform)
    assert (await ended(platform, stored, button.press(stored.head, style)))[0]
    # Of the grant that came and went main has nothing.
    assert not any(entry.approved_by for entry in platform.watcher.provenance.of(PRICES_PATH))
    assert platform.watcher.provenance.of(NOTEBOOK_PATH)[0].approved_by == ("lena",)


@pytest.mark.parametrize(
    ("by", "why"),
    [
        ("ana", "by ana, who proposed it"),
        ("tom", "by tom, who may not merge it on its page"),
        ("lost", "by lost, who may not merge it on its page"),
        ("", "by somebody whom the hub does not know"),
    ],
)
async def test_who_may_not_merge_on_the_page_does_not_here(
    platform: Platform, button: Button, by: str, why: str
) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await platform.approved(stored)
    if by == "lost":
        platform.people.groups["lost"] = platform.people.groups["leo"]
        platform.people.identities["lost"] = {"answer": "refused", "seconds": None}
    reviewed, text = await ended(platform, stored, button.press(stored.head, MergeStyle.MERGE), by)
    assert (reviewed, text) == (False, f"{BUTTON} {why}.")


@pytest.mark.parametrize("removed", [False, True])
async def test_who_may_merge_does_so(platform: Platform, button: Button, removed: bool) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await platform.approved(stored)
    merged = button.press(stored.head, MergeStyle.MERGE)
    if removed:  # forges can remove the branch with the merge
        git(button.folder, "push", "--quiet", "origin", f":propose/{stored.id}")
    assert await ended(platform, stored, merged) == (True, "")


@pytest.mark.platform({"policy.yaml": FRESH})
@pytest.mark.parametrize("by", ["dora", "ana", ""])
async def test_what_needs_a_fresh_sign_in_is_not_reviewed_with_the_button(
    platform: Platform, button: Button, by: str
) -> None:
    people = platform.people
    stored = await platform.proposed({PRICES_PATH: GRANTED})
    people.sign_ins = {("dora", "x"): 1}
    await platform.reviews.approve(people.actor("dora", sign_in="x"), stored.id, stored.head)
    reviewed, text = await ended(platform, stored, button.press(stored.head, MergeStyle.MERGE), by)
    assert (reviewed, text) == (False, f"{BUTTON}, and the policy asks for a fresh sign-in, which only the page knows.")


@pytest.mark.platform({"policy.yaml": FRESH})
async def test_what_needs_none_is_reviewed_under_the_same_policy(platform: Platform, button: Button) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await platform.approved(stored)
    assert (await ended(platform, stored, button.press(stored.head, MergeStyle.MERGE)))[0]
