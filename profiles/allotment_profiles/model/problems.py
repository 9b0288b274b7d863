"""What is wrong with a file, and why something is refused: both with a stable code and a remedy."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

Level = Literal["hard", "soft", "advice"]
"""`hard` is refused; `soft`, too, unless the file carries an administrator's acceptance; `advice` stops nothing."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one file, as the form, the check, the catalog and the page all show it."""

    path: str
    """The file, relative to the repository's root."""
    code: str
    """Stable, for machines: `memory-unit`, `unknown-key`."""
    message: str
    """What is wrong, as plain text (never HTML)."""
    remedy: str
    """What would help."""
    field: str = ""
    """Where in the document, dotted: `resources.memory.limit`; empty for the file as a whole."""
    line: int | None = None
    """From 1; None where the file has no such line (a missing file)."""
    column: int | None = None
    """From 1."""
    level: Level = "hard"

    @property
    def blocks(self) -> bool:
        """Whether the file cannot apply as it is."""
        return self.level != "advice"

    def as_dict(self) -> dict[str, str | int | None]:
        """Give the form that JSON answers carry."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.message} ({self.code}). {self.remedy}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is not done: what, why, what would help and who decides."""

    code: str
    """Stable, for machines: `not-a-member`, `grant-expired`."""
    what: str
    """What was refused, one sentence."""
    why: str
    remedy: str
    decides: str = ""
    """Who can change the answer, in words; empty where nobody has to."""
    status: int = 403
    """The HTTP status that fits: 4xx, or 503 where the answer may be another in a moment."""

    @property
    def sentence(self) -> str:
        """The whole refusal as one line of plain text, the code at its end."""
        parts = [self.what, self.why, self.remedy]
        if self.decides:
            parts.append(f"Who decides: {self.decides}.")
        return " ".join(part for part in parts if part) + f" [{self.code}]"

    def as_dict(self) -> dict[str, str]:
        """Give the form that JSON answers carry."""
        return {
            "code": self.code,
            "what": self.what,
            "why": self.why,
            "remedy": self.remedy,
            "decides": self.decides,
        }


class AllotmentError(Exception):
    """The root of what Allotment raises on purpose."""


class RefusedError(AllotmentError):
    """A user's request that the rules do not allow; carries the refusal to show."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.sentence)
        self.refusal = refusal
