"""The options of a profile in the form: a row of fields for each choice, and empty ones for one more. Pure.

What a choice has besides these fields is kept from the file that the form started from.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from allotment_hub.services.drafts.forms import Field, FieldKind, number_of
from allotment_profiles.model.values.texts import is_name

COLUMNS: Mapping[str, tuple[str, FieldKind]] = {
    "title": ("Choice", "line"),
    "resources.cpu.limit": ("CPUs", "number"),
    "resources.memory.limit": ("Memory", "line"),
}
"""What the form has of each choice: the key in the file → what it is called, and its kind."""
NEW = "option.added"
"""Where the names of the fields for a new option begin."""
_QUESTION, _UNCHANGED, _OTHER = f"{NEW}.title", f"{NEW}.unchanged", f"{NEW}.choice"


def option_fields(source: Mapping[str, Any]) -> tuple[Field, ...]:
    """Make the fields for the options of a file's data, but for what is no option there."""
    return tuple(_fields(source))


def _fields(source: Mapping[str, Any]) -> Iterator[Field]:
    for option, choices in _options(source):
        path = f"options.{option}"
        yield Field(f"{path}.default", "Chosen at first", "", "choice", True, path, choices=tuple(choices))
        for choice in choices:
            for key, (label, kind) in COLUMNS.items():
                yield Field(f"{path}.choices.{choice}.{key}", label, "", kind, False, path)


def _options(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the options with their choices, without those that are not written as such."""
    options = document.get("options")
    for option, described in options.items() if isinstance(options, dict) else ():
        choices = described.get("choices") if isinstance(described, dict) else None
        if _is_named(option) and isinstance(choices, dict) and all(map(_is_choice, choices.items())):
            yield option, choices


def _is_named(key: Any) -> bool:
    return isinstance(key, str) and is_name(key)


def _is_choice(entry: tuple[Any, Any]) -> bool:
    return _is_named(entry[0]) and isinstance(entry[1], dict)


@dataclass(frozen=True)
class OptionView:
    """An option of the file with the fields of its choices."""

    title: str
    default: Field
    rows: tuple[tuple[str, tuple[Field, ...]], ...]
    """The title of each choice, and its fields."""
    added: str
    """Where the names of the fields for one more choice begin."""


def options_in(source: Mapping[str, Any]) -> tuple[OptionView, ...]:
    """Return the options of a file's data, each with its fields."""
    fields = {field.name: field for field in option_fields(source)}
    return tuple(
        OptionView(
            title=str(source["options"][option].get("title", option)),
            default=fields[f"options.{option}.default"],
            rows=tuple(
                (
                    str(each.get("title", name)),
                    tuple(fields[f"options.{option}.choices.{name}.{key}"] for key in COLUMNS),
                )
                for name, each in choices.items()
            ),
            added=_added(option),
        )
        for option, choices in _options(source)
    )


def added_names(source: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields for one more choice of each option, and for one more option."""
    more = [f"{_added(option)}.{key}" for option, _ in _options(source) for key in COLUMNS]
    return [*more, _QUESTION, _UNCHANGED, *(f"{_OTHER}.{key}" for key in COLUMNS)]


def with_options(document: dict[str, Any], source: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Return a file's data with what was added, and without the choices whose title was emptied.

    `document` has what was typed into the other fields, `source` what was there before.
    """
    found = document.get("options")
    options = dict(found) if isinstance(found, dict) else {}
    for option, before in _options(source):
        described = options.get(option) or {}
        choices = dict(described.get("choices") or {})
        for choice, each in before.items():
            if each.get("title") and not values.get(f"options.{option}.choices.{choice}.title", "").strip():
                choices.pop(choice, None)
        added = _choice(values, _added(option))
        if added:
            choices[_free_name(added["title"], choices)] = added
        if choices:
            options[option] = {**described, "choices": choices}
        else:
            options.pop(option, None)
    other, question = _choice(values, _OTHER), values.get(_QUESTION, "").strip()
    if question or other:
        title = values.get(_UNCHANGED, "").strip() or "Normal"
        first = _free_name(title, ())
        choices = {first: {"title": title}}
        if other:
            choices[_free_name(other["title"], choices)] = other
        options[_free_name(question, options)] = {"title": question, "default": first, "choices": choices}
    if options == found or (not options and not isinstance(found, dict)):
        return document
    others = {key: value for key, value in document.items() if key != "options"}
    return {**others, "options": options} if options else others


def _added(option: str) -> str:
    return f"options.{option}.added"


def _choice(values: Mapping[str, str], path: str) -> dict[str, Any]:
    """Return the choice that was typed into a row; nothing where the row is empty."""
    typed = {key: values.get(f"{path}.{key}", "").strip() for key in COLUMNS}
    if not any(typed.values()):
        return {}
    choice: dict[str, Any] = {"title": typed["title"]}
    for key, (_, kind) in COLUMNS.items():
        if typed[key] and key != "title":
            first, second, third = key.split(".")
            choice.setdefault(first, {})[second] = {third: number_of(typed[key]) if kind == "number" else typed[key]}
    return choice


def _free_name(title: str, taken: Any) -> str:
    """Return a name for a title that is not taken."""
    ascii_ = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", ascii_).strip("-")[:36].strip("-") or "choice"
    return next(each for each in (name, *(f"{name}-{number}" for number in range(2, 1000))) if each not in taken)
