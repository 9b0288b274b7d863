"""In whatever order deletions, lists and outages reach the hub, it never goes back to an older state of the cluster."""

import asyncio
import json
from typing import Any

import pytest
from kubernetes_asyncio.client import ApiException
from support.conditions import eventually
from support.fakes.cluster_state import Key, Object, Store

from allotment_spawner.kubernetes import reflector
from allotment_spawner.kubernetes.reflector import ResilientPods

A: Key = ("pods", "sessions", "a")


class Response:
    """The answer to a list or a watch."""

    ok = True

    def __init__(self, lines: list[bytes], after: object = None) -> None:
        self.content = self
        self._lines = lines
        self._after = after

    async def readline(self) -> bytes:
        """Return the next event. Then the connection breaks, or stays."""
        if self._lines:
            return self._lines.pop(0)
        if isinstance(self._after, Exception):
            raise self._after
        return await asyncio.Event().wait() and b""

    async def read(self) -> bytes:
        """Return the list."""
        return self._lines[0]

    def close(self) -> None:
        """Do nothing."""

    def release(self) -> None:
        """Do nothing."""


class LateApi:
    """An API whose lists come from a cache that is as old as the request allows. Each watch but the last one breaks."""

    def __init__(self, store: Store, steps: list[tuple[str, object]]) -> None:
        self.store = store
        self.steps = steps
        """What happens in each watch, in words of `add`, `end` and `delete`, and how the watch ends."""
        self.settled = asyncio.Event()

    async def list_namespaced_pod(self, **query: Any) -> Response:
        """List or watch pods."""
        asked = query.get("resource_version")
        if query.get("watch"):
            return self._watched(int(asked))
        version = int(asked) if asked else self.store.version
        items: dict[Key, Object] = {}
        for change in self.store.changes[: version - self.store.first]:
            if change.kind == "DELETED":
                items.pop(change.key, None)
            else:
                items[change.key] = change.now
        listed = {"metadata": {"resourceVersion": str(version)}, "items": list(items.values())}
        return Response([json.dumps(listed).encode()])

    def _watched(self, since: int) -> Response:
        if not self.steps:
            self.settled.set()
            return Response([])
        words, after = self.steps.pop(0)
        for word in words.split():
            self._do(word)
        new = self.store.changes[since - self.store.first :]
        lines = [json.dumps({"type": change.kind, "object": change.now}).encode() + b"\n" for change in new]
        return Response(lines, after)

    def _do(self, word: str) -> None:
        if word == "delete":
            self.store.remove(A)
            return
        ending = {"deletionTimestamp": "2026-06-01T00:00:00Z"} if word == "end" else {}
        self.store.write(A, {"metadata": {"namespace": "sessions", "name": "a", **ending}, "status": {}})


BREAKS = ConnectionResetError("cut")
OLD = ApiException(status=410, reason="Gone")


@pytest.mark.parametrize(
    ("steps", "there"),
    [
        ([("add", BREAKS)], True),
        ([("add", BREAKS), ("", BREAKS)], True),
        ([("add end", BREAKS)], True),
        ([("add end delete", BREAKS)], False),
        ([("add", BREAKS), ("end delete", BREAKS)], False),
        ([("add delete add", BREAKS)], True),
        ([("add", OLD)], True),
        ([("add", BREAKS), ("delete", OLD), ("", BREAKS)], False),
    ],
)
async def test_a_watch_that_breaks_leaves_what_is_known(
    steps: list[tuple[str, object]], there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reflector, "retry_delay", lambda *_, **__: 0.0)
    monkeypatch.setattr(reflector, "_SHORTEST_WAIT", 0.0)
    store = Store()
    pods = ResilientPods(namespace="sessions", labels={})
    pods.api = api = LateApi(store, list(steps))
    await pods.start()
    try:
        await eventually(api.settled.is_set, "all steps")
        assert ("sessions/a" in pods.pods) == there
    finally:
        await pods.stop()
