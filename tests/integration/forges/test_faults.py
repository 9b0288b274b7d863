"""What goes wrong between the service and a forge: every adapter says it in plain words, and does nothing twice."""

import datetime as dt
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from support.connections import cut_connections
from support.fakes.faulty_front import Fault, FaultKind, FaultyFront
from support.fakes.forge_state import User
from support.fakes.gitlab_server import PROJECT
from support.forge_stages import GitHubStage, GitLabStage, Stage, StandInStage
from support.servers.forge import needs_forge
from support.servers.git_server import write_certificates

from allotment_hub.forges.pull_requests.adapter import PullRequestAdapter
from allotment_hub.forges.pull_requests.client import ATTEMPTS, LARGEST_ANSWER
from allotment_hub.forges.pull_requests.errors import (
    ForgeCredentialError,
    ForgeError,
    ForgeLimitedError,
    ForgeMovedError,
    ForgeRefusedError,
    ForgeUnavailableError,
)
from allotment_hub.forges.pull_requests.github import GitHubForge
from allotment_hub.forges.pull_requests.gitlab import GitLabForge
from allotment_hub.forges.pull_requests.markdown import Markdown
from allotment_hub.forges.pull_requests.values import ActKind, PullRequestState, Status, StatusState, Submission

STAND_INS = pytest.mark.parametrize("stage", ["github", "github-app", "gitlab"], indirect=True)
WITH_TOKENS = pytest.mark.parametrize(
    "stage", [pytest.param("gitea", marks=needs_forge), "github", "gitlab"], indirect=True
)
FAR = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)
CREATION = r"/(pulls|merge_requests)$"


def submission(stage: Stage) -> Submission:
    branch = f"propose/{secrets.token_hex(4)}"
    return Submission(branch, stage.push(branch), "More memory", Markdown("**Memory:** 8 GiB"), "Ann")


# -- connections


async def test_a_pull_request_whose_answer_was_lost_is_found(stage: Stage, forge: PullRequestAdapter) -> None:
    what = submission(stage)
    stage.front.fault("answer lost", "POST", CREATION)
    opened = await forge.open(what)
    assert stage.numbers(what.branch) == [opened.number]


async def test_one_that_was_never_asked_for_is_opened_by_the_next_call(stage: Stage, forge: PullRequestAdapter) -> None:
    what = submission(stage)
    stage.front.fault("connection cut", "POST", CREATION)
    with pytest.raises(ForgeUnavailableError):
        await forge.open(what)
    assert stage.front.made("POST", CREATION) == 1
    opened = await forge.open(what)
    assert stage.numbers(what.branch) == [opened.number]


async def test_a_comment_whose_answer_was_lost_is_not_written_twice(stage: Stage, forge: PullRequestAdapter) -> None:
    number = (await forge.open(submission(stage))).number
    stage.front.fault("answer lost", "POST", r"/(comments|notes)$")
    with pytest.raises(ForgeUnavailableError):
        await forge.keep_comment(number, Markdown("Waits for Lea"))
    await forge.keep_comment(number, Markdown("Waits for Lea"))
    assert len(stage.comments(number)) == 1


async def test_closing_goes_on_where_it_stopped(stage: Stage, forge: PullRequestAdapter) -> None:
    number = (await forge.open(submission(stage))).number
    stage.front.fault("connection cut", "PATCH|PUT", times=ATTEMPTS)
    with pytest.raises(ForgeUnavailableError):
        await forge.close(number, Markdown("Withdrawn"))
    await forge.close(number, Markdown("Withdrawn"))
    assert (await forge.get(number)).state is PullRequestState.CLOSED
    assert len(stage.comments(number)) == 1


