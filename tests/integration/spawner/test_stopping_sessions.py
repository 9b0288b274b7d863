"""An order to stop sessions ends those that run and those that start, survives a restart, and is told and recorded."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.conditions import eventually
from support.fakes.small_hub import SmallHub
from support.repositories import ProfilesRepository, data_role, profile, small

from allotment_profiles.events import Events
from allotment_profiles.stops import StopTarget
from allotment_spawner.hub import stops
from allotment_spawner.hub.mixin import ProfileSpawnerMixin
from allotment_spawner.hub.shared import event_writers
from allotment_spawner.hub.stops import carry_out, described, in_full, matching, record, undecided
from allotment_spawner.session.stop_order import StopOrder

DIGEST = f"sha256:{'a' * 64}"
PROFILE = StopTarget("profile", "red/notebook")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[SmallHub]:
    profiles = ProfilesRepository(tmp_path)
    files = {
        "teams/red/profiles/notebook.yaml": profile(data_roles=["tables"]),
        "teams/red/profiles/plain.yaml": profile(image=f"registry.example.org/analysis/plain@{DIGEST}"),
        "data-roles/tables.yaml": data_role("blue", {"red": "2999-01-01"}),
    }
    profiles.commit(small(**files))
    made = SmallHub(profiles, f"sqlite:///{tmp_path / 'events.sqlite'}")
    yield made
    await made.close()


async def started(hub: SmallHub, user: str, profile_id: str = "red/notebook") -> ProfileSpawnerMixin:
    assert await hub.start(user, {"profile": profile_id}) == "started"
    spawner: ProfileSpawnerMixin = hub.spawner(user)
    spawner.add_poll_callback(lambda: spawner.user.stop(""))  # as the hub does once a session has ended
    return spawner


async def ordered(hub: SmallHub, target: StopTarget = PROFILE) -> tuple[StopOrder, dict[str, str]]:
    """Have the hub carry out an order; return it, and what became of the sessions."""
    order, spawners = StopOrder.given(target, "lena", "A key was published"), list(matching(hub.users, target))
    for spawner in spawners:
        spawner.order_stop(order.of_profile(spawner.session.profile if spawner.session else ""))
        spawner._store_state()
    record(event_writers(hub.settings), target, order, len(spawners))
    names = [str(described(spawner)["user"]) for spawner in spawners]
    return order, dict(zip(names, await carry_out(spawners, order), strict=True))


def state(hub: SmallHub, user: str) -> dict[str, Any]:
    """Return what the pages of the hub know of a user's last session."""
    found: dict[str, Any] = hub.spawner(user).orm_spawner.state.get("allotment", {})
    return found


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (PROFILE, {"ann", "bob"}),
        (StopTarget("user", "ann"), {"ann"}),
        (StopTarget("user", "an"), set()),
        (StopTarget("data-role", "tables"), {"ann", "bob"}),
        (StopTarget("image", DIGEST), {"cid"}),
        (StopTarget("image", f"mirror.example.org/other@{DIGEST}"), {"cid"}),
        (StopTarget("image", f"registry.example.org/analysis/plain@{DIGEST}"), {"cid"}),
        (StopTarget("image", "registry.example.org/analysis/plain"), set()),
    ],
    ids=lambda value: str(value) if isinstance(value, StopTarget) else "of",
)
async def test_an_order_ends_the_sessions_of_its_target_and_no_others(
    hub: SmallHub, target: StopTarget, expected: set[str]
) -> None:
    spawners = {
        "ann": await started(hub, "ann"),
        "bob": await started(hub, "bob"),
        "cid": await started(hub, "cid", "red/plain"),
    }
    _, results = await ordered(hub, target)
    assert results == dict.fromkeys(expected, "stopped")
    assert {name for name, spawner in spawners.items() if spawner.ended} == expected  # type: ignore[attr-defined]
    with_digest = target.kind == "image" and "sha256:" in target.name
    assert undecided(hub.users, target) == (2 if with_digest else 0)


