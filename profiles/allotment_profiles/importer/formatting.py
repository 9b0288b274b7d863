"""Format texts of a values file for profiles: plain, short, without markup. Pure."""

import functools
import html
import re
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from allotment_profiles.model.values.texts import harmful_character, skeleton

_TAG = re.compile(r"<[^<>]{0,2000}>")
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+", re.ASCII)


def plain(text: str, maximum: int) -> str:
    """Return a text on one line, without markup and hidden characters, shortened to a length."""
    text = html.unescape(_TAG.sub(" ", text[:20_000]))
    text = "".join(" " if char.isspace() else char for char in text if char.isspace() or not harmful_character(char))
    text = " ".join(text.split())
    return text if len(text) <= maximum else text[: maximum - 1].rstrip() + "…"


class Names:
    """A set of names that do not look alike."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._known = set(map(skeleton, taken))
        self._numbers: dict[str, int] = {}

    def add(self, name: str) -> None:
        """Add a name."""
        self._known.add(skeleton(name))

    def free(self, text: str, default: str) -> str:
        """Return a name made from a text that is not taken. A number is appended if needed."""
        name = _NOT_IN_NAMES.sub("-", text[:200].lower()).strip("-")[:40].strip("-") or default
        candidate, number = name, self._numbers.get(name, 1)
        while skeleton(candidate) in self._known:
            number += 1
            suffix = f"-{number}"
            candidate = name[: 40 - len(suffix)].rstrip("-") + suffix
        self._numbers[name] = number
        return candidate


def name_of(text: str, taken: Iterable[str], default: str) -> str:
    """Return a name made from a text that looks like none of the taken ones."""
    return Names(taken).free(text, default)


def validation_error(kind: Any, value: object) -> str | None:
    """Return why a value is not valid for a model or an annotated type, or None."""
    try:
        _adapter(kind).validate_python(value)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        context = detail.get("ctx", {})
        return f"{context.get('message', detail['msg'])} {context.get('remedy', '')}".strip()
    return None


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
