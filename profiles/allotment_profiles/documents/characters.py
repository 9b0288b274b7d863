"""Characters that editors and word processors put into a file: what they are, and what to do in the editor."""

import codecs
import dataclasses

from allotment_profiles.model.problems import Problem

SAVE_AS_UTF_8 = (
    "Save it as UTF-8: in VS Code with Save with Encoding, in Notepad with Encoding in the window of Save as."
)
# Character → what it is, and what to write in its place.
_SPACE = ("a no-break or wide space", "a plain space")
_SINGLE = ("a typographic quotation mark", "'")
_DOUBLE = ("a typographic quotation mark", '"')
_SPACES = dict.fromkeys(
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", _SPACE
)
_OTHERS = {
    **dict.fromkeys("\u2018\u2019\u201a\u2039\u203a", _SINGLE),
    **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb\uff02", _DOUBLE),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\u2022", ("a dash that is no hyphen", "-")),
    "\uff1a": ("a wide colon", ":"),
    "\uff0c": ("a wide comma", ","),
}
_STRUCTURE = frozenset({"syntax", "unknown-key"})
"""Codes of problems in which any of these characters may stand where YAML has one of its own."""


def is_utf_16(data: bytes) -> bool:
    """Whether bytes begin as UTF-16 does: with its mark, or with a zero in one of the first two characters."""
    return data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or 0 in data[:4]


def harmful(character: str, is_first: bool) -> tuple[str, str]:
    """Return what is wrong with a character that no file may contain, and what to do. It is named as `U+FEFF`."""
    if character == "U+FEFF" and is_first:
        message = "The file begins with a byte order mark (U+FEFF), which is not allowed."
        return message, "Save it as UTF-8 without BOM: the editor's window of Save as offers it."
    if character == "U+000D":
        message = "A line ends with a carriage return alone (U+000D), which is not allowed."
        return message, "Let the editor end lines with LF or CRLF."
    return f"The file contains the character {character}, which is not allowed.", "Remove it."


def with_hint(problem: Problem, data: bytes) -> Problem:
    """Return a problem whose remedy names a character that looks like another one, in its line or the one above."""
    # In plain ASCII only a tab can be mistaken, and that is a mistake of syntax.
    if problem.line is None or problem.code == "encoding" or (data.isascii() and problem.code != "syntax"):
        return problem
    lines = data.decode().split("\n")
    for number in (problem.line, problem.line - 1):
        line = lines[number - 1] if 0 < number <= len(lines) else ""
        indentation = len(line) - len(line.lstrip())
        for column, character in enumerate(line, 1):
            found = _SPACES.get(character)
            if problem.code in _STRUCTURE:
                found = found or _OTHERS.get(character)
                if character == "\t" and column <= indentation:
                    found = ("a tab", "spaces")
            if found:
                what, instead = found
                hint = f"Line {number} has {what} (U+{ord(character):04X}) in column {column}: write {instead}"
                return dataclasses.replace(problem, remedy=f"{hint}. {problem.remedy}")
    return problem
