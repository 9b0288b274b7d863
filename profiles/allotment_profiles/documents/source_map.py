"""The line and column of each key and value of a YAML document."""

import re

import yaml

Location = tuple[int | str, ...]
Position = tuple[int, int]
"""Line and column, from 1."""

_LONG_NUMBER = re.compile(r"[-+]?[0-9]{19,}", re.ASCII)


class SourceMap:
    """The positions in a document whose nesting has been checked: the composer recurses. Composing is slow."""

    def __init__(self, data: bytes) -> None:
        self.duplicate_key: tuple[str, Position] | None = None
        self.complex_key: Position | None = None
        self.long_number: Position | None = None
        self._positions: dict[Location, Position] = {}
        try:
            # The base loader does not convert scalars; only their positions are needed.
            root = yaml.compose(data.decode("utf-8"), Loader=yaml.CBaseLoader)
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
            return
        if root is not None:
            self._add(root, ())

    def _add(self, node: yaml.Node, location: Location) -> None:
        self._positions.setdefault(location, position(node.start_mark))
        if isinstance(node, yaml.MappingNode):
            self._add_mapping(node, location)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._add(value, (*location, index))
        elif isinstance(node, yaml.ScalarNode) and not node.style and _LONG_NUMBER.fullmatch(node.value):
            self.long_number = self.long_number or position(node.start_mark)

    def _add_mapping(self, node: yaml.MappingNode, location: Location) -> None:
        names = set()
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if not isinstance(key, yaml.ScalarNode):
                self.complex_key = self.complex_key or position(key.start_mark)
            if name in names and self.duplicate_key is None:
                self.duplicate_key = (name, position(key.start_mark))
            names.add(name)
            # Report a problem with a mapping or a list at its key.
            self._positions[(*location, name)] = position(key.start_mark)
            self._add(value, (*location, name))

    def of(self, location: Location) -> Position | tuple[None, None]:
        """Return the position of a location, or of its nearest parent that is in the file."""
        for end in range(len(location), -1, -1):
            if location[:end] in self._positions:
                return self._positions[location[:end]]
        return (None, None)

    def of_field(self, field: str) -> Position | tuple[None, None]:
        """Return the position of a dotted field."""
        parts = field.split(".") if field else []
        return self.of(tuple(int(part) if part.isdecimal() and len(part) < 6 else part for part in parts))


def position(mark: yaml.Mark) -> Position:
    """Return the line and column of a mark, from 1."""
    return (mark.line + 1, mark.column + 1)
