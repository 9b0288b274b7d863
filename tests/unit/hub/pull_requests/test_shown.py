"""What pull requests showed is kept over restarts, and a file that was lost or damaged is begun anew."""

import dataclasses
import datetime as dt
import sqlite3
from pathlib import Path

import pytest

from allotment_hub.services.pull_requests.shown import Shown, ShownPullRequests

SHOWN = Shown(
    "abc", 7, "head", "digest", dt.datetime(2026, 11, 27, 9, tzinfo=dt.UTC), True, "hash",
    dt.datetime(2026, 11, 27, 10, tzinfo=dt.UTC), "https://git.example.org/7", "[]",
)  # fmt: skip


def test_it_is_kept_over_restarts(tmp_path: Path) -> None:
    kept = ShownPullRequests(tmp_path / "shown.sqlite")
    kept.keep(SHOWN)
    kept.keep(dataclasses.replace(SHOWN, head="other"))
    kept.close()
    again = ShownPullRequests(tmp_path / "shown.sqlite")
    assert again.all() == (dataclasses.replace(SHOWN, head="other"),)
    assert again.of("abc") == again.all()[0]
    again.forget("abc")
    assert again.of("abc") is None
    assert again.all() == ()
    assert again.address("abc") == "https://git.example.org/7"
    again.close()


def test_what_was_shown_elsewhere_is_forgotten_as_the_numbers_begin_again_there(tmp_path: Path) -> None:
    path = tmp_path / "shown.sqlite"
    for place, there in (("gitea one o/n", 0), ("gitea one o/n", 1), ("gitea two o/n", 0), ("gitea two o/m", 0)):
        kept = ShownPullRequests(path, place)
        assert len(kept.all()) == there
        kept.keep(SHOWN)
        kept.close()


@pytest.mark.parametrize("content", [b"no database", None])
def test_a_file_that_is_damaged_or_gone_is_begun_anew(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "shown.sqlite"
    if content:
        path.write_bytes(content)
    kept = ShownPullRequests(path)
    kept.keep(SHOWN)
    path.unlink()
    assert kept.all() == ()
    kept.keep(SHOWN)
    assert kept.all() == (SHOWN,)
    kept.close()


def test_a_table_of_another_version_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "shown.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript("CREATE TABLE shown (proposal TEXT); PRAGMA user_version = 1;")
    connection.close()
    kept = ShownPullRequests(path)
    kept.keep(SHOWN)
    assert kept.all() == (SHOWN,)
    kept.close()


def test_a_file_that_cannot_be_opened_is_kept_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "shown.sqlite"
    path.mkdir()
    kept = ShownPullRequests(path)
    kept.keep(SHOWN)
    assert kept.all() == (SHOWN,)
    kept.close()
