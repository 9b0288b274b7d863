"""The JSON Schema of the files, generated from the models."""

import copy
import functools
from collections.abc import Iterable
from typing import Any

from allotment_profiles.model import MODELS, Model
from allotment_profiles.model.paths import Kind

DIALECT = "https://json-schema.org/draft/2020-12/schema"
KINDS: dict[str, Kind] = {"profile": "profile", "team": "team", "data-role": "data role", "policy": "policy"}


def schema_of(kind: Kind) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one kind of file, as a copy that the caller may change."""
    return copy.deepcopy(_schema(kind))


@functools.cache
def _schema(kind: Kind) -> dict[str, Any]:
    schema = MODELS[kind].model_json_schema()
    models = {model.__name__: model for model in _models(Model)}
    for name, part in [(MODELS[kind].__name__, schema), *schema.get("$defs", {}).items()]:
        _write_defaults(models[name], part)
    return {"$schema": DIALECT, **schema, "title": f"Allotment {kind}"}


def _models(root: type[Model]) -> Iterable[type[Model]]:
    for model in root.__subclasses__():
        yield model
        yield from _models(model)


def _write_defaults(model: type[Model], part: dict[str, Any]) -> None:
    """Replace defaults by the form that a file has: pydantic returns the internal value, `100` for 0.1 CPU."""
    written = model.model_construct().model_dump(mode="json", exclude_none=True, warnings=False)
    for name, described in part.get("properties", {}).items():
        described.pop("default", None)
        if name not in part.get("required", ()) and _has_value(written.get(name)):
            described["default"] = written[name]


def _has_value(value: object) -> bool:
    if isinstance(value, dict):
        return any(_has_value(inner) for inner in value.values())
    return value is not None
