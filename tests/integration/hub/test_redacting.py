"""A confidential text is redacted: who did it, when and why stands in its place, and the chain still verifies."""

import itertools
import json
from pathlib import Path

import pytest
from support.command_line import allotment
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform, code_of
from support.fakes.web_service import WebService
from support.hand_made import HOST, HandMade, changed, knows

from allotment_hub.api.serializers import proposal_answer
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.pull_requests.adopting import Adopting
from allotment_profiles.records.record import Record

SECRET = "The patient is called Smith"
WHY = "It names a person"
LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
PROFILE = "housing/notebook"


def of(stored: StoredProposal, kind: str) -> Record:
    return next(record for record in stored.records if record.kind == kind)


async def redacted(platform: Platform, stored: StoredProposal, kind: str, by: str = "adam") -> StoredProposal:
    return await platform.reviews.redact(platform.people.actor(by), stored.id, of(stored, kind).commit, WHY)


async def proposed(platform: Platform, reason: str = "It is needed") -> StoredProposal:
    done = await platform.submissions.propose(platform.people.actor("ana"), {NOTEBOOK_PATH: LARGER}, reason)
    return done.proposal


def exported(folder: Path) -> list[dict[str, object]]:
    keys = ["--keys", str(folder / "signers")]
    code, output = allotment("record", "export", str(folder / "profiles.git"), *keys)
    assert code == 0
    return [json.loads(line) for line in output.splitlines()]


def index(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.glob("records.sqlite*")}


async def test_a_comment_is_redacted_everywhere_and_the_chain_still_verifies(
    platform: Platform, service: WebService, tmp_path: Path
) -> None:
    stored = await platform.submissions.comment(platform.people.actor("ben"), (await proposed(platform)).id, SECRET)
    stored = await platform.reviews.approve(platform.people.actor("lena"), stored.id, stored.head)
    admin = service.browser("adam")
    page = await admin.get(f"proposals/{stored.id}")
    answer = await admin.press(page, "/redact", record=of(stored, "commented").commit, reason=WHY)
    assert answer.status_code == 303
    for who in ("adam", "ben", "lena"):
        browser, program = service.browser(who), service.program(who)
        shown = [await browser.get(f"proposals/{stored.id}"), await browser.get("proposals")]
        shown += [await program.get(f"api/v1/proposals/{stored.id}"), await program.get("api/v1/proposals")]
        assert not any("Smith" in each.text for each in shown), who
        assert "Redacted by adam on" in shown[0].text
        record = next(each for each in shown[2].json()["records"] if each["kind"] == "commented")
        assert record["redacted"] is True
        assert record["text"].endswith(f": {WHY}")
    keys = ["--keys", str(tmp_path / "signers")]
    assert "are good" in allotment("record", "verify", str(tmp_path / "profiles.git"), *keys)[1]
    lines = exported(tmp_path)
    assert "Smith" not in json.dumps(lines)
    assert [line["kind"] for line in lines if line.get("redacted")] == ["commented"]
    assert all(after["before"] == line["commit"] for line, after in itertools.pairwise(lines))
    # What was decided goes on to count, and to be merged.
    stored = await platform.proposals.stored(stored.id)
    assert (await platform.reviews.merge(platform.people.actor("leo"), stored.id, stored.head)).merged


async def test_the_index_has_the_text_no_longer_and_an_index_made_anew_says_the_same(
    platform: Platform, tmp_path: Path
) -> None:
    stored = await platform.submissions.comment(platform.people.actor("ben"), (await proposed(platform)).id, SECRET)
    stored = await redacted(platform, stored, "commented")
    await platform.close()
    written = index(tmp_path)
    assert written
    assert not any(b"Smith" in content for content in written.values())
    for file in written:
        file.unlink()
    anew = Platform.opened(tmp_path)
    assert (await anew.proposals.stored(stored.id)).records == stored.records
    await anew.close()
    assert not any(b"Smith" in content for content in index(tmp_path).values())


@pytest.mark.parametrize("before_the_merge", [True, False])
async def test_a_reason_is_redacted_in_the_histories_of_files_too(
    platform: Platform, service: WebService, before_the_merge: bool
) -> None:
    stored = await proposed(platform, SECRET)
    if before_the_merge:
        stored = await redacted(platform, stored, "proposed")
    stored = await platform.merged(stored)
    if not before_the_merge:
        assert SECRET in (await service.browser("ben").get(f"profiles/{PROFILE}")).text
        stored = await redacted(platform, stored, "proposed")
    merge = stored.ending and platform.forge.commit(stored.ending.merge)
    assert merge
    assert (SECRET in merge.message) is not before_the_merge
    for who in ("adam", "ben"):
        browser, program = service.browser(who), service.program(who)
        shown = [await browser.get(path) for path in (f"profiles/{PROFILE}", f"proposals/{stored.id}", "profiles.csv")]
        shown += [await program.get(f"api/v1/{path}") for path in ("profiles", f"profiles/{PROFILE}")]
        assert not any("Smith" in each.text for each in shown), who
        assert f": {WHY}" in shown[0].text
        assert shown[4].json()["reason"].startswith("Redacted by adam on")


