"""Amounts as people write them: `8 GiB`, `0.5` CPUs, `2 h`; held as integers.

Memory is held in bytes, CPU in thousandths of one CPU, durations in seconds.
"""

import functools
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

ParsedT = TypeVar("ParsedT")

MEMORY_UNITS = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}
DURATION_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
MAXIMUM_MEMORY = 64 * 1024**4
MAXIMUM_CPU = 4096 * 1000
MAXIMUM_DURATION = 366 * 86400

# At most twelve digits: a longer number is a mistake, and `\d+` would let a 60 KB number through to int().
_AMOUNT = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([A-Za-z]{1,12})", re.ASCII)


def refuse(code: str, message: str, remedy: str) -> PydanticCustomError:
    """Build the error that a validator raises; text goes in as values, never as a template."""
    if message.startswith("a "):
        message = "A" + message[1:]
    return PydanticCustomError(code, "{message}", {"message": message, "remedy": remedy})


def shown(value: object) -> str:
    """Give a value as it may stand in a message: short, on one line."""
    # Not repr() of an unbounded integer: Python refuses to convert more than 4,300 digits.
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 256:
        return "a very long number"
    # Nor repr() of what holds others: it may be deep, long, or hold such an integer.
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple | set | frozenset):
        return "a list"
    text = value if isinstance(value, str) else repr(value)
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[:64])
    return f"'{text[:60]}…'" if len(text) > 60 else f"'{text}'"


def _amount(value: object, units: dict[str, int], code: str, example: str) -> int:
    if isinstance(value, str):
        match = _AMOUNT.fullmatch(value.strip())
        if match and match[2] in units:
            number = match[1]
            return round(Decimal(number) * units[match[2]]) if "." in number else int(number) * units[match[2]]
    raise _not_an_amount(value, units, code, example)


def _not_an_amount(value: object, units: dict[str, int], code: str, example: str) -> PydanticCustomError:
    remedy = f"Write a number and one of the units {', '.join(units)}, for example {example}."
    if not isinstance(value, str):
        return refuse(code, f"{shown(value)} has no unit.", remedy)
    match = _AMOUNT.fullmatch(value.strip())
    if match:
        unit = match[2]
        near = [known for known in units if known.lower()[0] == unit.lower()[0]]
        hint = f"Did you mean {near[0]}? {remedy}" if near else remedy
        return refuse(code, f"{shown(value)} has the unit {shown(unit)}, which is not known here.", hint)
    return refuse(code, f"{shown(value)} is not an amount with a unit.", remedy)


def parse_memory(value: object) -> int:
    """Turn `8 GiB` into bytes; raises PydanticCustomError with a remedy."""
    size = _amount(value, MEMORY_UNITS, "memory-unit", "8 GiB")
    if not 0 < size <= MAXIMUM_MEMORY:
        raise refuse("memory-range", f"{shown(value)} is not a possible amount of memory.", "Write for example 8 GiB.")
    return size


def parse_duration(value: object) -> int:
    """Turn `2 h` into seconds; raises PydanticCustomError with a remedy."""
    seconds = _amount(value, DURATION_UNITS, "duration-unit", "2 h")
    if not 0 < seconds <= MAXIMUM_DURATION:
        raise refuse("duration-range", f"{shown(value)} is not a possible duration.", "Write for example 12 h.")
    return seconds


def parse_delay(value: object) -> int:
    """Turn `1 h` into seconds; `0 s` is at once. Raises PydanticCustomError with a remedy."""
    seconds = _amount(value, DURATION_UNITS, "duration-unit", "1 h")
    if not 0 <= seconds <= MAXIMUM_DURATION:
        raise refuse("duration-range", f"{shown(value)} is not a possible duration.", "Write for example 1 h, or 0 s.")
    return seconds


