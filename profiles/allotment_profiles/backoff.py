"""Exponential back-off: how long to wait before a failed attempt is made again."""

import random


def retry_delay(failures: int, *, first: float, longest: float) -> float:
    """Return the seconds to wait after so many failures: doubled each time, less up to half of it at random."""
    return min(longest, first * 2.0 ** min(failures - 1, 16)) * random.uniform(0.5, 1)  # noqa: S311  not a secret
