"""An approval and a merge are of what was shown: a digest of what was judged, and never of lines alone."""

import json
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from support.fakes.platform import (
    HOUSING,
    NOTEBOOK,
    NOTEBOOK_PATH,
    POLICY,
    PRICES,
    PRICES_PATH,
    TRANSPORT,
    Platform,
    code_of,
    refusal_of,
)

from allotment_hub.api.serializers import proposal_answer
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.pages.difference import files_of
from allotment_hub.pages.evidence import shown_evidence
from allotment_hub.pages.page import Frame
from allotment_hub.pages.rendering import templates
from allotment_hub.services.trials.trying import TrialView
from allotment_profiles.git.repository import MAIN, PROPOSE, RECORDS, RefUpdate
from allotment_profiles.git.signatures import Signer, generate_key
from allotment_profiles.records.record import Record

GRANT = PRICES.replace(
    b"  housing: {until: 2999-12-31}\n",
    b"""\
  housing:
    reason: For the monthly bulletin
    until: 2030-01-01
""",
)
LONGER = GRANT.replace(b"2030-01-01", b"2999-12-31")
# Line by line, the longer date of the proposal now belongs to the other team.
MOVED = GRANT.replace(b"housing:", b"transport:")
LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
SHARED = PRICES.replace(b"granted_to:\n", b"granted_to:\n  transport: {until: 2999-12-31}\n")
TRANSPORT_PATH = "teams/transport/team.yaml"


async def push(platform: Platform, files: dict[str, bytes | None]) -> None:
    platform.push(files)
    await platform.watcher.refresh()


async def approved(platform: Platform, stored: StoredProposal, by: str) -> StoredProposal:
    return await platform.reviews.approve(platform.people.actor(by), stored.id, stored.head)


async def digest(platform: Platform, stored: StoredProposal) -> str:
    return (await platform.proposals.case(stored, platform.people.actor("lena").user)).judgement.sealed


async def page(platform: Platform, proposal: str, who: str) -> BeautifulSoup:
    """Return the page of a proposal as a reader gets it."""
    reader = platform.people.actor(who)
    view = await platform.proposals.view(await platform.proposals.stored(proposal), reader)
    frame = Frame(
        prefix="/",
        hub="/hub/",
        active="proposals",
        version="1",
        user=who,
        admin=reader.user.admin,
        xsrf="token",
        nonce="nonce",
        shared_origin=False,
    )
    html = (
        templates()
        .get_template("proposal.html")
        .render(
            frame=frame,
            view=view,
            pull_request="",
            elsewhere="",
            pushed_page="",
            trial=TrialView(None, (), None, (), shared="", time=""),
            evidence=shown_evidence(view),
            sign_in=None,
            differences=files_of(view.difference),
            one_time=lambda *_: "once",
        )
    )
    return BeautifulSoup(html, "html.parser")


def sent_by(found: BeautifulSoup, action: str) -> dict[str, str]:
    """Return the hidden fields that a button of the page sends."""
    form = found.find("form", action=lambda address: bool(address) and address.endswith(f"/{action}"))
    assert form is not None, action
    fields = form.find_all("input", type="hidden")
    return {str(field["name"]): str(field["value"]) for field in fields}


async def test_the_buttons_send_what_the_page_shows_and_the_proposer_has_theirs(platform: Platform) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    found = await page(platform, stored.id, "lena")
    shown = {"_xsrf": "token", "head": stored.head, "digest": await digest(platform, stored)}
    assert shown.items() <= sent_by(found, "approve").items()
    await approved(platform, stored, "lena")
    assert shown.items() <= sent_by(await page(platform, stored.id, "leo"), "merge").items()
    assert (await page(platform, stored.id, "ana")).find("a", href=f"/propose?proposal={stored.id}")
    assert not (await page(platform, stored.id, "lena")).find("a", href=f"/propose?proposal={stored.id}")
    await push(platform, {NOTEBOOK_PATH: NOTEBOOK.replace(b"Counting", b"Adding")})
    assert sent_by(await page(platform, stored.id, "ana"), "update")["_xsrf"] == "token"
    assert not (await page(platform, stored.id, "lena")).find("form", action=f"/proposals/{stored.id}/update")


