"""Change the data of a file and keep its comments, order and layout where possible. Pure.

Each change replaces only the text of its own value. The result is parsed again. If its data differs from the wanted
data, the whole file is written without the old layout.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

from allotment_profiles.documents.parsing import parse_yaml
from allotment_profiles.documents.writing import write
from allotment_profiles.model import MODELS
from allotment_profiles.model.paths import Kind


def rewrite(kind: Kind, source: bytes, wanted: Mapping[str, Any]) -> bytes:
    """Return a file with the wanted data, as close to its source as possible. An empty source is a new file."""
    try:
        current = parse_yaml(source)  # first: PyYAML's composer crashes on input that this refuses
        edited = _Editor(kind, source).apply(current, wanted)
        if parse_yaml(edited) == dict(wanted):
            return edited
    except (ValueError, yaml.YAMLError, RecursionError):
        pass
    return write(kind, wanted)


class _Edit(NamedTuple):
    start: int
    end: int
    text: str


class _NotInPlaceError(Exception):
    """The change is not a change of single values, so the whole key has to be written."""


class _Editor:
    def __init__(self, kind: Kind, source: bytes) -> None:
        self._kind = kind
        self._text = source.decode()
        if not self._text.endswith("\n"):
            self._text += "\n"
        root = yaml.compose(self._text, Loader=yaml.CSafeLoader)
        if not isinstance(root, yaml.MappingNode) or root.flow_style:
            raise ValueError("not a block mapping")
        self._root = root
        self._edits: list[_Edit] = []

    def apply(self, current: Mapping[str, Any], wanted: Mapping[str, Any]) -> bytes:
        """Return the text with the wanted data instead of the current."""
        for key, value in self._root.value:
            name = key.value
            if name not in wanted:
                self._edits.append(_Edit(key.start_mark.index, self._end_of_line(value), ""))
            elif current[name] != wanted[name]:
                self._change_key(key, value, current[name], wanted[name])
        self._add_keys(wanted)
        text = self._text
        # Apply the last edit first, so that the positions of the others stay valid.
        for _, edit in sorted(enumerate(self._edits), key=lambda item: (*item[1][:2], item[0]), reverse=True):
            text = text[: edit.start] + edit.text + text[edit.end :]
        return text.encode()

    def _change_key(self, key: yaml.Node, value: yaml.Node, current: Any, wanted: Any) -> None:
        before = len(self._edits)
        try:
            self._change(value, current, wanted)
        except _NotInPlaceError:
            del self._edits[before:]
            new = self._written({key.value: wanted})
            self._edits.append(_Edit(key.start_mark.index, self._end_of_line(value), new))

    def _add_keys(self, wanted: Mapping[str, Any]) -> None:
        """Add each new key after the keys that come before it in the model."""
        model_order = {name: index for index, name in enumerate(MODELS[self._kind].model_fields)}
        nodes = {key.value: value for key, value in self._root.value}
        order = {name: model_order.get(name, len(model_order)) for name in (*nodes, *wanted)}
        for name in sorted((name for name in wanted if name not in nodes), key=order.__getitem__):
            before = [node for other, node in nodes.items() if order[other] < order[name] and other in wanted]
            place = max(map(self._end_of_line, before), default=self._root.start_mark.index)
            self._edits.append(_Edit(place, place, self._written({name: wanted[name]})))

    def _change(self, node: yaml.Node, current: Any, wanted: Any) -> None:
        """Change the single values inside a value."""
        if isinstance(node, yaml.MappingNode) and isinstance(wanted, Mapping) and isinstance(current, Mapping):
            self._change_mapping(node, current, wanted)
        elif isinstance(node, yaml.SequenceNode) and isinstance(wanted, list) and (node.flow_style or not wanted):
            self._replace(node, _inline(wanted))
        elif isinstance(node, yaml.ScalarNode) and _fits_on_line(node, wanted):
            line = self._written({"x": wanted}).removeprefix("x: ").removesuffix("\n")
            self._replace(node, line if "\n" not in line else _inline(wanted))
        else:
            raise _NotInPlaceError

    def _change_mapping(self, node: yaml.MappingNode, current: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        if not node.value or any(key not in wanted for key in current):
            raise _NotInPlaceError
        for key, value in node.value:
            if current[key.value] != wanted[key.value]:
                self._change(value, current[key.value], wanted[key.value])
        added = {key: _inline(value) for key, value in wanted.items() if key not in current}
        if not added:
            return
        if node.flow_style:
            place = _last_part(node.value[-1][1]).end_mark.index
            text = "".join(f", {key}: {value}" for key, value in added.items())
        else:
            place = self._end_of_line(node)
            indent = " " * node.value[0][0].start_mark.column
            text = "".join(f"{indent}{key}: {value}\n" for key, value in added.items())
        self._edits.append(_Edit(place, place, text))

    def _replace(self, node: yaml.Node, text: str) -> None:
        self._edits.append(_Edit(node.start_mark.index, node.end_mark.index, text))

    def _written(self, value: Mapping[str, Any]) -> str:
        return write(self._kind, value).decode()

    def _end_of_line(self, node: yaml.Node) -> int:
        """Return the index after the last line of a node. A comment on that line belongs to the node."""
        end = int(_last_part(node).end_mark.index)
        return end if self._text[:end].endswith("\n") else self._text.index("\n", end) + 1


def _fits_on_line(node: yaml.ScalarNode, wanted: Any) -> bool:
    """Whether the old and the new value of a scalar are each on one line."""
    is_block = node.style in ("|", ">") or node.start_mark.line != node.end_mark.line
    return not is_block and not isinstance(wanted, Mapping | list) and "\n" not in str(wanted)


def _last_part(node: yaml.Node) -> yaml.Node:
    """Return the innermost last value of a block. PyYAML puts the end of a block after the comments that follow it."""
    if getattr(node, "flow_style", None) is False and node.value:
        last = node.value[-1]
        return _last_part(last[1] if isinstance(node, yaml.MappingNode) else last)
    return node


def _inline(value: Any) -> str:
    """Write a value on one line, as it may be inside braces."""
    # The writer puts `lifetime` on one line; its key is removed again.
    written = write("profile", {"lifetime": value if isinstance(value, Mapping) else {"x": value}}).decode()
    line = " ".join(written.removeprefix("lifetime: ").split("\n")).strip()
    return line if isinstance(value, Mapping) else line[1:-1].partition(": ")[2]
