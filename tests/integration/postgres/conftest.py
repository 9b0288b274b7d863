"""The table of events in both databases."""

from pathlib import Path

import pytest
from support.servers.postgresql import PostgreSQL, needs_postgresql


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'events.sqlite'}"
    postgresql: PostgreSQL = request.getfixturevalue("postgresql")
    return postgresql.url