async def test_a_grant_to_one_team_is_not_merged_as_a_grant_to_another_after_main_moved_its_lines(
    platform: Platform,
) -> None:
    await push(platform, {PRICES_PATH: GRANT})
    dora = platform.people.actor("dora")
    stored = await approved(platform, await platform.proposed({PRICES_PATH: LONGER}), "dora")
    await push(platform, {PRICES_PATH: MOVED})
    assert await code_of(platform.reviews.merge(dora, stored.id, stored.head)) == "conflict"
    assert platform.main_file(PRICES_PATH) == MOVED
    # Nor is it by bringing it up to date: the grant that was to be longer is gone.
    ana = platform.people.actor("ana")
    assert await code_of(platform.submissions.bring_up_to_date(ana, stored.id)) == "keys-collide"
    view = await platform.proposals.view(await platform.proposals.stored(stored.id), dora)
    assert [(change.path, change.field, change.before) for change in view.collisions] == [
        (PRICES_PATH, "granted_to.housing", None)
    ]


async def test_an_approval_lapses_when_main_widens_who_gains(platform: Platform) -> None:
    stored = await approved(platform, await platform.proposed({PRICES_PATH: SHARED}, by="ana"), "dora")
    seen, dora = await digest(platform, stored), platform.people.actor("dora")
    await push(platform, {TRANSPORT_PATH: TRANSPORT.replace(b"[/transport]", b"[/transport, /everybody]")})
    stored = await platform.proposals.stored(stored.id)
    assert await digest(platform, stored) != seen
    assert await code_of(platform.reviews.merge(dora, stored.id, stored.head)) == "approvals-missing"
    assert await code_of(platform.reviews.approve(dora, stored.id, stored.head, seen)) == "digest-changed"
    view = await platform.proposals.view(stored, dora)
    assert view.lapsed
    assert view.lapsed.approval.by == "dora"
    assert any("/everybody" in text for text in view.lapsed.new)
    assert not any("/everybody" in text for text in view.lapsed.gone)
    assert {requirement.key for requirement in view.case.unmet} == {"owner:open-data"}
    stored = await platform.reviews.approve(dora, stored.id, stored.head, await digest(platform, stored))
    merged = await platform.reviews.merge(dora, stored.id, stored.head, await digest(platform, stored))
    assert merged.ending
    assert [record.digest for record in merged.records if record.kind != "proposed"][1:] == [merged.ending.digest] * 2
    case = await platform.proposals.case(merged, platform.people.actor("lena").user)
    assert [record.by for record in case.approvals] == ["dora"]


async def test_an_approval_lapses_when_something_else_needs_an_approval(platform: Platform) -> None:
    stored = await approved(platform, await platform.proposed({NOTEBOOK_PATH: LARGER}), "lena")
    await push(
        platform,
        {
            "policy.yaml": POLICY + b"rules: {envelope: advice}\n",
            "teams/housing/team.yaml": HOUSING.replace(b"16 GiB", b"6 GiB"),
        },
    )
    first = await digest(platform, stored)
    await push(platform, {"policy.yaml": POLICY + b"rules: {envelope: hard}\n"})
    assert first != await digest(platform, stored)


@pytest.mark.parametrize(
    "files",
    [
        {"policy.yaml": POLICY.replace(b"0.02", b"0.03")},
        {"teams/housing/profiles/other.yaml": NOTEBOOK},
        {"teams/housing/team.yaml": HOUSING + b"description: Counts houses\n"},
        {TRANSPORT_PATH: TRANSPORT.replace(b"[/transport]", b"[/transport, /everybody]")},
    ],
)
async def test_an_approval_stays_where_main_changes_nothing_that_was_judged(
    platform: Platform, files: dict[str, bytes | None]
) -> None:
    stored = await approved(platform, await platform.proposed({NOTEBOOK_PATH: LARGER}), "lena")
    seen = await digest(platform, stored)
    await push(platform, files)
    merged = await platform.reviews.merge(platform.people.actor("leo"), stored.id, stored.head, seen)
    assert merged.ending
    assert platform.forge.sealed(merged.ending.digest) == seen
    assert platform.main_file(NOTEBOOK_PATH) == LARGER


