"""The generated files, `profiles/schemas/` and `docs/format.md`. A test fails if one of them is stale."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from allotment_profiles.reference.document import reference
from allotment_profiles.reference.schema import KINDS, schema_of


def generated() -> dict[str, str]:
    """Return the generated files: path in the repository → text."""
    files = {
        f"profiles/schemas/{name}.json": json.dumps(schema_of(kind), indent=2, ensure_ascii=False) + "\n"
        for name, kind in KINDS.items()
    }
    return {**files, "docs/format.md": reference()}


def main(arguments: Sequence[str]) -> int:
    """Report the stale files; with `--write`, write them. Return the exit code."""
    root = Path(__file__).parents[3]
    stale = [
        path
        for path, text in generated().items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]
    for path in stale:
        if "--write" in arguments:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(generated()[path], encoding="utf-8")
        sys.stdout.write(f"{'written' if '--write' in arguments else 'stale'}: {path}\n")
    return 1 if stale and "--write" not in arguments else 0
