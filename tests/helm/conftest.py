"""A copy of the chart for each test."""

from pathlib import Path

import pytest
from support.rendering import Chart


@pytest.fixture
def chart(tmp_path: Path) -> Chart:
    return Chart(tmp_path)
