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

    def helm(self, command: str, *arguments: str, values: Mapping[str, Any] | None = None) -> tuple[int, str, str]:
        """Run helm; gives its exit code, what it says, and what it says of errors."""
        given = self.path.parent / "values.json"
        given.write_text(json.dumps(LEAST if values is None else values))
        done = subprocess.run(
            [os.environ.get("HELM", "helm"), command, *arguments, "--namespace", NAMESPACE, "--values", str(given)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def refusal(self, values: Mapping[str, Any]) -> str:
        """Give why values are refused. Raises AssertionError where they are not."""
        code, _, said = self.helm("template", "allotment", str(self.path), values=values)
        assert code, "helm took the values"
        return said

    def objects(self, more: Mapping[str, Any] | None = None, kubernetes: str = "1.36") -> list[Object]:
        """Render with the least values and these: every object, tests of the chart among them."""
        values = merged(LEAST, more or {})
        version = f"--kube-version={kubernetes}.0"
        code, text, said = self.helm("template", "allotment", str(self.path), version, values=values)
        assert code == 0, said
        return [found for found in yaml.safe_load_all(text) if found]

    def own(self, more: Mapping[str, Any] | None = None) -> dict[tuple[str, str], Object]:
        """Render the chart's own objects, without the dependency's, by kind and name."""
        label = "app.kubernetes.io/name"
        return {
            (each["kind"], each["metadata"]["name"]): each
            for each in self.objects(more)
            if each["metadata"].get("labels", {}).get(label) == "allotment"
        }


def pod_of(found: Object) -> Object | None:
    """Give the pod that an object is or makes."""
    if found["kind"] == "Pod":
        return dict(found["spec"])
    template = found.get("spec", {}).get("template", {}) if isinstance(found.get("spec"), dict) else {}
    return dict(template["spec"]) if "spec" in template else None