async def test_its_users_are_told_until_they_start_again_and_the_events_say_who_and_why(
    hub: SmallHub, tmp_path: Path
) -> None:
    await started(hub, "ann")
    order, _ = await ordered(hub)
    told = state(hub, "ann")
    assert "stop_order" not in told
    assert StopOrder.from_state(told["last_stop"]) == order.of_profile("red/notebook")
    assert (order.by, order.reason, order.target) == ("lena", "A key was published", "the profile red/notebook")
    assert await hub.start("ann", {"profile": "red/nothing"}) == "profile-unknown"
    assert state(hub, "ann")["last_stop"]
    assert await hub.start("ann") == "started"
    assert "last_stop" not in state(hub, "ann")
    hub.write_events()
    table = Events(f"sqlite:///{tmp_path / 'events.sqlite'}")
    events = {event.kind: event for event in table.of("red/notebook", kinds=["stop-order", "end"])}
    table.close()
    given, end = events["stop-order"], events["end"]
    assert (given.user, given.details["reason"], given.details["sessions"]) == ("lena", "A key was published", 1)
    assert (end.user, end.details["reason"]) == ("ann", "stop-order")
    assert given.details["order"] == end.details["order"] == order.id


async def test_an_order_has_names_of_users_only_where_they_can_be_erased(hub: SmallHub, tmp_path: Path) -> None:
    await started(hub, "ann")
    await ordered(hub, StopTarget("user", "ann"))
    hub.write_events()
    table = Events(f"sqlite:///{tmp_path / 'events.sqlite'}")
    given, target = table.of("")
    (end,) = table.of("red/notebook", kinds=["end"])
    table.close()
    assert [(event.kind, event.user) for event in (target, given)] == [("stop-target", "ann"), ("stop-order", "lena")]
    assert all(name not in str([given.details, target.details, end.details]) for name in ("ann", "lena"))


async def test_a_session_that_had_ended_already_is_said_to_have(hub: SmallHub) -> None:
    spawner: Any = await started(hub, "ann")
    spawner.ended = True
    _, results = await ordered(hub)
    assert results == {"ann": "ended"}
    assert "last_stop" not in state(hub, "ann")


async def test_a_session_that_cannot_be_stopped_is_tried_again_also_by_the_next_hub(hub: SmallHub) -> None:
    spawner: Any = await started(hub, "ann")
    spawner.stuck = True
    order, results = await ordered(hub)
    assert results == {"ann": "failed"}
    assert state(hub, "ann")["stop_order"]["id"] == order.id
    hub.restart()
    again: Any = hub.spawner("ann")
    assert again is not spawner
    await again.poll()
    assert again.ended
    again.clear_state()
    assert again.last_stop.id == order.id


async def test_an_order_ends_a_start_instead_of_the_session(hub: SmallHub) -> None:
    spawner: Any = hub.spawner("ann")
    reached, hanging = asyncio.Event(), asyncio.Event()

    async def prepare(_launch: object) -> None:
        reached.set()
        await hanging.wait()

    spawner.prepare = prepare
    starting = asyncio.ensure_future(hub.start("ann"))
    await reached.wait()
    order = StopOrder.given(PROFILE, "lena", "Why")
    assert list(matching(hub.users, PROFILE)) == [spawner]
    spawner.order_stop(order)
    hanging.set()
    assert await starting == "stopped-by-order"
    await spawner.user.stop("")  # as the hub does after a start that failed
    assert hub.spawner("ann").orm_spawner.state["allotment"]["last_stop"]["id"] == order.id


