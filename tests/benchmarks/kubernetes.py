"""What a hub does on a cluster: stock KubeSpawner's and ours, each in a real hub over a stand-in for a cluster.

The stand-in lets pods run at once, so that what is left is the hub's own work. In place of a proxy stands one that only
remembers routes.
"""

import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.conditions import until
from support.fakes.stand_in import OURS, STOCK, StandInCluster, StandInHub
from support.servers.cluster import Cluster

from benchmarks.measuring import Row, in_fresh_process, interleaved
from benchmarks.repositories import TEAM_SIZE
from benchmarks.starting import catalog_of, profile_list

AT_ONCE = 50
"""So many users start at one moment."""
RUNNING = 300
"""So many sessions run while the hub is killed."""
_STOCK = "KubeSpawner 7.1"
_BY_TIME = ("list", "watch")
"""Requests that come with time, not with starts."""


@dataclass(frozen=True)
class Side:
    """One of both hubs with its cluster, and what each of its users asks for."""

    hub: StandInHub
    cluster: StandInCluster
    wanted: Mapping[str, Mapping[str, Any]]


@contextmanager
def _both(folder: Path, profiles: int, users: int) -> Iterator[tuple[Side, Side]]:
    """Give ours and theirs, with the same profiles and the same users."""
    catalog = catalog_of(folder, profiles)
    teams = max(1, profiles // TEAM_SIZE)
    chosen = {f"user-{number}": f"team-{number % teams}/profile-{number % profiles}" for number in range(users)}
    # The numbers of a team's profiles are those that have its number as remainder.
    assert set(chosen.values()) <= set(catalog.profiles)
    groups: dict[str, list[str]] = {}
    for user, profile in chosen.items():
        groups.setdefault(f"/example/{profile.partition('/')[0]}", []).append(user)
    mine = {user: {"profile": profile, "options": {"size": "large"}} for user, profile in chosen.items()}
    slugs = {user: profile.replace("/", "-") for user, profile in chosen.items()}
    theirs = {user: {"profile": slug, "size": "large"} for user, slug in slugs.items()}
    settings: dict[str, dict[str, Any]] = {
        OURS: {
            "repository": str(folder / f"starting-{profiles}"), "events_url": f"sqlite:///{folder / 'events.sqlite'}",
            "cache": str(folder / "cache"),
        },
        STOCK: {"profile_list": profile_list(catalog)},
    }  # fmt: skip
    with ExitStack() as stack:
        sides = []
        for spawner, wanted in ((OURS, mine), (STOCK, theirs)):
            own = folder / spawner
            cluster = stack.enter_context(StandInCluster.started(own / "cluster"))
            hub = StandInHub(own / "hub", cluster, groups, spawner, **settings[spawner])
            sides.append(Side(stack.enter_context(hub.started()), cluster, wanted))
        yield sides[0], sides[1]


def starts(folder: Path, profiles: int, rounds: int, sample: int) -> Iterator[Row]:
    """Measure how many sessions a hub starts in a second, and what each asks of the API server."""
    users = min(AT_ONCE, sample or AT_ONCE)
    asked: dict[int, list[float]] = {}
    with _both(folder, profiles, users) as sides:

        def once(side: Side) -> float:
            before, began = side.cluster.counts(), time.monotonic()
            side.hub.start_sessions(side.wanted)
            seconds = time.monotonic() - began
            asked[id(side)].append(_of_starts(side.cluster.counts() - before) / users)
            side.hub.stop_sessions(side.wanted)
            return users / seconds

        for side in sides:
            asked[id(side)] = []
            once(side)  # claims and service accounts are made once
            asked[id(side)].clear()
        ours, theirs = interleaved(rounds, lambda _: once(sides[0]), lambda _: once(sides[1]))
        requests = [asked[id(side)] for side in sides]
    what = f"starts of {users} users at one moment among {profiles} profiles"
    yield Row(what, _STOCK, "1/s", ours, theirs, 1.1 if profiles >= 1000 else 0.97, rate=True)
    yield Row(f"{what}: API requests of each", _STOCK, "requests", *requests, target=1)


def _of_starts(counts: Counter[str]) -> int:
    return sum(number for request, number in counts.items() if request.split()[0] not in _BY_TIME)


def recovery(folder: Path, profiles: int, rounds: int, sample: int) -> Iterator[Row]:
    """Measure how long a hub that was killed takes to know its sessions again, from the start of its process."""
    sessions = min(RUNNING, sample or RUNNING)
    with _both(folder, profiles, sessions) as sides:
        for side in sides:
            side.hub.start_sessions(side.wanted)

        def once(side: Side) -> float:
            side.hub.kill()
            began = time.monotonic()
            side.hub.begin()
            until(lambda: len(side.hub.ready()) == sessions, within=120, what="every session", pause=0.05)
            return time.monotonic() - began

        ours, theirs = interleaved(rounds, lambda _: once(sides[0]), lambda _: once(sides[1]))
    yield Row(f"recovery of {sessions} sessions after kill -9 of the hub", _STOCK, "s", ours, theirs, 1 / 1.1)


def readiness(folder: Path, _profiles: int, rounds: int, _sample: int) -> Iterator[Row]:
    """Measure how long a session takes on a real cluster from the start to its running pod, with the same image."""
    if not os.environ.get("KUBECONFIG") or shutil.which("kubectl") is None:
        sys.stderr.write("readiness: left out, it needs KUBECONFIG, kubectl and the images of tests/support/images\n")
        return
    for home, what in (("", "a session's readiness on a cluster"), ("home", "the same with a home folder")):
        own = folder / (home or "none")
        own.mkdir()
        with Cluster.opened("readiness") as cluster:
            # KubeSpawner takes the way to the cluster when it is imported.
            ours, theirs = in_fresh_process("readiness", own, cluster.namespace, rounds, home)
        yield Row(what, _STOCK, "s", ours, theirs, 1)
