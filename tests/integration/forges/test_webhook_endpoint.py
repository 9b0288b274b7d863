"""Webhooks over HTTP, and what health and metrics say of the forge. The service follows a stand-in for GitHub."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from support.conditions import eventually
from support.fakes.github_server import GitHubServer
from support.fakes.github_shapes import REPOSITORY
from support.fakes.platform import Platform
from support.fakes.web_service import Visitor, WebService

from allotment_hub.configuration import ForgeConfiguration
from allotment_hub.forges.pull_requests.github import GitHubForge
from allotment_hub.forges.repository_settings import WEBHOOK_PATH
from allotment_hub.services.pull_requests.mirroring import APART_SECONDS, PullRequests
from allotment_hub.services.pull_requests.showing import ForgePlace

PATH = "api/v1/webhooks/forge"
OLD, NEW = "an-old-secret-of-the-webhook", "a-new-secret-of-the-webhook"
BODY = json.dumps({"pull_request": {"number": 7}}).encode()


def signed(kind: str, body: bytes, secret: str = OLD) -> dict[str, str]:
    digest = hmac.digest(secret.encode(), body, hashlib.sha256)
    standard = hmac.digest(secret.encode(), b"id.1795800000." + body, hashlib.sha256)
    return {
        "gitea": {"X-Gitea-Signature": digest.hex()},
        "github": {"X-Hub-Signature-256": f"sha256={digest.hex()}"},
        "gitlab": {"X-Gitlab-Token": secret},
        "gitlab signed": {
            "webhook-id": "id", "webhook-timestamp": "1795800000",
            "webhook-signature": f"v1,{base64.b64encode(standard).decode()}",
        },
    }[kind]  # fmt: skip


class Followed:
    """A service that follows a stand-in, and asks it by itself too seldom for a test."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.platform, self.folder, self.server = platform, folder, GitHubServer()
        self.secret_file = folder / "webhook-secret"
        self.secret_file.write_text(f"{OLD}\n")
        (folder / "token").write_text(self.server.state.user("bot", "admin").token)
        forge = GitHubForge(self.server.url, REPOSITORY, token_file=folder / "token")
        following = platform.followed(forge, ForgePlace("github", "git.example.org", "https://hub/"))
        self.pull_requests = PullRequests(following, platform.proposals, 3600)

    def service(self, kind: str = "github", **more: Any) -> Any:
        """Serve, with webhooks as a forge of this kind sends them."""
        held: dict[str, Any] = {
            "kind": kind.partition(" ")[0], "url": "https://git.example.org", "repository": REPOSITORY,
            "webhook_secret_file": self.secret_file,
        }  # fmt: skip
        configured = ForgeConfiguration.model_validate(held | more)
        return WebService.opened(self.platform, self.folder, forge=configured, pull_requests=self.pull_requests)

    @property
    def looks(self) -> int:
        return self.server.made("GET", f"/repos/{REPOSITORY}/pulls")

    async def looked_at_first(self) -> int:
        """Start to follow. Return how often it was looked after the first look."""
        self.pull_requests.start()
        await eventually(lambda: self.pull_requests.status.looked is not None, what="the first look")
        return self.looks

    async def close(self) -> None:
        await self.pull_requests.stop()
        await self.server.close()
        assert not self.server.violations


@pytest_asyncio.fixture
async def followed(platform: Platform, tmp_path: Path) -> AsyncIterator[Followed]:
    await platform.watcher.refresh()
    made = Followed(platform, tmp_path)
    yield made
    await made.close()


async def sent(visitor: Visitor, body: bytes, headers: dict[str, str], **more: Any) -> tuple[int, str]:
    answer = await visitor.post(PATH, content=body, headers={"Content-Type": "application/json", **headers, **more})
    return answer.status_code, answer.json().get("code", "")


def test_the_address_is_the_one_that_the_notes_and_the_doctor_name() -> None:
    assert f"services/allotment/{PATH}" == WEBHOOK_PATH


@pytest.mark.parametrize("kind", ["github", "gitea", "gitlab", "gitlab signed"])
async def test_what_the_forge_signed_is_looked_at_at_once_and_nothing_else_is(followed: Followed, kind: str) -> None:
    before = await followed.looked_at_first()
    async with followed.service(kind) as web:
        forge = web.stranger()
        forged = [{}, signed(kind, BODY, "a secret of somebody else"), {"X-Hub-Signature-256": "sha256="}]
        if kind != "gitlab":  # its token is of no body
            forged.append(signed(kind, BODY + b" "))
        for headers in forged:
            assert await sent(forge, BODY, headers) == (401, "webhook-unsigned")
        assert await sent(forge, BODY, signed(kind, BODY)) == (202, "")
        await eventually(lambda: followed.looks == before + 1, what="a look")
        # Once more: what is done is done.
        assert await sent(forge, BODY, signed(kind, BODY)) == (202, "")
        await eventually(lambda: followed.looks == before + 2, what="another look")


