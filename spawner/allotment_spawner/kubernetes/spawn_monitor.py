"""Follows one start: tells what happens to its pod, and when to give up."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from allotment_profiles.model.problems import Refusal
from allotment_spawner.kubernetes.pod_status import (
    PodProblem,
    deleted,
    pod_problem,
    progress_message,
    still_ending,
    too_long,
)

START = "allotment/start"
"""The annotation that tells this start's pod from an earlier one of the same name."""
_FROM, _TO = 50, 90
"""Percent between which the pod's events move the bar."""


def is_earlier(pod: Mapping[str, Any], start: str) -> bool:
    """Say whether a pod is of another start; a hub that has just begun takes every pod as its own."""
    return bool(start) and (pod["metadata"].get("annotations") or {}).get(START) != start


class SpawnMonitor:
    """What is known of one start."""

    def __init__(self, tell: Callable[[int, str], None], start: str, seconds: float) -> None:
        self._tell = tell
        self._start = start
        self._seconds = seconds
        self._percent = float(_FROM)
        self._seen: set[tuple[object, object]] = set()
        self._last = ""
        self._trouble: tuple[str, float] = ("", 0.0)
        self._there = False

    def look(
        self, pod: Mapping[str, Any] | None, events: Iterable[Mapping[str, Any]], after: float,
        blind: PodProblem | None = None,
    ) -> Refusal | None:  # fmt: skip
        """Tell what is new, `after` seconds since the start; gives the reason once the pod will not come up.

        `blind` says why the hub may not see the newest.
        """
        ours = pod if pod and not is_earlier(pod, self._start) else None
        if ours:
            for event in events:
                self._hear(event, ours["metadata"].get("uid"))
        found = self._found(pod, ours) or blind
        if found is None:
            self._trouble = ("", 0.0)
        elif found.refusal.code != self._trouble[0]:
            self._trouble = (found.refusal.code, after)
        if found and self._is_over(found, after):
            return found.refusal
        return too_long(after, found, self._last) if after >= self._seconds else None

    def _found(self, pod: Mapping[str, Any] | None, ours: Mapping[str, Any] | None) -> PodProblem | None:
        if ours:
            self._there = True
            return pod_problem(ours)
        if self._there:
            return deleted()
        earlier = still_ending(pod) if pod else None
        if earlier:
            self._say("An earlier session of this name is being ended")
        return earlier

    def _is_over(self, found: PodProblem, after: float) -> bool:
        return found.patience is not None and after - self._trouble[1] >= found.patience

    def _hear(self, event: Mapping[str, Any], uid: object) -> None:
        key = (event["metadata"].get("uid"), event["metadata"].get("resourceVersion"))
        if key in self._seen or event.get("involvedObject", {}).get("uid") != uid:
            return
        self._seen.add(key)
        self._say(progress_message(event))

    def _say(self, text: str | None) -> None:
        if text and text != self._last:
            self._last = text
            self._percent += (_TO - self._percent) / 3
            self._tell(int(self._percent), text)
