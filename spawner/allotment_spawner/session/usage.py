"""What runs on a hub at one moment, as the hub's own spawners know it: what budgets are counted against."""

from collections.abc import Iterator, Mapping
from typing import Any

from allotment_profiles.access.budgets import Usage


def usage(users: Mapping[Any, Any] | None) -> Iterator[Usage]:
    """Give every session of the hub's users that starts, runs or ends; spawners of another class hold nothing.

    Nothing is kept on the side that could go wrong: a session counts from its decision until its spawner forgets it,
    however it ends, and a hub that was started anew reads it from the state of the spawners that it finds running.
    """
    for user in (users or {}).values():
        for spawner in user.spawners.values():
            used = getattr(spawner, "budget_usage", None)
            if used is not None:
                yield used
