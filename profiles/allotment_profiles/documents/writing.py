"""From data to a file: YAML as people would write it, the same text for the same data."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from allotment_profiles.model import MODELS
from allotment_profiles.model.paths import Kind

_INLINE = {"cpu", "memory", "lifetime", "image_source", "members", "leads", "volume", "secret"}
_WIDTH = 110


class _Inline(dict[str, Any]):
    """A mapping that is written on one line."""


class _InlineList(list[Any]):
    """A list that is written on one line."""


# Numbers of YAML 1.2 that YAML 1.1 reads as text, so that PyYAML would not quote them.
_NUMBER = re.compile(r"[-+]?(0o[0-7]+|0x[0-9a-fA-F]+|(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?)")


class _Dumper(yaml.SafeDumper):
    # Dates stay plain: in YAML 1.2 they are text.
    yaml_implicit_resolvers = {  # noqa: RUF012  (PyYAML's own form)
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = "|" if "\n" in value else "'" if _NUMBER.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(
    _Inline, lambda dumper, value: dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=True)
)
_Dumper.add_representer(
    _InlineList, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
)


def _styled(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        inner = {name: _styled(each, str(name)) for name, each in value.items()}
        flat = all(not isinstance(each, dict) for each in inner.values())
        return _Inline(inner) if flat and (key in _INLINE or len(inner) <= 1) and inner else inner
    if isinstance(value, list):
        short = sum(len(str(each)) for each in value) < 60
        return _InlineList(value) if short else value
    return value


def write(kind: Kind, value: Mapping[str, Any]) -> bytes:
    """Write plain data as a file of its kind: keys in the model's order, unknown ones at the end."""
    order = {name: index for index, name in enumerate(MODELS[kind].model_fields)}
    keys = sorted(value, key=lambda key: order.get(key, len(order)))
    ordered = {key: _styled(value[key], key) for key in keys}
    return yaml.dump(ordered, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH).encode()
