"""Every measure runs, at a size that says nothing about speed: so that none rots."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.folders import TESTS


@pytest.mark.timeout(600)  # hubs of both sides are started, several times
def test_every_measure_gives_figures_of_both_sides(tmp_path: Path) -> None:
    from benchmarks.__main__ import MEASURES  # noqa: PLC0415  (it imports what only measures need)

    # Two names of one measure differ in their number of profiles, which is the same here.
    names = {measure: name for name, (measure, _) in MEASURES.items()}.values()
    result = tmp_path / "figures.json"
    command = [
        sys.executable, "-m", "benchmarks", "--profiles", "60", "--rounds", "1", "--sample", "6", "--json", str(result),
        *(f"--measure={name}" for name in names),
    ]  # fmt: skip
    # What needs a cluster says so and is left out: it takes minutes, and its parts are tested on their own.
    environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    done = subprocess.run(
        command, env={**environment, "PYTHONPATH": str(TESTS)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(result.read_text())
    assert len(rows) == 25
    assert "outage: left out, it needs KUBECONFIG" in done.stderr
    assert all(figure > 0 for row in rows for side in ("ours", "theirs") for figure in row[side])
    assert all(row["what"] in done.stdout.replace("\n", "") for row in rows)
