"""Draft a larger or a smaller limit from what a session used: the changed settings, and the reason for them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from allotment_session.amounts import GIB, cpu_text, duration_text, memory_text, number_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from allotment_session.capture.evidence import Use

_LARGER = 2
"""How many times as much is proposed where the limit did not suffice."""
_SPARE = 1.5
"""How many times the peak is left where less suffices."""
_LITTLE = 0.4
"""Below this share of the limit, less suffices."""
_LONG = 3600
"""For how many seconds a session has to be observed before less is proposed."""
_HELD_BACK = 0.25
"""From this share of the time on, the CPU does not suffice."""


def draft(settings: Mapping[str, Any], session: Mapping[str, Any], use: Use) -> tuple[dict[str, Any], list[str]]:
    """Return the settings of a profile with other limits, and why, in sentences; none where nothing suggests it."""
    reasons: list[str] = []
    drafted = copy.deepcopy(dict(settings))
    values, options = use.values, session.get("options")
    options = options if isinstance(options, dict) else {}
    memory = _memory(number_of(session.get("memory")), values, failed=failed_with(session))
    if memory:
        limit, why = memory
        _set_limit(drafted, options, "memory", f"{limit // GIB} GiB", limit)
        reasons.append(why)
    cpu = number_of(session.get("cpu"))
    throttled = number_of(values.get("cpu_throttled"))
    if cpu and throttled >= _HELD_BACK:
        _set_limit(drafted, options, "cpu", _plain(cpu * _LARGER), cpu * _LARGER)
        reasons.append(f"Its limit of {cpu_text(cpu)} held it back in {throttled:.0%} of the time.")
    return drafted, reasons


def failed_with(session: Mapping[str, Any]) -> float:
    """Return with how much memory the last session of this profile ended for lack of it; 0 if this one has more."""
    last = session.get("last")
    if not isinstance(last, dict) or last.get("reason") != "out-of-memory":
        return 0
    memory = number_of(last.get("memory"))
    return memory if memory >= number_of(session.get("memory")) else 0


def _memory(limit: float, values: Mapping[str, Any], *, failed: float) -> tuple[int, str] | None:
    """Return another limit in bytes, in whole GiB, and why."""
    peak, kills, seconds = (number_of(values.get(name)) for name in ("memory_peak", "out_of_memory", "seconds"))
    if not limit:
        return None
    if kills:
        times = "once" if kills == 1 else f"{kills:.0f} times"
        why = f"It ran out of memory {times} at its limit of {memory_text(limit)}."
        return _whole(limit * _LARGER), why
    if failed:
        why = f"The last session ended for lack of memory, at a limit of {memory_text(failed)}."
        return _whole(failed * _LARGER), why
    if peak > limit:  # where nothing enforces the limit, as on a laptop
        why = f"It used {memory_text(peak)}, more than its limit of {memory_text(limit)}."
        return _whole(max(limit * _LARGER, peak * _SPARE)), why
    smaller = _whole(peak * _SPARE)
    if peak and peak < _LITTLE * limit and seconds >= _LONG and smaller < limit:
        why = f"In {duration_text(seconds)} it used at most {memory_text(peak)} of {memory_text(limit)}."
        return smaller, why
    return None


def _whole(size: float) -> int:
    return max(1, -(-int(size) // GIB)) * GIB


def _set_limit(settings: dict[str, Any], options: Mapping[str, Any], name: str, text: object, amount: float) -> None:
    """Set a limit where it comes from: in the choice that was made, or in the profile itself."""
    place = _chosen(settings, options, name)
    resources = place.get("resources")
    resources = place["resources"] = resources if isinstance(resources, dict) else {}
    named = resources.get(name)
    changed = dict(named) if isinstance(named, dict) else {}
    changed["limit"] = text
    guarantee = _amount(changed.get("guarantee"), name)
    if guarantee is not None and guarantee > amount:
        changed["guarantee"] = text
    resources[name] = changed


def _chosen(settings: dict[str, Any], options: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the choice that decides an amount, the last one that names it, or the profile."""
    found = settings
    declared = settings.get("options")
    for option, content in declared.items() if isinstance(declared, dict) else ():
        choices = content.get("choices") if isinstance(content, dict) else None
        choice = choices.get(options.get(option)) if isinstance(choices, dict) else None
        resources = choice.get("resources") if isinstance(choice, dict) else None
        amount = resources.get(name) if isinstance(resources, dict) else None
        if isinstance(choice, dict) and isinstance(amount, dict) and "limit" in amount:
            found = choice
    return found


def _amount(text: object, name: str) -> float | None:
    """Return an amount of a profile in bytes or CPUs; None for what is none."""
    if name == "cpu":
        return number_of(text) or None
    number, _, unit = str(text).strip().partition(" ")
    factor = {"KiB": 1024, "MiB": 1024**2, "GiB": GIB, "TiB": 1024 * GIB}.get(unit)
    try:
        return float(number) * factor if factor else None
    except ValueError:
        return None


def _plain(number: float) -> object:
    return int(number) if number == int(number) else number
