"""Following main: each new catalog as a whole, and the old one where the new one cannot be had."""

import asyncio
import datetime as dt
import os
import shutil
import threading

from support.conditions import eventually
from support.locks import locked
from support.repositories import MAIN, START, ProfilesRepository, policy, profile, small
from support.servers.git_server import git

from allotment_hub.api.metrics import CatalogCollector, exposition
from allotment_profiles.git.repository import NO_OBJECT, RefUpdate, Repository
from allotment_profiles.store.watcher import CatalogWatcher

NOTEBOOK = "teams/red/profiles/notebook.yaml"


async def test_a_new_commit_becomes_the_catalog_while_the_old_one_stays_as_it_was(profiles: ProfilesRepository) -> None:
    first = profiles.commit(small())
    watcher = CatalogWatcher(profiles.repository, poll_seconds=0.01)
    watcher.start()
    try:
        await eventually(lambda: watcher.catalog.revision == first, "the new catalog")
        old = watcher.catalog
        second = profiles.push({NOTEBOOK: profile(title="New")})
        await eventually(lambda: watcher.catalog.revision == second, "the new catalog")
    finally:
        await watcher.stop()
    assert old.profiles["red/notebook"].value.title == "Notebook"
    assert watcher.catalog.profiles["red/notebook"].value.title == "New"
    assert watcher.applied is not None
    assert (watcher.applied.revision, watcher.applied.error) == (second, None)


async def test_many_who_ask_at_one_moment_share_a_look_that_begins_after_they_asked(
    profiles: ProfilesRepository,
) -> None:
    class Counted(Repository):
        looks = 0
        looking = threading.Event()

        def is_surely_at(self, name: str, commit: str) -> bool:
            self.looking.set()
            return super().is_surely_at(name, commit)

        def resolve(self, revision: str) -> str | None:
            self.looks += 1
            self.looking.set()
            return super().resolve(revision)

    first = profiles.commit(small())
    repository = Counted(profiles.path)
    watcher = CatalogWatcher(repository)
    assert {each.revision for each in await asyncio.gather(*(watcher.refresh() for _ in range(50)))} == {first}
    assert repository.looks == 1
    repository.looking.clear()
    early = asyncio.create_task(watcher.refresh())
    await eventually(repository.looking.is_set, "a look has begun")
    second = profiles.push({NOTEBOOK: profile(title="New")})
    late = await asyncio.gather(*(watcher.refresh() for _ in range(50)))
    assert {each.revision for each in late} == {second}
    assert (await early).revision in (first, second)


async def test_main_is_followed_wherever_git_keeps_its_references(profiles: ProfilesRepository) -> None:
    first = profiles.commit(small())
    watcher = CatalogWatcher(profiles.repository)
    await watcher.refresh()
    assert profiles.repository.is_surely_at(MAIN, first)
    git(profiles.path, "pack-refs", "--all")
    assert not profiles.repository.is_surely_at(MAIN, first)  # the one file of all says nothing about a single one
    assert (await watcher.refresh()).revision == first
    second = profiles.push({NOTEBOOK: profile(title="New")})
    assert profiles.repository.is_surely_at(MAIN, second)
    assert (await watcher.refresh()).revision == second


async def test_a_failing_repository_keeps_the_catalog_and_says_so_until_it_is_well(
    profiles: ProfilesRepository,
) -> None:
    first = profiles.commit(small())
    watcher = CatalogWatcher(profiles.repository)
    await watcher.refresh()
    away = profiles.path.with_name("away")
    profiles.path.rename(away)
    assert (await watcher.refresh()).revision == first
    assert watcher.attempted is not None
    assert watcher.attempted.error
    assert watcher.applied is not None
    assert watcher.applied.error is None
    stopped = watcher.standstill
    assert stopped is not None
    assert (stopped.code, stopped.since) == ("unreadable", watcher.attempted.time)
    await watcher.refresh()
    assert watcher.standstill == stopped, "since the first failure"
    away.rename(profiles.path)
    await watcher.refresh()
    assert watcher.standstill is None
    assert watcher.attempted == watcher.applied


