"""The terminal: nothing that came from outside reaches it before it is made harmless."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Whole sequences, so that their parameters do not stay behind as litter: CSI, then the strings (OSC, DCS, SOS, PM, APC)
# up to their end, then any other escape; each in its seven-bit and its eight-bit form.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
PATIENCE = 1.5
"""Seconds of silence after which the user is told what is being waited for."""


def harmless(text: object, *, lines: bool = False) -> str:
    """Give text without escape sequences, control and bidirectional characters; on one line unless `lines`."""
    without = _ESCAPES.sub("", str(text).replace("\r\n", "\n"))
    kept = "\n\t" if lines else ""
    return "".join(
        character if character.isprintable() or character in kept else " " if character.isspace() else ""
        for character in without
    )


class Screen:
    """Where the command writes and asks; answers go to standard output, everything else to standard error."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        for stream in (sys.stdout, sys.stderr):
            # A session's locale may be C: an em dash in a title must not end the command.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]

    @property
    def interactive(self) -> bool:
        """Whether somebody is there to answer and to use an editor."""
        return sys.stdin.isatty() and sys.stdout.isatty() and not self.as_json

    def say(self, *parts: object) -> None:
        """Write one line of the answer; silent when a program reads it."""
        if not self.as_json:
            sys.stdout.write(" ".join(harmless(part) for part in parts).rstrip() + "\n")

    def text(self, text: str) -> None:
        """Write a file: exactly when it goes to a file or a pipe, harmless on a terminal."""
        shown = harmless(text, lines=True) if sys.stdout.isatty() else text
        sys.stdout.write(shown if shown.endswith("\n") else shown + "\n")

    def note(self, *parts: object) -> None:
        """Write one line beside the answer."""
        sys.stdout.flush()
        sys.stderr.write(" ".join(harmless(part) for part in parts).rstrip() + "\n")
        sys.stderr.flush()

    def answer(self, document: object) -> None:
        """Write the answer for a program; escaped, so it is harmless on a terminal, too."""
        if self.as_json:
            sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=True) + "\n")

    def ask(self, question: str) -> str:
        """Ask on the terminal; the end of the input counts as an empty answer."""
        try:
            return input(harmless(question)).strip()
        except EOFError:
            sys.stdout.write("\n")
            return ""

    def agrees(self, question: str, *, default: bool = False) -> bool:
        """Ask for yes or no."""
        answer = self.ask(f"{question} [{'Y/n' if default else 'y/N'}] ").lower()
        return answer in {"y", "yes"} or (default and not answer)

    @contextlib.contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Say every now and then that something takes its time, as long as the block runs."""
        done = threading.Event()

        def report() -> None:
            waited = 0.0
            while not done.wait(PATIENCE):
                waited += PATIENCE
                self.note(f"… {what}, {waited:.0f} s")

        teller = threading.Thread(target=report, daemon=True)
        teller.start()
        try:
            yield
        finally:
            done.set()
            teller.join()
