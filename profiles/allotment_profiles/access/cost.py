"""What a session costs by the policy's prices. Pure functions."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from allotment_profiles.model import Choice, Policy, Profile
from allotment_profiles.model.sizes import Size, size_of

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
    gpu_hour = _gpu_hour(size.gpu_kind, policy)
    hour = prices.cpu_hour * size.cpu / 1000 + prices.memory_gib_hour * size.memory / 1024**3 + gpu_hour * size.gpu
    return Cost(prices.currency, hour)


def _gpu_hour(kind: str | None, policy: Policy) -> Decimal:
    known = policy.gpu_kinds.get(kind or "")
    return policy.prices.gpu_hour if known is None or known.hour is None else known.hour


_Amounts = tuple[int | None, int | None, int | None, str | None]
"""CPU, memory, number and kind of GPUs; None where a choice leaves it as it is."""
_UNDECIDED: _Amounts = (None, None, None, None)


def dearest(profile: Profile, policy: Policy) -> Cost:
    """Return the price of the most expensive size that a profile's choices can reach."""
    resources = profile.resources
    base = resources.cpu.limit, resources.memory.limit, resources.gpu, resources.gpu_kind
    options = [
        {_amounts_of(choice) for choice in option.choices.values()}
        for option in profile.options.values()
        if any(choice.resources.model_fields_set for choice in option.choices.values())
    ]
    # For one price of a GPU, the price of a size is a sum of its amounts. There are few such prices.
    kinds = {base[3], *(amounts[3] for option in options for amounts in option if amounts[3])}
    sizes = (
        Size(0, cpu, 0, memory, gpu, kind)
        for gpu_hour in {_gpu_hour(kind, policy) for kind in kinds}
        for cpu, memory, gpu, kind in _dearest_by_rate(base, options, gpu_hour, policy)
    )
    return max((cost_of(size, policy) for size in sizes), key=lambda cost: cost.hour)


def _amounts_of(choice: Choice) -> _Amounts:
    resources = choice.resources
    return resources.cpu.limit, resources.memory.limit, resources.gpu, resources.gpu_kind


def _dearest_by_rate(
    base: tuple[int, int, int, str | None], options: Sequence[set[_Amounts]], gpu_hour: Decimal, policy: Policy
) -> Iterator[tuple[int, int, int, str | None]]:
    """Yield candidates for the most expensive size among those whose GPUs have one price.

    From the last option to the first, only the best choices so far are kept, for each set of amounts that they decide.
    So the number of steps grows with the number of choices, not with their combinations.
    """
    prices = policy.prices
    rates = Fraction(prices.cpu_hour) / 1000, Fraction(prices.memory_gib_hour) / 1024**3, Fraction(gpu_hour)
    scale = math.lcm(*(rate.denominator for rate in rates))
    cpu_rate, memory_rate, gpu_rate = (int(rate * scale) for rate in rates)
    other = {name for name in policy.gpu_kinds if _gpu_hour(name, policy) != gpu_hour}
    unknown_differs = policy.prices.gpu_hour != gpu_hour

    def differs(kind: str | None) -> bool:
        return kind in other if kind in policy.gpu_kinds else unknown_differs

    best: dict[tuple[bool, ...], tuple[int, _Amounts]] = {(False,) * 4: (0, _UNDECIDED)}
    for option in reversed(options):
        choices = [amounts for amounts in option if amounts[3] is None or not differs(amounts[3])]
        unpriced = [(*amounts[:3], None) for amounts in option if amounts[3] is not None and differs(amounts[3])]
        reached: dict[tuple[bool, ...], tuple[int, _Amounts]] = {}
        for _, (cpu, memory, gpu, kind) in best.values():
            for more in choices if kind is None else (*choices, *unpriced):
                amounts = (
                    more[0] if cpu is None else cpu,
                    more[1] if memory is None else memory,
                    more[2] if gpu is None else gpu,
                    more[3] if kind is None else kind,
                )
                price = cpu_rate * (amounts[0] or 0) + memory_rate * (amounts[1] or 0) + gpu_rate * (amounts[2] or 0)
                decided = tuple(amount is not None for amount in amounts)
                if decided not in reached or price > reached[decided][0]:
                    reached[decided] = price, amounts
        best = reached
    for _, (cpu, memory, gpu, kind) in best.values():
        if kind is not None or not differs(base[3]):
            yield (
                base[0] if cpu is None else cpu,
                base[1] if memory is None else memory,
                base[2] if gpu is None else gpu,
                base[3] if kind is None else kind,
            )


def usual(profile: Profile, policy: Policy) -> Cost:
    """Return the price of a profile with its default choices."""
    choices = {
        f"options.{name}.choices.{option.default}": option.choices[option.default]
        for name, option in profile.options.items()
    }
    return cost_of(size_of(profile, choices), policy)
