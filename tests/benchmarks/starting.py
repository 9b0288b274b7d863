"""What a user waits for at a start, the form and the decision: beside KubeSpawner, which holds profiles in one list."""

import asyncio
import contextlib
import datetime as dt
import json
import os
import timeit
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.launch import Request, resolve
from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.store.loading import load
from allotment_profiles.store.snapshot import at_commit
from allotment_spawner.start_page.cards import Viewer
from allotment_spawner.start_page.offers import start_page
from allotment_spawner.start_page.rendering import render
from benchmarks.measuring import Row, interleaved
from benchmarks.repositories import TEAM_SIZE, create

SEEN = 20
"""So many profiles the user of the form sees."""
_ABLE = Capabilities("this cluster", frozenset({"volume"}), {})
_NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)


def catalog_of(folder: Path, profiles: int) -> Catalog:
    repository = create(folder / f"starting-{profiles}", profiles)
    commit = repository.resolve("refs/heads/main")
    assert commit
    return load(at_commit(repository, commit))


def profile_list(catalog: Catalog) -> list[dict[str, Any]]:
    """Write the same profiles as KubeSpawner has them."""
    return [
        {
            "display_name": entry.value.title, "slug": entry.id.replace("/", "-"),
            "description": entry.value.description,
            "profile_options": {
                name: {
                    "display_name": option.title,
                    "choices": {
                        key: {
                            "display_name": choice.title, "default": key == option.default,
                            "kubespawner_override": {"mem_limit": choice.resources.memory.limit or 8 * 2**30},
                        }
                        for key, choice in option.choices.items()
                    },
                }
                for name, option in entry.value.options.items()
            },
            "kubespawner_override": {
                "image": entry.value.image, "cpu_limit": 2, "cpu_guarantee": 0.5, "mem_limit": 8 * 2**30,
                "mem_guarantee": 2 * 2**30, "environment": dict(entry.value.environment),
            },
        }
        for entry in catalog.profiles.values()
    ]  # fmt: skip


@contextlib.contextmanager
def _kubespawner(folder: Path, catalog: Catalog) -> Iterator[tuple[asyncio.AbstractEventLoop, Any]]:
    """Give a KubeSpawner with the same profiles, and the loop that it was made in."""
    # It wants the address of a cluster when it is made; nothing is sent there.
    configuration = folder / "kubeconfig"
    configuration.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "none", "users": [{"name": "nobody", "user": {}}],
        "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "none", "context": {"cluster": "none", "user": "nobody"}}],
    }))  # fmt: skip
    before, os.environ["KUBECONFIG"] = os.environ.get("KUBECONFIG"), str(configuration)
    from kubespawner import KubeSpawner  # noqa: PLC0415  (it reads that variable when it is imported)

    async def make() -> Any:
        return KubeSpawner(_mock=True, profile_list=profile_list(catalog))

    loop = asyncio.new_event_loop()
    try:
        spawner = loop.run_until_complete(make())
        yield loop, spawner
    finally:
        # What waits there closes the connections when it is cancelled.
        waiting = asyncio.all_tasks(loop)
        for task in waiting:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*waiting, return_exceptions=True))
        loop.close()
        os.environ.pop("KUBECONFIG")
        if before is not None:
            os.environ["KUBECONFIG"] = before


def _each(work: Callable[[], Any], number: int) -> float:
    """Give the milliseconds of one call, from as many calls as take long enough to be measured."""
    return timeit.timeit(work, number=number) / number * 1000


def launch(folder: Path, profiles: int, rounds: int, _sample: int) -> Iterator[Row]:
    """Measure the way from what was asked to exactly what will run."""
    many, few = catalog_of(folder, profiles), catalog_of(folder, 10)
    wanted = sorted(many.profiles)[profiles // 2]
    team = wanted.partition("/")[0]
    user = User("ann", frozenset({f"/example/{team}"}))

    def ours(catalog: Catalog, profile_id: str, who: User) -> Callable[[], Any]:
        request = Request(profile_id, {"size": "large"})
        return lambda: resolve(catalog, who, request, _NOW, _ABLE)

    slug = wanted.replace("/", "-")
    with _kubespawner(folder, many) as (loop, spawner):
        spawner.user_options = {"profile": slug, "size": "large"}
        mine, theirs = interleaved(
            rounds, lambda _: _each(ours(many, wanted, user), 300),
            lambda _: _each(lambda: loop.run_until_complete(spawner.load_user_options()), 3),
        )  # fmt: skip
    yield Row(f"resolve one launch among {profiles} profiles", "KubeSpawner.load_user_options", "ms", mine, theirs, 30)
    first = min(few.profiles)
    someone = User("ann", frozenset({"/example/team-0"}))
    large, small = interleaved(
        rounds, lambda _: _each(ours(many, wanted, user), 300), lambda _: _each(ours(few, first, someone), 300)
    )
    # At most 1.5 times as slow as among ten.
    yield Row(f"resolve one launch among {profiles} profiles", "ours among 10", "ms", large, small, 1 / 1.5)


def form(folder: Path, profiles: int, rounds: int, _sample: int) -> Iterator[Row]:
    """Measure the start form, in time and in bytes, for a user who sees twenty of the profiles."""
    catalog = catalog_of(folder, profiles)
    # One team of fifty would show too many: the user is in a part of one by the names of its first profiles.
    shown = catalog.profiles_of("team-0")[: min(SEEN, TEAM_SIZE)]
    narrowed = {name: entry for name, entry in catalog.profiles.items() if entry.id in shown or "team-0/" not in name}
    seen = Catalog(catalog.revision, catalog.time, catalog.policy, catalog.teams, narrowed, catalog.data_roles, ())
    viewer = Viewer(User("ann", frozenset({"/example/team-0"})), "https://hub.example.org/services/allotment/")
    pages: list[list[float]] = [[], []]

    def ours(_: int) -> float:
        milliseconds = _each(lambda: render(start_page(seen, viewer, None, _NOW, _ABLE)), 3)
        pages[0].append(len(render(start_page(seen, viewer, None, _NOW, _ABLE)).encode()) / 1024)
        return milliseconds

    with _kubespawner(folder, catalog) as (_loop, spawner):

        def theirs(_: int) -> float:
            milliseconds = _each(lambda: spawner._render_options_form(spawner.profile_list), 1)
            pages[1].append(len(spawner._render_options_form(spawner.profile_list).encode()) / 1024)
            return milliseconds

        mine, stock = interleaved(rounds, ours, theirs)
    what = f"the start form for a user who sees {len(shown)} of {profiles}"
    yield Row(f"{what}: time", "KubeSpawner's form of all", "ms", mine, stock, 4)
    yield Row(f"{what}: size", "KubeSpawner's form of all", "KiB", pages[0], pages[1], 20)
