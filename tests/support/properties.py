"""How many examples a property is tried with."""

from typing import Any

from hypothesis import settings

_USUAL = 150


def examples(number: int, **more: Any) -> settings:
    """Return settings for this number of examples in `make test`, and for fewer where a profile asks for fewer."""
    return settings(max_examples=max(5, number * settings.default.max_examples // _USUAL), **more)
