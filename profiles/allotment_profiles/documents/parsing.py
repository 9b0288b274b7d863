"""Parse the bytes of a file to plain data. YAML bombs and other hostile input are refused here.

The bytes are checked first: size, encoding, characters, and whether they may contain an anchor, an alias, a tag, a
second document or deep nesting. Then a fast parser reads them. The slower event stream of PyYAML runs only for a file
that may contain one of these, or to find the line of a mistake.
"""

import re
from collections.abc import Iterator
from typing import Any

import ryaml
import yaml

from allotment_profiles.documents import characters
from allotment_profiles.documents.source_map import SourceMap, position
from allotment_profiles.model.limits import MAXIMUM_BYTES, MAXIMUM_DEPTH, MAXIMUM_VALUES
from allotment_profiles.model.problems import Problem, quoted
from allotment_profiles.model.values.texts import harmful_character

_COMPLEX_KEY = re.compile(rb"^[ \t]*\?", re.MULTILINE)
_INDENTED = b"\n" + b" " * (MAXIMUM_DEPTH // 2 - 2)


class DocumentError(ValueError):
    """The bytes are not a document that can be read."""

    def __init__(
        self, code: str, message: str, remedy: str, line: int | None = None, column: int | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.remedy, self.line, self.column = code, message, remedy, line, column

    def as_problem(self, path: str) -> Problem:
        """Return the problem to report for a file."""
        return Problem(path, self.code, self.message, self.remedy, line=self.line, column=self.column)


def too_large(size: int) -> DocumentError:
    """Return the error for a file of too many bytes."""
    return DocumentError("too-large", f"The file has {size} bytes; {MAXIMUM_BYTES} are allowed.", "Make it smaller.")


def parse_yaml(data: bytes) -> dict[str, Any]:
    """Return the mapping that a file contains. Raise DocumentError."""
    text = _decode(data)
    if _needs_event_check(data):
        _check_events(text)
    try:
        document = ryaml.loads(text)
    except ValueError as error:
        raise _syntax_error(text, str(error)) from error
    if document is None:
        raise DocumentError("empty", "The file is empty.", "Write the file, or delete it.", 1)
    if not isinstance(document, dict):
        raise DocumentError(
            "not-a-mapping", "The file is not a mapping of keys to values.", "Write `key: value` on each line.", 1
        )
    if _may_nest_deeply(data) and _depth(document) > MAXIMUM_DEPTH:
        _check_events(text)  # names the place
    if len(data) > 2 * MAXIMUM_VALUES and _count(document) > MAXIMUM_VALUES:
        message = f"The file has more than {MAXIMUM_VALUES} keys and entries."
        raise DocumentError("values-many", message, "Make it smaller, or split it.", 1)
    return document


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0) if isinstance(value, dict | list) else 0


def _count(value: Any) -> int:
    """Count the keys and entries of a document. Its nesting has been checked."""
    if isinstance(value, dict):
        return len(value) + sum(map(_count, value.values()))
    return len(value) + sum(map(_count, value)) if isinstance(value, list) else 0


def _decode(data: bytes) -> str:
    if len(data) > MAXIMUM_BYTES:
        raise too_large(len(data))
    if characters.is_utf_16(data):
        raise DocumentError("encoding", "The file is UTF-16, not UTF-8.", characters.SAVE_AS_UTF_8, 1)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DocumentError("encoding", "The file is not UTF-8.", characters.SAVE_AS_UTF_8, line) from error
    if not text.isascii() or not text.replace("\r\n", "").replace("\n", "").replace("\t", "").isprintable():
        for number, line_text in enumerate(text.split("\n"), 1):
            harmful = harmful_character(line_text.removesuffix("\r"), allowed="\t")
            if harmful:
                column = next(i for i, character in enumerate(line_text, 1) if f"U+{ord(character):04X}" == harmful)
                wrong = characters.harmful(harmful, is_first=number == column == 1)
                raise DocumentError("character", *wrong, number, column)
    return text


def _needs_event_check(data: bytes) -> bool:
    """Whether the bytes may contain something that the fast parser accepts and `_check_events` refuses.

    Deep nesting in block style is left to the caller: the fast parser refuses it far beyond MAXIMUM_DEPTH.

    Searching for fixed bytes is many times faster than one regular expression. A document with at most MAXIMUM_DEPTH
    opening brackets cannot nest too deeply in flow style. Closing brackets prove nothing, as they may be inside quotes.
    """
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


def _may_nest_deeply(data: bytes) -> bool:
    """Whether block style may nest deeply. Two levels can take a single column, and a hyphen takes two of them."""
    return _INDENTED in data or b"- -" in data or b"-  " in data


def _check_events(text: str) -> None:
    """Refuse anchors, aliases, tags, merge keys, directives, a second document and deep nesting."""
    documents = depth = 0
    for event in _events(text):
        place = position(event.start_mark)
        if isinstance(event, yaml.NodeEvent):
            _check_node(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise DocumentError("documents", "The file holds several documents.", "Keep one per file.", *place)
            if event.version or event.tags:
                raise DocumentError("directive", "YAML directives (%) are not allowed.", "Remove the line.", *place)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAXIMUM_DEPTH:
            remedy = "Write it flat, as in the examples."
            raise DocumentError("nesting", "The file is nested too deeply.", remedy, *place)


def _check_node(event: Any) -> None:
    remedy, place = "Write the value itself.", position(event.start_mark)
    if isinstance(event, yaml.AliasEvent):
        raise DocumentError("alias", "Aliases (*name) are not allowed.", remedy, *place)
    if event.anchor is not None:
        raise DocumentError("anchor", "Anchors (&name) are not allowed.", remedy, *place)
    if getattr(event, "tag", None) is not None:
        raise DocumentError("tag", "Tags (!name) are not allowed.", remedy, *place)
    if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and not event.style:
        raise DocumentError("merge-key", "Merge keys (<<) are not allowed.", remedy, *place)


def _events(text: str) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(filter(None, (error.context, error.problem)))
        raise DocumentError(
            "syntax",
            f"This is not YAML: {quoted(reason)}.",
            "Check this line and the one above it: indentation, colons, quotation marks.",
            *(position(mark) if mark else ()),
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise DocumentError("syntax", "This is not YAML.", "Check indentation and quotation marks.") from error


def _syntax_error(text: str, message: str) -> DocumentError:
    """Return the error for a document that the fast parser has refused, with its line."""
    try:
        # This also checks the nesting: composing a deep document would crash.
        _check_events(text)
    except DocumentError as error:
        return error
    source_map = SourceMap(text.encode())
    if source_map.duplicate_key:
        key, place = source_map.duplicate_key
        return DocumentError("duplicate-key", f"The key {quoted(key)} occurs twice.", "Keep one of them.", *place)
    if source_map.complex_key:
        return DocumentError("key", "A key is not text.", "Write a word before the colon.", *source_map.complex_key)
    if source_map.long_number:
        message, remedy = "A number has too many digits.", "Write a shorter one, or put it in quotation marks."
        return DocumentError("number", message, remedy, *source_map.long_number)
    match = re.search(r"line (\d+) column (\d+)", message)
    line_column = map(int, match.groups()) if match else (1,)
    return DocumentError("syntax", f"This is not YAML: {quoted(message)}.", "Check this line.", *line_column)
