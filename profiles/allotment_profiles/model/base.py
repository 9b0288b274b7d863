"""The base class of all models, a cache for their validators, and attributes as JSON."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

ParsedT = TypeVar("ParsedT")


class Model(BaseModel):
    """Base of all models: no unknown keys, no conversion of types, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


def attributes(source: object, *names: str) -> dict[str, Any]:
    """Return attributes by name, for JSON: tuples become lists."""
    values = ((name, getattr(source, name)) for name in names)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values}


def cached(parse: Callable[[object], ParsedT]) -> Callable[[object], ParsedT]:
    """Cache the results for short texts and numbers, which files share. Errors are not cached."""
    cache = functools.lru_cache(maxsize=4096, typed=True)(parse)

    def parsed(value: object) -> ParsedT:
        is_short = len(value) < 256 if type(value) is str else type(value) in (int, float)
        return cache(value) if is_short else parse(value)

    return parsed
