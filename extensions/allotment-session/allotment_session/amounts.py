"""Amounts as people read them: memory, CPUs and times."""

from __future__ import annotations

import datetime as dt

GIB = 1024**3


def memory_text(size: float) -> str:
    """Format bytes: `3.1 GiB`."""
    for unit, factor in (("TiB", 1024 * GIB), ("GiB", GIB), ("MiB", 1024**2)):
        if size >= factor:
            return f"{size / factor:.1f}".replace(".0", "") + f" {unit}"
    return f"{size / 1024:.0f} KiB"


def cpu_text(cores: float) -> str:
    """Format CPUs: `0.4 CPUs`."""
    text = f"{cores:.2f}".rstrip("0").rstrip(".")
    return f"{text} CPU{'' if text == '1' else 's'}"


def duration_text(seconds: float) -> str:
    """Format how long something takes: `3 h 20 min`."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{max(0, int(seconds))} s"
    hours, minutes = divmod(minutes, 60)
    return " ".join(filter(None, (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "")))


def moment_of(text: object) -> dt.datetime | None:
    """Parse a time of an answer; None where it is none."""
    try:
        # Python 3.9 does not know the Z.
        moment = dt.datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def moment_text(moment: dt.datetime, now: dt.datetime) -> str:
    """Format a time to come with how long it is until then."""
    left = duration_text((moment - now).total_seconds())
    return f"{moment.astimezone(dt.timezone.utc):%Y-%m-%d %H:%M} UTC (in {left})"


def number_of(value: object) -> float:
    """Return a number of an answer; 0 where it is none."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else 0
