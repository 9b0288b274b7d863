"""Follow the pod of one start: report its events, and decide when to give up."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from allotment_profiles.model.problems import Refusal
from allotment_spawner.kubernetes import pod_status

START = "allotment/start"
"""The annotation that identifies the start of a pod: an earlier pod may have the same name."""
_FIRST_PERCENT, _LAST_PERCENT = 50, 90
"""The range of the progress bar for the pod's events."""


def is_earlier(pod: Mapping[str, Any], start: str) -> bool:
    """Return whether a pod belongs to an earlier start. A restarted hub knows no start: every pod is current."""
    return bool(start) and (pod["metadata"].get("annotations") or {}).get(START) != start


class SpawnMonitor:
    """The progress of one start."""

    def __init__(self, report: Callable[[int, str], None], start: str, seconds: float) -> None:
        self._report_progress = report
        self._start = start
        self._seconds = seconds
        self._percent = float(_FIRST_PERCENT)
        self._seen_events: set[tuple[object, object]] = set()
        self._last_message = ""
        self._problem: tuple[str, float] = ("", 0.0)
        """The code of the current problem, and when it began."""
        self._pod_seen = False

    def update(
        self,
        pod: Mapping[str, Any] | None,
        events: Iterable[Mapping[str, Any]],
        elapsed: float,
        watch_problem: pod_status.PodProblem | None = None,
        *,
        outdated: bool = False,
    ) -> Refusal | None:
        """Report what is new, `elapsed` seconds after the start. Return a refusal once the pod cannot start.

        `watch_problem` is why the pod or the events are not seen. With `outdated`, the pod is as it was before, and the
        start is not given up for what may have passed meanwhile.
        """
        current = pod if pod and not is_earlier(pod, self._start) else None
        if current:
            for event in events:
                self._report_event(event, current["metadata"].get("uid"))
        known = self._find_problem(pod, current)
        problem = known or watch_problem
        code = problem.refusal.code if problem else ""
        if code != self._problem[0]:
            self._problem = (code, elapsed)
        patience = problem.patience if problem else None
        may_have_passed = bool(known and patience and outdated)
        if problem and patience is not None and elapsed - self._problem[1] >= patience and not may_have_passed:
            return problem.refusal
        if elapsed < self._seconds:
            return None
        return problem.refusal if problem else pod_status.not_ready(elapsed, self._last_message)

    def _find_problem(
        self, pod: Mapping[str, Any] | None, current: Mapping[str, Any] | None
    ) -> pod_status.PodProblem | None:
        if current:
            self._pod_seen = True
            return pod_status.pod_problem(current)
        if self._pod_seen:
            return pod_status.deleted()
        earlier = pod_status.still_ending(pod) if pod else None
        if earlier:
            self._report(pod_status.EARLIER_SESSION)
        return earlier

    def _report_event(self, event: Mapping[str, Any], uid: object) -> None:
        key = (event["metadata"].get("uid"), event["metadata"].get("resourceVersion"))
        if key in self._seen_events or event.get("involvedObject", {}).get("uid") != uid:
            return
        self._seen_events.add(key)
        self._report(pod_status.progress_message(event))

    def _report(self, message: str | None) -> None:
        if message and message != self._last_message:
            self._last_message = message
            self._percent += (_LAST_PERCENT - self._percent) / 3
            self._report_progress(int(self._percent), message)