@pytest.mark.parametrize("fault", ["error", "connection cut"])
async def test_what_can_be_asked_twice_is_asked_again(
    stage: Stage, forge: PullRequestAdapter, fault: FaultKind
) -> None:
    stage.front.fault(fault, "GET", "/user$", times=ATTEMPTS - 1)
    assert await forge.me() == stage.account("bot")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("error", "answers with 500"), ("connection cut", "closed the connection"),
        ("garbage", "not what was expected"),
        ("huge", f"longer than {LARGEST_ANSWER >> 20} MiB"), ("compressed", "compressed"),
        ("no answer", "did not answer within 0.3 seconds"),
    ],
)  # fmt: skip
async def test_a_forge_that_does_not_answer_as_it_should_is_unavailable(
    stage: Stage, fault: FaultKind, words: str
) -> None:
    stage.front.fault(fault, times=ATTEMPTS)
    forge = stage.forge(timeout=0.3 if fault == "no answer" else 20)
    # Of the list, what is too large is left out.
    call = forge.me if fault == "huge" else forge.open_pull_requests
    with pytest.raises(ForgeUnavailableError, match=words) as caught:
        await call()
    assert caught.value.refusal.code == "forge-unavailable"


@pytest.mark.parametrize("stage", ["github", "gitlab"], indirect=True)
async def test_no_answer_of_a_forge_is_more_than_a_value_or_an_error(
    stage: StandInStage, forge: PullRequestAdapter
) -> None:
    what = submission(stage)
    opened = await forge.open(what)
    stage.review(opened.number, "lea", "approved", "Fine")
    stage.dismiss(opened.number, "lea")
    stage.review(opened.number, "ann", "changes_requested", "No")
    stage.remark(opened.number, "lea", "a.yaml", 3, "Why?")
    stage.protect(["allotment/check"])
    calls: list[Callable[[], Awaitable[object]]] = [
        forge.me, lambda: forge.get(opened.number), lambda: forge.find(what.branch),
        lambda: forge.permission(stage.account("lea")), lambda: forge.missing_protections(["allotment/check"]),
        *(lambda: forge.acts(opened) for _ in range(5)),
    ]  # fmt: skip
    failed = 0
    for number in range(150):
        junk = (None, -1, "", "x" * 300, [], {}, [None], True, 1e300, {"id": {}}, "2026-13-45")[number % 11]
        stage.front.faults = [Fault("spoiled", "GET", skipped=number % 5, leaf=number * 7, junk=junk)]
        try:
            await calls[number % len(calls)]()
        except ForgeError:
            failed += 1
    assert 5 < failed < 130, failed


async def test_a_forge_that_is_away_is_said_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x")
    forge = GitHubForge("http://127.0.0.1:9", "acme/profiles", token_file=tmp_path / "token")
    with pytest.raises(ForgeUnavailableError, match=r"127\.0\.0\.1:9 cannot be reached"):
        await forge.me()
    await forge.aclose()


async def test_a_certificate_of_an_unknown_authority_is_said_plainly(gitlab: GitLabStage, tmp_path: Path) -> None:
    certificate = write_certificates(tmp_path)
    encrypted = FaultyFront(gitlab.front.upstream, certificate)
    trusting = GitLabForge(encrypted.url, PROJECT, token_file=gitlab.token_file, ca_file=tmp_path / "ca.pem")
    assert await trusting.me() == gitlab.account("bot")
    strict = GitLabForge(encrypted.url, PROJECT, token_file=gitlab.token_file)
    with pytest.raises(ForgeUnavailableError, match=r"The certificate of 127\.0\.0\.1:\d+ is not valid"):
        await strict.me()
    plain = GitLabForge(encrypted.url.replace("https", "http"), PROJECT, token_file=gitlab.token_file)
    with pytest.raises(ForgeUnavailableError):
        await plain.me()
    for forge in (trusting, strict, plain):
        await forge.aclose()
    await encrypted.close()
    await cut_connections()


# -- limits


@pytest.mark.parametrize(
    ("fault", "seconds"), [("limited", 120), ("limited with 403", 60), ("exhausted", 300)]
)  # fmt: skip
async def test_a_limit_is_kept_to_without_asking_again(stage: Stage, fault: FaultKind, seconds: float) -> None:
    forge = stage.forge()
    stage.front.fault(fault)
    with pytest.raises(ForgeLimitedError) as caught:
        await forge.open_pull_requests()
    assert abs(caught.value.until.timestamp() - time.time() - seconds) < 30
    made = len(stage.front.requests)
    with pytest.raises(ForgeLimitedError):
        await forge.open_pull_requests()
    assert len(stage.front.requests) == made


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("0", 1), ("999999999", 3600), ("soon", 60), ("-5", 60), ("²", 60), (format_datetime(FAR, usegmt=True), 3600)],
)
async def test_a_forge_cannot_be_silent_for_ever(gitlab: GitLabStage, retry_after: str, seconds: float) -> None:
    gitlab.front.fault("limited", retry_after=retry_after)
    with pytest.raises(ForgeLimitedError) as caught:
        await gitlab.forge().me()
    assert abs(caught.value.until.timestamp() - time.time() - seconds) < 30


