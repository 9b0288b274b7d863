"""The stand-ins are what their names say: the clients that the field keeps can work with them, too."""

import asyncio
import re
import secrets
from typing import Any

import pytest
from githubkit import GitHub
from gitlab import Gitlab
from support.fakes.gitlab_server import PROJECT
from support.forge_stages import GiteaRepository, GitHubStage, GitLabStage
from support.servers.forge import needs_forge

from allotment_hub.forges.pull_requests.markdown import Markdown, inline, quotation
from allotment_hub.forges.pull_requests.values import Status, StatusState, Submission

HOSTILE = [
    "@everyone @administrator", "fixes #1, closes administrator/x#2 and !3", "![x](https://evil.example/x.png)",
    "[click](https://evil.example)", "<img src=x onerror=alert(1)>", "https://evil.example www.evil.example",
    "somebody@evil.example", "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef", ":tada: `code` **bold** ~~x~~ $x^2$",
    "/approve", "<!-- x", "| a |\n| - |",
]  # fmt: skip


async def test_python_gitlab_sees_what_the_adapter_made(gitlab: GitLabStage) -> None:
    stage = gitlab
    forge, branch = stage.forge(), f"propose/{secrets.token_hex(4)}"
    opened = await forge.open(Submission(branch, stage.push(branch), "More memory", Markdown("Text"), "Ann"))
    await forge.keep_comment(opened.number, Markdown("Waits"))
    await forge.ask_for_reviews(opened.number, [stage.account("lea")])
    await forge.set_labels(opened.number, ["approved"], ["approved"])
    await forge.set_statuses(opened, [Status("allotment/check", StatusState.SUCCESS, "Good", "https://h/p/1")])
    stage.review(opened.number, "lea", "approved")
    stage.end(opened.number, "ann", "closed")

    def look() -> dict[str, Any]:
        client = Gitlab(stage.server.url, oauth_token=stage.token("bot"))
        project = client.projects.get(PROJECT)
        [request] = project.mergerequests.list(state="closed", get_all=True)
        return {
            "title": request.title, "labels": request.labels,
            "reviewers": [each["username"] for each in request.reviewers],
            "notes": [note.body.splitlines()[-1] for note in request.notes.list(sort="asc", get_all=True)],
            "heads": [each.head_commit_sha for each in request.diffs.list(get_all=True)],
            "approved by": [each["user"]["username"] for each in request.approvals.get().approved_by],
            "states": [each.state for each in request.resourcestateevents.list(get_all=True)],
            "reviewer states": [each.state for each in request.reviewer_details.list(get_all=True)],
            "statuses": [each.status for each in project.commits.get(opened.head, lazy=True).statuses.list()],
            "protected": project.protectedbranches.list(get_all=True),
            "level": project.members_all.get(int(stage.account("lea").id)).access_level,
        }  # fmt: skip

    assert await asyncio.to_thread(look) == {
        "title": "More memory", "labels": ["approved"], "reviewers": ["lea"],
        "notes": ["Waits", "approved this merge request"], "heads": [opened.head], "approved by": ["lea"],
        "states": ["closed"], "reviewer states": ["unreviewed"], "statuses": ["success"], "protected": [], "level": 30,
    }  # fmt: skip


async def test_githubkit_sees_what_the_adapter_made(github: GitHubStage) -> None:
    stage = github
    forge, branch = stage.forge(), f"propose/{secrets.token_hex(4)}"
    opened = await forge.open(Submission(branch, stage.push(branch), "More memory", Markdown("Text"), "Ann"))
    await forge.keep_comment(opened.number, Markdown("Waits"))
    await forge.ask_for_reviews(opened.number, [stage.account("lea")])
    await forge.set_statuses(opened, [Status("allotment/check", StatusState.SUCCESS, "Good", "https://h/p/1")])
    stage.remark(opened.number, "lea", "a.yaml", 3, "Why?")
    async with GitHub(stage.token("bot"), base_url=f"{stage.server.url}/api/v3/") as client:
        rest, names = client.rest("2022-11-28"), ("acme", "profiles")
        pull = (await rest.pulls.async_get(*names, opened.number)).parsed_data
        listed = (await rest.pulls.async_list(*names, head=f"acme:{branch}")).parsed_data
        comments = (await rest.issues.async_list_comments(*names, opened.number)).parsed_data
        remarks = (await rest.pulls.async_list_review_comments(*names, opened.number)).parsed_data
        combined = (await rest.repos.async_get_combined_status_for_ref(*names, opened.head)).parsed_data
    assert (pull.title, pull.head.sha, [each.number for each in listed]) == (
        "More memory",
        opened.head,
        [opened.number],
    )
    assert [each.login for each in pull.requested_reviewers or []] == ["lea"]
    assert [str(each.body).splitlines()[-1] for each in comments][:1] == ["Waits"]
    assert [(each.path, each.line) for each in remarks] == [("a.yaml", 3)]
    assert [(each.context, each.state) for each in combined.statuses] == [("allotment/check", "success")]


@needs_forge
@pytest.mark.parametrize("text", HOSTILE)
def test_gitea_makes_nothing_of_what_people_write(gitea_repository: GiteaRepository, text: str) -> None:
    for markdown in (f"Reason: {inline(text)}", quotation(text)):
        body = {"Text": markdown, "Mode": "comment", "Context": gitea_repository.name}
        rendered = gitea_repository.gitea.render(body)
        harmless = {"p", "/p", "blockquote", "/blockquote", "br", "code", "/code"}
        assert set(re.findall(r"<(/?[a-z]+|!--)", rendered)) <= harmless, rendered
