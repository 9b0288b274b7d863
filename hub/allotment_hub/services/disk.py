"""How much room is left on the disk of the repository. When it is full, nothing can be proposed, approved or merged."""

import os
from dataclasses import dataclass
from pathlib import Path

SHARE = 0.1
"""A disk is nearly full when less than this share of it is free, and"""
BYTES, FILES = 2**30, 100_000
"""less than so many bytes, or room for less than so many files: git writes many small ones."""


@dataclass(frozen=True, slots=True)
class Disk:
    """What is free on a disk."""

    free: int
    """In bytes."""
    total: int
    free_files: int
    """How many more files there may be."""
    total_files: int
    """0 where a file system does not limit them."""

    @classmethod
    def of(cls, path: Path) -> "Disk":
        """Return the disk that a path is on; without room or limit where it cannot be asked. Blocks."""
        try:
            found = os.statvfs(path)
        except OSError:  # the catalog's state tells that the repository cannot be read
            return cls(0, 0, 0, 0)
        return cls(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, found.f_favail, found.f_files)

    @property
    def nearly_full(self) -> bool:
        """Whether somebody should make room."""
        few_bytes = self.free < min(SHARE * self.total, BYTES)
        return few_bytes or self.free_files < min(SHARE * self.total_files, FILES)
