"""What a file says, as single facts: a dotted field with a value, and the value as people write it. Pure."""

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from allotment_profiles.model import Model, Toleration
from allotment_profiles.model.quantities import format_cpu, format_duration, format_memory

_DURATIONS = (
    "lifetime", "lifetime.idle", "lifetime.total", "ceilings.lifetime", "review_warning", "last_good",
    "after_access_ends",
)  # fmt: skip


def flatten(value: object, field: str = "", *, told: bool = False) -> Iterator[tuple[str, Any]]:
    """Give every field that says something, with its value; `told` leaves out what the file leaves at its default.

    What is empty says nothing: an empty text, list or mapping is as if it were not there.
    """
    if isinstance(value, Model) and not isinstance(value, Toleration):
        for name in type(value).model_fields:
            if not told or name in value.model_fields_set:
                yield from flatten(getattr(value, name), f"{field}.{name}" if field else name, told=told)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flatten(inner, f"{field}.{key}" if field else str(key), told=told)
    elif value is not None and value not in ("", ()):
        yield field, value


def written(field: str, value: object, currency: str = "") -> str:
    """Give a fact as people write it, amounts with their units."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value} {currency}".strip()
    if isinstance(value, Toleration):
        return f"{value.key}={value.value}:{value.effect}" if value.value else f"{value.key}:{value.effect}"
    if isinstance(value, int):
        return _amount(field, value)
    return str(value)


def _amount(field: str, value: int) -> str:
    parts = field.split(".")
    if field in _DURATIONS:
        return format_duration(value)
    if "memory" in parts[-2:] or parts[-1] == "home":
        return format_memory(value)
    if "cpu" in parts[-2:]:
        return "1 CPU" if value == 1000 else f"{format_cpu(value)} CPUs"
    return f"{value} %" if field == "removal_share" else str(value)
