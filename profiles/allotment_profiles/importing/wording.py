"""Texts of a values file as our files may hold them: plain, short, without markup. Pure."""

import functools
import html
import re
from collections.abc import Collection
from typing import Any

from pydantic import TypeAdapter, ValidationError

from allotment_profiles import texts
from allotment_profiles.collisions import skeleton

_TAG = re.compile(r"<[^<>]{0,2000}>")
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+", re.ASCII)


def plain(text: str, maximum: int) -> str:
    """Give a text on one line without markup and hidden characters, cut where it is too long."""
    text = html.unescape(_TAG.sub(" ", text[:20_000]))
    text = "".join(
        " " if each.isspace() else each for each in text if each.isspace() or not texts.harmful_character(each)
    )
    text = " ".join(text.split())
    return text if len(text) <= maximum else text[: maximum - 1].rstrip() + "…"


def name_of(text: str, taken: Collection[str], otherwise: str) -> str:
    """Make a name out of a text that nobody takes for one of those that are taken."""
    name = _NOT_IN_NAMES.sub("-", text[:200].lower()).strip("-")[:40].strip("-") or otherwise
    known = {skeleton(each) for each in taken} | {texts.skeleton(each) for each in taken}
    candidate, number = name, 1
    while skeleton(candidate) in known or texts.skeleton(candidate) in known:
        number += 1
        ending = f"-{number}"
        candidate = name[: 40 - len(ending)].rstrip("-") + ending
    return candidate


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
