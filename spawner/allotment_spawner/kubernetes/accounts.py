"""Service accounts of sessions: created on first use, with the annotations of their credentials and no token."""

import asyncio
from collections.abc import Mapping
from typing import Any

from kubernetes_asyncio.client import ApiException

from allotment_spawner.kubernetes.retry import CONNECTION_ERRORS, is_temporary, wait_retry_after
from allotment_spawner.session.errors import not_started

_MANAGER = "allotment"
_applied: dict[tuple[str, str], Mapping[str, str]] = {}
"""(namespace, name) → the annotations that this hub has applied. A lost entry costs one request."""


def manifest(name: str, annotations: Mapping[str, str]) -> dict[str, Any]:
    """Return the manifest of an account."""
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
    """Create or update the account. Return False if that should be retried; raises RefusedError.

    A server-side apply: fields of other managers stay, and annotations of an earlier binding are removed.
    """
    if _applied.get((namespace, name)) == annotations:
        return True
    try:
        async with asyncio.timeout(seconds):
            await api.patch_namespaced_service_account(
                name,
                namespace,
                manifest(name, annotations),
                field_manager=_MANAGER,
                force=True,
                _content_type="application/apply-patch+yaml",
            )
    except CONNECTION_ERRORS as error:
        if not is_temporary(error):
            raise
        return False
    except ApiException as error:
        if error.status in (401, 403, 404, 422):
            why = f"Its service account {name} could not be created in the namespace {namespace}."
            remedy = "The hub's role has to allow it to get, create and patch service accounts there."
            raise not_started("service-account", why, remedy, status=503) from error
        if not is_temporary(error):
            raise
        await wait_retry_after(error)
        return False
    _applied[namespace, name] = dict(annotations)
    return True


def forget(namespace: str, name: str) -> None:
    """Forget that the account was applied, so that the next start applies it again."""
    _applied.pop((namespace, name), None)
