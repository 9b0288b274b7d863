"""Texts of a values file as our files may hold them: plain, short, without markup. Pure."""

import functools
import html
import re
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from allotment_profiles.model.texts import harmful_character, skeleton

_TAG = re.compile(r"<[^<>]{0,2000}>")
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+", re.ASCII)


def plain(text: str, maximum: int) -> str:
    """Give a text on one line without markup and hidden characters, cut where it is too long."""
    text = html.unescape(_TAG.sub(" ", text[:20_000]))
    text = "".join(" " if each.isspace() else each for each in text if each.isspace() or not harmful_character(each))
    text = " ".join(text.split())
    return text if len(text) <= maximum else text[: maximum - 1].rstrip() + "…"


class Names:
    """Names of one kind; each new one is told from the others at a glance."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        self._numbers: dict[str, int] = {}
        for name in taken:
            self.add(name)

    def add(self, name: str) -> None:
        """Take a name."""
        self._known.add(skeleton(name))

    def free(self, text: str, otherwise: str) -> str:
        """Make a name out of a text, with a number at its end where it is needed."""
        name = _NOT_IN_NAMES.sub("-", text[:200].lower()).strip("-")[:40].strip("-") or otherwise
        candidate, number = name, self._numbers.get(name, 1)
        while skeleton(candidate) in self._known:
            number += 1
            ending = f"-{number}"
            candidate = name[: 40 - len(ending)].rstrip("-") + ending
        self._numbers[name] = number
        return candidate


def name_of(text: str, taken: Iterable[str], otherwise: str) -> str:
    """Make a name out of a text that nobody takes for one of those that are taken."""
    return Names(taken).free(text, otherwise)


def refused(kind: Any, value: object) -> str | None:
    """Say why a value is not one of a kind of ours (a model or an annotated type), or None where it is."""
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
