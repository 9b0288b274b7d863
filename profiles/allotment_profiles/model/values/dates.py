"""Dates in files, and how pages write times relative to now."""

import datetime as dt

_UNITS = (("year", 365 * 86400), ("month", 30 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60))
_NEAR_DAYS = {0: "today", 1: "tomorrow", -1: "yesterday"}


def days_left(until: dt.date, now: dt.datetime) -> int:
    """Return the number of days from today, UTC, to a date. It is negative once that day has passed."""
    return (until - now.astimezone(dt.UTC).date()).days


def relative_time(moment: dt.datetime, now: dt.datetime) -> str:
    """Format a moment relative to now: `2 hours ago`, `just now`, `in 3 days`."""
    return _relative(moment - now)


def relative_day(day: dt.date, today: dt.date) -> str:
    """Format a day relative to today: `yesterday`, `today`, `in 3 days`."""
    return _NEAR_DAYS.get((day - today).days) or _relative(day - today)


def _relative(left: dt.timedelta) -> str:
    seconds = int(left.total_seconds())
    for unit, length in _UNITS:
        number = abs(seconds) // length
        if number:
            amount = f"{number} {unit}{'' if number == 1 else 's'}"
            return f"in {amount}" if seconds > 0 else f"{amount} ago"
    return "just now"
