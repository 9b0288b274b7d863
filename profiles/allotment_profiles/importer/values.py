"""Parse a values file, also with anchors and merge keys, to a tree with positions. YAML bombs are refused."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from allotment_profiles.model.problems import AllotmentError

MAXIMUM_BYTES = 1024 * 1024
MAXIMUM_DEPTH = 40
MAXIMUM_VALUES = 50_000
"""Keys and list entries after aliases are expanded."""

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
    """A value with its position."""

    value: "Mapping[str, Node] | Sequence[Node] | Scalar"
    path: Path
    line: int
    column: int
    text: str = ""
    """A scalar as it is written in the file."""

    @property
    def mapping(self) -> "Mapping[str, Node]":
        """The keys and values of a mapping. Empty for other values."""
        return self.value if isinstance(self.value, Mapping) else {}

    @property
    def entries(self) -> "Sequence[Node]":
        """The entries of a list. Empty for other values."""
        return self.value if isinstance(self.value, list) else ()

    @property
    def children(self) -> "Sequence[Node]":
        """The values of a mapping, or the entries of a list."""
        return list(self.mapping.values()) if isinstance(self.value, Mapping) else self.entries

    @property
    def is_empty(self) -> bool:
        """Whether the value is null, or an empty mapping or list."""
        return self.value is None or (isinstance(self.value, Mapping | list) and not self.value)

    def at(self, *keys: str) -> "Node | None":
        """Return the node below some keys, or None."""
        node: Node | None = self
        for key in keys:
            node = node.mapping.get(key) if node else None
        return node

    @property
    def where(self) -> str:
        """The path as text: `singleuser.profileList[0].display_name`."""
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
    text = "".join(char if char.isprintable() and char != '"' else "\N{REPLACEMENT CHARACTER}" for char in key[:80])
    return f'"{text}"'


def read_values(data: bytes) -> tuple[Node, list[Node]]:
    """Parse a values file. Return its root and the duplicate keys. Raise UnreadableError."""
    if len(data) > MAXIMUM_BYTES:
        raise UnreadableError(f"The file has {len(data)} bytes; {MAXIMUM_BYTES} are read.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableError("The file is not UTF-8.") from None
    try:
        _refuse_depth(text)
        # The base loader does not convert scalars; `_scalar` does.
        root = yaml.compose(text, Loader=yaml.CBaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = f" in line {mark.line + 1}" if mark else ""
        raise UnreadableError(f"The file is not a single valid YAML document: error{position}.") from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise UnreadableError("The file is not YAML.") from None
    if not isinstance(root, yaml.MappingNode):
        raise UnreadableError("The file is not a mapping of keys to values.")
    builder = _TreeBuilder()
    return builder.node(root, ()), builder.duplicates


def _refuse_depth(text: str) -> None:
    """Check the nesting in the event stream: the composer recurses in C and would crash on a deep document."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CBaseLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAXIMUM_DEPTH:
            raise UnreadableError(f"The file is nested more than {MAXIMUM_DEPTH} deep.")


class _TreeBuilder:
    """Converts the nodes of PyYAML, and counts the values to stop YAML bombs."""

    def __init__(self) -> None:
        self.remaining = MAXIMUM_VALUES
        self.duplicates: list[Node] = []

    def node(self, raw: yaml.Node, path: Path) -> Node:
        self._count(1, path)
        line, column = raw.start_mark.line + 1, raw.start_mark.column + 1
        if isinstance(raw, yaml.MappingNode):
            pairs = self._pairs(raw, path)
            mapping = {}
            for name, (key, value) in pairs.items():
                node = self.node(value, (*path, name))
                mark = key.start_mark
                mapping[name] = Node(node.value, node.path, mark.line + 1, mark.column + 1, node.text)
            return Node(mapping, path, line, column)
        if isinstance(raw, yaml.SequenceNode):
            return Node([self.node(entry, (*path, i)) for i, entry in enumerate(raw.value)], path, line, column)
        return Node(_scalar(raw), path, line, column, raw.value)

    def _count(self, number: int, path: Path) -> None:
        self.remaining -= number
        if self.remaining < 0 or len(path) > MAXIMUM_DEPTH:
            raise UnreadableError(f"The file holds more than {MAXIMUM_VALUES} values after its aliases are expanded.")

    def _pairs(self, raw: yaml.MappingNode, path: Path, depth: int = 0) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Return the keys of a mapping with their values. Own keys override those of merge keys."""
        self._count(len(raw.value) + 1, path)
        if depth > MAXIMUM_DEPTH:
            raise UnreadableError("The file merges a mapping into itself.")
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merged: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in raw.value:
            if not isinstance(key, yaml.ScalarNode):
                own[f"(a key in line {key.start_mark.line + 1} that is not text)"] = (key, value)
            elif key.value == "<<" and not key.style:
                for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    if isinstance(source, yaml.MappingNode):
                        merged = {**self._pairs(source, path, depth + 1), **merged}
            else:
                if key.value in own and not depth:
                    mark = key.start_mark
                    self.duplicates.append(Node(None, (*path, key.value), mark.line + 1, mark.column + 1))
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