@STAND_INS
async def test_lists_that_have_not_changed_are_not_sent_again(stage: StandInStage, forge: PullRequestAdapter) -> None:
    await forge.open(submission(stage))
    first = await forge.open_pull_requests()
    assert stage.server.not_modified == 0
    assert await forge.open_pull_requests() == first
    assert stage.server.not_modified == 1
    await forge.open(submission(stage))
    assert len(await forge.open_pull_requests()) == 2


@STAND_INS
async def test_all_pages_are_read(stage: StandInStage, forge: PullRequestAdapter) -> None:
    stage.server.page_size = 3
    opened = [await forge.open(submission(stage)) for _ in range(7)]
    assert [each.number for each in await forge.open_pull_requests()] == [each.number for each in opened]
    for _ in range(4):
        stage.comment(opened[0].number, "ann", "Hello")
    await forge.keep_comment(opened[0].number, Markdown("Waits"))
    await forge.keep_comment(opened[0].number, Markdown("Waits longer"))
    assert len(stage.comments(opened[0].number)) == 5
    assert len(await forge.acts(opened[0])) == 5


# -- credentials


@WITH_TOKENS
async def test_a_token_is_replaced_without_a_restart(stage: Stage) -> None:
    forge = stage.forge()
    stage.use_token("revoked")
    with pytest.raises(ForgeCredentialError):
        await forge.me()
    stage.use_token(stage.token("bot"))
    assert await forge.me() == stage.account("bot")


@WITH_TOKENS
async def test_a_token_that_is_replaced_in_the_middle_of_a_call_is_used(stage: Stage) -> None:
    forge = stage.forge()
    stage.use_token("old")
    stage.front.fault("revoked", "GET", then=lambda: stage.use_token(stage.token("bot")))
    assert await forge.me() == stage.account("bot")


async def test_no_credential_is_in_an_address_a_message_or_the_log(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    forge = stage.forge()
    what = submission(stage)
    opened = await forge.open(what, stage.token("ann"))
    stage.front.fault("revoked", times=2)
    with pytest.raises(ForgeCredentialError) as caught:
        await forge.get(opened.number)
    sent = {headers["Authorization"].removeprefix("Bearer ") for headers in stage.front.headers}
    assert sent
    written = caplog.text + str(caught.value) + repr(caught.value.__cause__) + str(stage.front.requests)
    assert not [token for token in sent if token in written]


@pytest.mark.parametrize("content", [None, "", "two words", "ünlesbar", "x" * 20_000])
async def test_a_file_without_a_token_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content)
    forge = GitHubForge("http://127.0.0.1:9", "acme/profiles", token_file=tmp_path / "token")
    with pytest.raises(ForgeCredentialError, match=str(tmp_path / "token")) as caught:
        await forge.me()
    assert not content or content not in str(caught.value)
    await forge.aclose()


async def test_a_repository_that_has_moved_is_said_and_not_followed(stage: Stage, forge: PullRequestAdapter) -> None:
    other = FaultyFront(stage.front.upstream)
    stage.front.fault("moved", location=f"http://user:secret@{other.url.removeprefix('http://')}/new/home?token=x")
    with pytest.raises(ForgeMovedError, match=f"{other.url}/new/home") as caught:
        await forge.open_pull_requests()
    assert "secret" not in str(caught.value)
    assert "token" not in str(caught.value)
    assert other.requests == []
    await other.close()


# -- a GitHub App


async def test_a_wrong_clock_is_noticed_and_allowed_for(app: GitHubStage) -> None:
    for ahead in (3600.0, -3600.0):
        app.server.clock_ahead = app.front.clock_ahead = ahead
        assert (await app.forge().me()).login == "allotment[bot]"


