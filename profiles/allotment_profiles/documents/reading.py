"""Read the bytes of a file as a model. Every problem has a code, a remedy and its position in the file."""

import difflib
import functools
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from allotment_profiles.documents.characters import with_hint
from allotment_profiles.documents.parsing import DocumentError, parse_yaml
from allotment_profiles.documents.source_map import Location, SourceMap
from allotment_profiles.model import MODELS, Model
from allotment_profiles.model.limits import MAXIMUM_PROBLEMS
from allotment_profiles.model.paths import Kind
from allotment_profiles.model.problems import Problem, quoted


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of reading one file: a model, or at least one problem."""

    value: Model | None
    problems: tuple[Problem, ...] = ()


def read(kind: Kind, path: str, data: bytes) -> Reading:
    """Read one file as the model of its kind. Never raises, whatever the bytes are."""
    try:
        document = parse_yaml(data)
    except DocumentError as error:
        return Reading(None, (with_hint(error.as_problem(path), data),))
    try:
        return Reading(MODELS[kind].model_validate(document))
    except ValidationError as error:
        source_map = SourceMap(data)
        details = error.errors(include_url=False)[:MAXIMUM_PROBLEMS]
        problems = (_problem(path, detail, source_map, MODELS[kind]) for detail in details)
        return Reading(None, tuple(with_hint(problem, data) for problem in problems))


# A problem with several keys of a mapping is reported at the key that people would change.
_REPORTED_AT = {
    "cpu-order": "limit",
    "data-role-twice": "data_roles",
    "lifetime-order": "idle",
    "memory-order": "limit",
    "option-default": "default",
    "option-default-only": "default",
    "successor-missing": "visibility",
}


def _problem(path: str, detail: ErrorDetails, source_map: SourceMap, model: type[Model]) -> Problem:
    kind, location = detail["type"], detail["loc"]
    # pydantic appends "[key]" to the location of an invalid key. An unknown key may itself be called that.
    if location[1:] and location[-1] == "[key]" and kind not in ("extra_forbidden", "invalid_key"):
        location = location[:-1]
    line, column = source_map.of((*location, _REPORTED_AT[kind]) if kind in _REPORTED_AT else location)
    code, message, remedy = _message(detail, location, model)
    field = ".".join(part if isinstance(part, str) and len(part) < 60 else quoted(part).strip("'") for part in location)
    return Problem(path, code, message, remedy, field=field, line=line, column=column)


# Type of a pydantic error → code, message, remedy. The placeholders are filled with the limits of the error.
_MAPPING = ("mapping", "is not a mapping of keys to values.", "Write `key: value` lines below it.")
_WHOLE_NUMBER = ("whole-number", "is not a whole number.", "Write 0, 1, 2…")
_TEXT = ("text", "is not text.", "Put the text in quotation marks.")
_MESSAGES = {
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dict_type": _MAPPING,
    "tuple_type": ("list", "is not a list.", "Write it as [one, two]."),
    "int_type": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "int_parsing": _WHOLE_NUMBER,
    "bool_type": ("yes-or-no", "is neither true nor false.", "Write true or false."),
    "string_type": _TEXT,
    "string_unicode": _TEXT,
    "string_too_long": ("too-long", "is too long.", "Use at most {max_length} characters."),
    "string_too_short": ("too-short", "is too short.", "Use at least {min_length} characters."),
    "too_long": ("too-many", "has too many entries.", "Keep at most {max_length}."),
    "too_short": ("too-few", "has too few entries.", "Add entries: at least {min_length} are needed."),
    "string_pattern_mismatch": ("pattern", "has the wrong form.", "It has to match {pattern}"),
    "greater_than_equal": ("too-small", "is too small.", "Use at least {ge}."),
    "less_than_equal": ("too-large-number", "is too large.", "Use at most {le}."),
}


def _message(detail: ErrorDetails, location: Location, model: type[Model]) -> tuple[str, str, str]:
    """Return the code, the message and the remedy for a pydantic error."""
    kind, context = detail["type"], detail.get("ctx", {})
    name = quoted(location[-1]) if location else "The file"
    if "remedy" in context:
        return kind, str(context["message"]), str(context["remedy"])
    if kind == "missing":
        return "missing", f"{name} is missing.", "Add it."
    if kind in ("extra_forbidden", "invalid_key"):
        return "unknown-key", f"{name} is not a known key here.", _known_keys(location, model)
    if kind == "literal_error":
        return "not-offered", f"{quoted(detail['input'])} is not possible here.", f"Use {context.get('expected', '')}."
    if kind in ("too_long", "too_short") and isinstance(detail["input"], str):
        kind = f"string_{kind}"  # pydantic names these so for a length constraint behind a validator
    if kind in _MESSAGES:
        code, message, remedy = _MESSAGES[kind]
        limits = {key: quoted(value).strip("'") for key, value in context.items()}
        return code, f"{name} {message.format_map(limits)}", remedy.format_map(limits)
    # pydantic's own messages for all other types contain numbers and type names, but no input.
    return kind.replace("_", "-"), f"{name}: {detail['msg']}.", "See the reference of the format for this key."


def _known_keys(location: Location, model: type[Model]) -> str:
    """Return the remedy for an unknown key: the most similar known one, or all of them."""
    known = sorted(_keys_at(model, location[:-1]))
    unknown = str(location[-1])[:60] if not isinstance(location[-1], int) else ""
    similar = difflib.get_close_matches(unknown, known, 1)
    return f"Did you mean {similar[0]}?" if similar else f"Remove it; known here: {', '.join(known)}."


def _keys_at(model: type[Model], location: Location) -> set[str]:
    """Return the keys that the model has at a location, from its JSON schema."""
    schema = _schema(model)
    here: Any = schema
    for part in location:
        here = _resolve(schema, here)
        # Below a mapping with free names, each pattern describes the value of any name.
        any_name = next(iter(here.get("patternProperties", {}).values()), None)
        here = here.get("properties", {}).get(part) or any_name or here.get("items") or {}
    return set(_resolve(schema, here).get("properties", {}))


@functools.cache
def _schema(model: type[Model]) -> dict[str, Any]:
    return model.model_json_schema()


def _resolve(schema: dict[str, Any], here: Any) -> Any:
    """Resolve the reference of a schema, or that of its first alternative with one."""
    if not isinstance(here, dict):
        return {}
    for option in here.get("anyOf", []):
        if "$ref" in option:
            here = option
    if "$ref" in here:
        here = schema["$defs"][here["$ref"].rsplit("/", 1)[1]]
    return here
