"""The cache across restarts: whatever happens to it costs time, never truth."""

import logging
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.properties import examples
from support.repositories import ProfilesRepository, profile, small

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.documents.reading import Reading, read
from allotment_profiles.git.repository import Repository
from allotment_profiles.git.signatures import Verifier
from allotment_profiles.model.paths import Kind
from allotment_profiles.store.cache import identity, restore, save
from allotment_profiles.store.tracker import Tracker
from allotment_profiles.store.watcher import CatalogWatcher

NOTEBOOK = "teams/red/profiles/notebook.yaml"


def facts(catalog: Catalog) -> tuple[object, ...]:
    values = {name: entry.value for name, entry in catalog.profiles.items()}
    return (catalog.revision, catalog.problems, catalog.broken, catalog.quarantined, catalog.profiles, values)


def truth(profiles: ProfilesRepository) -> tuple[object, ...]:
    return facts(Tracker(profiles.repository).at(profiles.head).catalog)


def saved(profiles: ProfilesRepository, cache: Path) -> Path:
    tracker = Tracker(profiles.repository, cache)
    tracker.at(profiles.head)
    tracker.save()
    return cache


def in_a_process(action: Callable[[], None], *, kill_after: float | None = None) -> int:
    """Do something in a process of its own, kill it after so many seconds, and return how it ended."""
    child = os.fork()
    if child == 0:
        try:
            action()
        except BaseException:  # noqa: BLE001  (the child must never go on as a second pytest)
            os._exit(70)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The profiles that have been read from their bytes."""
    paths: list[str] = []

    def noting(kind: Kind, path: str, data: bytes) -> Reading:
        paths.extend([path] if kind == "profile" else [])
        return read(kind, path, data)

    monkeypatch.setattr("allotment_profiles.store.resolver.read", noting)
    return paths


def test_a_restart_reads_only_what_changed_and_says_the_same(
    profiles: ProfilesRepository, tmp_path: Path, looked_at: list[str]
) -> None:
    profiles.commit(small(**{f"teams/red/profiles/p{n}.yaml": profile(title=str(n)) for n in range(9)}))
    profiles.push({NOTEBOOK: "title: ["})
    cache = saved(profiles, tmp_path / "cache")
    profiles.push({"teams/red/profiles/p1.yaml": profile(title="New")})
    looked_at.clear()
    catalog = Tracker(profiles.repository, cache).at(profiles.head).catalog
    assert looked_at == ["teams/red/profiles/p1.yaml"]
    assert facts(catalog) == truth(profiles)


def test_a_kill_at_any_moment_of_a_write_loses_nothing(profiles: ProfilesRepository, tmp_path: Path) -> None:
    profiles.commit(small(**{f"teams/red/profiles/p{n:03}.yaml": profile(title=str(n)) for n in range(100)}))
    cache = saved(profiles, tmp_path / "cache")
    tracker = Tracker(profiles.repository)
    loaded, history = tracker.peek(profiles.head)
    keys = identity(profiles.repository.keys)
    began = time.perf_counter()
    assert save(cache, loaded, history, keys)
    took = time.perf_counter() - began

    def write() -> None:
        while True:
            save(cache, loaded, history, keys)

    torn = 0
    for number in range(40):
        ended = in_a_process(write, kill_after=took * (1 + number / 20))
        assert ended == -signal.SIGKILL
        torn += len(list(tmp_path.glob(".cache*")))
        assert restore(cache, keys) is not None, "the file is always the old one or the new one, whole"
        assert save(cache, loaded, history, keys)
        assert not list(tmp_path.glob(".cache*")), "the next write takes the place of what a killed one left"
    assert torn, "some were killed while they wrote"
    assert facts(Tracker(profiles.repository, cache).at(profiles.head).catalog) == truth(profiles)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, str]:
    """A cache's file, what is in it, and what it was written for."""
    folder = tmp_path_factory.mktemp("cache")
    profiles = ProfilesRepository(folder)
    profiles.commit(small())
    file, keys = saved(profiles, folder / "cache"), identity(profiles.repository.keys)
    assert restore(file, keys) is not None
    return file, file.read_bytes(), keys


@examples(40)
@given(st.data())
def test_a_damaged_file_is_not_believed(whole: tuple[Path, bytes, str], data: st.DataObject) -> None:
    file, content, keys = whole
    kind = data.draw(st.sampled_from(["cut", "flip", "more", "other"]))
    place = data.draw(st.integers(0, len(content) - 1))
    if kind == "cut":
        damaged = content[:place]
    elif kind == "flip":
        damaged = content[:place] + bytes([content[place] ^ 1 << data.draw(st.integers(0, 7))]) + content[place + 1 :]
    elif kind == "more":
        damaged = content + data.draw(st.binary(min_size=1, max_size=20))
    else:
        damaged = data.draw(st.binary(max_size=300))
    file.write_bytes(damaged)
    assert restore(file, keys) is None


def test_a_file_of_other_code_other_keys_or_another_repository_is_not_believed(
    profiles: ProfilesRepository, tmp_path: Path
) -> None:
    profiles.commit(small())
    cache = saved(profiles, tmp_path / "cache")
    assert restore(cache, identity(profiles.repository.keys)) is not None
    assert restore(cache, identity("other keys")) is None
    (tmp_path / "other").mkdir()
    other = ProfilesRepository(tmp_path / "other")
    other.commit(small(**{NOTEBOOK: profile(title="Another repository's")}))
    other.repository = Repository(other.path, Verifier(profiles.allowed_signers.read_text()))
    assert facts(Tracker(other.repository, cache).at(other.head).catalog) == truth(other)


def test_what_is_no_file_or_cannot_be_written_is_passed_over(
    profiles: ProfilesRepository, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    profiles.commit(small())
    (tmp_path / "folder").mkdir()
    caplog.set_level(logging.WARNING)
    for cache in (tmp_path / "folder", tmp_path / "none" / "cache", Path("/proc/allotment-cache"), Path("/dev/full")):
        tracker = Tracker(profiles.repository, cache)
        assert facts(tracker.at(profiles.head).catalog) == truth(profiles)
        caplog.clear()
        if cache != Path("/dev/full"):
            tracker.save()
            assert caplog.records


def test_a_full_disk_leaves_the_old_file(profiles: ProfilesRepository, tmp_path: Path) -> None:
    profiles.commit(small(**{f"teams/red/profiles/p{n:03}.yaml": profile(title=str(n)) for n in range(100)}))
    cache = saved(profiles, tmp_path / "cache")
    old = cache.read_bytes()
    profiles.push({NOTEBOOK: profile(title="New")})

    def write() -> None:
        tracker = Tracker(profiles.repository, cache)
        tracker.at(profiles.head)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        tracker.save(soon=True)

    assert in_a_process(write) == 0
    assert cache.read_bytes() == old
    assert [path.name for path in tmp_path.glob("*cache*")] == ["cache"]


async def test_a_watcher_writes_it_and_begins_with_it(
    profiles: ProfilesRepository, tmp_path: Path, looked_at: list[str]
) -> None:
    profiles.commit(small())
    first = CatalogWatcher(profiles.repository, cache=tmp_path / "cache")
    await first.refresh()
    assert looked_at
    looked_at.clear()
    second = CatalogWatcher(profiles.repository, cache=tmp_path / "cache")
    assert facts(await second.refresh()) == facts(first.catalog)
    assert looked_at == []
