"""`allotment forge doctor` on a real Gitea and the stand-ins: what is wrong is named, with the page of the setting."""

import asyncio
import hmac
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.command_line import allotment
from support.fakes.faulty_front import FaultyFront
from support.fakes.platform import Platform
from support.fakes.web_service import PREFIX, WebService
from support.forge_stages import GiteaRepository, GiteaStage, GitHubStage, Stage, StandInStage
from support.servers.forge import needs_forge

from allotment_hub.configuration import ForgeConfiguration
from allotment_hub.services.pull_requests.mirroring import PullRequests
from allotment_hub.services.pull_requests.showing import ForgePlace
from allotment_profiles.git.repository import RefUpdate

STATUSES = ["allotment/check", "allotment/approval"]
WEBHOOK = "https://hub.example.org/lab/services/allotment/api/v1/webhooks/forge"
OWNERS = """\
administrators: "@acme/platform"
/housing/leads: "@acme/housing"
/transport/leads: "@acme/transport"
/data/leads: "@acme/data"
"""


def configured(stage: Stage, folder: Path, **forge: Any) -> Path:
    held = stage.configuration | forge
    content = {
        "repository": str(folder / "profiles.git"), "signing_key": "key", "allowed_signers": "keys",
        "events": "sqlite://", "port": 1, "public_url": "https://hub.example.org/lab/", "forge": held,
        "remote": {"url": f"{held['url']}/{held['repository']}.git", "plain_http": True},
    }  # fmt: skip
    path = folder / "service.json"
    path.write_text(json.dumps(content))
    return path


async def looked(config: Path, *options: str | Path, **environment: str) -> tuple[int, list[str]]:
    code, output = await asyncio.to_thread(
        lambda: allotment("forge", "doctor", "--config", config, *options, **environment)
    )
    return code, output.splitlines()


def faults(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("WRONG")]


async def test_what_does_not_protect_main_is_said_with_the_page_of_the_setting(stage: Stage, tmp_path: Path) -> None:
    config = configured(stage, tmp_path)
    code, lines = await looked(config)
    assert code == 1
    assert len([line for line in faults(lines) if "without the setting" not in line]) == 8
    assert all(" Setting: http" in line for line in faults(lines))
    assert f"may write to {stage.configuration['repository']}" in lines[1]
    stage.protect(STATUSES)
    code, lines = await looked(config)
    assert (code, faults(lines)) == (0, [])
    assert "a merge waits for allotment/check and allotment/approval" in "\n".join(lines)
    assert "ok     allotment/records is protected." in lines
    assert stage.token("bot") not in "\n".join(lines)


async def test_a_log_of_records_that_is_not_protected_is_said(stage: Stage, tmp_path: Path) -> None:
    stage.protect(STATUSES, records=False)
    code, lines = await looked(configured(stage, tmp_path))
    assert code == 1
    assert ["allotment/records" in line for line in faults(lines)] == [True] * 3
    assert "and then nothing is decided" in faults(lines)[0]


async def test_a_webhook_that_is_not_there_is_said(stage: Stage, tmp_path: Path) -> None:
    stage.protect(STATUSES)
    secret = tmp_path / "webhook-secret"
    config = configured(stage, tmp_path, webhook_secret_file=str(secret))
    _, lines = await looked(config)
    assert [line.split()[1:3] for line in faults(lines)] == [["The", "file"], ["No", "active"]]
    secret.write_text("one\ntwo\nthree\n")
    stage.add_webhook(WEBHOOK)
    _, lines = await looked(config)
    assert [line.endswith("holds more than two secrets.") for line in faults(lines)] == [True]
    secret.write_text("one\ntwo\n")
    code, lines = await looked(config)
    assert (code, lines[-1]) == (0, f"ok     A webhook goes to {WEBHOOK}")


async def test_a_webhook_that_does_not_send_what_is_needed_is_said(stage: Stage, tmp_path: Path) -> None:
    stage.protect(STATUSES)
    (tmp_path / "webhook-secret").write_text("one\n")
    stage.add_webhook(WEBHOOK, pushes_only=True)
    code, lines = await looked(configured(stage, tmp_path, webhook_secret_file=str(tmp_path / "webhook-secret")))
    [fault] = faults(lines)
    assert code == 1
    assert f"The webhook to {WEBHOOK} does not send: " in fault
    assert "omment" in fault
    assert "Push" not in fault
    assert fault.endswith("/hooks")


