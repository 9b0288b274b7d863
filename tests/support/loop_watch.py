"""What the thread of the event loop does meanwhile: steps are counted, not timed.

with LoopWatch() as watch:
    await visitor.get("profiles")
assert watch.steps < 10_000
"""

import sys
from collections import Counter
from types import FrameType
from typing import Any, Self


class LoopWatch:
    """Counts the calls of functions, of Python's and of C's, in the thread that it is entered in."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        """How often functions were called: of Python's by their file, of C's by their names."""

    def __enter__(self) -> Self:
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    @property
    def steps(self) -> int:
        """How many calls there were."""
        return self.calls.total()

    def in_files(self, *parts: str) -> set[str]:
        """Return the files with one of some parts in their paths, of which functions were called."""
        return {file for file in self.calls if any(part in file for part in parts)}

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            self.calls[frame.f_code.co_filename] += 1
        elif event == "c_call":
            self.calls[str(getattr(argument, "__qualname__", ""))] += 1
