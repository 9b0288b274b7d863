"""The form for a profile: its fields, made from the JSON Schema, and how they map to the data of a file. Pure.

What it has no field for is kept from the file that it started from. The fields for options are made in `options`.
"""

import copy
import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import BUILT_IN_APPS
from allotment_profiles.review.labels import label_of

FieldKind = Literal["line", "lines", "number", "date", "choice", "list", "variables"]
_LONG = 300
_SECTIONS = {
    "Description": ("title", "description", "purpose"),
    "Program": ("app", "image"),
    "Size": ("resources", "node_pool"),
    "Time": ("lifetime", "review_by"),
    "Files": ("storage", "checkout"),
    "Access": ("only", "maintainers", "visibility"),
    "Variables": ("environment",),
    "Retirement": ("successor", "retired_from"),
    "Image source": ("image_source",),
}
MORE = ("Files", "Variables", "Access", "Retirement", "Image source", "More")
"""The sections that are collapsed: most profiles need none of them."""
_WITH_COMMAS = ("only", "maintainers.groups")
"""Lists whose items may contain commas, as the names of groups in a directory do: one to a line."""
_VARIABLES = "environment"
_LABELS = {
    "app": "Program",
    "lifetime.total": "Longest time of a session",
    "review_by": "Review by",
    "resources.gpu_kind": "Kind of GPU",
    "node_pool": "Nodes",
    "storage.home": "Size of the home folder",
    "storage.team": "The folder that the team shares",
    "checkout.repository": "Code to check out: the repository",
    "checkout.ref": "Branch, tag or commit",
    "checkout.folder": "Folder for the code",
    "only": "Only for",
    "maintainers.groups": "Groups that look after it",
    "maintainers.users": "People who look after it",
    "environment": "Environment variables",
    "visibility": "Visibility",
    "successor": "What takes its place",
    "retired_from": "No longer starts from",
}
# Used instead of the schema's descriptions, which are written for people who edit files.
_HELP = {
    "title": "What people read on the start page.",
    "app": "What opens when a session starts.",
    "description": "One line below the title. May be empty.",
    "purpose": "What the work is for: the reason why this profile exists.",
    "review_by": "After this day it is not offered any more, unless somebody has reviewed it and moved the day.",
    "resources.gpu": "Whole GPUs. Empty for none.",
    "resources.gpu_kind": "Needed where there are GPUs of several kinds.",
    "node_pool": "Empty: any node.",
    "storage.home": "Empty: what the platform gives.",
    "storage.team": "Empty: the session does not see it.",
    "checkout.repository": "Cloned into the home folder when a session starts. Existing files are not changed.",
    "checkout.ref": "Empty: the repository's own default.",
    "only": "Empty: the whole team.",
    "maintainers.groups": "One to a line, by their full names.",
    "maintainers.users": "One to a line. They see it while it is hidden, and may change what the policy allows them.",
    "environment": "One to a line: NAME=value. Nothing secret: everybody in a session can read them.",
    "visibility": "Empty: active.",
    "successor": "Another profile, TEAM/NAME. Its users are sent there.",
    "retired_from": "From this day nobody starts it; empty: it has no end.",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form."""

    name: str
    """The path of its key in the file, with dots."""
    label: str
    help: str
    kind: FieldKind
    required: bool
    section: str
    choices: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    example: str = ""
    maximum_length: int | None = None


@dataclass(frozen=True)
class ProfileForm:
    """The form as one user gets it."""

    fields: tuple[Field, ...]
    teams: Mapping[str, Mapping[str, Any]]
    """The teams that the user may propose for, with the bounds of each as `form_schema` describes them."""


def form_of(described: Mapping[str, Any]) -> ProfileForm:
    """Make the form from what `form_schema` returns for a user."""
    return ProfileForm(fields_of(described["schema"]), described["teams"])


def fields_of(schema: Mapping[str, Any]) -> tuple[Field, ...]:
    """Make the fields from a profile's JSON Schema, in its order, without free mappings and data roles."""
    return tuple(_fields(schema, schema, "", required=True))


def _fields(schema: Mapping[str, Any], part: Mapping[str, Any], prefix: str, *, required: bool) -> Iterator[Field]:
    for key, described in part.get("properties", {}).items():
        name = f"{prefix}{key}"
        must = required and key in part.get("required", ())
        here = _resolved(schema, described)
        if "properties" in here:
            yield from _fields(schema, here, f"{name}.", required=must)
        elif name == _VARIABLES:
            yield dataclasses.replace(_field(name, {}, required=False), kind="variables")
        elif here.get("type") in ("string", "number", "integer") or "enum" in here or _is_list(name, here):
            annotations = {key: value for key, value in described.items() if key not in ("anyOf", "$ref")}
            yield _field(name, {**here, **annotations}, required=must)


def _is_list(name: str, here: Mapping[str, Any]) -> bool:
    # Data roles have a section of their own.
    return here.get("type") == "array" and here["items"].get("type") == "string" and name != "data_roles"


def _resolved(schema: Mapping[str, Any], described: Mapping[str, Any]) -> Mapping[str, Any]:
    here = next((option for option in described.get("anyOf", ()) if option.get("type") != "null"), described)
    reference = here.get("$ref")
    resolved: Mapping[str, Any] = schema["$defs"][reference.rsplit("/", 1)[1]] if reference else here
    return resolved


def _field(name: str, here: Mapping[str, Any], *, required: bool) -> Field:
    length = here.get("maxLength")
    kind: FieldKind = "line"
    if here.get("type") == "array":
        kind = "list"
    elif "enum" in here:
        kind = "choice"
    elif here.get("format") == "date":
        kind = "date"
    elif here.get("type") in ("number", "integer"):
        kind = "number"
    elif length and length > _LONG and "image" not in name:
        kind = "lines"
    label = _LABELS.get(name) or label_of(name)
    examples = tuple(str(value) for value in here.get("examples", ()))
    return Field(
        name=name,
        label=label[:1].upper() + label[1:],
        help=_HELP.get(name) or str(here.get("description", "")),
        kind=kind,
        required=required,
        section=next((section for section, keys in _SECTIONS.items() if name.partition(".")[0] in keys), "More"),
        choices=tuple(str(value) for value in here.get("enum", ())),
        suggestions=examples if name == "image" else (),
        example=examples[0] if examples else "",
        maximum_length=length,
    )


def values_of(document: Mapping[str, Any], fields: Iterable[Field]) -> dict[str, str]:
    """Return the text of each field for a file's data; empty where the value does not fit the field."""
    return {field.name: _text(_value(document, field.name), field) for field in fields}


def roles_of(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the data roles that a file's data names."""
    roles = document.get("data_roles")
    return tuple(role for role in roles if isinstance(role, str)) if isinstance(roles, list) else ()


def document_of(
    values: Mapping[str, str], roles: Sequence[str], source: Mapping[str, Any], fields: Iterable[Field]
) -> dict[str, Any]:
    """Return the file's data: the data that the form started from, with what was typed.

    An empty field is left out of the file. Text in a field for numbers is kept, so that validation reports it.
    """
    document = copy.deepcopy(dict(source))
    for field in fields:
        text = values.get(field.name, "")
        text = text.strip() if field.kind not in ("lines", "variables") else text.strip("\n").rstrip()
        before = _text(_value(source, field.name), field)
        if items_of(text, field) != items_of(before, field) if field.kind == "list" else text.strip() != before.strip():
            _set(document, field.name.split("."), _parsed(text, field) if text else None)
    old_roles = roles_of(source)
    if tuple(roles) != old_roles and set(roles) != set(old_roles):
        kept = [role for role in old_roles if role in roles]
        _set(document, ["data_roles"], [*kept, *(role for role in roles if role not in kept)] or None)
    return document


def keys_without_field(document: Mapping[str, Any], fields: Iterable[Field]) -> list[str]:
    """Return the keys of a file's data that the form has no field for, as words."""
    known = {field.name.partition(".")[0] for field in fields} | {"data_roles", "accepted"}
    return [key.replace("_", " ") for key, value in document.items() if key not in known and value]


def items_of(text: str, field: Field) -> list[str]:
    """Split a list as somebody typed it: one item to a line, or with commas between them if none has one itself."""
    lines = text if field.name in _WITH_COMMAS else text.replace(",", "\n")
    return list(dict.fromkeys(filter(None, (item.strip() for item in lines.split("\n")))))


def _parsed(text: str, field: Field) -> Any:
    if field.kind == "list":
        return items_of(text, field) or None
    if field.kind == "variables":
        return dict(map(_variable, filter(str.strip, text.splitlines())))
    return number_of(text) if field.kind == "number" else text


def number_of(text: str) -> int | float | str:
    """Return the number that a text is; another text as it is, so that validation reports it."""
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return text


def _variable(line: str) -> tuple[str, str | None]:
    """Split `NAME=value`. Without a value there is None, which validation reports."""
    name, equals, value = line.strip().partition("=")
    try:
        quoted = json.loads(value) if value.startswith('"') else value
    except ValueError:
        quoted = value
    return name.rstrip(), (quoted if isinstance(quoted, str) else value) if equals else None


def _line(name: str, value: Any) -> str:
    """Format a variable in one line. What would not be read as it is stands in quotation marks."""
    text = str(value)
    plain = text == text.strip() and not text.startswith('"') and len(text.splitlines()) < 2
    return f"{name}={text if plain else json.dumps(text)}"


def _value(document: Mapping[str, Any], name: str) -> Any:
    here: Any = document
    for part in name.split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    return here


def _text(value: Any, field: Field) -> str:
    if isinstance(value, list):
        return "\n".join(str(item) for item in value)
    if isinstance(value, dict) and field.kind == "variables":
        return "\n".join(_line(name, each) for name, each in value.items())
    return "" if value is None or isinstance(value, dict) else str(value)


def _set(document: dict[str, Any], keys: list[str], value: Any) -> None:
    """Set a value, and create the mappings around it. None removes the value, and mappings that become empty."""
    key, *rest = keys
    if not rest:
        if value is None:
            document.pop(key, None)
        else:
            document[key] = value
        return
    inner = document.get(key)
    inner = dict(inner) if isinstance(inner, dict) else {}
    _set(inner, rest, value)
    if inner:
        document[key] = inner
    else:
        document.pop(key, None)


def sections_of(
    fields: Iterable[Field], values: Mapping[str, str], bounds: Mapping[str, Any] | None
) -> dict[str, list[Field]]:
    """Return the fields by section, with the choices of one team. Empty fields that it cannot use are left out."""
    own: dict[str, Sequence[str]] = {}
    if bounds:
        own = {"resources.gpu_kind": bounds["gpu_kinds"], "node_pool": bounds["node_pools"], "only": bounds["groups"]}
    sections: dict[str, list[Field]] = {}
    for field in fields:
        here = dataclasses.replace(field, choices=tuple(own[field.name])) if field.name in own else field
        useless = not here.choices if here.kind == "choice" else not _possible(here.name, bounds)
        if not useless or values.get(field.name, "").strip():
            sections.setdefault(here.section, []).append(here)
    return sections


def _possible(name: str, bounds: Mapping[str, Any] | None) -> bool:
    if bounds is None:
        return True
    if name == "resources.gpu":
        return bool(bounds["maximum"]["gpu"])
    return not name.startswith("checkout.") or bool(bounds["repositories"])


def titles_of(catalog: Catalog) -> dict[str, dict[str, str]]:
    """Return the words for choices: titles that the policy gives, and those for values of the format itself."""
    policy = catalog.policy.value if catalog.policy else None
    return {
        "app": {**BUILT_IN_APPS, **({name: tool.title for name, tool in policy.tools.items()} if policy else {})},
        "resources.gpu_kind": {name: kind.title for name, kind in policy.gpu_kinds.items()} if policy else {},
        "node_pool": {name: pool.title for name, pool in policy.node_pools.items()} if policy else {},
        "storage.team": {"none": "not mounted", "read-only": "read only", "read-write": "read and write"},
        "visibility": {
            "draft": "draft: hidden from all but leads, deputies and maintainers",
            "active": "active",
            "deprecated": "deprecated: still starts, and names its successor",
        },
    }
