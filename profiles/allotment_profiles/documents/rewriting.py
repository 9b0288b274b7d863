"""Changing a file's data without touching what people wrote around it: comments, order and layout stay. Pure.

Each change is made in the text at the place of its value. What comes out is read again, and where it does not say
exactly what was wanted, the file is written anew: layout is worth keeping, never worth a wrong file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from allotment_profiles.documents.reading import document
from allotment_profiles.documents.writing import write
from allotment_profiles.model import MODELS
from allotment_profiles.model.paths import Kind


@dataclass(frozen=True, slots=True)
class _Edit:
    """One stretch of the text and what comes in its place."""

    start: int
    end: int
    text: str


class _UnplaceableError(Exception):
    """The change has no single place; the whole key is written anew."""


def rewrite(kind: Kind, source: bytes, wanted: Mapping[str, Any]) -> bytes:
    """Give the file that says what is wanted, as close to its source as possible; an empty source is a new file."""
    try:
        said = document(source)
        edited = _edited(kind, source.decode(), said, wanted)
        if document(edited) == dict(wanted):
            return edited
    except (ValueError, yaml.YAMLError, RecursionError):
        pass
    return write(kind, wanted)


def _edited(kind: Kind, source: str, said: Mapping[str, Any], wanted: Mapping[str, Any]) -> bytes:
    text = source if source.endswith("\n") else source + "\n"
    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise ValueError("not a block mapping")
    nodes = {key.value: (key, value) for key, value in root.value}
    edits: list[_Edit] = []
    for name, (key, value) in nodes.items():
        if name not in wanted:
            edits.append(_Edit(key.start_mark.index, _end_of_lines(text, value), ""))
        elif said[name] != wanted[name]:
            try:
                edits += list(_inside(kind, text, value, said[name], wanted[name]))
            except _UnplaceableError:
                new = write(kind, {name: wanted[name]}).decode()
                edits.append(_Edit(key.start_mark.index, _end_of_lines(text, value), new))
    order = list(MODELS[kind].model_fields)
    for name in sorted((name for name in wanted if name not in nodes), key=_position(order)):
        before = [each for each in nodes if _position(order)(each) < _position(order)(name) and each in wanted]
        place = max((_end_of_lines(text, nodes[each][1]) for each in before), default=root.start_mark.index)
        edits.append(_Edit(place, place, write(kind, {name: wanted[name]}).decode()))
    # From the end, so that places stay right; of two at one place the later comes first.
    for _, edit in sorted(enumerate(edits), key=lambda each: (each[1].start, each[1].end, each[0]), reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text.encode()


def _position(order: list[str]) -> Any:
    return lambda name: order.index(name) if name in order else len(order)


def _inside(kind: Kind, text: str, node: yaml.Node, said: Any, wanted: Any) -> Iterator[_Edit]:
    """Change single values inside a value."""
    if isinstance(node, yaml.MappingNode) and isinstance(wanted, Mapping) and isinstance(said, Mapping):
        if not node.value or any(key not in wanted for key in said):
            raise _UnplaceableError
        for key, value in node.value:
            if said[key.value] != wanted[key.value]:
                yield from _inside(kind, text, value, said[key.value], wanted[key.value])
        added = {key: value for key, value in wanted.items() if key not in said}
        if added:
            yield _addition(text, node, added)
        return
    if isinstance(node, yaml.SequenceNode) and isinstance(wanted, list) and (node.flow_style or not wanted):
        yield _Edit(node.start_mark.index, node.end_mark.index, _inline(wanted))
        return
    if not isinstance(node, yaml.ScalarNode) or node.style in ("|", ">") or isinstance(wanted, Mapping | list):
        raise _UnplaceableError
    if "\n" in str(wanted) or node.start_mark.line != node.end_mark.line:
        raise _UnplaceableError
    line = write(kind, {"x": wanted}).decode().removeprefix("x: ").removesuffix("\n")
    yield _Edit(node.start_mark.index, node.end_mark.index, line if "\n" not in line else _inline(wanted))


def _addition(text: str, node: yaml.MappingNode, added: Mapping[str, Any]) -> _Edit:
    """Add keys after the last one, in the mapping's own style."""
    if node.flow_style:
        place = _last(node.value[-1][1]).end_mark.index
        return _Edit(place, place, "".join(f", {key}: {_inline(value)}" for key, value in added.items()))
    indent = " " * int(node.value[0][0].start_mark.column)
    place = _end_of_lines(text, node)
    return _Edit(place, place, "".join(f"{indent}{key}: {_inline(value)}\n" for key, value in added.items()))


def _last(node: yaml.Node) -> yaml.Node:
    """Give the part of a node that ends last: a block's own end lies after the comments that follow it."""
    if getattr(node, "flow_style", None) is False and node.value:
        last = node.value[-1]
        return _last(last[1] if isinstance(node, yaml.MappingNode) else last)
    return node


def _end_of_lines(text: str, node: yaml.Node) -> int:
    """Give the place after the line on which a node ends; a comment behind it belongs to it."""
    end = int(_last(node).end_mark.index)
    if end and text[end - 1] == "\n":
        return end
    found = text.find("\n", end)
    return len(text) if found < 0 else found + 1


def _inline(value: Any) -> str:
    """Write a value on one line, as it may stand between braces."""
    # The key is one that is always written on one line; only its value is taken.
    written = write("profile", {"lifetime": value if isinstance(value, Mapping) else {"x": value}}).decode()
    line = " ".join(written.removeprefix("lifetime: ").split("\n")).strip()
    return line if isinstance(value, Mapping) else line[1:-1].partition(": ")[2]