async def test_an_order_refuses_a_start_that_waits_for_the_identity_provider(hub: SmallHub) -> None:
    """JupyterHub has a start pending while it refreshes the user and runs hooks, and only then calls `start`."""
    spawner: Any = hub.spawner("ann")
    spawner._spawn_pending, spawner._spawn_future = True, asyncio.get_running_loop().create_future()
    ordering = asyncio.ensure_future(ordered(hub, StopTarget("user", "ann")))
    await eventually(lambda: spawner.stopping is not None, "the order is carried out")
    assert await hub.start("ann") == "stopped-by-order"
    assert (spawner.session, hub.held) == (None, [])
    spawner._spawn_pending = False
    await spawner.user.stop("")  # as the hub does after a start that failed
    spawner._spawn_future.set_result(None)
    order, results = await ordering
    assert results == {"ann": "stopped"}
    assert state(hub, "ann")["last_stop"]["id"] == order.id
    assert await hub.start("ann") == "started", "the next start was decided after the order"


async def test_an_order_for_the_session_before_does_not_refuse_the_next_start(hub: SmallHub) -> None:
    spawner: Any = await started(hub, "ann")
    spawner.order_stop(StopOrder.given(PROFILE, "lena", "Why"))
    spawner.ended = spawner._spawn_pending = True
    assert await hub.start("ann") == "started"


async def test_a_session_that_does_not_answer_yet_is_stopped_as_soon_as_it_does(hub: SmallHub) -> None:
    spawner: Any = await started(hub, "ann")
    spawner._unready = spawner._spawn_pending = True
    spawner._spawn_future = asyncio.get_running_loop().create_future()
    order = StopOrder.given(PROFILE, "lena", "Why")
    spawner.order_stop(order)
    carrying = asyncio.ensure_future(carry_out([spawner], order))
    await spawner.poll()
    assert (spawner.ended, carrying.done()) == (False, False)
    spawner._unready = spawner._spawn_pending = False
    spawner._spawn_future.set_result(None)
    assert await carrying == ["stopped"]


async def test_a_slow_end_is_answered_before_and_goes_on(hub: SmallHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stops, "ANSWER_SECONDS", 0)
    spawner: Any = await started(hub, "ann")
    leaving = asyncio.Event()

    async def stop(now: bool = False) -> None:
        await leaving.wait()
        spawner.ended = True

    spawner.stop = stop
    _, results = await ordered(hub)
    assert (results, spawner.ended) == ({"ann": "stopping"}, False)
    assert "stop_order" in state(hub, "ann")
    leaving.set()
    assert await spawner.stopping == "stopped"
    assert "last_stop" in state(hub, "ann")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("profile", "../x"), ("profile", "red"), ("profile", ""), ("data-role", "a/b"), ("user", "a\nb"), ("image", ""),
        ("image", "x" * 501), ("everything", "x"), (None, None), ("user", 5), (["user"], "x"),
    ],
)  # fmt: skip
def test_a_target_that_cannot_exist_is_none(kind: object, name: object) -> None:
    assert StopTarget.parse(kind, name) is None


@pytest.mark.parametrize("stored", [None, [], {}, {"id": "x"}, {"time": "yesterday"}])
def test_a_state_of_something_else_is_no_order(stored: object) -> None:
    assert StopOrder.from_state(stored) is None


async def test_the_service_is_told_all_about_one_session_also_after_a_restart(hub: SmallHub) -> None:
    await started(hub, "ben", "red/plain")
    told = in_full(hub.spawner("ben"))
    hub.restart()
    assert in_full(hub.spawner("ben")) == told
    assert (told["user"], told["server"], told["profile"], told["options"]) == ("ben", "", "red/plain", {})
    assert told["digest"] == DIGEST
    assert told["access_lost"] == []
    assert told["size"]["memory"] == hub.spawner("ben").session.size.memory  # type: ignore[index]


async def test_the_service_is_told_when_a_session_ends_because_it_has_lost_data(hub: SmallHub) -> None:
    spawner = await started(hub, "ben")
    hub.profiles.commit({"data-roles/tables.yaml": data_role("blue", {})})
    await hub.refresh()
    (lost,) = in_full(spawner)["access_lost"]  # type: ignore[misc]
    assert lost["data_role"] == "tables"
