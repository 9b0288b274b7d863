"""Which sessions an order to stop concerns, what is recorded of it, and how it is carried out."""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from allotment_profiles.stops import StopResult, StopTarget
from allotment_spawner.hub.mixin import ProfileSpawnerMixin
from allotment_spawner.session.stop_order import StopOrder

log = logging.getLogger(__name__)

ANSWER_SECONDS = 25
"""How long to wait before answering. Sessions that have not ended until then go on being stopped."""
AT_ONCE = 50
"""How many sessions are stopped at the same time."""
_COMMITTED = 200


def matching(users: Mapping[Any, Any], target: StopTarget) -> Iterator[ProfileSpawnerMixin]:
    """Yield the spawners of the target's sessions that start, run or end."""
    for spawner in _active(users):
        profile, images = spawner.session.profile if spawner.session else "", spawner.images
        if target.includes(user=spawner.user.name, profile=profile, data_roles=spawner.data_roles, images=images):
            yield spawner


def undecided(users: Mapping[Any, Any], target: StopTarget) -> int:
    """Return how many sessions may have the image of the target, as their digest is not known."""
    return sum(target.undecided(spawner.images) for spawner in _active(users))


def _active(users: Mapping[Any, Any]) -> Iterator[ProfileSpawnerMixin]:
    for user in users.values():
        for spawner in user.spawners.values():
            if isinstance(spawner, ProfileSpawnerMixin) and (spawner.active or spawner.session):
                yield spawner


def described(spawner: ProfileSpawnerMixin) -> dict[str, object]:
    """Return what the service is told of a session."""
    session = spawner.session
    return {
        "user": spawner.user.name,
        "server": spawner.name,
        "profile": session.profile if session else "",
        "started": session.started.isoformat() if session else None,
    }


def in_full(spawner: ProfileSpawnerMixin) -> dict[str, object]:
    """Return what the service is told of one session, for the session itself."""
    session = spawner.session
    if session is None:
        return described(spawner)
    digests = {image.rpartition("@")[2] for image in spawner.images if "@" in image}
    return {
        **session.as_state(),
        **described(spawner),
        "digest": min(digests) if len(digests) == 1 else "",
        "access_lost": [
            {"data_role": each.data_role, "why": each.refusal.why, "ends": each.ends_at.isoformat()}
            for each in spawner.access_expiries
        ],
    }


def record(writers: Sequence[Any], target: StopTarget, order: StopOrder, sessions: int) -> None:
    """Record the order. Names of users are in no details, so that they can be erased."""
    for writer in writers[:1]:
        details = {"order": order.id, "target": target.kind, "reason": order.reason, "sessions": sessions}
        profile = target.name if target.kind == "profile" else ""
        if target.kind == "user":
            writer.record("stop-target", user=target.name, order=order.id, sessions=sessions)
        elif target.kind != "profile":
            details["name"] = target.name
        writer.record("stop-order", user=order.by, profile=profile, **details)


async def store(spawners: Sequence[ProfileSpawnerMixin], db: Any) -> None:
    """Store the orders, so that a restarted hub carries them out, a part at a time: the hub answers others, too."""
    for begin in range(0, len(spawners), _COMMITTED):
        for spawner in spawners[begin : begin + _COMMITTED]:
            spawner.orm_spawner.state = spawner.get_state()
        db.commit()
        await asyncio.sleep(0)


async def carry_out(spawners: Sequence[ProfileSpawnerMixin], order: StopOrder) -> list[StopResult]:
    """Stop sessions that have the order, and return what became of each. Not all of them may have ended yet."""
    room = asyncio.Semaphore(AT_ONCE)
    tasks = [asyncio.ensure_future(_stop(spawner, order, room)) for spawner in spawners]
    for spawner, task in zip(spawners, tasks, strict=True):
        spawner.stopping = task  # asyncio keeps no tasks alive
    if tasks:
        await asyncio.wait(tasks, timeout=ANSWER_SECONDS)
    return [task.result() if task.done() else "stopping" for task in tasks]


async def _stop(spawner: ProfileSpawnerMixin, order: StopOrder, room: asyncio.Semaphore) -> StopResult:
    if spawner.pending == "stop":
        return "ended"
    async with room:
        try:
            if spawner.pending == "spawn" and spawner._spawn_future:
                await asyncio.wait([spawner._spawn_future])  # the order ends the start
            if not spawner.pending:
                await spawner.poll_and_notify()
            session = spawner.session
            lives = session is not None and session.started <= order.time and await spawner.poll() is None
        except Exception:
            log.exception("the session %s was not stopped", spawner._log_name)
            return "failed"
    if spawner.stop_order and spawner.stop_order.id == order.id:
        return "stopping"
    if spawner.last_stop and spawner.last_stop.id == order.id:
        return "stopped"
    return "failed" if lives else "ended"
