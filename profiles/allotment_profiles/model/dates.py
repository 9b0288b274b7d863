"""Dates in files: a date holds until the end of that day, UTC."""

import datetime as dt


def days_left(until: dt.date, now: dt.datetime) -> int:
    """Return the days that remain until the end of a day, UTC; negative once it has passed."""
    return (until - now.astimezone(dt.UTC).date()).days
