"""Long lists in parts, so that a page stays quick to make and to read however much there is."""

from dataclasses import dataclass
from typing import Self

PAGE_SIZE = 200


@dataclass(frozen=True, slots=True)
class Pages:
    """Which part of a list is shown."""

    number: int
    """From 1."""
    total: int
    """How many items the list has."""

    @classmethod
    def of(cls, asked: str, total: int) -> Self:
        """Take the part that an address asks for; what is no number, or lies outside, becomes the nearest that is."""
        wanted = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 7 else 1
        last = cls(1, total).count
        return cls(max(1, min(wanted, last)), total)

    @property
    def count(self) -> int:
        """How many parts there are."""
        return max(1, -(-self.total // PAGE_SIZE))

    @property
    def slice(self) -> slice:
        """Where the part lies in the list."""
        return slice((self.number - 1) * PAGE_SIZE, self.number * PAGE_SIZE)

    @property
    def first(self) -> int:
        """The first item's number."""
        return (self.number - 1) * PAGE_SIZE + 1 if self.total else 0

    @property
    def last(self) -> int:
        """The last item's number."""
        return min(self.number * PAGE_SIZE, self.total)
