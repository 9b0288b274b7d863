"""Fixtures for every test, settings of hypothesis, and a marker for what a test costs: the name of its folder."""

import gc
import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = [
    f"support.fixtures.{name}" for name in ("browsers", "deployments", "platforms", "repositories", "servers")
]
TESTS = Path(__file__).parent

# httpx looks for sniffio five times in each request. With None in its place it is not searched for on the disk.
if importlib.util.find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]  # Python's own way to say that there is none

# The same examples in every run, so that a failure is the change's; no deadline, for the machine may be busy.
settings.register_profile(
    "allotment", deadline=None, derandomize=True, max_examples=150, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("quick", settings.get_profile("allotment"), max_examples=25)
settings.load_profile("allotment")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the folder that it lies in; run the longest files first, and unit tests among the others.

    A file whose tests have a time limit of their own is a long one: a process would end with it alone. Unit tests
    compute while tests that start programs wait for them.
    """
    limits: dict[Path, float] = {}
    for item in items:
        item.add_marker(_folder(item.path))
        limit = item.get_closest_marker("timeout")
        limits[item.path] = max(limits.get(item.path, 0), limit.args[0] if limit else 0)
    places: dict[Path, tuple[float, float]] = {}
    for is_unit in (False, True):
        files = [path for path in limits if (_folder(path) == "unit") is is_unit]
        places |= {path: (-limits[path], number / len(files)) for number, path in enumerate(files)}
    items.sort(key=lambda item: places[item.path])


def _folder(path: Path) -> str:
    return path.relative_to(TESTS).parts[0]


def pytest_collection_finish() -> None:
    """Collect garbage more rarely, and pass over what was imported: it took an eighth of the processor time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
