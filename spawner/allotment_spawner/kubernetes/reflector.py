"""KubeSpawner's view of pods and events, kept up through outages of the API server of any length.

KubeSpawner's own loop gives up for good when the API server is away for about a minute, and a first list that fails
is remembered for ever. Here it goes on, at most a second apart, and says so once.
"""

import asyncio
import json
import random
import time
from functools import partial
from typing import Any

from kubernetes_asyncio import watch
from kubernetes_asyncio.client import ApiException
from kubespawner.reflector import ResourceReflector
from kubespawner.spawner import EventReflector, PodReflector
from traitlets import Int

_LONGEST_WAIT = 1.0
"""Seconds between two attempts at most: so late is a start noticed after an outage."""


class PerseveringReflector(ResourceReflector):
    """Lists and watches one kind of resource, for as long as the hub runs."""

    # A watch ends by itself after ten seconds; one that is still there after that hangs on a dead connection.
    request_timeout = Int(15, config=True, help="Seconds that one list or watch may take.")

    watch_task: asyncio.Task[None] | None
    _failing_since: float | None = None

    async def start(self) -> None:
        """Begin; whoever needs the resources waits for `first_load_future`."""
        if self.watch_task and not self.watch_task.done():
            raise RuntimeError(f"Task watching for {self.kind} is already running")
        self.watch_task = asyncio.create_task(self._watch_and_update())

    async def _watch_and_update(self) -> None:
        attempts = 0
        while not self._stopping:
            try:
                version = await self._list_and_update()
                self._recovered()
                attempts = 0
                await self._follow(version)
            except Exception as error:  # noqa: BLE001  whatever it was: without this loop the hub is blind
                self._failed(error)
                attempts = min(attempts + 1, 10)
                await asyncio.sleep(random.uniform(0.5, 1) * min(_LONGEST_WAIT, 0.1 * 2**attempts))  # noqa: S311

    async def _list_and_update(self, resource_version: str | None = "0") -> str:
        """Take all resources as they are now; gives the version to watch from. Raises ApiException."""
        method = getattr(self.api, self.list_method_name)
        raw = await method(resource_version=resource_version, **self._question())
        body = await raw.read()
        if not raw.ok:
            raise ApiException(status=raw.status, reason=raw.reason)
        listed = json.loads(body)
        self.resources = {_key(each): each for each in listed["items"]}
        if not self.first_load_future.done():
            self.first_load_future.set_result(None)
        return str(listed["metadata"]["resourceVersion"])

    async def _follow(self, version: str) -> None:
        """Apply events until the watch ends, which it does every few seconds."""
        watching = watch.Watch()
        until = time.monotonic() + self.restart_seconds
        # A partial does not say what it gives, so each event stays the dictionary that is used here: objects of the
        # client's own cost milliseconds an event, and one event that they do not expect would end the watch.
        method = partial(getattr(self.api, self.list_method_name))
        asked = {"resource_version": version, "timeout_seconds": self.timeout_seconds, **self._question()}
        try:
            async with watching.stream(method, **asked) as stream:
                async for event in stream:
                    resource = event["raw_object"]
                    if event["type"] == "DELETED":
                        self.resources.pop(_key(resource), None)
                    else:
                        self.resources[_key(resource)] = resource
                    if self._stopping or time.monotonic() >= until:
                        break
        finally:
            watching.stop()
            await watching.close()

    def _question(self) -> dict[str, Any]:
        return {
            **({} if self.omit_namespace else {"namespace": self.namespace}),
            "label_selector": self.label_selector,
            "field_selector": self.field_selector,
            "_request_timeout": self.request_timeout,
            "_preload_content": False,
        }

    def _failed(self, error: Exception) -> None:
        if self._failing_since is None:
            self._failing_since = time.monotonic()
            self.log.warning("The cluster does not say which %s there are (%r); asking again", self.kind, error)

    def _recovered(self) -> None:
        if self._failing_since is not None:
            seconds = time.monotonic() - self._failing_since
            self._failing_since = None
            self.log.warning("The cluster says again which %s there are, after %.0f seconds", self.kind, seconds)


def _key(resource: dict[str, Any]) -> str:
    return f"{resource['metadata']['namespace']}/{resource['metadata']['name']}"


class PerseveringPods(PerseveringReflector, PodReflector):
    """The pods of sessions."""


class PerseveringEvents(PerseveringReflector, EventReflector):
    """What happens to them."""


REPLACED = {PodReflector: PerseveringPods, EventReflector: PerseveringEvents}
"""KubeSpawner's class → ours."""
