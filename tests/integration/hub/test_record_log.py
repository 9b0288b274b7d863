"""The log of records: one chain of signed commits; an index that may be lost; what others write stops decisions."""

import asyncio
import datetime as dt
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from support.command_line import allotment
from support.conditions import eventually, until
from support.connections import PLAIN
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform, code_of
from support.fakes.web_service import PREFIX, WebService
from support.many_proposals import ManyProposals

from allotment_hub.forges import heads, record_log
from allotment_hub.forges.record_log import KEPT, RecordsBrokenError, RecordsLoadingError
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.laptop.telling import tell_whether_decided
from allotment_profiles.git.process import GitUnavailableError
from allotment_profiles.git.repository import MAIN, NO_OBJECT, PROPOSE, RECORDS, RefUpdate
from allotment_profiles.records.chain import SERVICE
from allotment_profiles.records.record import Record, parse_record

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
LARGEST = NOTEBOOK.replace(b"4 GiB", b"12 GiB")
OTHER_PATH = "teams/housing/profiles/other.yaml"


async def some(platform: Platform) -> tuple[StoredProposal, StoredProposal]:
    """Return a merged proposal and an open one."""
    merged = await platform.merged(await platform.proposed({NOTEBOOK_PATH: LARGER}))
    return merged, await platform.proposed({OTHER_PATH: NOTEBOOK}, by="ben")


def tip(platform: Platform) -> str:
    return platform.repository.resolve(RECORDS) or ""


def put(platform: Platform, commit: str) -> None:
    """Move the log, as somebody does who may push."""
    platform.repository.update_references([RefUpdate(RECORDS, commit, tip(platform) or NO_OBJECT)])


def forged(platform: Platform, before: str, *, signed: bool = False, message: str = "") -> str:
    """Write a commit on top of the log, as somebody who may push and is not the service."""
    stored = platform.forge.open_ones()[0]
    record = Record("approved", "lena", dt.datetime.now(dt.UTC), stored.head, proposal=stored.id)
    return platform.repository.write_commit(
        platform.repository.write_tree(None, {}), [before, stored.head], message or record.message(),
        author=SERVICE, committer=SERVICE, time=dt.datetime.now(dt.UTC), signer=platform.signer if signed else None,
    )  # fmt: skip


async def test_every_action_is_a_signed_commit_on_top_of_the_last_with_the_head_that_it_speaks_of(
    platform: Platform,
) -> None:
    merged, opened = await some(platform)
    await platform.submissions.comment(platform.people.actor("lena"), opened.id, "Why?")
    commits = platform.repository.commits(list(reversed(platform.repository.first_parents(tip(platform)))))
    records = [parse_record(commit) for commit in commits[1:]]
    kinds = [(record.kind, record.by, record.proposal) for record in records if record]
    assert kinds == [
        ("proposed", "ana", merged.id), ("approved", "lena", merged.id), ("merged", "leo", merged.id),
        ("proposed", "ben", opened.id), ("commented", "lena", opened.id),
    ]  # fmt: skip
    for before, commit, record in zip(commits, commits[1:], records, strict=False):
        assert record
        assert commit.parents == (before.id, record.head)
        assert commit.signed_by
    assert set(platform.repository.references("refs/heads/")) == {MAIN, RECORDS, PROPOSE + opened.id}


async def test_a_confirmation_on_main_is_in_the_log_too(platform: Platform) -> None:
    main = platform.forge.main()
    commit = platform.forge.confirm(main, main, "Merge: confirmed", by="adam", reason="It is right")
    record = parse_record(platform.repository.commits([tip(platform)])[0])
    assert record
    assert (record.kind, record.by, record.head, record.merge) == ("confirmed", "adam", main, commit)
    assert platform.forge.main() == commit
    assert platform.forge.newest() == ()


def _deleted(path: Path) -> None:
    path.unlink()


def _damaged(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"x" * 9000)


