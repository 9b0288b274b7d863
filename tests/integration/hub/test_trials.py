"""Who may try a proposal, what the hub is asked to start, when a trial ends, and how its outcome is recorded."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from bs4 import BeautifulSoup
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, PRICES, PRICES_PATH, Platform, code_of
from support.fakes.web_service import WebService

from allotment_hub.errors import UnavailableError
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.trials.following import MAXIMUM_RECORDED
from allotment_hub.services.trials.outcomes import WHY
from allotment_hub.services.trials.trying import Wish
from allotment_profiles.access import deployments
from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.people import User
from allotment_profiles.documents import reading
from allotment_profiles.records.record import EVIDENCE_FILE

ROOT = Path(__file__).parents[3]
LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
LENA = User("lena", frozenset())
OTHER_PATH = "teams/housing/profiles/other.yaml"


@pytest.fixture(autouse=True)
def apart(platform: Platform) -> None:
    """Run where a trial has a host of its own: only there those who review try what others propose."""
    platform.capabilities = deployments.unlimited("this cluster")


async def proposed(platform: Platform, content: bytes = LARGER, by: str = "ana") -> StoredProposal:
    await platform.watcher.refresh()
    return await platform.proposed({NOTEBOOK_PATH: content}, by)


def started(platform: Platform, stored: StoredProposal, by: str, wish: Wish = Wish(), **actor: Any) -> Any:  # noqa: B008
    return platform.trials.start(platform.people.actor(by, **actor), stored.id, wish)


def part(page: httpx.Response) -> str:
    found = BeautifulSoup(page.text, "html.parser").select_one("#trial")
    return found.get_text(" ", strip=True) if found else ""


async def test_the_proposer_and_those_who_have_to_approve_it_try_it_and_nobody_else(platform: Platform) -> None:
    stored = await proposed(platform)
    for name, expected in {"ben": "not-yours-to-try", "dora": "proposal-unknown", "adam": "not-yours-to-try"}.items():
        assert await code_of(started(platform, stored, name)) in (expected, "not-yours-to-try"), name
    assert platform.people.asked_trials == []
    for name in ("ana", "lena", "leo"):
        await started(platform, stored, name)
    told = {asked["user"]: asked for asked in platform.people.asked_trials}
    assert {name: asked["reviewing"] for name, asked in told.items()} == {"ana": False, "lena": True, "leo": True}
    for asked in told.values():
        assert (asked["proposal"], asked["head"]) == (stored.id, stored.head)
        assert (asked["profile"], asked["content"].encode()) == ("housing/notebook", LARGER)
        assert asked["data_roles"] == []


@pytest.mark.parametrize("deployment", [deployments.laptop, deployments.cluster])
async def test_who_reviews_tries_nothing_that_could_reach_their_other_sessions(
    platform: Platform, deployment: Callable[[], Capabilities]
) -> None:
    stored = await proposed(platform)
    platform.capabilities = deployment()
    assert await code_of(started(platform, stored, "lena")) == "trial-not-isolated"
    await started(platform, stored, "ana")
    assert [asked["user"] for asked in platform.people.asked_trials] == ["ana"]


async def test_what_has_ended_and_what_is_no_profile_is_not_tried(platform: Platform) -> None:
    stored = await proposed(platform)
    assert (
        await code_of(platform.trials.start(platform.people.actor("ana"), stored.id, Wish(), "b" * 40)) == "head-moved"
    )
    assert await code_of(started(platform, stored, "ana", Wish("housing/other"))) == "trial-profile"
    await platform.submissions.withdraw(platform.people.actor("ana"), stored.id)
    assert await code_of(started(platform, stored, "ana")) == "proposal-ended"
    grant = await platform.proposed({PRICES_PATH: PRICES.replace(b"2999", b"2998")}, "dora")
    assert await code_of(started(platform, grant, "dora")) == "trial-nothing"
    two = await platform.proposed({NOTEBOOK_PATH: LARGER, OTHER_PATH: NOTEBOOK}, "ana")
    assert await code_of(started(platform, two, "ana")) == "trial-profile"
    await started(platform, two, "ana", Wish("housing/other"))
    assert platform.people.asked_trials[0]["profile"] == "housing/other"


async def test_a_session_asks_for_a_trial_and_not_for_its_data(platform: Platform) -> None:
    stored = await proposed(platform)
    wish = Wish(data_roles=("prices",))
    assert await code_of(started(platform, stored, "ana", wish, session=True)) == "scope-missing"
    await started(platform, stored, "ana", session=True)
    await started(platform, stored, "ana", wish)
    assert [asked["data_roles"] for asked in platform.people.asked_trials] == [[], ["prices"]]
    for wrong in (Wish(options={"size": "\ud800"}), Wish(data_roles=("../x",)), Wish(options={"x" * 101: "y"})):
        assert await code_of(started(platform, stored, "ana", wrong)) == "trial-malformed"


async def test_a_refusal_of_the_hub_is_told_as_it_is(platform: Platform) -> None:
    stored = await proposed(platform)
    platform.people.refused_trial = {"code": "budget-user", "what": "No.", "why": "x", "remedy": "y", "status": 409}
    assert await code_of(started(platform, stored, "ana")) == "budget-user"


async def test_a_trial_ends_with_the_proposal_and_its_outcome_is_recorded_once(platform: Platform) -> None:
    stored = await proposed(platform)
    await started(platform, stored, "lena")
    assert await platform.follower.look()
    assert platform.people.trials["lena"]["state"] == "running"
    await platform.submissions.withdraw(platform.people.actor("ana"), stored.id)
    await platform.follower.look()
    trial = platform.people.trials["lena"]
    assert (trial["state"], trial["why"]) == ("ended", "The proposal was withdrawn.")
    assert not await platform.follower.look()
    restarted = dataclasses.replace(stored)
    platform.follower._settled.clear()  # as a service that was started anew
    await platform.follower.look()
    records = [each for each in (await platform.proposals.stored(restarted.id)).records if each.kind == "tried"]
    assert [(record.by, record.head) for record in records] == [("lena", stored.head)]
    found = await platform.proposals.evidence(records, LENA)
    assert found[0].trial is not None
    assert (found[0].trial.started_in, found[0].trial.text) == (41.0, "The proposal was withdrawn.")


async def test_a_trial_ends_when_the_head_moves_and_that_of_a_draft_does_not(platform: Platform) -> None:
    stored = await proposed(platform)
    await started(platform, stored, "ana")
    await platform.trials.start_draft(platform.people.actor("lena"), {OTHER_PATH: LARGER}, Wish())
    await proposed(platform, NOTEBOOK.replace(b"4 GiB", b"6 GiB"))
    await platform.follower.look()
    trials = platform.people.trials
    assert (trials["ana"]["state"], trials["ana"]["why"]) == ("ended", "The proposal has changed since.")
    assert trials["lena"]["state"] == "running"


async def test_a_trial_of_who_reviews_ends_when_they_do_not_review_it_any_more(platform: Platform) -> None:
    stored = await proposed(platform)
    for name in ("lena", "ana"):
        await started(platform, stored, name)
    assert await platform.follower.look()
    assert platform.people.trials["lena"]["state"] == "running"
    platform.people.groups["lena"] = ["/housing"]
    platform.people.groups["ana"] = []
    assert await platform.follower.look()
    trial = platform.people.trials["lena"]
    assert (trial["state"], trial["why"]) == ("ended", "Its user may not try it any more.")
    assert platform.people.trials["ana"]["state"] == "running", "the hub asks about the team"


async def test_a_trial_of_who_reviews_ends_with_their_account_and_where_it_is_not_isolated(platform: Platform) -> None:
    stored = await proposed(platform)
    for name in ("lena", "leo"):
        await started(platform, stored, name)
    del platform.people.groups["leo"]
    await platform.follower.look()
    assert {name: trial["state"] for name, trial in platform.people.trials.items()} == {
        "lena": "running",
        "leo": "ended",
    }
    platform.capabilities = deployments.cluster()  # as after an upgrade
    await platform.follower.look()
    assert platform.people.trials["lena"]["state"] == "ended"


def ended(stored: StoredProposal, **changes: Any) -> dict[str, Any]:
    """Return a trial that has ended, as the hub names it."""
    return {
        "user": "ana", "profile": "housing/notebook", "state": "ended", "why": "x", "code": "image-missing",
        "trial": {"proposal": stored.id, "head": stored.head}, "seconds": None,
        "began": "2999-01-01T00:00:00+00:00", "url": "", **changes,
    }  # fmt: skip


async def test_what_the_cluster_says_of_a_failed_start_is_for_its_user_alone(
    platform: Platform, tmp_path: Path
) -> None:
    stored = await proposed(platform)
    secret = "registry-7.internal: node-12 was asked by adam, see ticket 4711"
    platform.people.trials["ana"] = ended(stored, why=f"The image cannot be downloaded: {secret}.")
    await platform.follower.look()
    address = f"proposals/{stored.id}"
    async with WebService.opened(platform, tmp_path, platform.directory) as service:
        ana, lena = [await service.browser(name).get(address) for name in ("ana", "lena")]
        for page in (ana, lena):
            (evidence,) = BeautifulSoup(page.text, "html.parser").select(".allotment-evidence")
            said = evidence.get_text(" ", strip=True)
            assert "The image does not exist or cannot be downloaded. image-missing" in said
            assert "4711" not in said
        assert secret in part(ana)
        assert "4711" not in lena.text
        assert "4711" not in (await service.program("lena").get(f"api/v1/{address}")).text
    git = platform.repository
    kept = await platform.proposals.stored(stored.id)
    assert not [each for each in kept.records if b"4711" in (git.file(each.commit, EVIDENCE_FILE) or b"")]


@pytest.mark.parametrize("code", ["stopped-by-order", "budget-user", "not-known-here", ""])
async def test_every_code_of_a_trial_that_did_not_start_is_told_in_words_of_our_own(
    platform: Platform, code: str
) -> None:
    stored = await proposed(platform)
    platform.people.trials["ana"] = ended(stored, why="Adam has stopped all: ticket 4711.", code=code)
    await platform.follower.look()
    (found,) = await platform.proposals.evidence((await platform.proposals.stored(stored.id)).records, LENA)
    assert found.trial
    assert found.trial.code == (code or "trial-failed")
    assert "4711" not in found.trial.text
    assert bool(found.trial.text) == (code != "not-known-here")


def test_there_are_words_for_every_refusal_of_a_deployment() -> None:
    codes = (ROOT / "docs" / "codes.md").read_text().partition("## Starts that a deployment refuses")[2]
    assert set(WHY) == set(re.findall(r"^\| `([a-z-]+)`", codes, re.MULTILINE))


async def test_an_accident_with_one_trial_leaves_the_others_to_be_looked_after(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    stored = await proposed(platform)
    await started(platform, stored, "ana")
    # The hub names trials in the order of its users: this one comes first.
    platform.people.trials = {
        "adam": ended(stored, user="adam", code="no code", began="2999-01-01T00:00:00+00:00"), **platform.people.trials
    }  # fmt: skip
    await platform.submissions.withdraw(platform.people.actor("ana"), stored.id)
    await platform.follower.look()
    assert platform.people.trials["ana"]["state"] == "ended"
    assert f"the trial of {stored.id} by adam" in caplog.text


async def test_a_clock_that_was_set_back_and_characters_of_no_text_are_no_accident(platform: Platform) -> None:
    stored = await proposed(platform)
    platform.people.trials["ana"] = ended(stored, code="", seconds=-3.0, why="It was\u202e stopped.\n")
    await platform.follower.look()
    (found,) = await platform.proposals.evidence((await platform.proposals.stored(stored.id)).records, LENA)
    assert found.trial
    assert (found.trial.started_in, found.trial.text) == (0.0, "It was stopped.")


async def test_one_person_adds_a_bounded_number_of_outcomes(platform: Platform) -> None:
    stored = await proposed(platform)
    for number in range(MAXIMUM_RECORDED + 1):
        began = f"2999-01-01T00:00:{number:02}+00:00"
        platform.people.trials["ana"] = ended(stored, began=began)
        await platform.follower.look()
    records = [each for each in (await platform.proposals.stored(stored.id)).records if each.kind == "tried"]
    assert len(records) == MAXIMUM_RECORDED


async def test_a_draft_with_hard_problems_is_refused_before_the_hub_is_asked(platform: Platform) -> None:
    await platform.watcher.refresh()
    actor = platform.people.actor("ana")
    for content in (LARGER.replace(b"quay.io", b"evil.example.org"), b"title: [", b"\xff"):
        assert await code_of(platform.trials.start_draft(actor, {OTHER_PATH: content}, Wish())) == "trial-problems"
    assert platform.people.asked_trials == []
    soft = LARGER.replace(b"limit: 2", b"limit: 8") + b"data_roles: [there-is-none]\n"
    await platform.trials.start_draft(actor, {OTHER_PATH: soft}, Wish())
    asked = platform.people.asked_trials[0]
    assert (asked["proposal"], asked["reviewing"], asked["profile"]) == ("", False, "housing/other")


async def test_the_page_offers_the_trial_shows_it_and_says_how_it_went(platform: Platform, tmp_path: Path) -> None:
    option = b"options:\n  size:\n    title: How large\n    default: a\n    choices:\n      a: {title: <b>A</b>}\n"
    data = b"data_roles: [prices]\n" + option
    platform.push({NOTEBOOK_PATH: NOTEBOOK + data})
    stored = await proposed(platform, LARGER + data)
    address = f"proposals/{stored.id}"
    async with WebService.opened(platform, tmp_path, platform.directory) as service:
        ana, ben = service.browser("ana"), service.browser("ben")
        page = await ana.get(address)
        assert "How large" in part(page)
        assert "prices" in part(page)
        assert "at most 2 h" in part(page)
        assert "none of your files" in part(page)
        assert "<b>A</b>" not in page.text
        assert "not-yours-to-try" in part(await ben.get(address))
        form = {"option.size": "a", "data_role": "prices"}
        forged = await ana.post(f"{address}/try", data={"head": stored.head})
        assert forged.status_code == 403
        done = await ana.press(page, "/try", **form)
        assert done.status_code == 303, done.text
        asked = platform.people.asked_trials[-1]
        assert (asked["options"], asked["data_roles"]) == ({"size": "a"}, ["prices"])
        page = await ana.get(address)
        assert "Your trial is running" in part(page)
        assert BeautifulSoup(page.text, "html.parser").select_one("#trial a[href='/user/ana/trial/']")
        assert "ana tries it" in part(await service.browser("lena").get(address))
        assert (await ana.press(page, "/end-trial")).status_code == 303
        await platform.follower.look()
        evidence = BeautifulSoup((await ben.get(address)).text, "html.parser").select_one(".allotment-evidence")
        assert evidence
        assert "41" in evidence.get_text(" ", strip=True)


async def test_a_view_reads_no_profile_again_that_the_check_has_read(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER, OTHER_PATH: NOTEBOOK + b"data_roles: [prices]\n"}, "ana")
    view = await platform.proposals.view(stored, platform.people.actor("ana"))

    def read_again(*_: object, **__: object) -> None:
        raise AssertionError("a file was read again")

    monkeypatch.setattr(reading, "parse_yaml", read_again)
    found = await platform.trials.view(view, platform.people.actor("ana"))
    assert [(each.id, each.title) for each in found.profiles] == [
        ("housing/notebook", "Notebook"), ("housing/other", "Notebook"),
    ]  # fmt: skip


async def test_programs_start_look_at_and_end_their_own_trial(platform: Platform, tmp_path: Path) -> None:
    stored = await proposed(platform)
    async with WebService.opened(platform, tmp_path, platform.directory) as service:
        session, ben = service.program("ana", session=True), service.program("ben")
        path = f"api/v1/proposals/{stored.id}/trial"
        assert (await session.get(path)).json()["state"] == "none"
        done = await session.post(path, json={})
        assert (done.status_code, done.json()["state"], done.json()["started_in"]) == (202, "running", 41.0)
        assert done.json()["url"].startswith("http")
        assert (await ben.get(path)).json()["state"] == "none"
        refused = await ben.post(path, json={})
        assert (refused.status_code, refused.json()["code"]) == (403, "not-yours-to-try")
        assert (await ben.delete(path)).status_code == 200
        assert platform.people.trials["ana"]["state"] == "running"
        assert (await session.delete(path)).json()["state"] == "ended"
        assert (await service.stranger().delete(path)).status_code == 403
        draft = {"profile": "housing/notebook", "content": LARGER.decode()}
        assert (await session.post("api/v1/trials", json=draft)).json()["proposal"] == ""
        for wrong in ({}, {"profile": "x"}, {**draft, "settings": {}}, {**draft, "profile": "../x"}):
            assert (await session.post("api/v1/trials", json=wrong)).status_code == 422


async def test_a_hub_that_is_away_or_older_starts_no_trial_and_the_page_is_there(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = await proposed(platform)
    view = await platform.proposals.view(stored, platform.people.actor("ana"))
    answer = httpx.Response(404, json={"status": 404, "message": "Not Found"})
    monkeypatch.setattr(platform.people, "_trials", lambda _request: answer)
    assert (await platform.trials.view(view, platform.people.actor("ana"))).own is None
    with pytest.raises(UnavailableError, match="hub-cannot-try"):
        await started(platform, stored, "ana")


async def test_what_is_in_the_form_is_tried_and_stays_in_the_form(platform: Platform, tmp_path: Path) -> None:
    await platform.watcher.refresh()
    async with WebService.opened(platform, tmp_path, platform.directory) as service:
        ana = service.browser("ana")
        page = await ana.get("propose?from=housing/notebook")
        form = BeautifulSoup(page.text, "html.parser").select_one("#proposal")
        assert form
        fields = {str(each["name"]): str(each.get("value", "")) for each in form.select("input[name]")}
        typed = {
            **fields,
            "team": "housing",
            "name": "notebook",
            "tab": "file",
            "content": LARGER.decode(),
            "do": "try",
        }
        forged = await ana.post("propose", data={**typed, "one_time": ""})
        assert platform.people.asked_trials == []
        assert "page-outdated" in forged.text
        done = await ana.post("propose", data=typed)
        assert done.status_code == 200, done.text
        shown = BeautifulSoup(done.text, "html.parser")
        assert shown.select_one("#tried a[href$='/spawn-pending/ana/trial']"), done.text
        assert "8 GiB" in done.text
        (asked,) = platform.people.asked_trials
        assert (asked["proposal"], asked["content"].encode()) == ("", LARGER)
        wrong = {**typed, "content": LARGER.replace(b"quay.io", b"evil.example.org").decode()}
        page = await ana.get("propose?from=housing/notebook")
        token = BeautifulSoup(page.text, "html.parser").select_one("input[name=one_time]")
        assert token
        refused = await ana.post("propose", data={**wrong, "one_time": str(token["value"])})
        assert (refused.status_code, "trial-problems" in refused.text) == (409, True)


async def test_cookies_alone_start_no_trial_over_the_api(platform: Platform, tmp_path: Path) -> None:
    stored = await proposed(platform)
    async with WebService.opened(platform, tmp_path, platform.directory) as service:
        browser = service.browser("ana")
        await browser.get("proposals")
        headers = {"X-XSRFToken": next(cookie.value or "" for cookie in browser.cookies.jar if cookie.name == "_xsrf")}
        path = f"api/v1/proposals/{stored.id}/trial"
        for answer in (
            await browser.post(path, json={"data_roles": ["prices"]}, headers=headers),
            await browser.delete(path, headers=headers),
            await browser.post("api/v1/trials", json={}, headers=headers),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "token-needed")
        assert platform.people.asked_trials == []
