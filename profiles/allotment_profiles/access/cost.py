"""What a session costs by the policy's prices. Pure functions."""

from dataclasses import dataclass
from decimal import Decimal

from allotment_profiles.model import Policy, Profile
from allotment_profiles.model.sizes import Size, size_of, sizes_of

HOURS_A_MONTH = 730
_SYMBOLS = {"EUR": "€", "GBP": "£", "USD": "$"}


@dataclass(frozen=True, slots=True)
class Cost:
    """The price of a session: an hour at its limits, and the worst case of a month without a pause."""

    currency: str
    hour: Decimal

    @property
    def month(self) -> Decimal:
        """The worst case: one session that runs for a whole month of 730 hours."""
        return self.hour * HOURS_A_MONTH

    @property
    def text(self) -> str:
        """Both prices in words."""
        return f"{self.hour_text} an hour, at most {self.month_text} a month"

    @property
    def hour_text(self) -> str:
        """The price of an hour with its currency."""
        return self._format(self.hour)

    @property
    def month_text(self) -> str:
        """The worst case of a month with its currency."""
        return self._format(self.month)

    def as_dict(self) -> dict[str, str | float]:
        """Return the price as the API sends it."""
        return {"currency": self.currency, "hour": float(self.hour), "month": float(self.month), "text": self.text}

    def _format(self, amount: Decimal) -> str:
        symbol = _SYMBOLS.get(self.currency, self.currency + " ")
        return f"{symbol}{amount:,.2f}"


def cost_of(size: Size, policy: Policy) -> Cost:
    """Return the price of a size at its limits; a kind of GPU may have a price of its own."""
    prices = policy.prices
    kind = policy.gpu_kinds.get(size.gpu_kind or "")
    gpu_hour = prices.gpu_hour if kind is None or kind.hour is None else kind.hour
    hour = prices.cpu_hour * size.cpu / 1000 + prices.memory_gib_hour * size.memory / 1024**3 + gpu_hour * size.gpu
    return Cost(prices.currency, hour)


def dearest(profile: Profile, policy: Policy) -> Cost:
    """Return the price of the most expensive size that a profile's choices can reach."""
    return max((cost_of(size, policy) for size in sizes_of(profile)), key=lambda cost: cost.hour)


def usual(profile: Profile, policy: Policy) -> Cost:
    """Return the price of a profile with its default choices."""
    choices = {
        f"options.{name}.choices.{option.default}": option.choices[option.default]
        for name, option in profile.options.items()
    }
    return cost_of(size_of(profile, choices), policy)
