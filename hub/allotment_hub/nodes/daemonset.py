"""From images to the DaemonSet that has them pulled: one sleeping container for each. Pure."""

import hashlib
from typing import Any

from allotment_hub.configuration import PullerConfiguration
from allotment_hub.nodes.images import Wanted

NAME = "allotment-images"

# A shell of any image runs it. It ends when it is told to: a first process without a trap is not ended by SIGTERM.
_SLEEP = "trap 'exit 0' TERM; sleep 2147483647 & wait"


def manifest(wanted: Wanted, configuration: PullerConfiguration, owner: str) -> dict[str, Any]:
    """Give the DaemonSet as it has to be; with its owner, whose uid is given, it goes.

    Each image has a container of its own: one that cannot be pulled or has no shell keeps none of the others away.
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
            "annotations": {"allotment/left-out": str(len(wanted.left_out))},
            "ownerReferences": [
                {
                    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "name": configuration.owner,
                    "uid": owner,
                }
            ],
        },
        "spec": {
            "selector": {"matchLabels": labels},
            # There is nothing to keep running: all nodes are renewed at once.
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}},
            "revisionHistoryLimit": 1,
            "template": {"metadata": {"labels": labels}, "spec": _pod(wanted, configuration)},
        },
    }  # fmt: skip


def _pod(wanted: Wanted, configuration: PullerConfiguration) -> dict[str, Any]:
    tolerations = [*configuration.tolerations, *(toleration.manifest() for toleration in wanted.tolerations)]
    optional: dict[str, Any] = {
        "imagePullSecrets": list(configuration.image_pull_secrets),
        "nodeSelector": configuration.node_selector,
        "tolerations": [each for index, each in enumerate(tolerations) if each not in tolerations[:index]],
        "priorityClassName": configuration.priority_class,
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 2,
        "securityContext": {
            "runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 100, "seccompProfile": {"type": "RuntimeDefault"},
        },
        **{name: value for name, value in optional.items() if value},
        "containers": [_container(image, configuration) for image in wanted.images],
    }  # fmt: skip


def _container(image: str, configuration: PullerConfiguration) -> dict[str, Any]:
    return {
        "name": f"image-{hashlib.sha256(image.encode()).hexdigest()[:16]}",
        "image": image,
        "imagePullPolicy": configuration.pull_policy,
        "command": ["sh", "-c", _SLEEP],
        # The image's own folder may be one that this user must not enter.
        "workingDir": "/",
        "resources": configuration.resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
