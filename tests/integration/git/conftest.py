"""Profiles on a git server for each test."""

from pathlib import Path

import pytest
from support.repositories import small
from support.servers.git_server import GitServer
from support.servers.mirrored import Place


@pytest.fixture
def place(git_server: GitServer, tmp_path: Path) -> Place:
    return Place(tmp_path, git_server, small())