async def test_what_the_service_says_of_webhooks_and_of_its_records_is_said(
    github: StandInStage, platform: Platform, tmp_path: Path
) -> None:
    github.protect(STATUSES)
    github.add_webhook(WEBHOOK)
    secret = tmp_path / "webhook-secret"
    secret.write_text("one\n")
    await platform.watcher.refresh()
    place = ForgePlace("github", httpx.URL(github.front.url).netloc.decode(), "https://hub/")
    pull_requests = PullRequests(platform.followed(github.forge(), place), platform.proposals, 3600)
    forge = ForgeConfiguration.model_validate(github.configuration | {"webhook_secret_file": secret})
    async with WebService.opened(platform, tmp_path, forge=forge, pull_requests=pull_requests) as web:
        config = configured(github, tmp_path, webhook_secret_file=str(secret))
        content = json.loads(config.read_text()) | {"port": int(httpx.URL(web.url).port or 0)}
        config.write_text(json.dumps(content))

        async def said() -> tuple[int, str]:
            code, lines = await looked(config, JUPYTERHUB_SERVICE_PREFIX=PREFIX)
            return code, "\n".join(lines)

        async def sent(key: bytes) -> int:
            signature = hmac.digest(key, b"{}", "sha256").hex()
            headers = {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/json"}
            answer = await web.stranger().post("api/v1/webhooks/forge", content=b"{}", headers=headers)
            return answer.status_code

        code, output = await said()
        assert (code, "ok     The service runs, and its log of records is whole." in output) == (0, True)
        assert "?      No webhook has come since the service was started." in output
        assert await sent(b"another") == 401
        code, output = await said()
        assert (code, "WRONG  The last webhook was refused at " in output) == (1, True)
        assert "/settings/hooks" in output
        assert await sent(b"one") == 202
        code, output = await said()
        assert (code, "ok     The last webhook was accepted at " in output) == (0, True)
        log = "refs/heads/allotment/records"
        head = platform.repository.resolve("refs/heads/main")
        assert head
        before = platform.repository.resolve(log) or "0" * 40
        platform.repository.update_references([RefUpdate(log, head, before)])
        code, output = await said()
        assert (code, "WRONG  Nothing is decided: " in output) == (1, True)
    code, output = await said()
    assert (code, "?      The service does not answer at " in output) == (0, True)
    await pull_requests.stop()


async def test_a_token_that_was_revoked_or_may_too_little_is_said_and_shown_nowhere(
    stage: Stage, tmp_path: Path
) -> None:
    if isinstance(stage, GitHubStage) and stage.app:
        stage.server.state.app_writes.remove("checks")
    else:
        stage.use_token(stage.token("stranger"))
    code, lines = await looked(configured(stage, tmp_path))
    assert code == 1
    assert "need the right to write" in faults(lines)[0]
    stage.use_token("revoked-and-secret")
    (tmp_path / "webhook-secret").write_text("one")
    code, lines = await looked(
        configured(
            stage,
            tmp_path,
            token_file=str(stage.token_file),
            app_id="",
            app_key_file=None,
            webhook_secret_file=str(tmp_path / "webhook-secret"),
        )
    )
    assert code == 1
    assert ["[forge-credential]" in line for line in lines] == [True], "one thing is wrong, and is said once"
    assert "revoked-and-secret" not in "\n".join(lines)


async def test_settings_that_the_service_may_not_read_are_read_with_another_token(
    gitlab: Stage, tmp_path: Path
) -> None:
    gitlab.protect(STATUSES)
    gitlab.add_webhook(WEBHOOK)
    gitlab.use_token(gitlab.token("ann"))
    (tmp_path / "webhook-secret").write_text("one")
    (tmp_path / "admin").write_text(gitlab.token("bot"))
    config = configured(gitlab, tmp_path, webhook_secret_file=str(tmp_path / "webhook-secret"))
    code, lines = await looked(config)
    assert (code, lines[-1].startswith("?      The account may not read the webhooks.")) == (0, True)
    code, lines = await looked(config, "--settings-token", tmp_path / "admin")
    assert (code, lines[-1]) == (0, f"ok     A webhook goes to {WEBHOOK}")


@needs_forge
async def test_who_may_push_is_the_service_whoever_looks(gitea_repository: GiteaRepository, tmp_path: Path) -> None:
    stage = GiteaStage(FaultyFront(gitea_repository.gitea.url), gitea_repository, tmp_path)
    stage.protect(STATUSES)
    (tmp_path / "owner").write_text(gitea_repository.gitea.token(write=False))
    code, lines = await looked(configured(stage, tmp_path), "--settings-token", tmp_path / "owner")
    assert (code, faults(lines)) == (0, [])
    stage.use_token(stage.token("lea"))
    code, lines = await looked(configured(stage, tmp_path))
    assert (code, faults(lines)) == (0, []), "not known is not wrong"
    assert any(line.startswith("?      The protection of main could not be looked at.") for line in lines)
    await stage.close()


async def test_an_account_that_is_somebodys_in_the_hub_is_said(
    github: StandInStage, platform: Platform, tmp_path: Path
) -> None:
    github.protect(STATUSES)
    config = configured(github, tmp_path)
    async with WebService.opened(platform, tmp_path) as web:
        platform.people.place = ["github", httpx.URL(github.front.url).netloc.decode()]
        hub = {"JUPYTERHUB_API_URL": str(web.hub_client.base_url), "JUPYTERHUB_API_TOKEN": "x"}
        code, lines = await looked(config, **hub)
        assert (code, "ok     bot is nobody's account in the hub." in lines) == (0, True)
        bot, host = github.account("bot"), httpx.URL(github.front.url).netloc.decode()
        account = {"provider": "github", "host": host, "id": bot.id, "login": "somebody"}
        platform.people.identities["ana"] = {"account": account}
        code, lines = await looked(config, **hub)
        assert code == 1
        assert faults(lines) == ["WRONG  bot is the account of ana: give the service an account of its own."]
        await web.stop_hub()
        code, lines = await looked(config, **hub)
        assert (code, [line[0] for line in lines].count("?")) == (0, 2)


async def test_a_sign_in_by_which_the_hub_knows_nobody_on_the_forge_is_said(
    github: StandInStage, platform: Platform, tmp_path: Path
) -> None:
    github.protect(STATUSES)
    config, host = configured(github, tmp_path), httpx.URL(github.front.url).netloc.decode()
    async with WebService.opened(platform, tmp_path) as web:
        hub = {"JUPYTERHUB_API_URL": str(web.hub_client.base_url), "JUPYTERHUB_API_TOKEN": "x"}
        for place in (["oidc", host], ["github", "github.example.org"], ["dummy", ""]):
            platform.people.place = place
            code, lines = await looked(config, **hub)
            assert code == 1
            [fault] = faults(lines)
            assert f"People sign in with {place[0]} at" in fault
            assert "CheckedIdentity.provider has to be github" in fault
        platform.people.place = None  # the hub is older, or its authenticator is not ours
        code, lines = await looked(config, **hub)
        assert (code, [line[0] for line in lines].count("?")) == (0, 1)
        platform.people.place = ["github", host]
        code, lines = await looked(config, **hub)
        assert (code, "ok     People sign in to the hub with the forge, so what they do there counts." in lines) == (
            0,
            True,
        )


@needs_forge
async def test_a_gitea_that_does_not_notice_merges_is_said(gitea_repository: GiteaRepository, tmp_path: Path) -> None:
    stage = GiteaStage(FaultyFront(gitea_repository.gitea.url), gitea_repository, tmp_path)
    try:
        stage.protect(STATUSES)
        config = configured(stage, tmp_path)
        _, lines = await looked(config)
        assert "ok     The forge shows what the service merges as merged." in lines
        stage.notice_merges(False)
        code, lines = await looked(config)
        [fault] = faults(lines)
        assert (code, "manually merged” and “Enable autodetect" in fault) == (1, True)
        assert fault.endswith(f"Setting: {stage.configuration['url']}/{stage.configuration['repository']}/settings")
    finally:
        await stage.close()


async def test_a_stale_file_of_code_owners_is_said(github: StandInStage, platform: Platform, tmp_path: Path) -> None:
    github.protect(STATUSES)
    (tmp_path / "owners.yaml").write_text(OWNERS)
    place = platform.repository.path
    config = configured(github, tmp_path)
    config.write_text(config.read_text().replace(str(tmp_path / "profiles.git"), str(place)))
    options = ("--owners", tmp_path / "owners.yaml")
    assert "is not there" in faults((await looked(config, *options))[1])[0]
    made = allotment("codeowners", "--forge", "github", *options, "--repository", place)[1]
    platform.push({".github/CODEOWNERS": made.encode()})
    code, lines = await looked(config, *options)
    assert (code, lines[-1]) == (0, "ok     .github/CODEOWNERS is up to date.")
    platform.push({".github/CODEOWNERS": made.encode() + b"* @acme/all\n"})
    assert ".github/CODEOWNERS is stale" in faults((await looked(config, *options))[1])[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"forge": None}, "names no forge"),
        ({"remote": None}, "a forge without a git server"),
        ({"port": 0, "forge": None}, "port: Input should be greater than or equal to 1"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_usage_error(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    forge = {"kind": "gitea", "url": "https://git.example.org", "repository": "a/b"}
    held = {
        "repository": "r", "signing_key": "k", "allowed_signers": "k", "events": "sqlite://", "port": 1,
        "public_url": "https://hub.example.org/", "forge": forge, "remote": {"url": "https://git.example.org/a/b"},
    }  # fmt: skip
    (tmp_path / "service.json").write_text(json.dumps(held | change))
    code, output = allotment("forge", "doctor", "--config", tmp_path / "service.json")
    assert (code, said in output) == (2, True), output


def test_where_no_file_is_named_or_found_the_options_are_named() -> None:
    code, output = allotment("forge", "doctor")
    assert code == 2
    assert "/etc/allotment/service.json cannot be read" in output
    assert "--deployment" in output.split("cannot be read")[1]


def test_a_forge_that_cannot_be_asked_is_a_usage_error(tmp_path: Path) -> None:
    test_a_file_that_cannot_be_used_is_a_usage_error(tmp_path, {}, "the file of a token is needed")
