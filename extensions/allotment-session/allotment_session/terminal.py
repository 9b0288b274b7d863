"""The terminal. Text from outside loses its control characters before it is printed."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Whole sequences, so that their parameters disappear, too: CSI; strings (OSC, DCS, SOS, PM, APC) up to their end; any
# other escape. Each has a seven-bit and an eight-bit form.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_PROGRESS_SECONDS = 1.5
"""The interval of the progress messages while something is waited for."""


def sanitize(text: object, *, lines: bool = False) -> str:
    """Remove escape sequences, control characters and bidirectional characters; join lines unless `lines` is set."""
    without = _ESCAPES.sub("", str(text).replace("\r\n", "\n"))
    kept = "\n\t" if lines else ""
    return "".join(
        character if character.isprintable() or character in kept else " " if character.isspace() else ""
        for character in without
    )


class Terminal:
    """Prints and asks. Answers go to standard output, everything else to standard error."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        for stream in (sys.stdout, sys.stderr):
            # With the locale C, a dash in a title would otherwise raise an error.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]

    @property
    def interactive(self) -> bool:
        """Whether a user can answer questions and use an editor."""
        return sys.stdin.isatty() and sys.stdout.isatty() and not self.as_json

    def print(self, *parts: object) -> None:
        """Print one line for people; with `--json`, print nothing."""
        if not self.as_json:
            sys.stdout.write(" ".join(sanitize(part) for part in parts).rstrip() + "\n")

    def print_file(self, text: str) -> None:
        """Print a file: unchanged to a pipe or a file, sanitized to a terminal."""
        shown = sanitize(text, lines=True) if sys.stdout.isatty() else text
        sys.stdout.write(shown if shown.endswith("\n") else shown + "\n")

    def note(self, *parts: object) -> None:
        """Print one line to standard error."""
        sys.stdout.flush()
        sys.stderr.write(" ".join(sanitize(part) for part in parts).rstrip() + "\n")
        sys.stderr.flush()

    def print_json(self, document: object) -> None:
        """Print a document with `--json`; in ASCII, which is safe on a terminal, too."""
        if self.as_json:
            sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=True) + "\n")

    def ask(self, question: str) -> str:
        """Ask a question; the end of the input counts as an empty answer."""
        try:
            return input(sanitize(question)).strip()
        except EOFError:
            sys.stdout.write("\n")
            return ""

    def confirm(self, question: str, *, default: bool = False) -> bool:
        """Ask a question with the answers yes and no."""
        answer = self.ask(f"{question} [{'Y/n' if default else 'y/N'}] ").lower()
        return answer in {"y", "yes"} or (default and not answer)

    @contextlib.contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Print progress messages while the block runs."""
        done = threading.Event()

        def report() -> None:
            waited = 0.0
            while not done.wait(_PROGRESS_SECONDS):
                waited += _PROGRESS_SECONDS
                self.note(f"… {what}, {waited:.0f} s")

        reporter = threading.Thread(target=report, daemon=True)
        reporter.start()
        try:
            yield
        finally:
            done.set()
            reporter.join()
