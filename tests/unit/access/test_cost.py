"""What a session costs: the price of each amount, added up."""

from decimal import Decimal

import pytest

from allotment_profiles.access.cost import Cost, cost_of
from allotment_profiles.model import Policy
from allotment_profiles.model.sizes import Size

GIB = 1024**3
POLICY = Policy.model_validate(
    {
        "format": 1,
        "ceilings": {"cpu": 64, "memory": "1 TiB", "gpu": 8},
        "registries": ["quay.io/*"],
        "prices": {"currency": "GBP", "cpu_hour": 0.04, "memory_gib_hour": 0.005, "gpu_hour": 2.5},
        "gpu_kinds": {"a100": {"title": "A100", "hour": 3.25}, "slice": {"title": "A slice of one"}},
    }
)


@pytest.mark.parametrize(
    ("size", "hour"),
    [
        (Size(0, 2500, 0, 0, 0), "0.1"),
        (Size(0, 0, 0, 3 * GIB, 0), "0.015"),
        (Size(0, 0, 0, 0, 2), "5"),
        (Size(0, 0, 0, 0, 2, "a100"), "6.5"),
        (Size(0, 0, 0, 0, 2, "slice"), "5"),
        (Size(1000, 4000, GIB, 16 * GIB, 1, "a100"), "3.49"),
    ],
    ids=["cpu", "memory", "gpu", "a kind with a price", "a kind without a price", "all, by the limits"],
)
def test_an_hour_costs_the_sum_of_its_amounts_at_their_limits(size: Size, hour: str) -> None:
    assert cost_of(size, POLICY) == Cost("GBP", Decimal(hour))


def test_a_month_has_730_hours() -> None:
    cost = cost_of(Size(0, 1000, 0, 0, 0), POLICY)
    assert (cost.month, cost.hour_text, cost.month_text) == (Decimal("29.2"), "£0.04", "£29.20")
    assert cost.as_dict()["month"] == 29.2