async def test_an_installation_token_is_made_once_and_again_when_it_is_refused(app: GitHubStage) -> None:
    forge = app.forge()
    await forge.open_pull_requests()
    await forge.open_pull_requests()
    assert app.front.made("POST", "access_tokens") == 1
    app.server.app_tokens.clear()
    await forge.open_pull_requests()
    assert app.front.made("POST", "access_tokens") == 2


async def test_a_key_that_is_no_apps_is_named(app: GitHubStage) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for text in ("no key", key.private_bytes(*form).decode()):
        app.key_file.write_text(text)
        with pytest.raises(ForgeCredentialError, match="holds no private key"):
            await app.forge().me()


# -- GitLab


async def test_an_approval_that_lapsed_by_a_push_is_told(gitlab: GitLabStage) -> None:
    forge = gitlab.forge()
    what = submission(gitlab)
    number = (await forge.open(what)).number
    gitlab.review(number, "lea", "approved")
    pull = gitlab.server.state.pull(number)
    assert pull
    pull.events[-1].dismissed = True  # GitLab takes approvals back by itself, and no note says whose
    gitlab.push(what.branch)
    acts = await forge.acts(await forge.get(number))
    assert [act.kind for act in acts] == [ActKind.APPROVED, ActKind.DISMISSED]
    assert (acts[0].head, acts[1].about) == (what.head, acts[0].id)


async def test_an_approval_of_what_gitlab_showed_before_a_push_is_not_of_the_push(gitlab: GitLabStage) -> None:
    forge = gitlab.forge()
    what = submission(gitlab)
    number = (await forge.open(what)).number
    gitlab.push(what.branch)
    pull = gitlab.server.state.pull(number)
    assert pull
    gitlab.review(number, "lea", "approved")
    # GitLab notices a push a while after it: until then its page shows what was there before.
    pull.versions[-1] = (pull.head, pull.events[-1].time + dt.timedelta(seconds=1))
    [approval] = await forge.acts(await forge.get(number))
    assert approval.head == what.head != pull.head


async def test_internal_notes_stay_where_they_are(gitlab: GitLabStage) -> None:
    forge = gitlab.forge()
    opened = await forge.open(submission(gitlab))
    gitlab.server.state.act(opened.number, "internal", gitlab.server.state.users["lea"], "Between us")
    assert await forge.acts(opened) == ()


async def test_a_status_that_stays_pending_keeps_its_sentence(gitlab: GitLabStage) -> None:
    forge = gitlab.forge()
    opened = await forge.open(submission(gitlab))
    for sentence in ("Waits for Lea", "Waits for Lea and Ada"):
        await forge.set_statuses(opened, [Status("allotment/approval", StatusState.PENDING, sentence, "https://h/p/1")])
    await forge.set_statuses(opened, [Status("allotment/approval", StatusState.SUCCESS, "Approved", "https://h/p/1")])
    assert [status.state for status in gitlab.server.state.newest_statuses(opened.head)] == ["success"]


async def test_where_a_licence_takes_one_reviewer_the_others_are_told(gitlab: GitLabStage) -> None:
    gitlab.server.state.reviewers_taken = 1
    gitlab.server.state.user("max")
    forge = gitlab.forge()
    opened = await forge.open(submission(gitlab))
    answer = await forge.ask_for_reviews(opened.number, [gitlab.account("lea"), gitlab.account("max")])
    assert [account.login for account in answer.asked] == ["lea"]
    assert [each.account.login for each in answer.passed_over] == ["max"]


async def test_what_a_forge_refuses_is_said_in_its_own_words(gitlab: GitLabStage) -> None:
    forge = gitlab.forge()
    with pytest.raises(ForgeRefusedError, match="source_branch does not exist"):
        await forge.open(Submission("propose/nowhere", "0" * 40, "x", Markdown("y"), "Ann"))


async def test_somebody_with_fewer_rights_is_told_so(gitlab: GitLabStage) -> None:
    reader: User = gitlab.server.state.user("reader", "read")
    gitlab.use_token(reader.token)
    with pytest.raises(ForgeCredentialError, match="too few rights"):
        await gitlab.forge().open(submission(gitlab))
