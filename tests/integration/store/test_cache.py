"""The cache across restarts: whatever happens to it costs time, never truth."""

import logging
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.properties import examples
from support.repositories import ProfilesRepository, profile, small

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.documents.reading import Reading, read
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


def in_a_process(deed: Callable[[], None]) -> int:
    """Do something in a process of its own, and give how it ended."""
    child = os.fork()
    if child == 0:
        try:
            deed()
        except BaseException:  # noqa: BLE001  (the child must never go on as a second pytest)
            os._exit(70)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_restart_reads_only_what_changed_and_says_the_same(
    profiles: ProfilesRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles.commit(small(**{f"teams/red/profiles/p{n}.yaml": profile(title=str(n)) for n in range(9)}))
    profiles.push({NOTEBOOK: "title: ["})
    cache = saved(profiles, tmp_path / "cache")
    profiles.push({"teams/red/profiles/p1.yaml": profile(title="New")})
    looked_at = []

    def noting(kind: Kind, path: str, data: bytes) -> Reading:
        looked_at.append(path)
        return read(kind, path, data)

    monkeypatch.setattr("allotment_profiles.store.resolver.read", noting)
    catalog = Tracker(profiles.repository, cache).at(profiles.head).catalog
    assert [path for path in looked_at if "/profiles/" in path] == ["teams/red/profiles/p1.yaml"]
    monkeypatch.undo()
    assert facts(catalog) == truth(profiles)


class Deadly:
    """A file that kills its process at one of the steps in which it is written."""

    def __init__(self, file: Any, step: Callable[[], None]) -> None:
        self._file, self._step = file, step

    def __enter__(self) -> "Deadly":
        return self

    def __exit__(self, *_: object) -> None:
        self._step()
        self._file.close()

    def write(self, data: bytes) -> None:
        self._step()
        half = len(data) // 2
        self._file.write(data[:half])
        self._step()
        self._file.write(data[half:])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_a_kill_at_any_step_of_a_write_loses_nothing(profiles: ProfilesRepository, tmp_path: Path) -> None:
    profiles.commit(small())
    cache = saved(profiles, tmp_path / "cache")
    old = cache.read_bytes()
    profiles.push({NOTEBOOK: profile(title="New")})
    opening, syncing, replacing = Path.open, os.fsync, Path.replace
    deaths = 0
    for last in range(1, 100):
        steps = 0

        def step(last: int = last) -> None:
            nonlocal steps
            steps += 1
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)

        def stepping(deed: Callable[..., Any]) -> Callable[..., Any]:
            def stepped(*arguments: Any) -> Any:
                step()
                result = deed(*arguments)
                step()
                return result

            return stepped

        def deadly_open(path: Path, mode: str = "r", *more: Any, **named: Any) -> Any:
            if mode != "wb":
                return opening(path, mode, *more, **named)
            step()
            return Deadly(opening(path, mode, buffering=0), step)

        def write() -> None:
            tracker = Tracker(profiles.repository, cache)
            tracker.at(profiles.head)
            Path.open, os.fsync, Path.replace = deadly_open, stepping(syncing), stepping(replacing)  # type: ignore
            tracker.save(soon=True)

        ended = in_a_process(write)
        assert ended in (0, -signal.SIGKILL)
        deaths += ended != 0
        found = restore(cache, identity(profiles.repository.keys))
        assert found is not None, "the file is always the old one or the new one, whole"
        assert facts(Tracker(profiles.repository, cache).at(profiles.head).catalog) == truth(profiles)
        if ended == 0:
            break
        cache.write_bytes(old)
    assert deaths > 10
    assert not list(tmp_path.glob(".cache*")), "the next write takes the place of what a killed one left"


@examples(40)
@given(st.data())
def test_a_damaged_file_is_not_believed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("cache")
    whole = whole_file(folder)
    kind = data.draw(st.sampled_from(["cut", "flip", "more", "other"]))
    place = data.draw(st.integers(0, len(whole) - 1))
    if kind == "cut":
        damaged = whole[:place]
    elif kind == "flip":
        damaged = whole[:place] + bytes([whole[place] ^ 1 << data.draw(st.integers(0, 7))]) + whole[place + 1 :]
    elif kind == "more":
        damaged = whole + data.draw(st.binary(min_size=1, max_size=20))
    else:
        damaged = data.draw(st.binary(max_size=300))
    (folder / "cache").write_bytes(damaged)
    assert restore(folder / "cache", "x" * 64) is None


def whole_file(folder: Path) -> bytes:
    profiles = ProfilesRepository(folder)
    profiles.commit(small())
    tracker = Tracker(profiles.repository, folder / "cache")
    loaded = tracker.at(profiles.head)
    assert tracker._history is not None
    save(folder / "cache", loaded, tracker._history, "x" * 64)
    assert restore(folder / "cache", "x" * 64) is not None
    return (folder / "cache").read_bytes()


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
    other.repository = type(profiles.repository)(other.path, profiles.repository._verifier)
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
            assert "was not written" in caplog.text


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


async def test_a_follower_writes_it_and_begins_with_it(profiles: ProfilesRepository, tmp_path: Path) -> None:
    profiles.commit(small())
    first = CatalogWatcher(profiles.repository, cache=tmp_path / "cache")
    await first.refresh()
    second = CatalogWatcher(profiles.repository, cache=tmp_path / "cache")
    assert facts(await second.refresh()) == facts(first.catalog)
    assert second.tracker._saved is not None
