"""Starts that end where a real cluster has looked at the pod and would take it: a dry run on the server's side."""

from typing import Any

from allotment_spawner.kubernetes import KubernetesProfileSpawner


class TakenError(Exception):
    """The cluster would take the pod."""


class _Asking:
    """The API of the cluster, on which a pod is only tried; all else is done."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def create_namespaced_pod(self, namespace: str, pod: Any) -> Any:
        """Ask whether the pod would be taken; ends the start. Raises ApiException where it would not be."""
        await self._api.create_namespaced_pod(namespace, pod, dry_run="All")
        raise TakenError


class DryRunSpawner(KubernetesProfileSpawner):
    """Does all that a start does, to the pod that is sent; its start raises TakenError."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.api = _Asking(self.api)
