"""Amounts of memory, CPU, GPUs and time: `8 GiB`, `0.5`, `2 h`.

Models keep memory in bytes, CPU in thousandths of a CPU and durations in seconds, all as integers.
"""

import math
import re
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from allotment_profiles.model.base import Model, cached
from allotment_profiles.model.problems import invalid, quoted

MEMORY_UNITS = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}
DURATION_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
MAXIMUM_MEMORY = 64 * 1024**4
MAXIMUM_CPU = 4096 * 1000
MAXIMUM_DURATION = 366 * 86400

# At most twelve digits, so that int() never gets a number of 60,000 digits.
_AMOUNT = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([A-Za-z]{1,12})", re.ASCII)
_AMOUNT_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,6})? ?"


def _amount(value: object, units: dict[str, int], code: str, example: str) -> int:
    if isinstance(value, str):
        match = _AMOUNT.fullmatch(value.strip())
        if match and match[2] in units:
            number = match[1]
            return round(Decimal(number) * units[match[2]]) if "." in number else int(number) * units[match[2]]
    raise _amount_error(value, units, code, example)


def _amount_error(value: object, units: dict[str, int], code: str, example: str) -> PydanticCustomError:
    remedy = f"Write a number and one of the units {', '.join(units)}, for example {example}."
    if not isinstance(value, str):
        return invalid(code, f"{quoted(value)} has no unit.", remedy)
    match = _AMOUNT.fullmatch(value.strip())
    if match:
        unit = match[2]
        similar = [known for known in units if known.lower()[0] == unit.lower()[0]]
        hint = f"Did you mean {similar[0]}? {remedy}" if similar else remedy
        return invalid(code, f"{quoted(value)} has the unit {quoted(unit)}, which is not known here.", hint)
    return invalid(code, f"{quoted(value)} is not an amount with a unit.", remedy)


def parse_memory(value: object) -> int:
    """Parse `8 GiB` to bytes. Raise PydanticCustomError."""
    size = _amount(value, MEMORY_UNITS, "memory-unit", "8 GiB")
    if not 0 < size <= MAXIMUM_MEMORY:
        remedy = "Write for example 8 GiB."
        raise invalid("memory-range", f"{quoted(value)} is not a possible amount of memory.", remedy)
    return size


def parse_duration(value: object) -> int:
    """Parse `2 h` to seconds. Raise PydanticCustomError."""
    return _seconds(value, 1, "Write for example 12 h.")


def parse_delay(value: object) -> int:
    """Parse `1 h` or `0 s` to seconds. Raise PydanticCustomError."""
    return _seconds(value, 0, "Write for example 1 h, or 0 s.")


def _seconds(value: object, minimum: int, remedy: str) -> int:
    seconds = _amount(value, DURATION_UNITS, "duration-unit", "2 h")
    if not minimum <= seconds <= MAXIMUM_DURATION:
        raise invalid("duration-range", f"{quoted(value)} is not a possible duration.", remedy)
    return seconds


def parse_cpu(value: object) -> int:
    """Parse `0.5` to thousandths of a CPU. Raise PydanticCustomError."""
    remedy = "Write a number of CPUs such as 0.5 or 2."
    if isinstance(value, str) and re.fullmatch(r"(0|[1-9][0-9]{0,3})(\.[0-9]{1,3})?", value, re.ASCII):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid("cpu-number", f"{quoted(value)} is not a number of CPUs.", remedy)
    if isinstance(value, float) and not math.isfinite(value):
        raise invalid("cpu-number", f"{quoted(value)} is not a number of CPUs.", remedy)
    if not 0.001 <= value <= MAXIMUM_CPU / 1000:
        raise invalid("cpu-range", f"{quoted(value)} is not a possible number of CPUs.", remedy)
    return round(value * 1000)


def _trim(number: Decimal) -> str:
    text = f"{number.quantize(Decimal('0.001')):f}"
    return text.rstrip("0").rstrip(".")


def format_memory(size: int) -> str:
    """Format bytes in the largest unit that needs at most three decimals."""
    for unit, factor in reversed(MEMORY_UNITS.items()):
        if size >= factor and (size * 1000) % factor == 0:
            return f"{_trim(Decimal(size) / factor)} {unit}"
    # Six decimals of a KiB are exact to the byte.
    return f"{Decimal(size) / 1024:.6f}".rstrip("0").rstrip(".") + " KiB"


def format_cpu(milli: int) -> str:
    """Format thousandths of a CPU as a number of CPUs."""
    return _trim(Decimal(milli) / 1000)


def format_cpus(milli: int) -> str:
    """Format thousandths of a CPU with the noun: `1 CPU`, `0.5 CPUs`."""
    return f"{format_cpu(milli)} CPU{'' if milli == 1000 else 's'}"


def cpu_number(milli: int) -> int | float:
    """Return thousandths of a CPU as the number to write to a file."""
    return milli // 1000 if milli % 1000 == 0 else milli / 1000


def format_count(number: int, noun: str) -> str:
    """Format a number with its noun: `1 session`, `3 sessions`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def format_duration(seconds: int) -> str:
    """Format seconds in the largest unit that divides them. Days are used from two days on."""
    if seconds == 0:
        return "0 s"
    for unit, factor in reversed(DURATION_UNITS.items()):
        if seconds % factor == 0 and (unit != "d" or seconds >= 2 * factor):
            return f"{seconds // factor} {unit}"
    return f"{seconds} s"


Memory = Annotated[
    int,
    BeforeValidator(cached(parse_memory)),
    PlainSerializer(format_memory),
    WithJsonSchema({"type": "string", "pattern": f"{_AMOUNT_PATTERN}(KiB|MiB|GiB|TiB)$", "examples": ["8 GiB"]}),
]
"""Bytes, written as `8 GiB`."""

Cpu = Annotated[
    int,
    BeforeValidator(cached(parse_cpu)),
    PlainSerializer(cpu_number),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": MAXIMUM_CPU / 1000, "examples": [0.5, 2]}),
]
"""Thousandths of a CPU, written as `0.5`."""

Duration = Annotated[
    int,
    BeforeValidator(cached(parse_duration)),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "pattern": f"{_AMOUNT_PATTERN}(s|min|h|d)$", "examples": ["2 h"]}),
]
"""Seconds, at least one, written as `2 h`."""

Delay = Annotated[
    int,
    BeforeValidator(cached(parse_delay)),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "pattern": f"{_AMOUNT_PATTERN}(s|min|h|d)$", "examples": ["1 h", "0 s"]}),
]
"""Seconds, written as `1 h` or `0 s`."""

Gpus = Annotated[int, Field(ge=0, le=64)]
"""Whole GPUs."""


class Budget(Model):
    """How much may run at the same time. What is not set is not limited."""

    sessions: Annotated[int, Field(ge=0, le=100000)] | None = None
    """Maximum number of sessions."""
    cpu: Cpu | None = None
    """Maximum sum of the CPU limits of the sessions."""
    memory: Memory | None = None
    """Maximum sum of the memory limits of the sessions."""
    gpu: Annotated[int, Field(ge=0, le=100000)] | None = None
    """Maximum number of GPUs."""

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if not self.model_fields_set:
            remedy = "Set sessions, cpu, memory or gpu, or remove the budget."
            raise invalid("budget-empty", "The budget has no limits.", remedy)
        return self
