"""A proposal, its pull request on a real Gitea, and main: they never disagree."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from support.conditions import eventually
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH
from support.gitea_window import GiteaWindow
from support.servers.forge import needs_forge

from allotment_hub.forges.pull_requests import client
from allotment_profiles.access.people import User

pytestmark = needs_forge
ADAM = User("adam", frozenset(), admin=True)
LARGER = NOTEBOOK.replace(b"limit: 2", b"limit: 3")


@pytest_asyncio.fixture
async def window(tmp_path: Path) -> AsyncIterator[GiteaWindow]:
    made = GiteaWindow(tmp_path, {"ana": "read", "ben": "write", "lena": "write", "leo": "write"})
    yield made
    await made.close()


async def test_a_proposal_goes_out_and_its_merge_closes_the_pull_request(window: GiteaWindow) -> None:
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    [pull] = window.pulls()
    assert pull["user"]["login"] == window.logins["bot"]
    assert {each["login"] for each in pull["requested_reviewers"]} == {window.logins["lena"], window.logins["leo"]}
    assert "CPU limit 2 CPUs → 3 CPUs" in pull["body"]
    await window.platform.approved(stored)
    await window.look()
    await window.platform.reviews.merge(window.platform.people.actor("leo"), stored.id, stored.head)
    branch = f"refs/heads/propose/{stored.id}"

    async def merged() -> bool:
        await window.look()
        [pull] = window.pulls()
        return bool(pull["merged"]) and not window.platform.repository.references(branch)

    await eventually(merged, "the pull request is merged, and its branch is gone")
    [pull] = window.pulls()
    assert [label["name"] for label in pull["labels"]] == ["allotment: merged"]
    comments = window.repo("bot", "GET", f"issues/{pull['number']}/comments")
    assert [comment["body"].count("Merged by leo") for comment in comments] == [1]


async def seen(window: GiteaWindow, what: str, state: str) -> str:
    """Look until the one proposal is in a state; gives its id."""

    async def found() -> bool:
        await window.look()
        proposals = await window.platform.proposals.readable(window.platform.people.actor("adam").user)
        views = [await window.platform.proposals.case(each, ADAM) for each in proposals.proposals]
        return [view.state for view in views] in ([state], ["live"] if state == "merged" else [state])

    await eventually(found, what)
    [stored] = (await window.platform.proposals.readable(ADAM)).proposals
    return stored.id


async def test_it_is_approved_and_merged_by_comment_there(window: GiteaWindow) -> None:
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    [pull] = window.pulls()
    number = pull["number"]
    window.wait_a_second()
    window.review("lena", number, "APPROVED")
    await seen(window, "it is approved", "approved")
    window.repo("leo", "POST", f"issues/{number}/comments", {"body": "/merge"})
    await seen(window, "it is merged", "merged")
    stored = await window.platform.proposals.stored(stored.id)
    assert [(record.kind, record.by) for record in stored.records] == [
        ("proposed", "ana"), ("approved", "lena"), ("merged", "leo"),
    ]  # fmt: skip
    assert window.platform.main_file(NOTEBOOK_PATH) == LARGER
    await window.look()
    [pull] = window.pulls()
    assert pull["merged"]


async def test_what_the_proposer_and_strangers_do_there_does_not_count(window: GiteaWindow) -> None:
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    number = window.pulls()[0]["number"]
    window.wait_a_second()
    window.review("ana", number, "APPROVED")
    window.platform.people.identities["leo"] = {}
    window.review("leo", number, "APPROVED")
    await window.look()
    stored = await window.platform.proposals.stored(stored.id)
    assert [record.kind for record in stored.records] == ["proposed", "commented", "commented"]
    await window.look()
    comments = window.repo("bot", "GET", f"issues/{number}/comments")
    assert "What does not count" in comments[-1]["body"]


async def test_a_pull_request_by_hand_becomes_a_proposal(window: GiteaWindow) -> None:
    window.write("lena", "more-processors", NOTEBOOK_PATH, LARGER)
    opened = window.repo(
        "lena", "POST", "pulls", {"title": "More processors", "head": "more-processors", "base": "main"}
    )
    number = opened["number"]

    async def adopted() -> bool:
        await window.look()
        await window.propose_if_asked("lena", number)
        return window.platform.forge.get(f"pull-{number}") is not None

    await eventually(adopted, "it is adopted")
    id_ = await seen(window, "it is open", "open")
    stored = await window.platform.proposals.stored(id_)
    assert (stored.proposer, stored.current.title) == ("lena", "More processors")
    await window.look()
    statuses = {each["context"]: each["status"] for each in window.statuses(opened["head"]["sha"])}
    assert statuses == {"allotment/check": "success", "allotment/approval": "pending"}
    # Somebody else pushes: nothing is decided until the author proposes that.
    window.write("leo", "more-processors", NOTEBOOK_PATH, NOTEBOOK.replace(b"limit: 2", b"limit: 4"))
    await window.look()
    await window.look()
    window.wait_a_second()
    window.review("leo", number, "APPROVED")
    await window.look()
    assert await window.platform.approvers(stored) == []
    # Nor does anybody propose it with what stands under the author's name there, which others can write.
    window.repo("lena", "POST", f"issues/{number}/comments", {"body": "/propose"})
    await window.look()
    await window.look()
    assert (await window.platform.proposals.stored(id_)).head == stored.head
    comments = window.repo("bot", "GET", f"issues/{number}/comments")
    assert any(f"(https://hub/pull-requests/{number})" in each["body"] for each in comments)

    async def taken_over() -> bool:
        await window.look()
        await window.propose_if_asked("lena", number)
        return (await window.platform.proposals.stored(id_)).head != stored.head

    await eventually(taken_over, "the push is proposed")
    await window.look()
    window.wait_a_second()
    window.review("leo", number, "APPROVED")
    await seen(window, "it is approved", "approved")
    window.repo("leo", "POST", f"issues/{number}/comments", {"body": "/merge"})
    await seen(window, "it is merged", "merged")
    assert b"limit: 4" in (window.platform.main_file(NOTEBOOK_PATH) or b"")


@pytest.mark.parametrize("style", ["merge", "squash", "rebase"])
@pytest.mark.parametrize("approved", [True, False])
async def test_the_button_of_the_forge(window: GiteaWindow, style: str, *, approved: bool) -> None:
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    number = window.pulls()[0]["number"]
    if approved:
        window.wait_a_second()
        window.review("lena", number, "APPROVED")
        await seen(window, "it is approved", "approved")
    window.press("leo", number, style)
    await seen(window, "it is merged", "merged")
    assert window.platform.main_file(NOTEBOOK_PATH) == LARGER
    landed = window.platform.landing(NOTEBOOK_PATH)
    assert landed.reviewed is approved
    assert stored.id


async def test_what_somebody_else_has_written_over_is_written_again_and_not_approved(window: GiteaWindow) -> None:
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER}, by="ben")
    await window.look()
    number = window.pulls()[0]["number"]
    window.wait_a_second()
    window.repo("ben", "PATCH", f"pulls/{number}", {"title": "Fix a typo", "body": "Nobody gains anything."})
    for comment in window.repo("ben", "GET", f"issues/{number}/comments"):
        window.repo("ben", "PATCH", f"issues/comments/{comment['id']}", {"body": "All is well."})
    window.repo("ben", "POST", f"statuses/{stored.head}", {"context": "allotment/approval", "state": "success"})
    window.review("lena", number, "APPROVED")
    await window.look()
    await window.look()
    assert await window.platform.approvers(stored) == []
    [pull] = window.pulls()
    assert "CPU limit" in pull["body"]
    [comment] = window.repo("bot", "GET", f"issues/{number}/comments")
    assert "It is waiting for" in comment["body"]
    assert {each["context"]: each["status"] for each in window.statuses(stored.head)}["allotment/approval"] == "pending"
    window.wait_a_second()
    window.review("lena", number, "APPROVED")
    await seen(window, "it is approved", "approved")


async def test_one_pull_request_with_a_text_that_is_too_long_stops_no_other(
    window: GiteaWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LARGEST_ANSWER", 1 << 20)  # Gitea takes ten seconds for 16 MiB
    window.write("ben", "his", NOTEBOOK_PATH, LARGER)
    window.repo("ben", "POST", "pulls", {"title": "Long", "head": "his", "base": "main", "body": "x" * (1 << 20)})
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    following = window.following.forge
    assert [pull.branch for pull in await following.open_pull_requests()] == [f"propose/{stored.id}"]


async def test_another_base_is_not_waited_for(window: GiteaWindow) -> None:
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER}, by="ben")
    await window.look()
    [pull] = window.pulls()
    window.repo("ben", "POST", "branches", {"new_branch_name": "side", "old_branch_name": "main"})
    window.repo("ben", "PATCH", f"pulls/{pull['number']}", {"base": "side"})
    window.press("ben", pull["number"], "merge")
    for _ in range(2):
        await window.look()
    assert (await window.platform.proposals.stored(stored.id)).open
    assert not window.following.waits


async def test_protection_stops_a_merge_that_was_not_approved(window: GiteaWindow) -> None:
    rule = {
        "rule_name": "main", "enable_push": True, "enable_push_whitelist": True,
        "push_whitelist_usernames": [window.logins["bot"]], "enable_status_check": True,
        "status_check_contexts": ["allotment/check", "allotment/approval"],
    }  # fmt: skip
    window.repo("bot", "POST", "branch_protections", rule)
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    number = window.pulls()[0]["number"]
    with pytest.raises(AssertionError, match=r"40[0-9]"):
        window.repo("leo", "POST", f"pulls/{number}/merge", {"Do": "merge"})
    window.wait_a_second()
    window.review("lena", number, "APPROVED")
    await seen(window, "it is approved", "approved")
    window.repo("leo", "POST", f"issues/{number}/comments", {"body": "/merge"})
    assert await seen(window, "it is merged", "merged") == stored.id


async def test_after_the_end_the_comment_says_how_it_ended(window: GiteaWindow) -> None:
    stored = await window.platform.proposed({NOTEBOOK_PATH: LARGER})
    await window.look()
    number = window.pulls()[0]["number"]
    window.repo("lena", "POST", f"pulls/{number}/reviews", {"event": "REQUEST_CHANGES", "body": "Too large"})
    await seen(window, "it is rejected", "rejected")
    for _ in range(3):
        await window.look()
    [pull] = window.pulls()
    assert (pull["state"], [label["name"] for label in pull["labels"]]) == ("closed", ["allotment: rejected"])
    comments = [each["body"] for each in window.repo("bot", "GET", f"issues/{number}/comments")]
    # Another one says why it was closed, unless the end of its branch has closed it.
    [kept] = [body for body in comments if "kept up to date" in body]
    assert "Rejected by lena: Too large" in kept
    assert {each["status"] for each in window.statuses(stored.head)} == {"success", "failure"}
