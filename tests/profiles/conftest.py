"""A repository of its own for each test, and settings of hypothesis for all."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support.repositories import ProfilesRepository

# The same examples in every run, so that a failure is the change's; no deadline, for the machine may be busy.
settings.register_profile(
    "allotment", deadline=None, derandomize=True, max_examples=150, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("allotment")


@pytest.fixture
def profiles(tmp_path: Path) -> ProfilesRepository:
    """An empty repository of profiles."""
    return ProfilesRepository(tmp_path)
