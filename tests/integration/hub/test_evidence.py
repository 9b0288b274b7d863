"""What a session says about itself goes with a proposal: signed, for whom the proposal is for, deciding nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from support.command_line import allotment
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, POLICY, Platform, code_of
from support.fakes.web_service import WebService

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_profiles.records.evidence import ObservedUse, SessionEvidence, TrialOutcome

GIB = 1024**3
LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
SAID: dict[str, Any] = {
    "profile": "housing/notebook",
    "use": {"seconds": 3600, "memory_peak": 4 * GIB, "memory_limit": 4 * GIB, "out_of_memory": 2, "cpu_typical": 0.4},
    "packages": [{"manager": "pip", "name": "planted-package", "version": "1.2.3"}],
    "data_roles": ["prices"],
}
BODY = {"team": "housing", "name": "notebook", "content": LARGER.decode(), "reason": "It ends out of memory"}


async def proposed(platform: Platform, said: dict[str, Any] | None = None, by: str = "ana") -> StoredProposal:
    evidence = SessionEvidence.model_validate(said or SAID)
    propose = platform.submissions.propose
    done = await propose(platform.people.actor(by, session=True), {NOTEBOOK_PATH: LARGER}, "More", evidence=evidence)
    return done.proposal


async def answer(service: WebService, who: str, proposal: str) -> dict[str, Any]:
    found: dict[str, Any] = (await service.program(who).get(f"api/v1/proposals/{proposal}")).json()
    return found


def forget_index(folder: Path) -> None:
    for file in folder.glob("records.sqlite*"):
        file.unlink()


async def test_a_session_sends_evidence_with_its_proposal_and_everybody_who_sees_that_sees_it(
    service: WebService,
) -> None:
    made = await service.program("ana").post("api/v1/proposals", json=BODY | {"evidence": SAID})
    assert made.status_code == 201
    for who in ("ana", "ben", "lena", "adam"):
        (evidence,) = (await answer(service, who, made.json()["id"]))["evidence"]
        assert evidence["by"] == "ana"
        assert evidence["session"]["use"]["memory_peak"] == 4 * GIB
        assert evidence["session"]["use"]["source"] == "session"
        assert evidence["session"]["packages"] == SAID["packages"]
        assert evidence["trial"] is None


async def test_the_hidden_profile_that_a_session_was_of_is_told_to_nobody_who_may_not_know_of_it(
    platform: Platform, tmp_path: Path
) -> None:
    hidden = NOTEBOOK + b"visibility: draft\n"
    platform.push({"teams/housing/profiles/planted-plan.yaml": hidden})
    await platform.watcher.refresh()
    planted = {"profile": "housing/planted-plan", "options": {"planted": "large"}, "image": "quay.io/planted:1"}
    stored = await proposed(platform, {**SAID, **planted, "data_roles": ["planted-role"]}, by="lena")
    address = f"proposals/{stored.id}"
    async with WebService.opened(platform, tmp_path, platform.directory) as service:
        for who, knows in {"lena": True, "adam": True, "ben": False}.items():
            (evidence,) = (await answer(service, who, stored.id))["evidence"]
            assert evidence["session"]["use"]["memory_peak"] == 4 * GIB
            assert (evidence["session"]["profile"], "planted-role" in str(evidence)) == (
                ("housing/planted-plan", True) if knows else ("", False)
            )
            page = await service.browser(who).get(address)
            assert "planted-package" in page.text
            assert [word in page.text for word in ("planted-plan", "planted-role", "planted:1")].count(knows) == 3
    platform.push({"teams/housing/profiles/planted-plan.yaml": None})
    await platform.watcher.refresh()
    records = (await platform.proposals.stored(stored.id)).records
    (found,) = await platform.proposals.evidence(records, platform.people.actor("ben").user)
    assert found.session
    assert found.session.profile == "", "it was removed, and may have been hidden"


async def test_evidence_that_is_not_what_it_may_be_is_refused_without_repeating_it(service: WebService) -> None:
    planted = {"manager": "pip", "name": "<script>alert(1)</script>", "version": "1"}
    for changed in ({"packages": [planted]}, {"environment": {"API_TOKEN": "planted-secret"}}):
        refused = await service.program("ana").post("api/v1/proposals", json=BODY | {"evidence": SAID | changed})
        assert refused.status_code == 422
        assert refused.json()["code"] == "request"
        assert "planted-secret" not in refused.text
        assert "<script>" not in refused.text


async def test_ten_thousand_packages_are_sent_and_shown(service: WebService) -> None:
    packages = [{"manager": "pip", "name": f"package-{number}", "version": "1.0"} for number in range(10_000)]
    made = await service.program("ana").post(
        "api/v1/proposals", json=BODY | {"evidence": SAID | {"packages": packages}}
    )
    assert made.status_code == 201
    (evidence,) = (await answer(service, "lena", made.json()["id"]))["evidence"]
    assert len(evidence["session"]["packages"]) == 10_000
    listed = await service.program("lena").get("api/v1/proposals")
    assert "package-9999" not in listed.text


async def test_evidence_changes_nothing_that_is_required_or_was_approved(platform: Platform) -> None:
    without = await platform.proposed({NOTEBOOK_PATH: LARGER})
    reader = platform.people.actor("lena")
    before = await platform.proposals.view(without, reader)
    await platform.submissions.withdraw(platform.people.actor("ana"), without.id)
    stored = await proposed(platform)
    after = await platform.proposals.view(stored, reader)
    assert after.case.required == before.case.required
    assert after.check.changes == before.check.changes
    await platform.approved(stored)
    outcome = TrialOutcome(started_in=41.2, use=ObservedUse(source="metrics", seconds=600, memory_peak=3 * GIB))
    stored = await platform.submissions.tried(stored.id, stored.head, "lena", outcome)
    assert await platform.approvers(stored) == ["lena"]
    merged = await platform.reviews.merge(platform.people.actor("leo"), stored.id, stored.head)
    assert merged.merged
    evidence = (await platform.proposals.view(merged, reader)).evidence
    assert [(each.record.by, bool(each.trial)) for each in evidence] == [("lena", True), ("ana", False)]
    assert evidence[0].trial == outcome


async def test_the_outcome_of_a_trial_is_of_the_head_that_was_tried_and_can_come_late(platform: Platform) -> None:
    stored = await proposed(platform)
    await platform.proposed({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"12 GiB")}, update=stored.id)
    refused = TrialOutcome(code="image-pull", text="The registry has no such image.")
    tried = await platform.submissions.tried(stored.id, stored.head, "ana", refused)
    assert tried.head != stored.head
    newest = (await platform.proposals.view(tried, platform.people.actor("ana"))).evidence[0]
    assert (newest.record.head, newest.record.kind, newest.trial) == (stored.head, "tried", refused)
    ended = await platform.submissions.withdraw(platform.people.actor("ana"), stored.id)
    assert (await platform.submissions.tried(ended.id, stored.head, "ana", refused)).ending == ended.ending


async def test_a_proposal_keeps_its_evidence_over_updates_and_a_service_that_begins_anew(
    platform: Platform, tmp_path: Path
) -> None:
    stored = await proposed(platform)
    await platform.proposed({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"12 GiB")}, update=stored.id)
    await platform.close()
    forget_index(tmp_path)
    anew = Platform.opened(tmp_path)
    await anew.watcher.refresh()
    view = await anew.proposals.view(await anew.proposals.stored(stored.id), anew.people.actor("lena"))
    assert [each.session and each.session.profile for each in view.evidence] == ["housing/notebook"]
    assert view.evidence[0].record.head == stored.head
    keys = ["--keys", str(tmp_path / "signers")]
    assert "are good" in allotment("record", "verify", str(tmp_path / "profiles.git"), *keys)[1]
    await anew.close()


async def test_evidence_of_a_version_that_a_reader_may_not_know_of_is_not_shown_to_them(platform: Platform) -> None:
    hidden = {"teams/housing/profiles/quiet.yaml": NOTEBOOK + b"visibility: draft\n"}
    actor, evidence = platform.people.actor("ana"), SessionEvidence.model_validate(SAID)
    stored = (await platform.submissions.propose(actor, hidden, "Quietly", evidence=evidence)).proposal
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER}, update=stored.id)
    assert (await platform.proposals.view(stored, actor)).evidence
    assert (await platform.proposals.view(stored, platform.people.actor("dora"))).evidence == ()


async def test_redacted_evidence_is_shown_nowhere_any_more(platform: Platform, service: WebService) -> None:
    stored = await proposed(platform)
    stored = await platform.submissions.tried(
        stored.id, stored.head, "ana", TrialOutcome(code="image-pull", text="Smith")
    )
    adam = platform.people.actor("adam")
    for record in stored.records:
        stored = await platform.reviews.redact(adam, stored.id, record.commit, "It names a person")
    assert (
        await code_of(platform.reviews.redact(adam, stored.id, stored.records[1].commit, "Why")) == "redacted-already"
    )
    shown = [await service.browser("lena").get(f"proposals/{stored.id}")]
    shown += [await service.program("lena").get(f"api/v1/proposals/{stored.id}")]
    assert not any("planted-package" in each.text or "Smith" in each.text for each in shown)
    assert shown[1].json()["evidence"] == []


async def test_redacting_an_outcome_without_words_leaves_what_others_wrote(platform: Platform, tmp_path: Path) -> None:
    stored = await platform.submissions.comment(platform.people.actor("ben"), (await proposed(platform)).id, "Why?")
    for who in ("ana", "lena"):
        stored = await platform.submissions.tried(stored.id, stored.head, who, TrialOutcome(started_in=3.0))
    tried = stored.records[-1]
    stored = await platform.reviews.redact(platform.people.actor("adam"), stored.id, tried.commit, "It names a person")
    assert [record.commit for record in stored.records if record.redacted] == [tried.commit]
    keys = ["--keys", str(tmp_path / "signers")]
    code, output = allotment("record", "export", str(tmp_path / "profiles.git"), *keys)
    assert code == 0
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["kind"] for line in lines if line.get("evidence")] == ["proposed", "tried"]


@pytest.mark.platform({"policy.yaml": POLICY + b"daily_limits: {size: 1 MiB}\n"})
async def test_evidence_counts_among_what_one_person_may_add_in_a_day(platform: Platform) -> None:
    packages = [{"manager": "pip", "name": f"package-{number:05d}", "version": "1.0"} for number in range(10_000)]
    await proposed(platform, SAID | {"packages": packages})
    await proposed(platform, SAID | {"packages": packages[:5_000]})
    assert await code_of(proposed(platform, SAID | {"packages": packages})) == "daily-limit"


async def page(service: WebService, who: str, stored: StoredProposal) -> BeautifulSoup:
    return BeautifulSoup((await service.browser(who).get(f"proposals/{stored.id}")).text, "html.parser")


async def test_the_page_compares_what_is_requested_with_what_was_observed(
    platform: Platform, service: WebService
) -> None:
    shown = await page(service, "lena", await proposed(platform))
    section = shown.select_one("section.allotment-evidence")
    assert section
    assert "A session of ana said this about itself" in section.get_text()
    assert "Nobody has checked it." in section.get_text()
    rows = {
        row.select("th")[0].get_text(): (row.select("td")[1].get_text(), row.select(".allotment-bar")[0]["width"])
        for row in section.select("table")[0].select("tr")
    }
    assert rows == {
        "Peak": ("4 GiB", "50.0"),
        "Limit of the session": ("4 GiB", "50.0"),
        "Proposed limit": ("8 GiB", "100.0"),
    }
    notes = [each.get_text() for each in section.select("li")]
    assert "The kernel ended a process for lack of memory: 2 times." in notes
    assert "Observed for 60 minutes, measured by the session itself." in notes
    assert "planted-package 1.2.3" in notes
    assert not section.select("script, [style], [onload]")


async def test_the_page_shows_nothing_where_there_is_no_evidence(platform: Platform, service: WebService) -> None:
    assert not (await page(service, "lena", await platform.proposed({NOTEBOOK_PATH: LARGER}))).select("#evidence")


async def test_many_packages_are_folded_and_the_outcomes_of_trials_are_told(
    platform: Platform, service: WebService
) -> None:
    packages = [{"manager": "r", "name": f"package{number}", "version": "1.0-2"} for number in range(100)]
    stored = await proposed(platform, SAID | {"packages": packages, "use": None, "packages_left_out": 7})
    failed = TrialOutcome(code="image-pull", text="The registry has <b>no</b> such image.")
    await platform.submissions.tried(stored.id, stored.head, "lena", failed)
    use = ObservedUse(source="metrics", seconds=600, memory_peak=3_328_599_654)
    await platform.submissions.tried(stored.id, stored.head, "ana", TrialOutcome(started_in=41.2, use=use))
    shown = await page(service, "lena", stored)
    items = [each.get_text(" ", strip=True) for each in shown.select(".allotment-evidence-item")]
    assert "ana tried it" in items[0]
    assert "it started in 41.2 s." in items[0]
    assert "3.1 GiB" in items[0]
    assert "measured by the cluster" in items[0]
    assert "it did not start. The registry has <b>no</b> such image. image-pull" in items[1]
    assert "100 packages added to the image" in items[2]
    assert "And 7 more, which were not sent." in items[2]
    assert not shown.select_one(".allotment-evidence details[open]")
    assert "ana tried it" in " ".join(shown.select(".allotment-talk")[0].get_text(" ").split())


async def test_the_proposed_limit_is_shown_only_to_those_who_may_see_the_file(
    platform: Platform, service: WebService
) -> None:
    stored = await proposed(platform)
    assert "Proposed limit" in (await page(service, "ben", stored)).select("#evidence ~ div")[0].get_text()
    section = (await page(service, "dora", stored)).select(".allotment-evidence")[0]
    assert "Peak" in section.get_text()
    assert "Proposed limit" not in section.get_text()