async def test_two_secrets_hold_while_one_replaces_the_other_without_a_restart(followed: Followed) -> None:
    async with followed.service() as web:
        forge = web.stranger()
        assert await sent(forge, BODY, signed("github", BODY, NEW)) == (401, "webhook-unsigned")
        followed.secret_file.write_text(f"{OLD}\n{NEW}\n")
        for secret in (OLD, NEW):
            assert await sent(forge, BODY, signed("github", BODY, secret)) == (202, "")
        followed.secret_file.write_text(NEW)
        assert await sent(forge, BODY, signed("github", BODY)) == (401, "webhook-unsigned")
        followed.secret_file.unlink()
        assert await sent(forge, BODY, signed("github", BODY, NEW)) == (503, "forge-credential")


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "multipart/form-data", "text/html"]
)
async def test_a_body_of_any_type_is_only_read_after_its_signature(followed: Followed, kind: str) -> None:
    body = b"payload=%7B%7D&" + b"a=b&" * 20_000
    async with followed.service() as web:
        forge = web.stranger()
        assert await sent(forge, body, {"Content-Type": kind}) == (401, "webhook-unsigned")
        assert await sent(forge, body, signed("github", body) | {"Content-Type": kind}) == (202, "")


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
async def test_a_long_one_is_cut_while_it_is_read(followed: Followed, chunked: bool) -> None:
    def parts() -> Iterator[bytes]:
        yield from (b"x" * 65536 for _ in range(80))

    async def chunks() -> AsyncIterator[bytes]:
        for part in parts():
            yield part

    body = b"".join(parts())
    async with followed.service() as web:
        forge = web.stranger()
        headers = signed("github", body)
        answer = await forge.post(PATH, content=chunks() if chunked else body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
        largest = b" " * 1024 * 1024
        answer = await forge.post(PATH, content=largest, headers=signed("github", largest))
        assert answer.status_code == 202


async def test_hundreds_at_once_are_a_few_looks_and_keep_nobody_waiting(followed: Followed) -> None:
    before, began = await followed.looked_at_first(), time.monotonic()
    async with followed.service() as web:
        forge, headers = web.stranger(), signed("github", BODY)
        done: list[tuple[int, str]] = []
        for _ in range(3):  # a client has a hundred connections
            answers = [asyncio.ensure_future(sent(forge, BODY, headers)) for _ in range(100)]
            assert (await web.browser("ana").get("profiles")).status_code == 200
            done += await asyncio.gather(*answers)
        assert set(done) <= {(202, ""), (429, "requests-many")}
        assert (202, "") in done
        await eventually(lambda: followed.looks > before, what="a look")
        most = (time.monotonic() - began) / APART_SECONDS + 1
        assert followed.looks - before <= most
        assert (await sent(forge, BODY, headers)) == (202, "")


async def test_without_a_forge_or_its_secret_there_are_no_webhooks(
    followed: Followed, platform: Platform, tmp_path: Path
) -> None:
    async with followed.service(webhook_secret_file=None) as web:
        assert await sent(web.stranger(), BODY, signed("github", BODY)) == (404, "webhooks-off")
    async with WebService.opened(platform, tmp_path) as web:
        assert await sent(web.stranger(), BODY, signed("github", BODY)) == (404, "webhooks-off")
        assert (await web.stranger().get("api/v1/health")).json()["forge"] is None
        assert "allotment_forge" not in (await web.stranger().get("api/v1/metrics")).text


async def test_health_and_metrics_say_how_the_forge_is_and_the_service_stays_ready(followed: Followed) -> None:
    state = followed.server.state
    state.push("somebody/wants")
    state.open(state.users["bot"], "somebody/wants", "By hand")
    await followed.looked_at_first()
    async with followed.service() as web:
        anybody = web.stranger()

        async def told() -> dict[str, Any]:
            answer = await anybody.get("api/v1/health")
            assert answer.status_code == 200
            assert answer.json()["ok"]
            return dict(answer.json()["forge"])

        metrics = (await anybody.get("api/v1/metrics")).text
        good = await told()
        assert (good["ok"], good["code"], good["open"]) == (True, None, 1)
        assert "allotment_forge_up 1.0" in metrics
        assert "allotment_forge_open_pull_requests 1.0" in metrics
        assert "allotment_forge_looked_timestamp_seconds" in metrics
        (followed.folder / "token").unlink()
        assert await sent(anybody, BODY, signed("github", BODY)) == (202, "")
        await eventually(lambda: followed.pull_requests.status.error is not None, what="a look that fails")
        bad = await told()
        assert (bad["ok"], bad["code"], bad["looked"]) == (False, "forge-credential", good["looked"])
        assert bad["since"] > good["since"]
        assert "credential" in bad["why"]
        assert str(followed.folder) not in json.dumps(bad), "the answer is public"
        assert "allotment_forge_up 0.0" in (await anybody.get("api/v1/metrics")).text