async def test_the_merge_button_is_bound_to_what_its_page_showed(platform: Platform) -> None:
    await push(platform, {"policy.yaml": POLICY + b"automatic: {enabled: true, changes: [text, smaller]}\n"})
    mine = NOTEBOOK + b"maintainers: {users: [ana]}\n"
    await push(platform, {NOTEBOOK_PATH: mine})
    stored = await platform.proposed({NOTEBOOK_PATH: mine.replace(b"4 GiB", b"2 GiB")})
    ana, seen = platform.people.actor("ana"), await digest(platform, stored)
    assert (await platform.proposals.case(stored, platform.people.actor("lena").user)).merges_itself
    assert await code_of(platform.reviews.merge(ana, stored.id, stored.head, "0" * 64)) == "digest-changed"
    assert (await platform.reviews.merge(ana, stored.id, stored.head, seen)).ending


async def test_an_approval_from_before_there_were_digests_counts_only_where_it_was_merged(platform: Platform) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    stored = platform.forge.record(stored, "approved", by="lena")
    lena = platform.people.actor("lena")
    assert await code_of(platform.reviews.merge(lena, stored.id, stored.head)) == "approvals-missing"
    view = await platform.proposals.view(stored, lena)
    assert view.lapsed
    assert (view.lapsed.gone, view.lapsed.new) == ((), ())
    candidate = platform.forge.candidate(stored, platform.forge.main())
    merged = platform.forge.merge(stored, candidate, "Merge as before", by="lena")
    assert [
        record.by for record in (await platform.proposals.case(merged, platform.people.actor("lena").user)).approvals
    ] == ["lena"]


async def test_a_record_of_the_release_before_is_read(platform: Platform) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    message = Record("approved", "lena", stored.current.time, stored.head, proposal=stored.id).message()
    head, _, body = message.partition("\n\n")
    old = {key: value for key, value in json.loads(body).items() if key not in ("digest", "main")}
    tip = platform.repository.write_commit(
        platform.repository.write_tree(None, {}), [stored.tip], f"{head}\n\n{json.dumps(old)}\n",
        author=platform.service, committer=platform.service, time=stored.current.time, signer=platform.signer,
    )  # fmt: skip
    platform.repository.update_references([RefUpdate(RECORDS, tip, stored.tip)])
    record = (await platform.proposals.stored(stored.id)).records[-1]
    assert (record.kind, record.by, record.digest) == ("approved", "lena", "")


async def test_a_proposal_is_brought_up_to_date_by_its_keys_and_has_to_be_approved_again(platform: Platform) -> None:
    stored = await approved(platform, await platform.proposed({NOTEBOOK_PATH: LARGER}), "lena")
    ana, lena = platform.people.actor("ana"), platform.people.actor("lena")
    assert await code_of(platform.submissions.bring_up_to_date(ana, stored.id)) == "up-to-date"
    main = b"# Kept\n" + NOTEBOOK.replace(b"Counting houses", b"Counting all houses")
    await push(platform, {NOTEBOOK_PATH: main})
    view = await platform.proposals.view(stored, ana)
    assert (view.case.state, view.collisions) == ("conflict", ())
    assert await code_of(platform.submissions.bring_up_to_date(lena, stored.id)) == "not-the-proposer"
    done = await platform.submissions.bring_up_to_date(ana, stored.id)
    assert (done.id, done.current.kind) == (stored.id, "updated")
    assert await code_of(platform.reviews.merge(lena, done.id, done.head)) == "approvals-missing"
    view = await platform.proposals.view(done, lena)
    assert {change.field for change in view.check.changes} == {"resources.memory.limit"}
    await approved(platform, done, "lena")
    await platform.reviews.merge(lena, done.id, done.head)
    assert platform.main_file(NOTEBOOK_PATH) == main.replace(b"4 GiB", b"8 GiB")


