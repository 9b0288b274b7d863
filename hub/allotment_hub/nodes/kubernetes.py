"""Keeping the DaemonSet on the cluster as it has to be, through the Kubernetes API.

Three requests do not need a client that takes seconds and a hundred megabytes to import.
"""

import json
import ssl
from pathlib import Path
from typing import Any

import httpx

from allotment_hub.configuration import PullerConfiguration
from allotment_hub.nodes.daemonset import NAME, manifest
from allotment_hub.nodes.images import Wanted

_MANAGER = "allotment"
_REQUEST_SECONDS = 15
_SAID = 300
"""So much of an error of the API server is repeated."""


class ClusterError(Exception):
    """The API server did not do what it was asked, and says why."""


class DaemonSets:
    """Our DaemonSet in one namespace."""

    def __init__(self, configuration: PullerConfiguration) -> None:
        """Take where the API server is and what every pod has; nothing is asked yet."""
        self._configuration = configuration
        namespace = configuration.namespace
        self._daemonset = f"/apis/apps/v1/namespaces/{namespace}/daemonsets/{NAME}"
        self._owner = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles/{configuration.owner}"

    async def pull(self, wanted: Wanted) -> None:
        """Make the DaemonSet as it has to be; where nothing is wanted there is none. Raises what went wrong.

        A server-side apply: what is as it has to be is not touched, and what others write beside it stays.
        """
        # A new client each time: tokens and certificates are renewed while the service runs, and this is done rarely.
        certificates = ssl.create_default_context(cafile=self._configuration.ca_file)
        async with httpx.AsyncClient(
            base_url=self._configuration.api, verify=certificates, timeout=_REQUEST_SECONDS, trust_env=False,
            headers={"Authorization": f"Bearer {_token(self._configuration.token_file)}"},
        ) as client:  # fmt: skip
            if not wanted.images:
                _checked(await client.delete(self._daemonset), gone=True)
                return
            owner = _checked(await client.get(self._owner))["metadata"]["uid"]
            body = manifest(wanted, self._configuration, owner)
            answer = await client.patch(
                self._daemonset,
                params={"fieldManager": _MANAGER, "force": "true"},
                content=json.dumps(body),
                headers={"Content-Type": "application/apply-patch+yaml"},
            )
            _checked(answer)


def _token(path: Path) -> str:
    return path.read_text().strip()


def _checked(answer: httpx.Response, *, gone: bool = False) -> Any:
    """Give what is answered; with `gone`, nothing being there is well, too. Raises ClusterError."""
    if gone and answer.status_code == httpx.codes.NOT_FOUND:
        return None
    if answer.is_success:
        return answer.json()
    try:
        said = str(answer.json()["message"])
    except (ValueError, LookupError, TypeError):
        said = answer.reason_phrase
    raise ClusterError(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {said[:_SAID]}")
