"""Words that people read, kept in files of `tests/data`: what changes there is looked at in one place."""

import os
from collections.abc import Iterable

from support.folders import DATA


def assert_golden(name: str, told: Iterable[str]) -> None:
    """Compare lines with a golden file; UPDATE_DOCUMENTS=1 writes it."""
    lines = sorted({*told})
    if os.environ.get("UPDATE_DOCUMENTS"):
        (DATA / name).write_text("".join(f"{line}\n" for line in lines))
    assert lines == (DATA / name).read_text().splitlines(), "run the test with UPDATE_DOCUMENTS=1 after a change"
