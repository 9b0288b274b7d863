"""A model as a flat list of dotted fields and values, and values as text. Pure functions."""

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from allotment_profiles.model import Model, Toleration
from allotment_profiles.model.values.quantities import format_cpus, format_duration, format_memory

_DURATIONS = (
    "lifetime", "lifetime.idle", "lifetime.total", "ceilings.lifetime", "review_warning", "last_good",
    "reminders.after", "after_access_ends", "fresh_sign_in", "trial",
)  # fmt: skip


def flatten(value: object, field: str = "", *, explicit_only: bool = False) -> Iterator[tuple[str, Any]]:
    """Return every field with a value that is not empty; with `explicit_only`, only fields that the file sets."""
    if isinstance(value, Model) and not isinstance(value, Toleration):
        for name in type(value).model_fields:
            if not explicit_only or name in value.model_fields_set:
                yield from flatten(
                    getattr(value, name), f"{field}.{name}" if field else name, explicit_only=explicit_only
                )
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flatten(inner, f"{field}.{key}" if field else str(key), explicit_only=explicit_only)
    elif value is not None and value not in ("", ()):
        yield field, value


def value_text(field: str, value: object, currency: str = "") -> str:
    """Return a value as text, amounts with their units."""
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
        return format_cpus(value)
    return f"{value} %" if field == "removal_share" else str(value)
