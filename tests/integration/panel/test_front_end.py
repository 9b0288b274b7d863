"""JupyterLab's panel as it is installed: found by JupyterLab, and the tests of its own logic."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.folders import ROOT

from allotment_profiles.records.evidence import ObservedUse, SessionEvidence

PANEL = ROOT / "extensions" / "jupyterlab-allotment"
BUILD = PANEL / "build_panel.py"

needs_panel = pytest.mark.skipif(
    not (PANEL / "jupyterlab_allotment" / "labextension").exists() or not (PANEL / "node_modules").exists(),
    reason="JupyterLab's panel is not built here: `make panel` says why",
)


def said_by(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=170, check=False, cwd=PANEL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_panel
def test_what_is_built_was_built_from_these_sources() -> None:
    before = {path: path.stat().st_mtime_ns for path in (PANEL / "jupyterlab_allotment" / "labextension").iterdir()}
    assert said_by(str(BUILD)) == ""
    assert {path: path.stat().st_mtime_ns for path in before} == before


@needs_panel
def test_its_logic_passes_its_own_tests() -> None:
    assert "failed" not in said_by(str(BUILD), "test")


@needs_panel
def test_jupyterlab_and_its_server_find_the_panel() -> None:
    folder = Path(sys.executable).parent
    front = said_by(str(folder / "jupyter-labextension"), "list")
    (line,) = (line for line in front.splitlines() if "jupyterlab-allotment" in line)
    assert "enabled" in line
    assert "OK" in line
    server = said_by(str(folder / "jupyter-server"), "extension", "list")
    assert any("jupyterlab_allotment 0.1.0" in line and "OK" in line for line in server.splitlines()), server


def test_all_that_is_sent_as_evidence_has_a_label_in_words() -> None:
    source = (PANEL / "src" / "evidence.ts").read_text()
    labelled = set(re.findall(r"^    (\w+): \[\s*trans\.__\(", source, re.MULTILINE))
    assert labelled == {*SessionEvidence.model_fields, *ObservedUse.model_fields} - {"use", "packages"}
