"""Locks of a git that was killed are removed; those of a living one are not."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from support.conditions import until
from support.locks import locked
from support.repositories import MAIN, ProfilesRepository

from allotment_profiles.git import locks
from allotment_profiles.git.locks import clear_leftovers, oldest_lock
from allotment_profiles.git.process import GitError, GitProcess, GitTimeoutError
from allotment_profiles.git.repository import NO_OBJECT, RefUpdate

PROPOSE = "refs/heads/propose/a"
LEFT = [
    f"{MAIN}.lock", "packed-refs.lock", "packed-refs.new", "HEAD.lock", "config.lock", "shallow.lock",
    f"{PROPOSE}.lock", "refs/allotment/fetched/main.lock", "objects/pack/tmp_pack_x1y2z3",
]  # fmt: skip


def leave(profiles: ProfilesRepository) -> list[Path]:
    paths = [profiles.path / name for name in LEFT]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def test_what_a_killed_git_left_behind_is_removed_by_the_next_change(profiles: ProfilesRepository) -> None:
    first = profiles.commit({"a": "1"})
    with locked(profiles.path, MAIN, PROPOSE) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (profiles.path / f"{MAIN}.lock").exists()
    second = profiles.commit({"a": "2"})
    assert profiles.head == second != first
    assert not (profiles.path / f"{PROPOSE}.lock").exists()


@pytest.mark.parametrize("name", LEFT)
def test_whatever_lies_there_main_moves_and_branches_come_and_go(profiles: ProfilesRepository, name: str) -> None:
    profiles.commit({"a": "1"})
    profiles.repository.update_references([RefUpdate(PROPOSE, profiles.head, NO_OBJECT)])
    subprocess.run(["git", "pack-refs", "--all"], cwd=profiles.path, check=True)
    (profiles.path / name).parent.mkdir(parents=True, exist_ok=True)
    (profiles.path / name).touch()
    later = profiles.commit({"a": "2"})
    profiles.repository.update_references(
        [RefUpdate(PROPOSE, NO_OBJECT, profiles.repository.references(PROPOSE)[PROPOSE])]
    )
    assert profiles.repository.references("refs/heads/") == {MAIN: later}


def test_all_that_nobody_holds_is_removed_and_nothing_else(profiles: ProfilesRepository) -> None:
    commit = profiles.commit({"a": "1"})
    left = leave(profiles)
    before = {path for path in profiles.path.rglob("*") if path.is_file()}
    assert sorted(clear_leftovers(profiles.path)) == sorted(left)
    assert {path for path in profiles.path.rglob("*") if path.is_file()} == before - set(left)
    assert profiles.head == commit
    assert clear_leftovers(profiles.path) == []


def test_a_living_git_keeps_its_lock_however_old_it_is(profiles: ProfilesRepository) -> None:
    first = profiles.commit({"a": "1"})
    lock = profiles.path / f"{MAIN}.lock"
    with locked(profiles.path, MAIN):
        os.utime(lock, (1, 1))
        assert clear_leftovers(profiles.path) == []
        with pytest.raises(GitError, match="File exists"):
            profiles.commit({"a": "2"})
        assert lock.exists()
        assert oldest_lock(profiles.path, MAIN) == 1
    assert profiles.head == first
    assert profiles.commit({"a": "3"}) == profiles.head


@pytest.mark.parametrize("how", ["--git-dir={}", "--git-dir {}", "GIT_DIR={}"])
@pytest.mark.parametrize("relative", [False, True])
def test_a_living_git_that_stands_elsewhere_keeps_its_lock(
    profiles: ProfilesRepository, tmp_path: Path, how: str, relative: bool
) -> None:
    profiles.commit({"a": "1"})
    words = how.format(profiles.path.relative_to(tmp_path) if relative else profiles.path).split()
    variables = dict(word.split("=") for word in words if word.startswith("GIT_DIR"))
    options = [word for word in words if not word.startswith("GIT_DIR")]
    with locked(tmp_path, MAIN, options=options, environment=variables):
        assert clear_leftovers(profiles.path) == []
    assert profiles.path / f"{MAIN}.lock" in clear_leftovers(profiles.path)


def test_a_git_that_reads_or_works_elsewhere_holds_no_lock(profiles: ProfilesRepository, tmp_path: Path) -> None:
    first = profiles.commit({"a": "1"})
    (tmp_path / "else").mkdir()
    other = ProfilesRepository(tmp_path / "else")
    assert other.path.name == profiles.path.name
    other.commit({"b": "1"})
    reading = ["git", "--no-pager", "-c", "gc.auto=0", "cat-file", "--batch"]
    with (
        subprocess.Popen(reading, cwd=profiles.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader,
        locked(other.path, MAIN),
    ):
        assert reader.stdin
        assert reader.stdout
        reader.stdin.write(f"{first}\n".encode())
        reader.stdin.flush()
        assert first.encode() in reader.stdout.readline()
        left = leave(profiles)
        assert sorted(clear_leftovers(profiles.path)) == sorted(left)
        assert (other.path / f"{MAIN}.lock").exists()
        reader.kill()


def test_where_processes_cannot_be_seen_only_an_old_lock_is_removed(
    profiles: ProfilesRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles.commit({"a": "1"})
    monkeypatch.setattr(locks, "_PROCESSES", tmp_path / "no-such-folder")
    lock = profiles.path / f"{MAIN}.lock"
    lock.touch()
    assert clear_leftovers(profiles.path) == []
    os.utime(lock, (1, 1))
    assert clear_leftovers(profiles.path) == [lock]


def test_after_a_git_that_was_ended_nothing_of_it_stays(
    profiles: ProfilesRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a git may be deaf to SIGTERM, and an index-pack leaves its file whatever the signal."""
    first = profiles.commit({"a": "1"})
    lock = profiles.path / f"{MAIN}.lock"
    unfinished = profiles.path / "objects" / "pack" / "tmp_pack_123456"
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "git").write_text(f"#!/bin/sh\ntouch {lock} {unfinished}\nsleep 60 & wait\n")
    (programs / "git").chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", f"{programs}:/usr/bin:/bin")
        with pytest.raises(GitTimeoutError):
            GitProcess(profiles.path).run("fetch", seconds=1)
    until(lambda: not lock.exists() and not unfinished.exists())
    assert profiles.head == first