def parse_cpu(value: object) -> int:
    """Turn `0.5` into thousandths of a CPU; raises PydanticCustomError with a remedy."""
    remedy = "Write a number of CPUs such as 0.5 or 2."
    if isinstance(value, str) and re.fullmatch(r"(0|[1-9][0-9]{0,3})(\.[0-9]{1,3})?", value, re.ASCII):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refuse("cpu-number", f"{shown(value)} is not a number of CPUs.", remedy)
    if isinstance(value, float) and not math.isfinite(value):
        raise refuse("cpu-number", f"{shown(value)} is not a number of CPUs.", remedy)
    if not 0.001 <= value <= MAXIMUM_CPU / 1000:
        raise refuse("cpu-range", f"{shown(value)} is not a possible number of CPUs.", remedy)
    return round(value * 1000)


def _trim(number: Decimal) -> str:
    text = f"{number.quantize(Decimal('0.001')):f}"
    return text.rstrip("0").rstrip(".")


def format_memory(size: int) -> str:
    """Write bytes as people do, in the largest unit that keeps the number exact to three digits."""
    for unit, factor in reversed(MEMORY_UNITS.items()):
        if size >= factor and (size * 1000) % factor == 0:
            return f"{_trim(Decimal(size) / factor)} {unit}"
    # Six digits of a KiB name every byte.
    return f"{Decimal(size) / 1024:.6f}".rstrip("0").rstrip(".") + " KiB"


def format_cpu(milli: int) -> str:
    """Write thousandths of a CPU as a number of CPUs."""
    return _trim(Decimal(milli) / 1000)


def cpu_number(milli: int) -> int | float:
    """Give thousandths of a CPU as the number that a file holds."""
    return milli // 1000 if milli % 1000 == 0 else milli / 1000


def format_duration(seconds: int) -> str:
    """Write seconds in the largest unit that divides them, days from two days on."""
    if seconds == 0:
        return "0 s"
    for unit, factor in reversed(DURATION_UNITS.items()):
        if seconds % factor == 0 and (unit != "d" or seconds >= 2 * factor):
            return f"{seconds // factor} {unit}"
    return f"{seconds} s"


def remembered(parse: Callable[[object], ParsedT]) -> Callable[[object], ParsedT]:
    """Keep what short texts and numbers were parsed to: ten thousand files say the same few values again and again.

    What is refused is refused anew each time.
    """
    kept = functools.lru_cache(maxsize=4096, typed=True)(parse)

    def parsed(value: object) -> ParsedT:
        if type(value) is str:
            return kept(value) if len(value) < 256 else parse(value)
        return kept(value) if type(value) is int or type(value) is float else parse(value)

    return parsed


Memory = Annotated[
    int,
    BeforeValidator(remembered(parse_memory)),
    PlainSerializer(format_memory),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[0-9]{1,12}(\.[0-9]{1,6})? ?(KiB|MiB|GiB|TiB)$",
            "examples": ["8 GiB"],
        }
    ),
]
"""Bytes; written `8 GiB`."""

Cpu = Annotated[
    int,
    BeforeValidator(remembered(parse_cpu)),
    PlainSerializer(cpu_number),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": MAXIMUM_CPU / 1000, "examples": [0.5, 2]}),
]
"""Thousandths of a CPU; written `0.5`."""

Duration = Annotated[
    int,
    BeforeValidator(remembered(parse_duration)),
    PlainSerializer(format_duration),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[0-9]{1,12}(\.[0-9]{1,6})? ?(s|min|h|d)$",
            "examples": ["2 h"],
        }
    ),
]
"""Seconds; written `2 h`."""

Delay = Annotated[
    int,
    BeforeValidator(remembered(parse_delay)),
    PlainSerializer(format_duration),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[0-9]{1,12}(\.[0-9]{1,6})? ?(s|min|h|d)$",
            "examples": ["1 h", "0 s"],
        }
    ),
]
"""Seconds, none for at once; written `1 h` or `0 s`."""
