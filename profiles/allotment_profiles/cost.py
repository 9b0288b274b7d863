"""What a size costs by the policy's prices."""

import itertools
from dataclasses import dataclass
from decimal import Decimal

from allotment_profiles.checks import MAXIMUM_COMBINATIONS, Size, combinations, size_of
from allotment_profiles.model import Prices, Profile

HOURS_A_MONTH = 730
_SYMBOLS = {"EUR": "€", "GBP": "£", "USD": "$"}


@dataclass(frozen=True, slots=True)
class Cost:
    """The price of a session: an hour at its limits, and the worst case of a month without a pause."""

    currency: str
    hour: Decimal

    @property
    def month(self) -> Decimal:
        """The worst case: one session that never ends for a month of 730 hours."""
        return self.hour * HOURS_A_MONTH

    def _written(self, amount: Decimal) -> str:
        symbol = _SYMBOLS.get(self.currency, self.currency + " ")
        return f"{symbol}{amount:,.2f}"

    @property
    def text(self) -> str:
        """Both figures for people."""
        return f"{self.hour_text} an hour, at most {self._written(self.month)} a month"

    @property
    def hour_text(self) -> str:
        """The price of an hour for people."""
        return self._written(self.hour)

    def as_dict(self) -> dict[str, str | float]:
        """Give the form that JSON answers carry."""
        return {"currency": self.currency, "hour": float(self.hour), "month": float(self.month), "text": self.text}


def cost_of(size: Size, prices: Prices) -> Cost:
    """Price one hour of a size at its limits."""
    hour = (
        prices.cpu_hour * size.cpu / 1000 + prices.memory_gib_hour * size.memory / 1024**3 + prices.gpu_hour * size.gpu
    )
    return Cost(prices.currency, hour)


def dearest(profile: Profile, prices: Prices) -> Cost:
    """Price the dearest combination of a profile's choices, of as many as a profile may have."""
    tried = itertools.islice(combinations(profile), MAXIMUM_COMBINATIONS)
    return max(
        (cost_of(size_of(profile.resources, choices), prices) for choices in tried),
        key=lambda cost: cost.hour,
    )


def usual(profile: Profile, prices: Prices) -> Cost:
    """Price a profile with its default choices."""
    choices = {
        f"options.{name}.choices.{option.default}": option.choices[option.default]
        for name, option in profile.options.items()
    }
    return cost_of(size_of(profile.resources, choices), prices)
