"""Write plain data as YAML, in the style of a person. Equal data gives equal text."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from allotment_profiles.model import MODELS
from allotment_profiles.model.paths import Kind

_WRITTEN_ON_ONE_LINE = {"cpu", "memory", "lifetime", "image_source", "members", "leads", "volume", "secret"}
_WIDTH = 110


class _Inline(dict[str, Any]):
    """A mapping to write on one line."""


class _InlineList(list[Any]):
    """A list to write on one line."""


# Numbers of YAML 1.2 that are text in YAML 1.1. PyYAML would not quote them.
_NUMBER = re.compile(r"[-+]?(0o[0-7]+|0x[0-9a-fA-F]+|(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?)")


class _Dumper(yaml.SafeDumper):
    # Do not quote dates: they are text in YAML 1.2.
    yaml_implicit_resolvers = {  # noqa: RUF012  (the form that PyYAML expects)
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
    """Mark the mappings and lists to write on one line."""
    if isinstance(value, Mapping):
        inner = {name: _styled(item, str(name)) for name, item in value.items()}
        flat = all(not isinstance(item, dict) for item in inner.values())
        return _Inline(inner) if flat and (key in _WRITTEN_ON_ONE_LINE or len(inner) <= 1) and inner else inner
    if isinstance(value, list):
        short = sum(len(str(item)) for item in value) < 60
        return _InlineList(value) if short else value
    return value


def write(kind: Kind, value: Mapping[str, Any]) -> bytes:
    """Write plain data as a file of its kind. Keys are in the order of the model, unknown ones last."""
    order = {name: index for index, name in enumerate(MODELS[kind].model_fields)}
    keys = sorted(value, key=lambda key: order.get(key, len(order)))
    ordered = {key: _styled(value[key], key) for key in keys}
    return yaml.dump(ordered, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH).encode()
