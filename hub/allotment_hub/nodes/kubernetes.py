"""Apply the DaemonSet of images through the Kubernetes API.

For these three requests httpx is enough: a Kubernetes client takes seconds and a hundred megabytes to import.
"""

import json
import ssl
from typing import Any

import httpx

from allotment_hub.configuration import PullerConfiguration
from allotment_hub.nodes.daemonset import NAME, manifest
from allotment_hub.nodes.images import DesiredImages

_MANAGER = "allotment"
_REQUEST_SECONDS = 15
_MAXIMUM_MESSAGE = 300
"""How many characters of the API server's message are kept."""


class ClusterError(Exception):
    """The API server refused a request; the message has its reason."""


class ImageDaemonSet:
    """The DaemonSet of images in one namespace."""

    def __init__(self, configuration: PullerConfiguration) -> None:
        """Store the configuration; no request is sent yet."""
        self._configuration = configuration
        namespace = configuration.namespace
        self._daemonset = f"/apis/apps/v1/namespaces/{namespace}/daemonsets/{NAME}"
        self._owner = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles/{configuration.owner}"

    async def apply(self, desired: DesiredImages) -> None:
        """Apply the DaemonSet, or delete it if there are no images. Raise `ClusterError` or an error of httpx.

        A server-side apply does not change what is already correct, and keeps fields that others manage.
        """
        # A new client each time, because tokens and certificates are renewed while the service runs.
        certificates = ssl.create_default_context(cafile=self._configuration.ca_file)
        authorization = {"Authorization": f"Bearer {self._configuration.token_file.read_text().strip()}"}
        async with httpx.AsyncClient(
            base_url=self._configuration.api,
            headers=authorization,
            verify=certificates,
            timeout=_REQUEST_SECONDS,
            trust_env=False,
        ) as client:
            if not desired.images:
                _checked(await client.delete(self._daemonset), missing_ok=True)
                return
            owner = _checked(await client.get(self._owner))["metadata"]["uid"]
            body = manifest(desired, self._configuration, owner)
            answer = await client.patch(
                self._daemonset,
                params={"fieldManager": _MANAGER, "force": "true"},
                content=json.dumps(body),
                headers={"Content-Type": "application/apply-patch+yaml"},
            )
            _checked(answer)


def _checked(answer: httpx.Response, *, missing_ok: bool = False) -> Any:
    """Return the object in an answer, or None for a missing object with `missing_ok`. Raise `ClusterError`."""
    if missing_ok and answer.status_code == httpx.codes.NOT_FOUND:
        return None
    if answer.is_success:
        return answer.json()
    try:
        message = str(answer.json()["message"])
    except (ValueError, LookupError, TypeError):
        message = answer.reason_phrase
    raise ClusterError(
        f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {message[:_MAXIMUM_MESSAGE]}"
    )
