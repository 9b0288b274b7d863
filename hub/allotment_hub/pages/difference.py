"""Parses unified diffs into lines with numbers, for display."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

LineKind = Literal["added", "removed", "same", "hunk", "note"]
_HUNK = re.compile(r"@@ -([0-9]+)(?:,[0-9]+)? \+([0-9]+)(?:,[0-9]+)? @@")
MAXIMUM_LINES = 5000


@dataclass(frozen=True, slots=True)
class DifferenceLine:
    """One line."""

    kind: LineKind
    before: int | None
    after: int | None
    text: str


@dataclass(frozen=True, slots=True)
class FileDifference:
    """The diff of one file."""

    path: str
    lines: tuple[DifferenceLine, ...]
    is_gone: bool = False
    """Whether the file is removed."""
    unshown: int = 0
    """How many further lines are not shown, as all differences together have too many."""

    @property
    def added(self) -> int:
        """The number of added lines."""
        return sum(line.kind == "added" for line in self.lines)

    @property
    def removed(self) -> int:
        """The number of removed lines."""
        return sum(line.kind == "removed" for line in self.lines)


def files_of(difference: str) -> list[FileDifference]:
    """Parse git's unified diff: every file of it, and the first MAXIMUM_LINES lines of all of them."""
    files, left = [], MAXIMUM_LINES
    for part in re.split(r"^diff --git ", difference, flags=re.MULTILINE)[1:]:
        head, *rest = part.removesuffix("\n").split("\n")
        shown = rest[:left]
        left -= len(shown)
        is_gone = bool(rest) and rest[0].startswith("deleted file mode ")
        files.append(FileDifference(_path(head), tuple(_lines(shown)), is_gone, len(rest) - len(shown)))
    return files


def _path(head: str) -> str:
    """Return the path from `a/PATH b/PATH`. Git quotes paths with special characters."""
    quoted = head.startswith('"')
    length = (len(head) - (9 if quoted else 5)) // 2
    start = 3 if quoted else 2
    return head[start : start + length]


def _lines(rest: list[str]) -> Iterator[DifferenceLine]:
    before = after = 0
    inside = False
    for text in rest:
        hunk = _HUNK.match(text)
        if hunk:
            inside, before, after = True, int(hunk[1]), int(hunk[2])
            yield DifferenceLine("hunk", None, None, text)
        elif not inside or not text:
            if text.startswith("Binary files"):
                yield DifferenceLine("note", None, None, "This file is not text.")
        elif text.startswith("+"):
            yield DifferenceLine("added", None, after, text[1:])
            after += 1
        elif text.startswith("-"):
            yield DifferenceLine("removed", before, None, text[1:])
            before += 1
        elif text.startswith("\\"):
            yield DifferenceLine("note", None, None, "No line break at the end of the file.")
        else:
            yield DifferenceLine("same", before, after, text[1:])
            before, after = before + 1, after + 1
