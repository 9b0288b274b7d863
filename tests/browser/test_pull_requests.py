"""A proposal in the browser, its pull request on a real Gitea, and back: on one machine, told by webhook."""

import base64
import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect
from support.browsing import needs_browser, opened, signed_in_with_forge
from support.conditions import until
from support.repositories import policy, profile, team, write_folder
from support.servers.deployment import Deployment
from support.servers.forge import Forge, ForgePerson, needs_forge
from support.servers.git_server import git

pytestmark = [needs_forge, needs_browser, pytest.mark.timeout(300)]
SERVICE = "services/allotment/"


class Walk:
    """A deployment whose people sign in with the forge, which also has the repository."""

    def __init__(self, folder: Path) -> None:
        self.forge = Forge()
        self.analyst, self.lead, groups = self.forge.people()
        address = self.forge.repository()
        self.repository = urlsplit(address).path.strip("/").removesuffix(".git")
        members, leads = ({"groups": [groups[each]]} for each in ("members", "leads"))
        work = write_folder(folder / "work", {
            "policy.yaml": policy(), "teams/red/team.yaml": team("red", members=members, leads=leads),
            "teams/red/profiles/notebook.yaml": profile(),
        })  # fmt: skip
        git(work, "init", "--quiet", "--initial-branch=main")
        git(work, "add", "--all")
        git(work, "commit", "--quiet", "--message=Begin")
        token = self.forge.token(write=True, pull_requests=True)
        git(work, "push", "--quiet", address.replace("://", f"://git:{token}@"), "main")
        self.deployment = Deployment(folder / "state")
        secret = secrets.token_hex(20)
        (folder / "token.txt").write_text(token)
        (folder / "webhook-secret.txt").write_text(secret)
        hub = f"http://127.0.0.1:{self.deployment.port}/"
        self.forge.webhook(self.repository, f"{hub}{SERVICE}api/v1/webhooks/forge", secret)
        self.forge.share(self.repository, {self.analyst: "read", self.lead: "write"})
        options = self.forge.sign_in(hub, groups) | {
            "Repository": {"url": address, "token_file": "token.txt", "plain_http": True},
            "Forge": {
                "kind": "gitea", "url": self.forge.url, "repository": self.repository, "token_file": "token.txt",
                "webhook_secret_file": "webhook-secret.txt", "plain_http": True, "poll_seconds": 3600,
            },
        }  # fmt: skip
        (folder / "allotment.yaml").write_text(json.dumps(options))
        self.deployment.options += ["--config", str(folder / "allotment.yaml")]
        self.deployment.forge = self.forge  # type: ignore[attr-defined]

    def call(self, who: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Let somebody call the forge's API about the repository."""
        return self.forge.as_person(who, method, f"repos/{self.repository}/{path}", body)

    def pull(self, proposal: str) -> dict[str, Any] | None:
        """Return the pull request of a proposal."""
        found = self.call(self.lead, "GET", "pulls?state=all&limit=50")
        return next((each for each in found if each["head"]["ref"] == f"propose/{proposal}"), None)

    def wait_until_shown(self, number: int) -> None:
        """Wait until a pull request shows what it is about, and the forge's clock has moved on since."""
        until(lambda: self.call(self.lead, "GET", f"issues/{number}/comments"), what="the service's comment")
        head = self.call(self.lead, "GET", f"pulls/{number}")["head"]["sha"]
        until(lambda: self.call(self.lead, "GET", f"statuses/{head}"), what="the statuses of the head")
        began = time.time()
        until(lambda: time.time() > began + 2, what="another second of the forge's clock")


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    made = Walk(tmp_path_factory.mktemp("walk"))
    with made.deployment.started():
        yield made


def test_a_proposal_from_the_page_is_approved_and_merged_on_the_forge(walk: Walk, chromium: Browser) -> None:
    lead = ForgePerson(walk.deployment, walk.lead)
    lead.sign_in(walk.forge.passwords[walk.lead])  # so that the hub knows whose account it is
    window = signed_in_with_forge(chromium, walk.deployment, walk.analyst, walk.forge.passwords[walk.analyst])
    form = opened(window, walk.deployment, f"{SERVICE}propose?from=red/notebook")
    form.get_by_label("Memory limit").fill("5 GiB")
    form.get_by_label("Reason").fill("Larger tables")
    form.get_by_role("button", name="Propose", exact=True).click()
    form.wait_for_url("**/proposals/*")
    proposal = form.url.rpartition("/")[2]
    number = until(lambda: walk.pull(proposal), what="the pull request")["number"]
    walk.wait_until_shown(number)

    def reviewers() -> list[str]:
        return [each["login"] for each in (walk.pull(proposal) or {}).get("requested_reviewers", ())]

    until(lambda: walk.lead in reviewers(), what="that the lead is asked for a review")
    assert walk.analyst not in reviewers()
    pull = walk.pull(proposal)
    assert pull
    assert "memory limit 4 GiB → 5 GiB" in pull["body"].replace("\\", "").replace("Memory", "memory")
    walk.call(walk.lead, "POST", f"pulls/{number}/reviews", {"event": "APPROVED", "body": "Fine"})

    def is_now(state: str) -> bool:
        form.reload()
        return form.locator(".allotment-title").get_by_text(state, exact=True).is_visible()

    # The service asks by itself once an hour: the webhook has told it.
    until(lambda: is_now("approved, not merged"), what="the approval on the page")
    expect(form.get_by_text(f"{walk.lead} approved on Gitea (pull request {number})")).to_be_visible()
    expect(form.locator("blockquote").get_by_text("Fine", exact=True)).to_be_visible()
    walk.call(walk.lead, "POST", f"issues/{number}/comments", {"body": "/merge"})
    until(lambda: is_now("live"), what="that it is live")
    until(lambda: (walk.pull(proposal) or {}).get("merged"), what="the end of the pull request")
    expect(form.get_by_role("link", name="pull request")).to_have_attribute("href", pull["html_url"])
    window.close()


def test_a_pull_request_by_hand_is_a_proposal_on_the_page(walk: Walk, chromium: Browser) -> None:
    lead = ForgePerson(walk.deployment, walk.lead)
    lead.sign_in(walk.forge.passwords[walk.lead])
    there = walk.call(walk.lead, "GET", "contents/teams/red/profiles/notebook.yaml")
    body = {
        "content": there["content"], "sha": there["sha"], "branch": "main", "new_branch": "another",
        "message": "Another", "from_path": "teams/red/profiles/notebook.yaml",
    }  # fmt: skip
    walk.call(walk.lead, "PUT", "contents/teams/red/profiles/another.yaml", body)
    opened_there = walk.call(walk.lead, "POST", "pulls", {"title": "By hand", "head": "another", "base": "main"})
    number = opened_there["number"]

    window = signed_in_with_forge(chromium, walk.deployment, walk.lead, walk.forge.passwords[walk.lead])

    def listed() -> list[dict[str, Any]]:
        found = lead.service("GET", "proposals?state=open").json()
        return [each for each in found["proposals"] if each["title"] == "By hand"]

    def is_proposed() -> bool:
        """Opened before Gitea had seen the push, which it then takes for a later one, it waits for its author."""
        comments = walk.call(walk.lead, "GET", f"issues/{number}/comments")
        if not listed() and any(f"pull-requests/{number}" in each["body"] for each in comments):
            propose = opened(window, walk.deployment, f"{SERVICE}pull-requests/{number}")
            propose.get_by_role("button", name="Propose this").click()
        return bool(listed())

    until(is_proposed, what="the adopted proposal")
    # What is pushed later waits for its author, too, who proposes it on the hub's page.
    added = walk.call(walk.lead, "GET", "contents/teams/red/profiles/another.yaml?ref=another")
    text = base64.b64decode(added["content"]) + b"# Pushed later\n"
    body = {"content": base64.b64encode(text).decode(), "sha": added["sha"], "branch": "another", "message": "More"}
    walk.call(walk.lead, "PUT", "contents/teams/red/profiles/another.yaml", body)
    [proposal] = listed()
    page = opened(window, walk.deployment, f"{SERVICE}proposals/{proposal['id']}")

    def is_told() -> bool:
        page.reload()
        return page.get_by_role("link", name="Look at what was pushed").is_visible()

    until(is_told, what="that something was pushed")
    page.get_by_role("link", name="Look at what was pushed").click()
    expect(page.locator("main")).to_contain_text("# Pushed later")
    page.get_by_role("button", name="Propose this").click()
    expect(page.get_by_text("updated it")).to_be_visible()
    expect(page.get_by_role("link", name="Look at what was pushed")).to_have_count(0)
    assert proposal["proposer"] == walk.lead
    expect(page.get_by_role("heading", name="By hand")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Gitea")
    window.close()
