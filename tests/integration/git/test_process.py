"""How git runs: as a group of its own, with the priority of whoever runs it."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from allotment_profiles.git.process import GitProcess

SHOW = f"#!{sys.executable}\nimport os\nprint(os.getsid(0), os.getpgrp(), os.getpid())\n"


@pytest.fixture
def shown(tmp_path: Path) -> GitProcess:
    """A git that shows its session, its group and its process."""
    (tmp_path / "git").write_text(SHOW)
    (tmp_path / "git").chmod(0o755)
    return GitProcess(tmp_path, environment={"PATH": str(tmp_path)})


def test_git_is_a_group_in_the_session_of_its_caller_where_its_niceness_counts(shown: GitProcess) -> None:
    for output in (shown.run("version").stdout.decode(), asyncio.run(shown.run_async("version"))):
        session, group, process = map(int, output.split())
        assert session == os.getsid(0)
        assert group == process
