"""A namespace of a real Kubernetes cluster for tests, and an image whose pods run until they are told to end.

Tests that need one read KUBECONFIG; kubectl has to be on the PATH. Where there is none they skip and say so.
"""

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

CLAIM = {
    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "tables"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}  # fmt: skip
SLEEPER = "localhost/sleeper:1"
"""The image of tests/support/images/sleeper, which `.ci/run` puts on the node."""

needs_cluster = pytest.mark.skipif(
    not os.environ.get("KUBECONFIG") or shutil.which("kubectl") is None,
    reason="no cluster: set KUBECONFIG to a cluster for tests that has the images of tests/support/images,"
    " and put kubectl on the PATH",
)


class Cluster:
    """One namespace, in which by default only pods that pass Pod Security `restricted` may run."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    @classmethod
    @contextmanager
    def opened(cls, prefix: str = "test", pod_security: str = "restricted") -> Iterator[Self]:
        """Make a namespace of its own, and take it away at the end with all that is in it."""
        cluster = cls(f"{prefix}-{uuid.uuid4().hex[:8]}")
        labels = {"pod-security.kubernetes.io/enforce": pod_security}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": cluster.namespace, "labels": labels}}
        cluster.apply(namespace)
        try:
            yield cluster
        finally:
            cluster.kubectl("delete", "namespace", cluster.namespace, "--wait=false")

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl in the namespace; gives what it says. Raises AssertionError where it fails."""
        done = subprocess.run(
            ["kubectl", "--namespace", self.namespace, *arguments],
            input=given, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        """Make objects, or change them."""
        self.kubectl("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": [*objects]}))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Give one object."""
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def items(self, kind: str) -> list[dict[str, Any]]:
        """Give all objects of a kind."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "-o", "json"))["items"]
        return found

    def allows(self, user: str, verb: str, resource: str, name: str = "") -> bool:
        """Whether RBAC lets a user do something with objects of the namespace."""
        wanted = {"namespace": self.namespace, "verb": verb, "resource": resource, "name": name}
        resource, _, subresource = resource.partition("/")
        review = {
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": wanted | {"resource": resource, "subresource": subresource}},
        }  # fmt: skip
        answer = self.kubectl("create", "--filename=-", "--output=json", given=json.dumps(review))
        return bool(json.loads(answer)["status"]["allowed"])

    def run(self, pod: str, script: str) -> str:
        """Run a script of the shell in a session's container; gives what it prints."""
        return self.kubectl("exec", pod, "-c", "notebook", "--", "sh", "-c", script)


def configuration() -> Path:
    """Give the file with the way to the cluster."""
    return Path(os.environ["KUBECONFIG"])