async def test_keys_that_both_have_changed_are_shown_and_left_to_the_proposer(platform: Platform) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER.replace(b"limit: 2", b"limit: 3")})
    await push(platform, {NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"6 GiB").replace(b"Counting", b"Adding")})
    ana = platform.people.actor("ana")
    refusal = await refusal_of(platform.submissions.bring_up_to_date(ana, stored.id))
    assert (refusal.refusal.code, refusal.link) == ("keys-collide", f"propose?proposal={stored.id}")
    view = await platform.proposals.view(stored, ana)
    assert [(change.field, change.before, change.after) for change in view.collisions] == [
        ("resources.memory.limit", "6 GiB", "8 GiB")
    ]
    files = (
        await platform.proposals.files_for_main(stored, platform.forge.main(), platform.people.actor("ana").user)
    ).files
    assert files[NOTEBOOK_PATH] == LARGER.replace(b"limit: 2", b"limit: 3").replace(b"Counting", b"Adding")


@pytest.mark.parametrize("main", [None, b"title: [\n", NOTEBOOK + b"# " + b"x" * 70_000])
async def test_what_main_removed_or_broke_is_no_text_to_carry_keys_to(platform: Platform, main: bytes | None) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await push(platform, {NOTEBOOK_PATH: main})
    view = await platform.proposals.view(stored, platform.people.actor("ana"))
    assert view.case.state == "conflict"
    assert [(change.path, change.field) for change in view.collisions] == [(NOTEBOOK_PATH, "")]


async def test_a_file_of_main_in_the_place_of_a_folder_is_in_the_way(platform: Platform) -> None:
    path = "teams/transport/profiles/notebook.yaml"
    stored = await platform.proposed({path: NOTEBOOK})
    await push(platform, {"teams/transport/profiles": b"a file"})
    view = await platform.proposals.view(stored, platform.people.actor("ana"))
    assert view.case.judgement.conflicts == (path,)


async def test_what_main_has_meanwhile_as_well_is_no_conflict(platform: Platform) -> None:
    other = "teams/housing/profiles/other.yaml"
    stored = await approved(platform, await platform.proposed({NOTEBOOK_PATH: LARGER, other: NOTEBOOK}), "lena")
    await push(platform, {NOTEBOOK_PATH: LARGER})
    lena = platform.people.actor("lena")
    view = await platform.proposals.view(stored, lena)
    assert {change.path for change in view.check.changes} == {other}
    assert await code_of(platform.reviews.merge(lena, stored.id, stored.head)) == "approvals-missing"
    await approved(platform, stored, "lena")
    await platform.reviews.merge(lena, stored.id, stored.head)
    assert platform.main_file(other) == NOTEBOOK


async def test_a_main_of_another_history_conflicts_in_all_files(platform: Platform) -> None:
    stored = await approved(platform, await platform.proposed({NOTEBOOK_PATH: LARGER}), "lena")
    main = platform.forge.main()
    other = platform.repository.write_commit(
        platform.repository.write_tree(main, {}), [], "Anew", author=platform.service, committer=platform.service,
        time=stored.current.time,
    )  # fmt: skip
    platform.repository.update_references([RefUpdate(MAIN, other, main)])
    await platform.watcher.refresh()
    lena = platform.people.actor("lena")
    assert await code_of(platform.reviews.merge(lena, stored.id, stored.head)) == "conflict"
    assert PROPOSE + stored.id in platform.repository.references(PROPOSE)


async def test_a_digest_is_sealed_with_the_key_and_alike_after_a_restart(platform: Platform, tmp_path: Path) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"5 GiB")})
    ana = platform.people.actor("ana")
    view = await platform.proposals.view(stored, ana)
    shown = proposal_answer(view, "").digest
    assert len(shown) == len(view.case.judgement.digest) == 64
    assert shown != view.case.judgement.digest
    assert proposal_answer(await platform.beside(tmp_path).proposals.view(stored, ana), "").digest == shown
    assert (
        await code_of(
            platform.reviews.approve(platform.people.actor("lena"), stored.id, stored.head, view.case.judgement.digest)
        )
        == "digest-changed"
    )
    generate_key(tmp_path / "another", "allotment")
    assert Signer(tmp_path / "another").sealed(view.case.judgement.digest) != shown
