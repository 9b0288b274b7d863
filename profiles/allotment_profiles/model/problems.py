"""Problems with files and refusals of requests. Both have a stable code and a remedy."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic_core import PydanticCustomError

from allotment_profiles.model.base import attributes

Level = Literal["hard", "soft", "advice"]
"""`hard` blocks a file, `soft` blocks it unless an administrator accepts the problem, `advice` does not block it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem with one file. The form, the check, the catalog and the pages all use it."""

    path: str
    code: str
    message: str
    """What is wrong, as plain text, not HTML."""
    remedy: str
    field: str = ""
    """Dotted field, for example `resources.memory.limit`. Empty for the whole file."""
    line: int | None = None
    """From 1. None if it is unknown, for example for a missing file."""
    column: int | None = None
    level: Level = "hard"

    @property
    def blocks(self) -> bool:
        """Whether the problem prevents the file from being applied."""
        return self.level != "advice"

    def as_dict(self) -> dict[str, str | int | None]:
        """Return the problem for a JSON response."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        position = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{position}: {self.message} ({self.code}). {self.remedy}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused, how to solve it, and who decides."""

    code: str
    what: str
    why: str
    remedy: str
    decides: str = ""
    """Who can change the decision, in words. Empty if nobody needs to."""
    status: int = 403
    """HTTP status: 4xx, or 503 if a retry may succeed."""

    @property
    def sentence(self) -> str:
        """The refusal as one line of plain text, with its code last."""
        parts = [self.what, self.why, self.remedy]
        if self.decides:
            parts.append(f"Who decides: {self.decides}.")
        return " ".join(part for part in parts if part) + f" [{self.code}]"

    def as_dict(self) -> dict[str, str]:
        """Return the refusal for a JSON response."""
        return attributes(self, "code", "what", "why", "remedy", "decides")


class AllotmentError(Exception):
    """Base class of the errors that Allotment raises."""


class RefusedError(AllotmentError):
    """The rules do not allow the request of a user."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.sentence)
        self.refusal = refusal


def invalid(code: str, message: str, remedy: str) -> PydanticCustomError:
    """Return the error that a validator raises. The reader of a file turns it into a Problem."""
    if message.startswith("a "):  # what `quoted` returns for a list or a mapping
        message = "A" + message[1:]
    # Pass the texts as values: pydantic would expand placeholders in a template.
    return PydanticCustomError(code, "{message}", {"message": message, "remedy": remedy})


def quoted(value: object) -> str:
    """Format a value for a message: short, on one line, in quotation marks."""
    # Avoid repr() of a very long integer: Python refuses to convert more than 4,300 digits.
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 256:
        return "a very long number"
    # Avoid repr() of a container: it may be deep, long, or contain such an integer.
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple | set | frozenset):
        return "a list"
    text = value if isinstance(value, str) else repr(value)
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[:64])
    return f"'{text[:60]}…'" if len(text) > 60 else f"'{text}'"
