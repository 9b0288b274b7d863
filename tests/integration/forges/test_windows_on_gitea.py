"""A proposal, its pull request on a real Gitea, and main: they never disagree."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from support.conditions import eventually
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH
from support.gitea_window import GiteaWindow
from support.servers.forge import needs_forge

pytestmark = needs_forge
LARGER = NOTEBOOK.replace(b"limit: 2", b"limit: 3")


@pytest_asyncio.fixture
async def window(tmp_path: Path) -> AsyncIterator[GiteaWindow]:
    made = GiteaWindow(tmp_path, {"ana": "read", "lena": "write", "leo": "write"})
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
