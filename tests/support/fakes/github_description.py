"""GitHub's own description of its API: a body has to be one of githubkit's models, which are generated from it."""

import datetime as dt
import types
import typing
from functools import lru_cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError


@lru_cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def filled(shape: Any, values: Any) -> Any:
    """Return what a shape needs, with these values: empty texts, zeros and so on for all that does not matter."""
    origin = get_origin(shape)
    if origin is typing.Annotated:
        return filled(get_args(shape)[0], values)
    if origin in (typing.Union, types.UnionType):
        shapes = [each for each in get_args(shape) if each is not type(None) and "UNSET" not in str(each)]
        empty = values is None and len(shapes) < len(get_args(shape))
        return None if empty else filled(shapes[0], values)
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        return _filled_model(shape, values or {})
    if values is not None:
        return [filled(get_args(shape)[0], each) for each in values] if origin is list else values
    if origin is typing.Literal:
        return get_args(shape)[0]
    simple = {str: "", int: 0, bool: False, float: 0.0, dt.datetime: "2026-11-02T09:00:00Z", list: [], dict: {}}
    return simple.get(origin or shape, {} if origin else None)


def _filled_model(shape: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    fields = {field.alias or name: field for name, field in shape.model_fields.items()}
    unknown = values.keys() - fields.keys()
    assert not unknown, f"{shape.__name__} has no {', '.join(unknown)}"
    return {
        name: filled(field.annotation, values.get(name))
        for name, field in fields.items()
        if name in values or field.is_required()
    }


def violations(shape: Any, value: Any) -> list[str]:
    """Return what of a value the description does not have."""
    try:
        _adapter(shape).validate_python(value)
    except ValidationError as error:
        return [str(error)]
    return []


def unknown_fields(shape: Any, value: Any) -> list[str]:
    """Return the fields of a body that its shape, where it is one model, does not have."""
    if not (isinstance(shape, type) and issubclass(shape, BaseModel)):
        return []
    return sorted(value.keys() - {field.alias or name for name, field in shape.model_fields.items()})
