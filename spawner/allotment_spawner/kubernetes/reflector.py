"""KubeSpawner's view of pods and events, kept up through outages of the API server of any length.

KubeSpawner's own loop gives up for good when the API server is away for about a minute, and a first list that fails
is remembered for ever. Here it goes on, at most a second apart, and says so once. What it knows stays while it is
blind, and it never goes back to an older state: a session that is not there any more is one whose pod has ended.
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
"""Seconds between two attempts at most, where the API asks for no more: so late is a start after an outage noticed."""
_FIRST_WAIT = 0.2
_SHORTEST_WAIT = 0.1
"""Seconds at least: many starts at one moment make no storm of lists."""
_CONNECT_SECONDS = 3.0
_LATE_SECONDS = 5
"""A watch that is still there so long after its time hangs on a dead connection."""
_OUTDATED = (410, 504)
"""The version asked for is no longer known, or not yet."""


class ResilientReflector(ResourceReflector):
    """Lists and watches one kind of resource, for as long as the hub runs."""

    request_timeout = Int(15, config=True, help="Seconds that one list may take.")

    watch_task: asyncio.Task[None] | None
    last_error: Exception | None = None
    """What the last request failed with; None while the API answers."""
    _failing_since = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hurried = asyncio.Event()

    @property
    def loaded(self) -> bool:
        """Whether it has ever known what there is."""
        return bool(self.first_load_future.done())

    async def start(self) -> None:
        """Begin; whoever needs the resources waits for `first_load_future`."""
        if self.watch_task and not self.watch_task.done():
            raise RuntimeError(f"Task watching for {self.kind} is already running")
        self.watch_task = asyncio.create_task(self._watch_and_update())

    async def stop(self) -> None:
        """End, wherever it is."""
        self._stopping = True
        task, self.watch_task = self.watch_task, None
        if task:
            task.cancel()
            await asyncio.wait({task})

    def trigger(self) -> None:
        """Ask at once, where it waits after a failure: the API has just answered somebody else."""
        self._hurried.set()

    async def _watch_and_update(self) -> None:
        version, failures = None, 0
        while not self._stopping:
            self._hurried.clear()
            try:
                version = await self._list_and_update(version)
                version = await self._follow(version)
                failures = 0
            except Exception as error:  # noqa: BLE001  whatever it was: without this loop the hub is blind
                if isinstance(error, ApiException) and error.status in _OUTDATED:
                    version = None
                self._failed(error)
                failures += 1
                least = max(_SHORTEST_WAIT, retry_after(error))  # which no hurry shortens
                await asyncio.sleep(least)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(
                        max(retry_delay(failures, first=_FIRST_WAIT, longest=_LONGEST_WAIT) - least, 0)
                    ):
                        await self._hurried.wait()

    async def _list_and_update(self, resource_version: str | None = None) -> str:
        """Take all resources as they are now, or at least as they were at a version; gives the version of the list."""
        # Without a version the API gives the newest state; with one, its own cache, which never lies before it.
        known = {"resource_version": resource_version, "resource_version_match": "NotOlderThan"}
        raw = await self._ask(self.request_timeout, **(known if resource_version else {}))
        listed = json.loads(await raw.read())
        self.resources = {_key(each): each for each in listed["items"]}
        if not self.first_load_future.done():
            self.first_load_future.set_result(None)
        return str(listed["metadata"]["resourceVersion"])

    async def _follow(self, version: str) -> str:
        """Apply events until the watch ends, which it does every few seconds; gives the last version."""
        watching = watch.Watch()
        until = time.monotonic() + self.restart_seconds
        asked = {"timeout_seconds": self.timeout_seconds, "seconds": self.timeout_seconds + _LATE_SECONDS}
        try:
            async with watching.stream(self._ask, resource_version=version, **asked) as stream:
                async for event in stream:
                    resource = event["raw_object"]
                    if event["type"] == "DELETED":
                        self.resources.pop(_key(resource), None)
                    else:
                        self.resources[_key(resource)] = resource
                    version = str(resource["metadata"]["resourceVersion"])
                    if time.monotonic() >= until:
                        break
        finally:
            watching.stop()
            await watching.close()
        return version

    async def _ask(self, seconds: float, **question: Any) -> Any:
        """List or watch; raises ApiException for every answer that is none."""
        raw = await getattr(self.api, self.list_method_name)(
            **({} if self.omit_namespace else {"namespace": self.namespace}),
            label_selector=self.label_selector,
            field_selector=self.field_selector,
            _request_timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SECONDS),
            **{**question, "_preload_content": False},
        )
        if not raw.ok:
            error = ApiException(status=raw.status, reason=raw.reason)
            error.headers, error.body = raw.headers, await raw.text()
            raise error
        if question.get("watch"):
            self._recovered()
        return raw

    def _failed(self, error: Exception) -> None:
        ordinary = isinstance(error, ApiException) and error.status == 410
        if self.last_error is None and not ordinary:
            self._failing_since = time.monotonic()
            told = f"{error.status} {error.reason}" if isinstance(error, ApiException) else repr(error)
            self.log.warning("The cluster does not say which %s there are (%s); asking again", self.kind, told)
        if not ordinary:
            self.last_error = error

    def _recovered(self) -> None:
        if self.last_error is not None:
            seconds = time.monotonic() - self._failing_since
            self.last_error = None
            self.log.warning("The cluster says again which %s there are, after %.0f seconds", self.kind, seconds)


def _key(resource: dict[str, Any]) -> str:
    return f"{resource['metadata']['namespace']}/{resource['metadata']['name']}"


class ResilientPods(ResilientReflector, PodReflector):
    """The pods of sessions."""


class ResilientEvents(ResilientReflector, EventReflector):
    """What happens to them."""


REPLACED = {PodReflector: ResilientPods, EventReflector: ResilientEvents}
"""KubeSpawner's class → ours."""