async def test_a_commit_whose_objects_are_damaged_keeps_the_catalog(profiles: ProfilesRepository) -> None:
    first = profiles.commit(small())
    watcher = CatalogWatcher(profiles.repository)
    await watcher.refresh()
    second = profiles.push({NOTEBOOK: profile(title="New")})
    tree = profiles.repository.tree(second)[NOTEBOOK].blob
    (profiles.path / "objects" / tree[:2] / tree[2:]).unlink()
    (profiles.path / "objects" / tree[:2] / tree[2:]).write_bytes(b"nonsense")
    catalog = await watcher.refresh()
    assert catalog.revision == first
    assert watcher.attempted is not None
    assert (watcher.attempted.revision, bool(watcher.attempted.error)) == (second, True)


async def test_an_accident_that_nobody_thought_of_does_not_end_the_following(profiles: ProfilesRepository) -> None:
    class Broken(Repository):
        broken = True

        def resolve(self, revision: str) -> str | None:
            if self.broken:
                raise AttributeError("nobody thought of it")
            return super().resolve(revision)

    first = profiles.commit(small())
    repository = Broken(profiles.path)
    watcher = CatalogWatcher(repository, poll_seconds=0.01)
    watcher.start()
    try:
        await eventually(
            lambda: watcher.attempted is not None and "AttributeError" in str(watcher.attempted.error), "the accident"
        )
        repository.broken = False
        await eventually(lambda: watcher.catalog.revision == first, "the new catalog")
    finally:
        await watcher.stop()


async def test_a_deleted_branch_keeps_the_catalog(profiles: ProfilesRepository) -> None:
    first = profiles.commit(small())
    watcher = CatalogWatcher(profiles.repository)
    await watcher.refresh()
    profiles.repository.update_references([RefUpdate(MAIN, NO_OBJECT, first)])
    assert (await watcher.refresh()).revision == first
    assert watcher.attempted is not None
    assert "main" in str(watcher.attempted.error)


async def test_a_locked_main_is_told_with_the_time_and_goes_on_once_the_git_has_died(
    profiles: ProfilesRepository,
) -> None:
    profiles.commit(small())
    watcher = CatalogWatcher(profiles.repository)
    await watcher.refresh()
    with locked(profiles.path, MAIN) as process:
        await watcher.refresh()
        assert watcher.standstill is None, "every change takes the lock for a moment"
        os.utime(profiles.path / f"{MAIN}.lock", (1000, 1000))
        await watcher.refresh()
        assert watcher.standstill is not None
        assert watcher.standstill.code == "locked"
        assert watcher.standstill.since == dt.datetime.fromtimestamp(1000, dt.UTC)
        metrics = exposition(CatalogCollector(watcher))
        assert b"allotment_main_standstill 1.0" in metrics
        assert b"allotment_main_standstill_timestamp_seconds 1000.0" in metrics
        process.kill()
        process.wait()
        assert (profiles.path / f"{MAIN}.lock").exists()
        await watcher.refresh()
        assert watcher.standstill is None
        assert b"allotment_main_standstill 0.0" in exposition(CatalogCollector(watcher))
    assert not (profiles.path / f"{MAIN}.lock").exists()


async def test_what_the_policy_stops_is_told_with_the_time(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    watcher = CatalogWatcher(profiles.repository)

    async def stopped() -> str:
        await watcher.refresh()
        if watcher.standstill is None:
            return ""
        assert watcher.standstill.since == profiles.time
        return watcher.standstill.code

    assert await stopped() == ""
    removal = profiles.push({"policy.yaml": None})
    assert await stopped() == "policy-quarantined"
    profiles.commit({}, f"We mean it\n\nConfirms-removal: {removal}")
    profiles.time = START + dt.timedelta(minutes=2)  # when it was removed
    assert await stopped() == "policy-missing"
    profiles.commit({"policy.yaml": policy()})
    assert await stopped() == ""
    profiles.push({"policy.yaml": "format: [oops"})
    assert await stopped() == "policy-invalid"


async def test_before_anything_was_read_nothing_is_offered(profiles: ProfilesRepository) -> None:
    shutil.rmtree(profiles.path)
    watcher = CatalogWatcher(profiles.repository)
    catalog = await watcher.refresh()
    assert (catalog.revision, catalog.policy, dict(catalog.profiles)) == ("", None, {})
    assert watcher.standstill is not None
    assert watcher.standstill.code == "nothing-loaded"
