"""The chart, rendered with helm as it would be sent to a cluster, without a cluster.

Tests that need helm look for it on the PATH, or under the name in HELM. Where there is none they skip and say so.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.folders import ROOT

_CHARTS = Path(__file__).parent / "charts"
NAMESPACE = "analysis"

needs_helm = pytest.mark.skipif(
    shutil.which(os.environ.get("HELM", "helm")) is None,
    reason="no helm: put helm on the PATH, or its path into HELM",
)

LEAST: dict[str, Any] = {
    "jupyterhub": {
        "custom": {
            "allotment": {
                "publicUrl": "https://hub.example.org/",
                "repository": {"url": "https://git.example.org/platform/profiles.git"},
            }
        }
    }
}
"""What nobody but the administrator can know."""

Object = dict[str, Any]


VERSIONS = ("1.28", "1.32", "1.36")
"""The oldest that the chart allows, the oldest that zero-to-jupyterhub 4.4 is run with here, and the tested one."""

MOST: dict[str, Any] = {
    "service": {
        "image": {"tag": "2", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "registry"}],
        "storage": {"size": "5Gi", "storageClassName": "fast"},
        "eventsUrl": "postgresql+psycopg2://allotment@database/events",
        "nodeSelector": {"pool": "core"},
        "tolerations": [{"key": "core", "operator": "Exists"}],
    },
    "git": {"method": "ssh", "ownAuthority": True, "writeSecret": "pushes"},
    "forge": {
        "enabled": True,
        "kind": "github",
        "url": "https://git.example.org",
        "repository": "platform/profiles",
        "secret": "pull-requests",
        "appId": "12345",
        "webhook": True,
        "ownAuthority": True,
        "pollSeconds": 60,
    },
    "hub": {"csiDrivers": ["files.example.org"]},
    "puller": {
        "maximum": 20,
        "pullPolicy": "Always",
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"pool": "users"},
        "tolerations": [{"key": "users", "operator": "Exists"}],
        "priorityClassName": "low",
        "resources": {"requests": {"cpu": "2m"}},
    },
    "networkPolicy": {"enabled": True},
    "serviceMonitor": {
        "enabled": True,
        "interval": "30s",
        "labels": {"release": "prometheus"},
        "namespaceLabels": {"kubernetes.io/metadata.name": "monitoring"},
        "podLabels": {"app": "prometheus"},
    },
    "jupyterhub": {
        "hub": {"baseUrl": "/jupyter"},
        "custom": {
            "allotment": {
                "publicUrl": "https://hub.example.org/jupyter/",
                "repository": {"url": "ssh://git@git.example.org/platform/profiles.git", "fetchSeconds": 5},
                "teamClaim": "teams",
            }
        },
    },
}
"""Every choice of the values taken."""


def merged(values: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Lay values over others, as helm does."""
    done = dict(values)
    for key, value in more.items():
        held = done.get(key)
        done[key] = merged(held, value) if isinstance(held, Mapping) and isinstance(value, Mapping) else value
    return done


class Chart:
    """A copy of the chart with the dependency beside it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "allotment"
        shutil.copytree(ROOT / "helm" / "allotment", self.path)
        dependency = Path(os.environ.get("ALLOTMENT_TEST_JUPYTERHUB_CHART") or _CHARTS / "jupyterhub")
        shutil.copytree(dependency, self.path / "charts" / "jupyterhub", dirs_exist_ok=True)

    def helm(
        self, command: str, *arguments: str, values: Mapping[str, Any] | None = None, namespace: str = NAMESPACE
    ) -> tuple[int, str, str]:
        """Run helm; gives its exit code, what it says, and what it says of errors."""
        given = self.path.parent / "values.json"
        given.write_text(json.dumps(LEAST if values is None else values))
        done = subprocess.run(
            [os.environ.get("HELM", "helm"), command, *arguments, "--namespace", namespace, "--values", str(given)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def refusal(self, values: Mapping[str, Any]) -> str:
        """Give why values are refused. Raises AssertionError where they are not."""
        code, _, said = self.helm("template", "allotment", str(self.path), values=values)
        assert code, "helm took the values"
        return said

    def objects(
        self, more: Mapping[str, Any] | None = None, kubernetes: str = "1.36", namespace: str = NAMESPACE
    ) -> list[Object]:
        """Render with the least values and these: every object, tests of the chart among them."""
        values = merged(LEAST, more or {})
        version = f"--kube-version={kubernetes}.0"
        code, text, said = self.helm(
            "template", "allotment", str(self.path), version, values=values, namespace=namespace
        )
        assert code == 0, said
        return [found for found in yaml.safe_load_all(text) if found]

    def own(self, more: Mapping[str, Any] | None = None, namespace: str = NAMESPACE) -> dict[tuple[str, str], Object]:
        """Render the chart's own objects, without the dependency's, by kind and name."""
        label = "app.kubernetes.io/name"
        return {
            (each["kind"], each["metadata"]["name"]): each
            for each in self.objects(more, namespace=namespace)
            if each["metadata"].get("labels", {}).get(label) == "allotment"
        }


def pod_of(found: Object) -> Object | None:
    """Give the pod that an object is or makes."""
    if found["kind"] == "Pod":
        return dict(found["spec"])
    template = found.get("spec", {}).get("template", {}) if isinstance(found.get("spec"), dict) else {}
    return dict(template["spec"]) if "spec" in template else None


def service_file(objects: dict[tuple[str, str], Object]) -> str:
    """Return the configuration of the service."""
    return str(objects["Secret", "allotment-service"]["stringData"]["service.json"])


def containers(pod: Object) -> list[Object]:
    """Return all containers of a pod."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def variables(objects: dict[tuple[str, str], Object]) -> dict[str, str]:
    """Return the environment variables of the service."""
    container = objects["Deployment", "allotment"]["spec"]["template"]["spec"]["containers"][0]
    return {each["name"]: each.get("value", "") for each in container["env"]}
