"""The command as users run it: a process of its own, beside a service that answers."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fakes.session_service import TOKEN, SessionService, running_service
from support.session_command import GOLDEN, PACKAGE, Command, Words


@pytest.fixture
def service() -> Iterator[SessionService]:
    with running_service() as service:
        yield service


@pytest.fixture
def environment(service: SessionService) -> dict[str, str]:
    """What a session that runs housing-statistics/notebook has in its environment."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PACKAGE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
        "ALLOTMENT_URL": service.url,
        "ALLOTMENT_PROFILE": "housing-statistics/notebook",
        "JUPYTERHUB_API_TOKEN": TOKEN,
    }


@pytest.fixture
def command(environment: dict[str, str], tmp_path: Path) -> Command:
    """Run `allotment-session` without a terminal."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "allotment_session", *arguments],
            env={**environment, **variables},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def words(request: pytest.FixtureRequest) -> Words:
    """Compare what commands say with the golden file, which UPDATE_DOCUMENTS=1 writes."""

    def compare(*done: subprocess.CompletedProcess[str]) -> None:
        told = re.sub(r"127\.0\.0\.1:\d+", "HOST", "".join(each.stdout + each.stderr for each in done)).splitlines()
        golden = json.loads(GOLDEN.read_text())
        if os.environ.get("UPDATE_DOCUMENTS"):
            golden[request.node.name] = told
            GOLDEN.write_text(json.dumps(golden, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
        assert told == golden.get(request.node.name), "run with UPDATE_DOCUMENTS=1, and look at what changed"

    return compare
