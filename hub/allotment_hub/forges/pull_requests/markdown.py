"""Text that people wrote, made harmless for a forge: it stays readable and does nothing.

Forges act on text: `@everyone` sends messages, `fixes #1` closes an issue, an image tells its server who reads it,
and GitLab carries out a line such as `/approve` with the rights of the account that wrote it: ours. A backslash stops
CommonMark only, for forges look for mentions and references in what has been rendered. So a zero-width space stands
behind each character that begins one, as well.
"""

import re
from typing import NewType

from allotment_profiles.model.values.texts import BIDIRECTIONAL

Markdown = NewType("Markdown", str)
"""Text of the service's own. What people wrote is in it by `inline` and `quotation` only."""

ZERO_WIDTH_SPACE = "\u200b"
TITLE_LENGTH = 250
"""Characters; GitLab and Gitea take 255."""

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
"""What CommonMark allows a backslash before: all punctuation of ASCII."""
_BEGINS = re.compile(
    r"(?<=[@#!$%&~^:])(?=[^\s\u200b])"  # mentions, references, labels, emoji, schemes of addresses, mail addresses
    r"|(?<=[A-Z]-)(?=[0-9])|(?<=\b[Gg][Hh]-)(?=[0-9])"  # GH-1, and the numbers of other trackers
    r"|(?<=\b[Ww]{3})(?=\.)"  # www.
)
_COMMIT = re.compile(r"\b[0-9a-fA-F]{7,}\b")
_DRAFT = re.compile(rf"[^\w{ZERO_WIDTH_SPACE}]*(draft|wip)\b", re.IGNORECASE)
"""A title that begins so makes a pull request a draft, which nobody can merge. One with our mark before it does not."""
_SPACE = re.compile(r"\s+")


def _readable(text: str) -> str:
    """Replace what cannot be seen or changes the order of what can be seen."""
    return "".join(
        character if character.isprintable() or character == ZERO_WIDTH_SPACE else " "
        for character in text
        if character not in BIDIRECTIONAL
    )


def _broken(text: str) -> str:
    """Break what a forge acts on; a text that is broken already stays as it is."""
    text = _BEGINS.sub(ZERO_WIDTH_SPACE, text)
    return _COMMIT.sub(lambda match: ZERO_WIDTH_SPACE.join(re.findall(".{1,6}", match[0])), text)


def _words(text: str, length: int) -> str:
    text = _SPACE.sub(" ", _readable(text)).strip()
    return text if len(text) <= length else text[: length - 1] + "…"


def title(text: str) -> str:
    """Format a title: one line, which a forge does not read as Markdown, but for mentions and references."""
    line = _broken(_words(text, TITLE_LENGTH))
    if _DRAFT.match(line):
        line = ZERO_WIDTH_SPACE + line
    return line[:TITLE_LENGTH] or "(no title)"


def inline(text: str, length: int = 1000) -> Markdown:
    """Format text as part of a line: no mention, link, image, HTML, reference or command of the forge is left in it."""
    return Markdown(_PUNCTUATION.sub(r"\\\1", _broken(_words(text, length))))


def quotation(text: str, length: int = 5000) -> Markdown:
    """Format text of several lines as a quotation."""
    text = text if len(text) <= length else text[: length - 1] + "…"
    lines = (inline(line, length) for line in text.strip().splitlines())
    return Markdown("\n".join(f"> {line}".rstrip() for line in lines) or ">")
