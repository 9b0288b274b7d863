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
from support.fakes.faulty_front import FaultyFront
from support.fakes.github_description import filled
from support.forge_stages import GiteaRepository, GiteaStage
from support.servers.forge import needs_forge
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from allotment_hub.forges.pull_requests.markdown import Markdown
from allotment_hub.forges.pull_requests.values import Submission
from allotment_hub.forges.webhooks import Look, Webhooks

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


ON_PULL_REQUEST = {"pull_request": {"number": 7}}
SENT_BY_GITHUB: list[tuple[str, dict[str, Any], int | None]] = [
    *((f"WebhookPullRequest{name}", ON_PULL_REQUEST, 7) for name in ("Opened", "Synchronize", "Closed", "Reopened")),
    *((f"WebhookPullRequestReview{name}", ON_PULL_REQUEST, 7) for name in ("Submitted", "Dismissed")),
    ("WebhookPullRequestReviewCommentCreated", ON_PULL_REQUEST, 7),
    ("WebhookIssueCommentCreated", {"issue": {"number": 7, "pull_request": {}}}, 7),
    ("WebhookIssueCommentCreated", {"issue": {"number": 7}}, None),
    ("WebhookPush", {"ref": "refs/heads/main"}, None),
    ("WebhookPing", {}, None),
]


@pytest.mark.parametrize(("event", "values", "number"), SENT_BY_GITHUB)
def test_github_says_by_webhook_which_pull_request_to_look_at(
    tmp_path: Path, event: str, values: dict[str, Any], number: int | None
) -> None:
    (tmp_path / "secret").write_text(SECRET)
    body = json.dumps(filled(getattr(models, event), values)).encode()
    signature = hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
    look = Webhooks("github", tmp_path / "secret").look({"X-Hub-Signature-256": f"sha256={signature}"}, body)
    assert look == Look(number)
