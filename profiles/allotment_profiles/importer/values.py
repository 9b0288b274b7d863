"""The values file as a tree that knows where everything stands. The file is hostile: bombs and deep nesting end here.

Unlike our own files it may have anchors, aliases and merge keys: Helm takes them, and people use them.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from allotment_profiles.model.problems import AllotmentError

MAXIMUM_BYTES = 1024 * 1024
MAXIMUM_DEPTH = 40
MAXIMUM_VALUES = 50_000
"""Keys and entries after aliases are followed."""

Scalar = str | int | float | bool | None
Path = tuple[str | int, ...]

_TRUE = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
_FALSE = frozenset({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})", re.ASCII)
_FLOAT = re.compile(r"[-+]?([0-9]{1,18}\.[0-9]{0,18}|\.[0-9]{1,18}|[0-9]{1,18})([eE][-+]?[0-9]{1,3})?", re.ASCII)
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)


class UnreadableError(AllotmentError):
    """The values file cannot be read at all."""


@dataclass(frozen=True, slots=True)
class Node:
    """One value with its place."""

    value: "Mapping[str, Node] | Sequence[Node] | Scalar"
    path: Path
    line: int
    column: int
    text: str = ""
    """A scalar as it is written."""

    @property
    def mapping(self) -> "Mapping[str, Node]":
        """The keys, or none where it is no mapping."""
        return self.value if isinstance(self.value, Mapping) else {}

    @property
    def entries(self) -> "Sequence[Node]":
        """The entries, or none where it is no list."""
        return self.value if isinstance(self.value, list) else ()

    @property
    def children(self) -> "Sequence[Node]":
        """What lies directly below."""
        return list(self.mapping.values()) if isinstance(self.value, Mapping) else self.entries

    @property
    def says_nothing(self) -> bool:
        """Whether it is empty."""
        return self.value is None or (isinstance(self.value, Mapping | list) and not self.value)

    def at(self, *keys: str) -> "Node | None":
        """Follow keys down."""
        node: Node | None = self
        for key in keys:
            node = node.mapping.get(key) if node else None
        return node

    @property
    def where(self) -> str:
        """The path as people write it: `singleuser.profileList[0].display_name`."""
        written = ""
        for part in self.path:
            if isinstance(part, int):
                written += f"[{part}]"
            else:
                written += f"{'.' if written else ''}{_key(part)}"
        return written


def _key(key: str) -> str:
    if _PLAIN_KEY.fullmatch(key):
        return key
    shown = "".join(each if each.isprintable() and each != '"' else "\N{REPLACEMENT CHARACTER}" for each in key[:80])
    return f'"{shown}"'


def read_values(data: bytes) -> tuple[Node, list[Node]]:
    """Read a values file; give its root, and the keys that stand twice. Raises UnreadableError."""
    if len(data) > MAXIMUM_BYTES:
        raise UnreadableError(f"The file has {len(data)} bytes; {MAXIMUM_BYTES} are read.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableError("The file is not UTF-8.") from None
    try:
        _refuse_depth(text)
        # The base loader leaves every scalar as it is written: what it means is decided below.
        root = yaml.compose(text, Loader=yaml.CBaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" in line {mark.line + 1}" if mark else ""
        raise UnreadableError(f"The file is not one YAML document: something is wrong{place}.") from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise UnreadableError("The file is not YAML.") from None
    if not isinstance(root, yaml.MappingNode):
        raise UnreadableError("The file is not a mapping of keys to values.")
    reader = _Reader()
    return reader.node(root, ()), reader.twice


def _refuse_depth(text: str) -> None:
    """Look at the event stream first: the composer recurses in C and would crash on a deep document."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CBaseLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAXIMUM_DEPTH:
            raise UnreadableError(f"The file is nested more than {MAXIMUM_DEPTH} deep.")


class _Reader:
    def __init__(self) -> None:
        self.left = MAXIMUM_VALUES
        self.twice: list[Node] = []

    def node(self, raw: yaml.Node, path: Path) -> Node:
        self._spend(1, path)
        line, column = raw.start_mark.line + 1, raw.start_mark.column + 1
        if isinstance(raw, yaml.MappingNode):
            pairs = self._pairs(raw, path)
            below = {}
            for name, (key, each) in pairs.items():
                found = self.node(each, (*path, name))
                mark = key.start_mark
                below[name] = Node(found.value, found.path, mark.line + 1, mark.column + 1, found.text)
            return Node(below, path, line, column)
        if isinstance(raw, yaml.SequenceNode):
            return Node([self.node(each, (*path, i)) for i, each in enumerate(raw.value)], path, line, column)
        return Node(_scalar(raw), path, line, column, raw.value)

    def _spend(self, number: int, path: Path) -> None:
        self.left -= number
        if self.left < 0 or len(path) > MAXIMUM_DEPTH:
            raise UnreadableError(f"The file holds more than {MAXIMUM_VALUES} values once its aliases are followed.")

    def _pairs(self, raw: yaml.MappingNode, path: Path, depth: int = 0) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Give the keys with their values; own ones go before those that are merged in."""
        self._spend(len(raw.value) + 1, path)
        if depth > MAXIMUM_DEPTH:
            raise UnreadableError("The file merges mappings into themselves.")
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merged: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in raw.value:
            if not isinstance(key, yaml.ScalarNode):
                own[f"(a key in line {key.start_mark.line + 1} that is not text)"] = (key, value)
            elif key.value == "<<" and not key.style:
                for each in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    if isinstance(each, yaml.MappingNode):
                        merged = {**self._pairs(each, path, depth + 1), **merged}
            else:
                if key.value in own and not depth:
                    mark = key.start_mark
                    self.twice.append(Node(None, (*path, key.value), mark.line + 1, mark.column + 1))
                own[key.value] = (key, value)
        return {**merged, **own}


def _scalar(raw: yaml.Node) -> Scalar:
    text: str = raw.value
    quoted = bool(getattr(raw, "style", None))
    if quoted or text in _NULL:
        return text if quoted else None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text
