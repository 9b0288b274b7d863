"""Pagination of long lists."""

from dataclasses import dataclass
from typing import Self

PAGE_SIZE = 200


@dataclass(frozen=True, slots=True)
class Pages:
    """One page of a list."""

    number: int
    """The number of the page, from 1."""
    total: int
    """The number of items in the list."""

    @classmethod
    def of(cls, requested: str, total: int) -> Self:
        """Return the requested page. An invalid number means the first; one out of range, the nearest page."""
        wanted = int(requested) if requested.isascii() and requested.isdecimal() and len(requested) < 7 else 1
        last = cls(1, total).count
        return cls(max(1, min(wanted, last)), total)

    @property
    def count(self) -> int:
        """The number of pages."""
        return max(1, -(-self.total // PAGE_SIZE))

    @property
    def slice(self) -> slice:
        """The slice of the list on this page."""
        return slice((self.number - 1) * PAGE_SIZE, self.number * PAGE_SIZE)

    @property
    def first(self) -> int:
        """The number of the first item on this page, from 1; 0 if the list is empty."""
        return (self.number - 1) * PAGE_SIZE + 1 if self.total else 0

    @property
    def last(self) -> int:
        """The number of the last item on this page."""
        return min(self.number * PAGE_SIZE, self.total)
