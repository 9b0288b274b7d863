"""Text that people wrote, made harmless for a forge: it stays readable and does nothing.

Forges act on text: `@everyone` sends messages, `fixes #1` closes an issue, an image tells its server who reads it,
and GitLab carries out a line such as `/approve` with the rights of the account that wrote it: ours. A backslash stops
CommonMark only, for forges look for mentions, references and addresses in what has been rendered; there they pass over
code. So a word that has something of that kind becomes code, and can be copied as it is. A backslash stands before what
is left of CommonMark, and nowhere else.

A title is no Markdown: there a zero-width space stands behind each character that begins something.
"""

import re
from typing import NewType

from allotment_profiles.model.values.texts import BIDIRECTIONAL

Markdown = NewType("Markdown", str)
"""Text of the service's own. What people wrote is in it by `inline` and `quotation` only."""

ZERO_WIDTH_SPACE = "\u200b"
TITLE_LENGTH = 250
"""Characters; GitLab and Gitea take 255."""

_BEGINS = re.compile(
    r"(?<=[@$])(?=[^\s\u200b])"  # mentions, digests, mail addresses; snippets, mathematics
    r"|(?<=[#!%&~^])(?=[\w\"\[#])"  # references, labels, milestones, entities
    r"|(?<=:)(?=/|[\w+-]+:)"  # schemes of addresses, emoji
    r"|(?<=[A-Z]-)(?=[0-9])|(?<=\b[Gg][Hh]-)(?=[0-9])"  # GH-1, and the numbers of other trackers
    r"|(?<=\b[Ww]{3})(?=\.)"  # www.
    r"|(?<=\bmailto)(?=:)|(?<=\bxmpp)(?=:)|(?<=\btel)(?=:)|(?<=\bsms)(?=:)|(?<=\bmagnet)(?=:)"
)
_COMMIT = re.compile(r"\b[0-9a-fA-F]{7,}\b")
_MORE = re.compile(
    r"<[A-Za-z/!?]"  # HTML
    r"|\w>"  # a project of GitLab
    r"|[\[*]\w+:|\[\[|[{\[][+-]|[+-][}\]]"  # GitLab: `[issue:1]`, `*iteration:1`, `[[page]]`, differences
)
"""What else a forge acts on in a word of Markdown."""
_MENTION = re.compile(r"(?<!\w)@")
"""What programs that read along may take for their name, also in code."""
_INSIDE = re.compile(r"[\\`*\[\]<|~]|(?<![^\W_])_|_(?![^\W_])")
"""What CommonMark acts on wherever it stands. It passes over an underscore inside a word."""
_FIRST = ("#", "+", "=", ">", "/", ":", "-")
"""What it acts on at the beginning of a line, with commands of forges."""
_NUMBER = re.compile(r"[0-9]{1,9}[.)]")
"""The number of a list, there."""
_MARKS = "\"',.;"
"""What stands around a word."""
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
    line = " ".join(map(_word, _words(text, length).split(" ")))
    if line.startswith(_FIRST):
        line = f"\\{line}"
    elif number := _NUMBER.match(line):
        line = f"{number[0][:-1]}\\{line[number.end() - 1 :]}"
    return Markdown(line)


def _word(word: str) -> str:
    """Format one word: as code where a forge acts on what is in it."""
    if not (_BEGINS.search(word) or _COMMIT.search(word) or _MORE.search(word)):
        return _INSIDE.sub(r"\\\g<0>", word)
    before = "(" if word.startswith("(") else ""
    code = word[len(before) :].rstrip(_MARKS + (")" if before else ""))
    after = word[len(before) + len(code) :]
    code = _MENTION.sub(f"@{ZERO_WIDTH_SPACE}", code)
    fence = "`" * (1 + max(map(len, re.findall("`+", code)), default=0))
    space = " " if "`" in (code[:1], code[-1:]) else ""
    return f"{before}{fence}{space}{code}{space}{fence}{after}"


def quotation(text: str, length: int = 5000) -> Markdown:
    """Format text of several lines as a quotation."""
    text = text if len(text) <= length else text[: length - 1] + "…"
    lines = (inline(line, length) for line in text.strip().splitlines())
    return Markdown("\n".join(f"> {line}".rstrip() for line in lines) or ">")
