"""Reflectors of pods and events that survive outages of the API server of any length.

KubeSpawner's own reflector gives up for good when the API server is away for about a minute, and never recovers if its
first list fails. This one retries at least once a second and logs an outage once. During an outage it keeps the known
resources, and it never returns to an older state: a pod that disappears would mean that its session has ended.
"""

import asyncio
import contextlib
import json
import time
from typing import Any

import aiohttp
from kubernetes_asyncio import watch
from kubernetes_asyncio.client import ApiException
from kubespawner.reflector import ResourceReflector
from kubespawner.spawner import EventReflector, PodReflector
from traitlets import Int

from allotment_profiles.backoff import retry_delay
from allotment_spawner.kubernetes.retry import retry_after

_LONGEST_WAIT = 1.0
"""The most seconds between two attempts, unless the API asks for more. It delays starts after an outage."""
_FIRST_WAIT = 0.2
_SHORTEST_WAIT = 0.1
"""The fewest seconds, so that many starts at once do not cause many lists."""
_CONNECT_SECONDS = 3.0
_LATE_SECONDS = 5
"""Seconds after its timeout at which a watch is given up, because its connection is dead."""
_OUTDATED = (410, 504)
"""The requested version is too old or not known yet."""


class ResilientReflector(ResourceReflector):
    """Lists and watches one kind of resource while the hub runs."""

    request_timeout = Int(15, config=True, help="Seconds that one list may take.")

    watch_task: asyncio.Task[None] | None
    last_error: Exception | None = None
    """The error of the last request; None while the API answers."""
    _failing_since = 0.0
    _version: str | None = None
    """The newest version that is known. No older state is accepted; None: unknown to the API, which then reads anew."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._triggered = asyncio.Event()

    @property
    def loaded(self) -> bool:
        """Whether the resources were ever listed."""
        return bool(self.first_load_future.done())

    async def start(self) -> None:
        """Start the loop. Users of the resources wait for `first_load_future`."""
        if self.watch_task and not self.watch_task.done():
            raise RuntimeError(f"Task watching for {self.kind} is already running")
        self.watch_task = asyncio.create_task(self._watch_and_update())

    async def stop(self) -> None:
        """Cancel the loop and wait for its end."""
        self._stopping = True
        task, self.watch_task = self.watch_task, None
        if task:
            task.cancel()
            await asyncio.wait({task})

    def trigger(self) -> None:
        """End the wait after a failure, because the API has answered another request."""
        self._triggered.set()

    async def _watch_and_update(self) -> None:
        failures = 0
        while not self._stopping:
            self._triggered.clear()
            try:
                await self._apply_events(await self._list_and_update(self._version))
                failures = 0
            except Exception as error:  # noqa: BLE001  the loop must go on: without it the hub sees no pods
                if isinstance(error, ApiException) and error.status in _OUTDATED:
                    self._version = None
                self._failed(error)
                failures += 1
                least = max(_SHORTEST_WAIT, retry_after(error))  # a trigger does not shorten this
                await asyncio.sleep(least)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(
                        max(retry_delay(failures, first=_FIRST_WAIT, longest=_LONGEST_WAIT) - least, 0)
                    ):
                        await self._triggered.wait()

    async def _list_and_update(self, resource_version: str | None = None) -> str:
        """List all resources, at least as new as a version. Return the version of the list."""
        # Without a version the API returns the newest state; with one, its cache if that is not older.
        known = {"resource_version": resource_version, "resource_version_match": "NotOlderThan"}
        raw = await self._request(self.request_timeout, **(known if resource_version else {}))
        listed = json.loads(await raw.read())
        self.resources = {_key(resource): resource for resource in listed["items"]}
        if not self.first_load_future.done():
            self.first_load_future.set_result(None)
        self._version = str(listed["metadata"]["resourceVersion"])
        return self._version

    async def _apply_events(self, version: str) -> None:
        """Apply events until the watch ends, after a few seconds, or breaks."""
        watching = watch.Watch()
        until = time.monotonic() + self.restart_seconds
        query = {"timeout_seconds": self.timeout_seconds, "seconds": self.timeout_seconds + _LATE_SECONDS}
        try:
            async with watching.stream(self._request, resource_version=version, **query) as stream:
                async for event in stream:
                    resource = event["raw_object"]
                    if event["type"] == "DELETED":
                        self.resources.pop(_key(resource), None)
                    else:
                        self.resources[_key(resource)] = resource
                    # At once: if the watch breaks, a list must not go back behind what is known.
                    self._version = str(resource["metadata"]["resourceVersion"])
                    if time.monotonic() >= until:
                        break
        finally:
            watching.stop()
            await watching.close()

    async def _request(self, seconds: float, **query: Any) -> Any:
        """List or watch. Raise ApiException for an error response."""
        raw = await getattr(self.api, self.list_method_name)(
            **({} if self.omit_namespace else {"namespace": self.namespace}),
            label_selector=self.label_selector,
            field_selector=self.field_selector,
            _request_timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SECONDS),
            **{**query, "_preload_content": False},
        )
        if not raw.ok:
            error = ApiException(status=raw.status, reason=raw.reason)
            error.headers, error.body = raw.headers, await raw.text()
            raise error
        if query.get("watch"):
            self._recovered()
        return raw

    def _failed(self, error: Exception) -> None:
        ordinary = isinstance(error, ApiException) and error.status == 410
        if self.last_error is None and not ordinary:
            self._failing_since = time.monotonic()
            reason = f"{error.status} {error.reason}" if isinstance(error, ApiException) else repr(error)
            self.log.warning("Listing or watching %s fails (%s); retrying", self.kind, reason)
        if not ordinary:
            self.last_error = error

    def _recovered(self) -> None:
        if self.last_error is not None:
            seconds = time.monotonic() - self._failing_since
            self.last_error = None
            self.log.warning("Watching %s works again after %.0f seconds", self.kind, seconds)


def _key(resource: dict[str, Any]) -> str:
    return f"{resource['metadata']['namespace']}/{resource['metadata']['name']}"


class ResilientPods(ResilientReflector, PodReflector):
    """The pods of sessions."""


class ResilientEvents(ResilientReflector, EventReflector):
    """The events of sessions' pods."""


REPLACED = {PodReflector: ResilientPods, EventReflector: ResilientEvents}
"""KubeSpawner's class → the one used instead."""
