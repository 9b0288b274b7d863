"""From bytes to a model: the gate, the fast parser, and the exact place of every problem.

A file passes a gate on its bytes first (size, encoding, characters, nesting, and whether anything in it can be an
anchor, an alias, a tag or a second document). Then the fast parser reads it. The slower event stream of PyYAML is
asked only where a suspicion has to be settled or a line has to be named.
"""

import difflib
import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ryaml
import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from allotment_profiles.model import MODELS, Model
from allotment_profiles.model.limits import MAXIMUM_BYTES, MAXIMUM_DEPTH, MAXIMUM_PROBLEMS, MAXIMUM_VALUES
from allotment_profiles.model.paths import Kind
from allotment_profiles.model.problems import Problem
from allotment_profiles.model.quantities import shown
from allotment_profiles.model.texts import harmful_character

# The fast parser takes these silently; whatever could be one of them is looked at by the event stream.
# Opening brackets: fewer than the allowed depth cannot nest too deeply; of more the event stream counts the depth and
# stops at the first one too many. (Closing ones prove nothing: they may stand in quotation marks.)
_COMPLEX_KEY = re.compile(rb"^[ \t]*\?", re.MULTILINE)
_LONG_NUMBER = re.compile(r"[-+]?[0-9]{19,}", re.ASCII)
_Location = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What came out of one file: a model, or problems, never both missing."""

    value: Model | None
    problems: tuple[Problem, ...] = ()


class _DocumentError(Exception):
    """The document is not ours to read; carries the place."""

    def __init__(
        self, code: str, message: str, remedy: str, line: int | None = None, column: int | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.remedy, self.line, self.column = code, message, remedy, line, column


def read(kind: Kind, path: str, data: bytes) -> Reading:
    """Read one file as the model of its kind; any bytes give a model or problems, never an exception."""
    try:
        document = _document(data)
    except _DocumentError as error:
        return Reading(
            None, (Problem(path, error.code, error.message, error.remedy, line=error.line, column=error.column),)
        )
    try:
        return Reading(MODELS[kind].model_validate(document))
    except ValidationError as error:
        return Reading(None, _problems(path, error, SourceMap(data), MODELS[kind]))


def read_value(kind: Kind, path: str, value: object) -> Reading:
    """Read a document that came as data (JSON), with the same problems but without lines."""
    try:
        return Reading(MODELS[kind].model_validate(value))
    except ValidationError as error:
        return Reading(None, _problems(path, error, None, MODELS[kind]))


def document(data: bytes) -> Any:
    """Give the plain data of a file that reads; raises ValueError where it does not."""
    try:
        return _document(data)
    except _DocumentError as error:
        raise ValueError(error.message) from error


def _document(data: bytes) -> Any:
    text = _gate(data)
    if _is_suspicious(data):
        _refuse_what_yaml_hides(text)
    try:
        loaded = ryaml.loads(text)
    except ValueError as error:
        raise _named(text, str(error)) from error
    if loaded is None:
        raise _DocumentError("empty", "The file is empty.", "Write the file, or delete it.", 1)
    if not isinstance(loaded, dict):
        raise _DocumentError(
            "not-a-mapping", "The file is not a mapping of keys to values.", "Begin with `title: …`.", 1
        )
    if len(data) > 2 * MAXIMUM_VALUES and _count(loaded) > MAXIMUM_VALUES:
        message = f"The file has more than {MAXIMUM_VALUES} keys and entries."
        raise _DocumentError("values-many", message, "Make it smaller, or split it.", 1)
    return loaded


def _count(value: Any) -> int:
    """Count the keys and entries of a document, which the gate has proven to be flat enough."""
    if isinstance(value, dict):
        return len(value) + sum(map(_count, value.values()))
    return len(value) + sum(map(_count, value)) if isinstance(value, list) else 0


def _is_suspicious(data: bytes) -> bool:
    """Tell whether the event stream has to look: searches for fixed bytes, many times as fast as one pattern."""
    return (
        b"&" in data
        or b"*" in data
        or b"!" in data
        or b"%" in data
        or b"<<" in data
        or b"\n---" in data
        or b"\n..." in data
        or data.startswith((b"---", b"..."))
        or (b"?" in data and _COMPLEX_KEY.search(data) is not None)
        or data.count(b"[") + data.count(b"{") > MAXIMUM_DEPTH
    )


def _gate(data: bytes) -> str:
    if len(data) > MAXIMUM_BYTES:
        raise _DocumentError("too-large", f"The file has {len(data)} bytes; 65536 are allowed.", "Make it smaller.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _DocumentError("encoding", "The file is not UTF-8.", "Save it as UTF-8.", line) from error
    if not text.isascii() or not text.replace("\r\n", "").replace("\n", "").replace("\t", "").isprintable():
        for number, line_text in enumerate(text.split("\n"), 1):
            found = harmful_character(line_text.removesuffix("\r"), allowed="\t")
            if found:
                column = next(i for i, character in enumerate(line_text, 1) if f"U+{ord(character):04X}" == found)
                raise _DocumentError(
                    "character", f"The file contains the character {found}, which is not allowed.", "Remove it.",
                    number, column,
                )  # fmt: skip
    return text


def _events(text: str) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(filter(None, (error.context, error.problem)))
        raise _DocumentError(
            "syntax",
            f"This is not YAML: {shown(what)}.",
            "Look at the line and the one above it: indentation, colons, quotation marks.",
            *((mark.line + 1, mark.column + 1) if mark else ()),
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise _DocumentError("syntax", "This is not YAML.", "Look at indentation and quotation marks.") from error


def _refuse_what_yaml_hides(text: str) -> None:
    remedy = "Write the value itself."
    documents = depth = 0
    for event in _events(text):
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.AliasEvent):
            raise _DocumentError("alias", "Aliases (*name) are not allowed.", remedy, line, column)
        if isinstance(event, yaml.NodeEvent):
            if event.anchor is not None:
                raise _DocumentError("anchor", "Anchors (&name) are not allowed.", remedy, line, column)
            if getattr(event, "tag", None) is not None:
                raise _DocumentError("tag", "Tags (!name) are not allowed.", remedy, line, column)
            if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and not event.style:
                raise _DocumentError("merge-key", "Merge keys (<<) are not allowed.", remedy, line, column)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _DocumentError(
                    "documents", "The file holds several documents.", "Keep one per file.", line, column
                )
            if event.version or event.tags:
                raise _DocumentError(
                    "directive", "YAML directives (%) are not allowed.", "Remove the line.", line, column
                )
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAXIMUM_DEPTH:
            remedy = "Write it flat, as in the examples."
            raise _DocumentError("nesting", "The file is nested too deeply.", remedy, line, column)


def _named(text: str, message: str) -> _DocumentError:
    """Find the line of what the fast parser refused."""
    try:
        # This also proves that the document is flat enough for the composer below, which would crash on a deep one.
        _refuse_what_yaml_hides(text)
    except _DocumentError as error:
        return error
    places = SourceMap(text.encode())
    if places.duplicate:
        key, line, column = places.duplicate
        return _DocumentError("duplicate-key", f"The key {shown(key)} stands twice.", "Keep one of them.", line, column)
    if places.odd_key:
        return _DocumentError("key", "A key is not text.", "Write a word before the colon.", *places.odd_key)
    if places.long_number:
        message, remedy = "A number has too many digits.", "Write a shorter one, or put it in quotation marks."
        return _DocumentError("number", message, remedy, *places.long_number)
    match = re.search(r"line (\d+) column (\d+)", message)
    line_column = (int(match[1]), int(match[2])) if match else (1,)
    return _DocumentError("syntax", f"This is not YAML: {shown(message)}.", "Look at the line.", *line_column)


class SourceMap:
    """The lines of a document's keys and values; built only when a problem has to be placed.

    The document must have passed the fast parser or the gate's count of its depth: the composer recurses.
    """

    def __init__(self, data: bytes) -> None:
        self.duplicate: tuple[str, int, int] | None = None
        self.odd_key: tuple[int, int] | None = None
        self.long_number: tuple[int, int] | None = None
        self._of: dict[_Location, tuple[int, int]] = {}
        try:
            # The base loader leaves every scalar as it is written: only places are asked for.
            root = yaml.compose(data.decode("utf-8"), Loader=yaml.CBaseLoader)
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
            return
        if root is not None:
            self._walk(root, ())

    def _walk(self, node: yaml.Node, location: _Location) -> None:
        self._of.setdefault(location, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                mark = (key.start_mark.line + 1, key.start_mark.column + 1)
                name = key.value if isinstance(key, yaml.ScalarNode) else ""
                if not isinstance(key, yaml.ScalarNode):
                    self.odd_key = self.odd_key or mark
                if name in seen and self.duplicate is None:
                    self.duplicate = (name, *mark)
                seen.add(name)
                # The key's own place: a problem with a mapping or a list is looked for where it is named.
                self._of[(*location, name)] = mark
                self._walk(value, (*location, name))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._walk(value, (*location, index))
        elif isinstance(node, yaml.ScalarNode) and not node.style and _LONG_NUMBER.fullmatch(node.value):
            self.long_number = self.long_number or (node.start_mark.line + 1, node.start_mark.column + 1)

    def of(self, location: _Location) -> tuple[int | None, int | None]:
        """Give line and column of a location, or of the nearest thing around it that stands in the file."""
        for end in range(len(location), -1, -1):
            found = self._of.get(location[:end])
            if found:
                return found
        return (None, None)

    def of_field(self, field: str) -> tuple[int | None, int | None]:
        """Give line and column of a dotted field."""
        parts = field.split(".") if field else []
        return self.of(tuple(int(part) if part.isdecimal() and len(part) < 6 else part for part in parts))


# What is wrong with several keys together is shown at the one that people would change.
_STANDS_AT = {
    "cpu-order": "limit", "memory-order": "limit", "lifetime-order": "idle", "option-default": "default",
    "option-default-only": "default", "successor-missing": "visibility",
    "data-role-twice": "data_roles",
}  # fmt: skip


def _problems(path: str, error: ValidationError, places: SourceMap | None, model: type[Model]) -> tuple[Problem, ...]:
    details = error.errors(include_url=False)[:MAXIMUM_PROBLEMS]
    return tuple(_problem(path, detail, places, model) for detail in details)


def _problem(path: str, detail: ErrorDetails, places: SourceMap | None, model: type[Model]) -> Problem:
    location = detail["loc"]
    # pydantic ends the place of a wrong key with this word, which may be an unknown key itself.
    if location[1:] and location[-1] == "[key]" and detail["type"] not in ("extra_forbidden", "invalid_key"):
        location = location[:-1]
    stands = (*location, _STANDS_AT[detail["type"]]) if detail["type"] in _STANDS_AT else location
    line, column = places.of(stands) if places else (None, None)
    code, message, remedy = _worded(detail, location, model)
    field = ".".join(part if isinstance(part, str) and len(part) < 60 else shown(part).strip("'") for part in location)
    return Problem(path, code, message, remedy, field=field, line=line, column=column)


# pydantic's kinds of error → our stable code, and words for people. The templates are ours and are filled with bounds.
_WORDS = {
    **dict.fromkeys(
        ("model_type", "model_attributes_type", "dict_type"),
        ("mapping", "is not a mapping of keys to values.", "Write `key: value` lines below it."),
    ),
    "tuple_type": ("list", "is not a list.", "Write it as [one, two]."),
    **dict.fromkeys(
        ("int_type", "int_from_float", "int_parsing"), ("whole-number", "is not a whole number.", "Write 0, 1, 2…")
    ),
    "bool_type": ("yes-or-no", "is neither true nor false.", "Write true or false."),
    **dict.fromkeys(("string_type", "string_unicode"), ("text", "is not text.", "Put the text in quotation marks.")),
    "string_too_long": ("too-long", "is too long.", "Use at most {max_length} characters."),
    "string_too_short": ("too-short", "is too short.", "Use at least {min_length} characters."),
    "too_long": ("too-many", "has too many entries.", "Keep at most {max_length}."),
    "too_short": ("too-few", "has too few entries.", "Give at least {min_length}."),
    "string_pattern_mismatch": ("pattern", "is not written as it has to be.", "It has to match {pattern}"),
    "greater_than_equal": ("too-small", "is too small.", "Use at least {ge}."),
    "less_than_equal": ("too-large-number", "is too large.", "Use at most {le}."),
}


def _worded(detail: ErrorDetails, location: _Location, model: type[Model]) -> tuple[str, str, str]:
    kind, context = detail["type"], detail.get("ctx", {})
    name = shown(location[-1]) if location else "The file"
    if "remedy" in context:
        return kind, str(context["message"]), str(context["remedy"])
    if kind == "missing":
        return "missing", f"{name} is missing.", "Add it."
    if kind in ("extra_forbidden", "invalid_key"):
        known = sorted(_keys_at(model, location[:-1]))
        near = difflib.get_close_matches(str(location[-1])[:60] if not isinstance(location[-1], int) else "", known, 1)
        remedy = f"Did you mean {near[0]}?" if near else f"Remove it; known here: {', '.join(known)}."
        return "unknown-key", f"{name} is not a key that is known here.", remedy
    if kind == "literal_error":
        return "not-offered", f"{shown(detail['input'])} is not possible here.", f"Use {context.get('expected', '')}."
    if kind in ("too_long", "too_short") and isinstance(detail["input"], str):
        kind = f"string_{kind}"  # lengths behind a validator of ours are counted without a look at the type
    if kind in _WORDS:
        code, message, remedy = _WORDS[kind]
        bounds = {key: shown(value).strip("'") for key, value in context.items()}
        return code, f"{name} {message.format_map(bounds)}", remedy.format_map(bounds)
    # pydantic's own words for the rest hold no input text but numbers and kinds.
    return kind.replace("_", "-"), f"{name}: {detail['msg']}.", "Correct the value as the reference of the format says."


def _keys_at(model: type[Model], location: _Location) -> set[str]:
    schema = _schema(model)
    here: Any = schema
    for part in location:
        here = _follow(schema, here)
        chosen = next(iter(here.get("patternProperties", {}).values()), None)  # a name that people choose
        here = here.get("properties", {}).get(part) or chosen or here.get("items") or {}
    here = _follow(schema, here)
    return set(here.get("properties", {}))


@functools.cache
def _schema(model: type[Model]) -> dict[str, Any]:
    return model.model_json_schema()


def _follow(schema: dict[str, Any], here: Any) -> Any:
    if not isinstance(here, dict):
        return {}
    for option in here.get("anyOf", []):
        if "$ref" in option:
            here = option
    if "$ref" in here:
        here = schema["$defs"][here["$ref"].rsplit("/", 1)[1]]
    return here


def as_json(value: Model) -> dict[str, Any]:
    """Give a model as plain data, with what its file said and no defaults."""
    plain: dict[str, Any] = json.loads(value.model_dump_json(exclude_unset=True))
    return plain
