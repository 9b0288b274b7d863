"""Git's garbage is collected on schedule, between fetches, and nothing that anybody may need is lost."""

import contextlib
import hashlib
import itertools
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.conditions import eventually, until
from support.repositories import MAIN, ProfilesRepository, small
from support.servers.git_server import GitServer, ServedProfiles, git

from allotment_profiles.git.mirror import Mirror
from allotment_profiles.git.process import GitError, GitProcess
from allotment_profiles.git.remotes import Remote
from allotment_profiles.git.repository import Repository
from allotment_profiles.store import watcher as watchers
from allotment_profiles.store.watcher import CatalogWatcher

TWO_DAYS = 2 * 24 * 60 * 60


def counted() -> Iterator[bytes]:
    """Yield contents whose objects lie in the one folder by which git estimates how many there are."""
    for number in itertools.count():
        text = f"{number}".encode()
        if hashlib.sha1(b"blob %d\0%s" % (len(text), text)).hexdigest().startswith("17"):  # noqa: S324  (git's ids)
            yield text


def litter(repository: Repository, count: int = 12) -> list[str]:
    """Write objects that belong to no branch, two days ago."""
    written, then = [], time.time() - TWO_DAYS
    for text in itertools.islice(counted(), count):
        done = GitProcess(repository.path).run("hash-object", "-w", "--stdin", stdin=text)
        written.append(done.stdout.decode().strip())
        os.utime(repository.path / "objects" / written[-1][:2] / written[-1][2:], (then, then))
    return written


def loose(path: Path) -> set[str]:
    found: set[str] = set()
    for folder in (path / "objects").glob("[0-9a-f][0-9a-f]"):
        with contextlib.suppress(FileNotFoundError):  # git removes it meanwhile
            found |= {folder.name + file.name for file in folder.iterdir()}
    return found


def test_what_belongs_to_no_branch_goes_after_a_day_and_all_else_stays(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    before = profiles.repository.tree(profiles.head)
    *old, new = litter(profiles.repository)
    os.utime(profiles.path / "objects" / new[:2] / new[2:])
    profiles.repository.upkeep()
    assert loose(profiles.path) <= {new}
    assert profiles.repository.objects([*old, new]).keys() == {new}
    assert profiles.repository.tree(profiles.head) == before
    assert profiles.repository.is_surely_at(MAIN, profiles.head), "main is still read without git"


def test_a_few_objects_are_left_alone(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    before = loose(profiles.path)
    profiles.repository.upkeep()
    assert loose(profiles.path) == before


def test_it_waits_for_a_fetch(git_server: GitServer, tmp_path: Path) -> None:
    place = ServedProfiles(tmp_path, git_server, small())
    remote = Remote(git_server.url("profiles.git"), token_file=place.token_file, ca_file=git_server.ca_file)
    mirror = Mirror.opened(tmp_path / "mirror", remote)
    mirror.fetch()
    litter(mirror.repository)
    with git_server.hanging():
        fetching = threading.Thread(target=mirror.fetch_main)
        fetching.start()
        assert git_server.asked.wait(30)
        keeping = threading.Thread(target=mirror.upkeep)
        keeping.start()
        packs = list((mirror.repository.path / "objects" / "pack").iterdir())
        assert fetching.is_alive()
        assert keeping.is_alive()
        assert list((mirror.repository.path / "objects" / "pack").iterdir()) == packs
    fetching.join(60)
    keeping.join(60)
    assert not loose(mirror.repository.path)


async def test_a_watcher_does_it_on_schedule_and_goes_on_where_it_fails(
    profiles: ProfilesRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Repository):
        failures = 2

        def upkeep(self) -> None:
            if self.failures:
                self.failures -= 1
                raise GitError("no space left")
            super().upkeep()

    profiles.commit(small())
    monkeypatch.setattr(watchers, "UPKEEP_SECONDS", 0.01)
    litter(profiles.repository)
    watcher = CatalogWatcher(Failing(profiles.path), upkeep=True)
    watcher.start()
    try:
        await eventually(lambda: not loose(profiles.path), "the objects are packed")
    finally:
        await watcher.stop()
    until(lambda: not (profiles.path / "gc.pid").exists())
    assert git(profiles.path, "fsck", "--connectivity-only") == ""
