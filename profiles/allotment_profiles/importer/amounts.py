"""Amounts in every spelling that KubeSpawner and Kubernetes take: `0.5`, `500m`, `4G`, `4Gi`, bytes. Pure."""

import re
from decimal import Decimal

from allotment_profiles.model.quantities import MAXIMUM_CPU, MAXIMUM_MEMORY

_AMOUNT = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([A-Za-z]{0,3})", re.ASCII)
_CPU = {"": 1000, "m": 1}
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def cpu(value: object) -> int | None:
    """Give thousandths of a CPU, or None where it is no possible number of CPUs."""
    number = _parsed(value, _CPU)
    return number if number is not None and 0 < number <= MAXIMUM_CPU else None


def memory(value: object, *, decimal: bool = False) -> int | None:
    """Give bytes, or None. KubeSpawner reads `4G` as 1024³; Kubernetes, for volumes, as 1000³: that is `decimal`."""
    units = {"": 1, "b": 1}
    for letter, power in _POWERS.items():
        units[letter] = units[f"{letter}b"] = (1000 if decimal else 1024) ** power
        units[f"{letter}i"] = units[f"{letter}ib"] = 1024**power
    number = _parsed(value, units)
    return number if number is not None and 0 < number <= MAXIMUM_MEMORY else None


def whole(value: object) -> int | None:
    """Give a whole number from 0 to 64, or None."""
    number = _parsed(value, {"": 1000})
    return number // 1000 if number is not None and number % 1000 == 0 and number <= 64000 else None


def _parsed(value: object, units: dict[str, int]) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, int | float):
        return round(value * units[""]) if 0 <= value < 10**18 else None
    match = _AMOUNT.fullmatch(value.strip())
    unit = None if match is None else units.get(match[2] if match[2] in units else match[2].lower())
    # `500M` of CPU is a mistake, not half a CPU: only memory has capital letters.
    if match is None or unit is None or (match[2] == "M" and units is _CPU):
        return None
    return round(Decimal(match[1]) * unit)
