"""The command as users run it: a process of its own, beside a service that answers."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fakes.session_service import TOKEN, SessionService, running_service
from support.session_command import PACKAGE, Command


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
