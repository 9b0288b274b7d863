"""Amounts of evidence are rounded for people, and a bar is as long as its amount."""

import pytest

from allotment_hub.pages.evidence import cpus_text, duration_text, memory_text


@pytest.mark.parametrize(
    ("amount", "text"),
    [(3_328_599_654, "3.1 GiB"), (4 * 1024**3, "4 GiB"), (700_000_001, "667.6 MiB"), (2**41, "2 TiB"), (5000, "5 KiB")],
)
def test_measured_memory_is_rounded(amount: int, text: str) -> None:
    assert memory_text(amount) == text


@pytest.mark.parametrize(
    ("cores", "text"), [(0.4349, "0.43 CPUs"), (1.0, "1 CPU"), (12.34, "12 CPUs"), (0.0001, "0 CPUs")]
)
def test_measured_cores_are_rounded(cores: float, text: str) -> None:
    assert cpus_text(cores) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(1, "1 second"), (90, "90 seconds"), (600, "10 minutes"), (3 * 3600 + 5, "3 hours")]
)
def test_how_long_something_was_observed_is_rounded(seconds: int, text: str) -> None:
    assert duration_text(seconds) == text
