"""Build the DaemonSet that pulls images: one sleeping container for each. Pure."""

import hashlib
from typing import Any

from allotment_hub.configuration import PullerConfiguration
from allotment_hub.nodes.images import DesiredImages

NAME = "allotment-images"

# Any shell runs it. The first process of a container ignores SIGTERM unless it has a trap.
_SLEEP = "trap 'exit 0' TERM; sleep 2147483647 & wait"

_OWNER = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role"}
_POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "runAsGroup": 100,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def manifest(desired: DesiredImages, configuration: PullerConfiguration, owner: str) -> dict[str, Any]:
    """Return the DaemonSet. Kubernetes deletes it together with its owner, the object with this uid.

    Each image has its own container: an image that cannot be pulled or has no shell does not block the others.
    """
    labels = {
        "app.kubernetes.io/name": "allotment",
        "app.kubernetes.io/instance": configuration.instance,
        "app.kubernetes.io/component": "images",
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {
            "name": NAME,
            "namespace": configuration.namespace,
            "labels": labels | {"app.kubernetes.io/managed-by": "allotment"},
            "annotations": {"allotment/left-out": str(len(desired.left_out))},
            "ownerReferences": [_OWNER | {"name": configuration.owner, "uid": owner}],
        },
        "spec": {
            "selector": {"matchLabels": labels},
            # Nothing has to keep running: update all nodes at once.
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}},
            "revisionHistoryLimit": 1,
            "template": {"metadata": {"labels": labels}, "spec": _pod(desired, configuration)},
        },
    }


def _pod(desired: DesiredImages, configuration: PullerConfiguration) -> dict[str, Any]:
    tolerations = [*configuration.tolerations, *(toleration.manifest() for toleration in desired.tolerations)]
    optional: dict[str, Any] = {
        "imagePullSecrets": list(configuration.image_pull_secrets),
        "nodeSelector": configuration.node_selector,
        "tolerations": [value for index, value in enumerate(tolerations) if value not in tolerations[:index]],
        "priorityClassName": configuration.priority_class,
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 2,
        "securityContext": _POD_SECURITY,
        **{name: value for name, value in optional.items() if value},
        "containers": [_container(image, configuration) for image in desired.images],
    }


def _container(image: str, configuration: PullerConfiguration) -> dict[str, Any]:
    return {
        "name": f"image-{hashlib.sha256(image.encode()).hexdigest()[:16]}",
        "image": image,
        "imagePullPolicy": configuration.pull_policy,
        "command": ["sh", "-c", _SLEEP],
        # This user may not be allowed to enter the image's own folder.
        "workingDir": "/",
        "resources": configuration.resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
