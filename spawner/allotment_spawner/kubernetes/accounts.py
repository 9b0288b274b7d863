"""Service accounts of sessions: made on first use, with the annotations of their credentials, never with a token."""

import asyncio
from collections.abc import Mapping
from typing import Any

from kubernetes_asyncio.client import ApiException

from allotment_profiles.access.people import ADMINISTRATORS
from allotment_profiles.model.problems import Refusal, RefusedError
from allotment_spawner.kubernetes.retry import AWAY, passes, pause

_MANAGER = "allotment"
_known: dict[tuple[str, str], Mapping[str, str]] = {}
"""(namespace, name) → the annotations that this hub has given it. Losing it costs one request."""


def manifest(name: str, annotations: Mapping[str, str]) -> dict[str, Any]:
    """Give the account as Kubernetes writes it."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/managed-by": _MANAGER, "app.kubernetes.io/component": "session"},
            "annotations": dict(annotations),
        },
        "automountServiceAccountToken": False,
    }


async def ensure(api: Any, namespace: str, name: str, annotations: Mapping[str, str], seconds: float) -> bool:
    """Make the account there as it has to be; False where the API did not answer in time. Raises RefusedError.

    A server-side apply: what others have written on the account stays, and what an earlier binding wrote goes.
    """
    if _known.get((namespace, name)) == annotations:
        return True
    try:
        async with asyncio.timeout(seconds):
            await api.patch_namespaced_service_account(
                name, namespace, manifest(name, annotations), field_manager=_MANAGER, force=True,
                _content_type="application/apply-patch+yaml",
            )  # fmt: skip
    except AWAY as error:
        if not passes(error):
            raise
        return False
    except ApiException as error:
        if error.status in (401, 403, 404, 422):
            raise RefusedError(
                Refusal(
                    "service-account",
                    "The session was not started.",
                    f"Its service account {name} could not be made in the namespace {namespace}.",
                    "The hub's role has to allow it to get, create and patch service accounts there.",
                    ADMINISTRATORS,
                    503,
                )
            ) from error
        if not passes(error):
            raise
        await pause(error)
        return False
    _known[namespace, name] = dict(annotations)
    return True


def forget(namespace: str, name: str) -> None:
    """Take it that the account may be gone: the next start makes it again."""
    _known.pop((namespace, name), None)
