"""Files that Allotment does not read and that may lie beside the profiles: administrators decide about them."""

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform, code_of, refusal_of
from support.hand_made import HOST, HandMade, changed, knows

from allotment_hub.forges.pull_requests.values import PullRequest
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.pages.rendering import templates
from allotment_hub.services.pull_requests.adopting import Adopting

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
OWNERS = b"/teams/housing/ @example/housing-leads\n"
PLACES = {
    "CODEOWNERS": "pushed", ".github/CODEOWNERS": "pushed", "docs/CODEOWNERS": "sent", ".gitea/CODEOWNERS": "sent",
    ".gitlab/CODEOWNERS": "pushed", "README.md": "sent", "teams/housing/README.md": "pushed",
}  # fmt: skip


async def as_opened(_: PullRequest) -> bool:
    return True


async def adopted(platform: Platform, files: dict[str, bytes | None], by: str) -> StoredProposal:
    knows(platform, by)
    pull = HandMade(platform, changed(platform, files), foreign=False)
    adopting = Adopting(platform.proposals, platform.submissions, platform.identities, "gitea", HOST)
    stored = (await adopting.look(pull.value, is_as_opened=as_opened)).stored
    assert stored
    return stored


@pytest.mark.parametrize(("path", "how"), PLACES.items())
async def test_administrators_decide_about_a_file_that_is_not_read(platform: Platform, path: str, how: str) -> None:
    files: dict[str, bytes | None] = {path: OWNERS}
    stored = await (adopted(platform, files, "adam") if how == "pushed" else platform.proposed(files, by="adam"))
    view = await platform.proposals.view(stored, platform.people.actor("anne"))
    assert view.case.state == "open"
    assert view.check.problems == ()
    assert [change.text for change in view.check.changes] == [
        f"the file '{path}': it changes, and Allotment does not read it"
    ]
    table = str(templates().get_template("parts.html").module.change_table(view.check.changes))  # type: ignore[attr-defined]
    assert "changed; Allotment does not read it" in table
    assert [requirement.key for requirement in view.case.requirements] == ["administrator"]
    assert OWNERS.decode() in view.difference
    anne = platform.people.actor("anne")
    await platform.reviews.approve(anne, stored.id, stored.head)
    await platform.reviews.merge(anne, stored.id, stored.head)
    assert platform.main_file(path) == OWNERS
    again = await refusal_of(platform.proposed(files, by="adam"))
    assert [problem.code for problem in again.problems] == ["no-change"]
    removal = await platform.proposed({path: None}, by="adam")
    await platform.reviews.approve(anne, removal.id, removal.head)
    await platform.reviews.merge(anne, removal.id, removal.head)
    assert platform.main_file(path) is None
    missing = await refusal_of(platform.proposed({path: None}, by="adam"))
    assert [problem.code for problem in missing.problems] == ["file-missing"]


async def test_leads_do_not_decide_about_it_with_a_profile(platform: Platform) -> None:
    stored = await adopted(platform, {NOTEBOOK_PATH: LARGER, "CODEOWNERS": OWNERS}, "ana")
    for who in ("lena", "leo"):
        await platform.approved(stored, who)
    lena = platform.people.actor("lena")
    assert await code_of(platform.reviews.merge(lena, stored.id, stored.head)) == "approvals-missing"
    await platform.approved(stored, "anne")
    await platform.reviews.merge(lena, stored.id, stored.head)
    assert platform.main_file("CODEOWNERS") == OWNERS


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/README.yaml", ".gitea/workflows/CODEOWNERS", ".github/README.md", ".gitlab-ci.yml",
        "../README.md", ".git/CODEOWNERS", "a b/README.md", "teams/housing/x\n/README", "x" * 64 + "/README", "x.txt",
    ],
)  # fmt: skip
async def test_no_other_file_comes_to_main(platform: Platform, path: str) -> None:
    refused = await refusal_of(platform.proposed({path: OWNERS}, by="adam"))
    assert [problem.code for problem in refused.problems] == ["path"]


async def test_nobody_learns_of_a_team_from_the_files_beside_its_profiles(platform: Platform) -> None:
    path = "teams/transport/README.md"
    platform.push({"policy.yaml": (platform.main_file("policy.yaml") or b"") + b"listing: own\n", path: OWNERS})
    await platform.watcher.refresh()
    for content in (OWNERS, b"x", None):
        assert await code_of(platform.proposed({path: content})) == "team-unknown"