def _stale(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE state SET value = 'of another version' WHERE name = 'format'")
        connection.execute("DELETE FROM record")


def _of_other_keys(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE state SET value = 'another' WHERE name = 'keys'")
        connection.execute("DELETE FROM proposal")


@pytest.mark.parametrize("lose", [_deleted, _damaged, _stale, _of_other_keys])
async def test_an_index_that_is_lost_is_made_again(
    platform: Platform, tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    await some(platform)
    before = platform.forge.newest()
    platform.forge.close()
    lose(tmp_path / "records.sqlite")
    again = platform.beside(tmp_path)
    assert again.forge.newest() == before
    assert again.forge.totals() == {"open": 1, "merged": 1}


async def test_an_index_that_is_damaged_while_the_service_runs_is_made_again(
    platform: Platform, tmp_path: Path
) -> None:
    await some(platform)
    before = platform.forge.newest()
    connection = platform.forge.log.index._connection
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _damaged(tmp_path / "records.sqlite")
    connection.execute("PRAGMA cache_size = 0")
    assert platform.forge.newest() == before


@pytest.mark.parametrize("kind", ["unsigned", "no record", "set back", "another root", "gone"])
async def test_whatever_somebody_does_to_the_log_stops_decisions_and_shows_what_was_there(
    platform: Platform, kind: str
) -> None:
    _, opened = await some(platform)
    good = tip(platform)
    await platform.approved(opened)
    newest = tip(platform)
    if kind == "unsigned":
        put(platform, forged(platform, newest))
    elif kind == "no record":
        put(platform, forged(platform, newest, signed=True, message="Merge: something"))
    elif kind == "set back":
        put(platform, good)
    elif kind == "another root":
        root = platform.repository.first_parents(newest)[-1]
        put(platform, forged(platform, root, signed=True))
    else:
        put(platform, NO_OBJECT)
    leo = platform.people.actor("leo")
    for action in (
        lambda: platform.reviews.merge(leo, opened.id, opened.head),
        lambda: platform.submissions.comment(leo, opened.id, "Well"),
        lambda: platform.proposed({NOTEBOOK_PATH: LARGEST}),
    ):
        with pytest.raises(RecordsBrokenError):
            await action()
    view = await platform.proposals.view(await platform.proposals.stored(opened.id), leo)
    assert [record.kind for record in view.case.stored.records] == ["proposed", "approved"]
    broken = platform.forge.log.broken
    assert broken
    assert broken.good == newest
    assert platform.repository.references(KEPT) == {KEPT: newest}
    assert platform.main_file(OTHER_PATH) is None
    put(platform, newest)
    await platform.reviews.merge(leo, opened.id, opened.head)
    assert platform.forge.log.broken is None


async def test_a_log_that_was_set_back_is_found_out_by_main_where_there_is_no_index(
    platform: Platform, tmp_path: Path
) -> None:
    first = await platform.merged(await platform.proposed({NOTEBOOK_PATH: LARGER}))
    before = tip(platform)
    second = await platform.merged(await platform.proposed({NOTEBOOK_PATH: LARGEST}))
    newest = tip(platform)
    put(platform, before)
    (tmp_path / "other").mkdir()
    again = platform.beside(tmp_path / "other")
    assert [stored.id for stored in again.forge.newest()] == [first.id]
    assert again.forge.log.broken
    with pytest.raises(RecordsBrokenError):
        await again.proposed({NOTEBOOK_PATH: NOTEBOOK})
    put(platform, newest)
    assert [stored.id for stored in again.forge.newest()] == [second.id, first.id]
    assert again.forge.log.broken is None


async def test_who_runs_it_is_told_when_nothing_is_decided_and_when_it_is_again(
    platform: Platform, tmp_path: Path
) -> None:
    await some(platform)
    newest = tip(platform)
    told: list[str] = []
    async with WebService.opened(platform, tmp_path) as web, httpx.AsyncClient(trust_env=False, verify=PLAIN) as client:
        telling = asyncio.create_task(
            tell_whether_decided(client, f"{web.url}{PREFIX}api/v1/health", told.append, seconds=0.01)
        )
        put(platform, forged(platform, newest))
        await eventually(lambda: len(told) == 1, "it is told")
        put(platform, newest)
        await eventually(lambda: len(told) == 2, "it is told")
        telling.cancel()
    assert "NOTHING IS DECIDED: somebody else than the service has written" in told[0]
    assert "decided" in told[1]


async def test_a_log_that_was_deleted_is_not_begun_anew(platform: Platform, tmp_path: Path) -> None:
    await some(platform)
    newest = tip(platform)
    put(platform, NO_OBJECT)
    (tmp_path / "other").mkdir()
    again = platform.beside(tmp_path / "other")
    assert again.forge.newest() == ()
    assert again.forge.log.broken
    with pytest.raises(RecordsBrokenError):
        await again.proposed({NOTEBOOK_PATH: LARGEST})
    put(platform, newest)
    assert len(again.forge.newest()) == 2
    assert again.forge.log.broken is None


async def test_what_was_good_is_kept_when_a_service_without_an_index_finds_less(
    platform: Platform, tmp_path: Path
) -> None:
    _, opened = await some(platform)
    newest = tip(platform)
    put(platform, platform.repository.first_parents(newest)[-3])
    with pytest.raises(RecordsBrokenError):
        platform.forge.record(opened, "commented", by="ana", text="Well")
    assert platform.repository.references(KEPT) == {KEPT: newest}
    (tmp_path / "other").mkdir()
    again = platform.beside(tmp_path / "other")
    again.forge.newest()
    assert again.forge.log.broken
    assert platform.repository.references(KEPT) == {KEPT: newest}


async def test_an_index_of_what_the_repository_does_not_have_is_made_again(platform: Platform, tmp_path: Path) -> None:
    await some(platform)
    before = platform.forge.newest()
    platform.forge.close()
    with sqlite3.connect(tmp_path / "records.sqlite") as connection:
        connection.execute("UPDATE state SET value = ? WHERE name = 'tip'", ("1" * 40,))
    again = platform.beside(tmp_path)
    assert again.forge.newest() == before
    assert again.forge.log.broken is None


async def test_a_row_that_does_not_read_makes_the_index_anew(platform: Platform, tmp_path: Path) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await platform.reviews.reject(platform.people.actor("lena"), stored.id, "No")
    before = platform.forge.newest()
    with sqlite3.connect(tmp_path / "records.sqlite") as connection:
        connection.execute("UPDATE record SET content = replace(content, 'rejected', 'rejecte_')")
    assert platform.forge.newest() == before
    assert platform.forge.get(stored.id) == before[0]


async def test_an_index_that_was_closed_is_not_taken_for_a_damaged_one(platform: Platform, tmp_path: Path) -> None:
    await some(platform)
    file = tmp_path / "records.sqlite"
    before = file.stat().st_ino
    platform.forge.close()
    with pytest.raises(GitUnavailableError):
        platform.forge.newest()
    assert file.stat().st_ino == before


async def test_two_services_write_into_one_log_and_no_record_is_lost(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = platform.beside(tmp_path / "other")
    await other.watcher.refresh()
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    writers = [
        (each.submissions.comment(each.people.actor(name), stored.id, f"{name} {number}"))
        for number in range(3)
        for each, name in ((platform, "ana"), (other, "lena"))
    ]
    done = await asyncio.gather(*writers, return_exceptions=True)
    written = [each for each in done if not isinstance(each, BaseException)]
    found = platform.forge.get(stored.id)
    assert found
    assert found == other.forge.get(stored.id)
    assert len([record for record in found.records if record.kind == "commented"]) == len(written) > 0
    assert await code_of(platform.reviews.merge(platform.people.actor("leo"), stored.id, stored.head)) != "moved"


async def test_two_services_may_share_an_index(platform: Platform, tmp_path: Path) -> None:
    other = platform.beside(tmp_path)
    await other.watcher.refresh()
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    assert other.forge.get(stored.id) == stored
    await other.approved(stored)
    assert platform.forge.get(stored.id) == other.forge.get(stored.id)
    assert platform.forge.totals() == {"open": 1}


async def test_a_long_log_is_read_beside_everything_else_and_says_how_far_it_is(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ManyProposals(platform).add(3, 20)
    monkeypatch.setattr(record_log, "_AT_ONCE", 10)
    with pytest.raises(RecordsLoadingError) as caught:
        platform.forge.newest()
    assert "of 84 records" in str(caught.value)
    await platform.submissions.check(platform.people.actor("ana"), {NOTEBOOK_PATH: LARGER})
    until(lambda: platform.forge.log.progress is None, what="the end of the reading")
    assert len(platform.forge.newest()) == 23


async def test_lists_filters_and_counts_are_of_the_index(platform: Platform) -> None:
    ManyProposals(platform).add(3, 9)
    forge = platform.forge
    assert forge.totals() == {"open": 3, "merged": 3, "rejected": 3, "withdrawn": 3}
    assert {stored.current.title for stored in forge.newest(state="open")} == {f"Add open-{n}" for n in range(3)}
    assert [stored.ending.kind for stored in forge.newest(state="merged") if stored.ending] == ["merged"] * 3
    assert len(forge.newest(state="ended")) == 9
    first = forge.newest(limit=5)
    rest = forge.newest(before=first[-1].number)
    assert [*first, *rest] == list(forge.newest())
    assert {stored.proposer for stored in forge.newest(proposer="user-1")} == {"user-1"}


async def test_an_index_that_could_not_be_written_once_is_written_the_next_time(platform: Platform) -> None:
    connection = platform.forge.log.index._connection

    def no_commit(_action: int, what: str | None, *_others: object) -> int:
        return sqlite3.SQLITE_DENY if what == "COMMIT" else sqlite3.SQLITE_OK

    connection.set_authorizer(no_commit)
    main = platform.forge.main()
    with pytest.raises(GitUnavailableError):
        platform.forge.open("first", main, {NOTEBOOK_PATH: LARGER}, by="ana", title="x", reason="y")
    connection.set_authorizer(None)
    assert [each.id for each in platform.forge.newest()] == ["first"]
    platform.forge.open("second", main, {OTHER_PATH: NOTEBOOK}, by="ana", title="x", reason="y")
    assert [each.id for each in platform.forge.newest()] == ["second", "first"]


def test_what_heads_were_made_from_is_kept_of_the_newest_ones_alone(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "MAXIMUM_KEPT", 3)
    found, main = heads.Heads(platform.repository), platform.forge.main()
    for number in range(9):
        found.made_from(main, f"{number:040}", main)
    assert len(found._bases) == 3


# -- the command


def _run(command: str, platform: Platform, *options: str) -> tuple[int, str]:
    signers = platform.repository.path.parent / "signers"
    return allotment("record", command, platform.repository.path, "--keys", signers, *options)


async def test_the_command_verifies_the_chain_the_signatures_and_the_merges(platform: Platform) -> None:
    code, output = _run("verify", platform)
    assert (code, "has no branch allotment/records" in output) == (1, True)
    await some(platform)
    code, output = _run("verify", platform)
    assert (code, output) == (0, f"4 records of 2 proposals are good. The newest commit is {tip(platform)}.\n")
    newest = tip(platform)
    bad = forged(platform, newest)
    put(platform, bad)
    code, output = _run("verify", platform)
    assert (code, bad in output) == (1, True)
    put(platform, platform.repository.first_parents(newest)[-2])
    code, output = _run("verify", platform)
    assert (code, "1 merges on main have no record" in output) == (1, True)


async def test_the_export_has_a_line_for_each_commit_with_the_one_before(platform: Platform, tmp_path: Path) -> None:
    merged, _ = await some(platform)
    code, _ = _run("export", platform, "--output", str(tmp_path / "log"))
    assert code == 0
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["commit"] for line in lines] == list(reversed(platform.repository.first_parents(tip(platform))))
    assert [line["before"] for line in lines[1:]] == [line["commit"] for line in lines[:-1]]
    last = next(line for line in lines if line.get("kind") == "merged")
    assert (last["proposal"], last["by"], last["head"]) == (merged.id, "leo", merged.head)
    assert dt.datetime.fromisoformat(last["time"]) <= dt.datetime.now(dt.UTC)
