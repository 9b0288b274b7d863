"""The budget usage of all sessions of a hub, read from the hub's own spawners."""

from collections.abc import Iterator, Mapping
from typing import Any

from allotment_profiles.access.budgets import Usage


def usage(users: Mapping[Any, Any] | None) -> Iterator[Usage]:
    """Yield the usage of every session that starts, runs or ends. Spawners of other classes count nothing.

    There is no separate counter that could become wrong: a session counts from its decision until its spawner forgets
    it. A restarted hub reads the usage from the state of the sessions that it finds running.
    """
    for user in (users or {}).values():
        for spawner in user.spawners.values():
            usage_of_session = getattr(spawner, "budget_usage", None)
            if usage_of_session is not None:
                yield usage_of_session
