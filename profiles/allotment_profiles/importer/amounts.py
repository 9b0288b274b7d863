"""Parse amounts in the notations of KubeSpawner and Kubernetes: `0.5`, `500m`, `4G`, `4Gi`, bytes. Pure."""

import re
from decimal import Decimal

from allotment_profiles.model.values.quantities import MAXIMUM_CPU, MAXIMUM_MEMORY

_AMOUNT = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([A-Za-z]{0,3})", re.ASCII)
_CPU = {"": 1000, "m": 1}
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def cpu(value: object) -> int | None:
    """Parse a number of CPUs to thousandths. Returns None if it is invalid."""
    number = _parse(value, _CPU)
    return number if number is not None and 0 < number <= MAXIMUM_CPU else None


def memory(value: object, *, decimal: bool = False) -> int | None:
    """Parse memory to bytes, or None. `4G` means 4 · 1024³ in KubeSpawner; for volumes (`decimal`) 4 · 1000³."""
    units = {"": 1, "b": 1}
    for letter, power in _POWERS.items():
        units[letter] = units[f"{letter}b"] = (1000 if decimal else 1024) ** power
        units[f"{letter}i"] = units[f"{letter}ib"] = 1024**power
    number = _parse(value, units)
    return number if number is not None and 0 < number <= MAXIMUM_MEMORY else None


def whole(value: object) -> int | None:
    """Parse a whole number from 0 to 64. Returns None if it is invalid."""
    number = _parse(value, {"": 1000})
    return number // 1000 if number is not None and number % 1000 == 0 and number <= 64000 else None


def _parse(value: object, units: dict[str, int]) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, int | float):
        return round(value * units[""]) if 0 <= value < 10**18 else None
    match = _AMOUNT.fullmatch(value.strip())
    unit = None if match is None else units.get(match[2] if match[2] in units else match[2].lower())
    # Reject `500M` of CPU: it is a mistake for `500m`, and only memory has units in capital letters.
    if match is None or unit is None or (match[2] == "M" and units is _CPU):
        return None
    return round(Decimal(match[1]) * unit)
