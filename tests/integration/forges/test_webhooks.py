"""Webhooks as forges really write them: a Gitea sends its own, GitHub's follow its description."""

import asyncio
import hashlib
import hmac
import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from githubkit_schemas.v2022_11_28 import models
from support.conditions import eventually
from support.fakes.faulty_front import FaultyFront
from support.fakes.github_description import filled
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH
from support.fakes.web_service import PREFIX, WebService
from support.forge_stages import GiteaRepository, GiteaStage
from support.gitea_window import GiteaWindow
from support.servers.forge import needs_forge
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from allotment_hub.configuration import ForgeConfiguration
from allotment_hub.forges.pull_requests.markdown import Markdown
from allotment_hub.forges.pull_requests.values import Submission
from allotment_hub.forges.webhooks import Look, Webhooks
from allotment_hub.services.pull_requests.mirroring import PullRequests

SECRET = secrets.token_hex(16)


class _Receiver(RequestHandler):
    def initialize(self, webhooks: Webhooks, looks: "asyncio.Queue[tuple[str, Look]]") -> None:
        self.webhooks, self.looks = webhooks, looks

    def post(self) -> None:
        look = self.webhooks.look(self.request.headers, self.request.body)
        self.looks.put_nowait((self.request.headers["X-Gitea-Event"], look))


@needs_forge
async def test_gitea_says_by_webhook_which_pull_request_to_look_at(
    gitea_repository: GiteaRepository, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(SECRET)
    looks: asyncio.Queue[tuple[str, Look]] = asyncio.Queue()
    receiver = {"webhooks": Webhooks("gitea", tmp_path / "secret"), "looks": looks}
    socket, port = bind_unused_port(address=gitea_repository.gitea.host)
    server = HTTPServer(Application([(r"/", _Receiver, receiver)]))
    server.add_socket(socket)
    stage = GiteaStage(FaultyFront(gitea_repository.gitea.url), gitea_repository, tmp_path)
    address = f"http://{gitea_repository.gitea.host}:{port}/"
    hook = {"type": "gitea", "active": True, "config": {"url": address, "content_type": "json", "secret": SECRET}}
    events = ["push", "pull_request", "pull_request_comment", "pull_request_review_approved"]
    stage.call("bot", "POST", "hooks", {**hook, "events": events})
    seen: set[tuple[str, int | None]] = set()

    async def until_seen(event: str, number: int | None) -> None:
        async with asyncio.timeout(60):
            while (event, number) not in seen:
                name, look = await looks.get()
                seen.add((name, look.number))

    branch = f"propose/{secrets.token_hex(4)}"
    head = stage.push(branch)
    await until_seen("push", None)
    opened = await stage.forge().open(Submission(branch, head, "More memory", Markdown("Text"), "Ann"))
    await until_seen("pull_request", opened.number)
    await asyncio.to_thread(stage.comment, opened.number, "ann", "Please")
    await until_seen("issue_comment", opened.number)
    await asyncio.to_thread(stage.review, opened.number, "lea", "approved")
    await until_seen("pull_request_approved", opened.number)
    await stage.close()
    server.stop()
    await server.close_all_connections()


@needs_forge
async def test_gitea_says_by_webhook_that_main_has_moved_and_it_applies_without_a_poll(tmp_path: Path) -> None:
    window = GiteaWindow(tmp_path, {"ana": "read", "lena": "write"})
    platform = window.platform
    (tmp_path / "secret").write_text(SECRET)
    pull_requests = PullRequests(window.following, platform.proposals, 3600)
    configured = ForgeConfiguration(
        kind="gitea", url="https://git.example.org", repository=window.repository, token_file=tmp_path / "token",
        webhook_secret_file=tmp_path / "secret",
    )  # fmt: skip
    platform.watcher.start()  # it fetches once an hour by itself
    async with WebService.opened(platform, tmp_path, forge=configured, pull_requests=pull_requests) as web:
        await eventually(lambda: platform.watcher.last_fetch, "the first fetch")
        address = f"{web.url}{PREFIX}api/v1/webhooks/forge"
        await asyncio.to_thread(window.gitea.webhook, window.repository, address, SECRET)
        await asyncio.to_thread(window.write, "bot", "main", NOTEBOOK_PATH, NOTEBOOK.replace(b"limit: 2", b"limit: 3"))

        await eventually(lambda: "limit: 3" in str(platform.main_file(NOTEBOOK_PATH)), "what was pushed")
        # The same by Gitea's own button.
        await asyncio.to_thread(window.write, "lena", "four", NOTEBOOK_PATH, NOTEBOOK.replace(b"limit: 2", b"limit: 4"))
        opened = window.repo("lena", "POST", "pulls", {"title": "Four", "head": "four", "base": "main"})
        await asyncio.to_thread(window.press, "lena", opened["number"], "squash")
        await eventually(lambda: "limit: 4" in str(platform.main_file(NOTEBOOK_PATH)), "what was merged")
    await platform.watcher.stop()
    await window.close()


ON_PULL_REQUEST = {"pull_request": {"number": 7}}
SENT_BY_GITHUB: list[tuple[str, dict[str, Any], Look]] = [
    *(
        (f"WebhookPullRequest{name}", ON_PULL_REQUEST, Look(7))
        for name in ("Opened", "Synchronize", "Closed", "Reopened")
    ),
    *((f"WebhookPullRequestReview{name}", ON_PULL_REQUEST, Look(7)) for name in ("Submitted", "Dismissed")),
    ("WebhookPullRequestReviewCommentCreated", ON_PULL_REQUEST, Look(7)),
    ("WebhookPullRequestClosed", {"pull_request": {"number": 7, "merged": True}}, Look(7, main=True)),
    ("WebhookPullRequestClosed", {"pull_request": {"number": 7, "merged": False}}, Look(7)),
    ("WebhookIssueCommentCreated", {"issue": {"number": 7, "pull_request": {}}}, Look(7)),
    ("WebhookIssueCommentCreated", {"issue": {"number": 7}}, Look()),
    ("WebhookPush", {"ref": "refs/heads/main"}, Look(main=True)),
    ("WebhookPush", {"ref": "refs/heads/propose/1"}, Look()),
    ("WebhookPing", {}, Look()),
]


@pytest.mark.parametrize(("event", "values", "expected"), SENT_BY_GITHUB)
def test_github_says_by_webhook_which_pull_request_to_look_at(
    tmp_path: Path, event: str, values: dict[str, Any], expected: Look
) -> None:
    (tmp_path / "secret").write_text(SECRET)
    body = json.dumps(filled(getattr(models, event), values)).encode()
    signature = hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
    look = Webhooks("github", tmp_path / "secret").look({"X-Hub-Signature-256": f"sha256={signature}"}, body)
    assert look == expected