async def test_the_same_text_in_a_later_version_goes_with_it_and_a_reason_for_redacting_can_be_redacted(
    platform: Platform,
) -> None:
    stored = await proposed(platform, SECRET)
    stored = await proposed(platform, SECRET)
    assert stored.current.kind == "updated"
    adam, anne = platform.people.actor("adam"), platform.people.actor("anne")
    stored = await platform.reviews.redact(adam, stored.id, stored.records[0].commit, "Smith is a patient")
    assert all(record.redacted for record in stored.records[:2])
    stored = await platform.reviews.redact(anne, stored.id, of(stored, "redacted").commit, WHY)
    assert not any("Smith" in record.text for record in stored.records)
    assert stored.records[0].text.startswith("Redacted by adam on")
    assert "Redacted by anne on" in stored.records[0].text
    answer = proposal_answer(await platform.proposals.view(stored, adam), "")
    assert "Smith" not in answer.model_dump_json()


async def test_only_an_administrator_redacts_what_is_there_once_and_with_a_reason(
    platform: Platform, service: WebService
) -> None:
    stored = await platform.submissions.comment(platform.people.actor("ben"), (await proposed(platform)).id, SECRET)
    commit = of(stored, "commented").commit
    session = platform.people.actor("adam", session=True)

    async def code(actor: object, record: str = commit, reason: str = WHY) -> str:
        return await code_of(platform.reviews.redact(actor, stored.id, record, reason))  # type: ignore[arg-type]

    assert await code(platform.people.actor("lena")) == "not-an-administrator"
    assert await code(session) == "scope-missing"
    adam = platform.people.actor("adam")
    assert await code(adam, reason="") == "reason-missing"
    assert await code(adam, record="0" * 40) == "record-unknown"
    assert "Redact a text" not in (await service.browser("lena").get(f"proposals/{stored.id}")).text
    assert (await platform.proposals.stored(stored.id)).tip == stored.tip
    body = {"record": commit, "reason": WHY}
    answer = await service.program("adam").post(f"api/v1/proposals/{stored.id}/redactions", json=body)
    assert answer.status_code == 201
    assert await code(adam) == "redacted-already"


@pytest.mark.parametrize("body", ["", "More memory"])
@pytest.mark.parametrize("before_the_merge", [True, False])
async def test_the_title_of_a_pull_request_is_redacted_with_its_text(
    platform: Platform, service: WebService, tmp_path: Path, body: str, before_the_merge: bool
) -> None:
    knows(platform, "ana")
    pull = HandMade(platform, changed(platform, {NOTEBOOK_PATH: LARGER}), title=SECRET, body=body)
    adopting = Adopting(platform.proposals, platform.submissions, platform.identities, "gitea", HOST)
    stored = (await adopting.look(pull.value, confirmed_by="ana")).stored
    assert stored
    pull.push(changed(platform, {NOTEBOOK_PATH: LARGER.replace(b"8 GiB", b"12 GiB")}))
    pull.tell(body=body and "Much more memory")  # under the same title
    stored = (await adopting.look(pull.value, confirmed_by="ana")).stored
    assert stored
    assert [record.title for record in stored.records] == [SECRET, SECRET]
    if before_the_merge:
        stored = await redacted(platform, stored, "adopted")
    stored = await platform.merged(stored)
    if not before_the_merge:
        stored = await redacted(platform, stored, "adopted")
    assert stored.current.title == "Redacted: Gitea (pull request 7)"
    merge = stored.ending and platform.forge.commit(stored.ending.merge)
    assert merge
    assert (SECRET in merge.message) is not before_the_merge
    for who in ("adam", "ben"):
        browser, program = service.browser(who), service.program(who)
        paths = ("proposals?state=merged", f"proposals/{stored.id}", f"profiles/{PROFILE}", "profiles.csv")
        shown = [await browser.get(path) for path in paths]
        paths = ("proposals?state=merged", f"proposals/{stored.id}", f"profiles/{PROFILE}")
        shown += [await program.get(f"api/v1/{path}") for path in paths]
        assert not any("Smith" in each.text for each in shown), who
        assert "Redacted: Gitea (pull request 7)" in shown[1].text
    assert "Smith" not in json.dumps(exported(tmp_path))
    await platform.close()
    assert not any(b"Smith" in content for content in index(tmp_path).values())


async def test_the_title_that_the_service_made_stays_when_a_reason_is_redacted(platform: Platform) -> None:
    stored = await proposed(platform, SECRET)
    title = stored.current.title
    stored = await redacted(platform, stored, "proposed")
    assert stored.current.title == title
