"""Tables, and reports of problems for terminals and pipelines: like a compiler's, with a caret below the position.

The content of files is untrusted: only its printable characters reach the terminal, and none of it is read as markup.
"""

import hashlib
import itertools
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from allotment_profiles.model.limits import MAXIMUM_BYTES
from allotment_profiles.model.problems import Level, Problem
from allotment_profiles.model.values.quantities import format_count
from allotment_profiles.store.snapshot import Snapshot

_BEFORE, _AFTER = 60, 60
_WORDS: Mapping[Level, str] = {"hard": "error", "soft": "needs acceptance", "advice": "warning"}
_ANNOTATIONS: Mapping[Level, str] = {"hard": "error", "soft": "warning", "advice": "notice"}
_SARIF_LEVELS: Mapping[Level, str] = {"hard": "error", "soft": "warning", "advice": "note"}
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def write_report(form: str, snapshot: Snapshot, problems: Sequence[Problem]) -> None:
    """Write problems to standard output as `text`, `json`, `github` or `sarif`."""
    if form == "json":
        sys.stdout.write(json.dumps({"problems": [problem.as_dict() for problem in problems]}, indent=2) + "\n")
    elif form == "sarif":
        sys.stdout.write(_sarif(problems))
    elif form == "github":
        sys.stdout.writelines(_annotation(problem) + "\n" for problem in problems)
    else:
        _write_text(snapshot, problems)


def printable(text: str) -> str:
    """Replace each character that a terminal does not show as itself."""
    return "".join(
        character if character.isprintable() else " " if character == "\t" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def console() -> Console:
    """Return a console that does not interpret markup, emoji codes or highlights."""
    wide = not sys.stdout.isatty()
    return Console(highlight=False, markup=False, emoji=False, **({"width": 200} if wide else {}))  # type: ignore[arg-type]


def text(value: object, style: str = "") -> Text:
    """Return one cell or line, with its printable characters only."""
    return Text(printable(str(value)), style=style)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> Table:
    """Return a table without a border."""
    made = Table(title=title or None, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading in headings:
        made.add_column(heading, overflow="fold", header_style="bold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else text(cell) for cell in row))
    return made


def _write_text(snapshot: Snapshot, problems: Sequence[Problem]) -> None:
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    sources = _sources(snapshot, {problem.path for problem in problems})
    for problem in problems:
        _write_problem(console, problem, sources.get(problem.path, b""))
    files = format_count(len(snapshot.entries), "file")
    errors = sum(problem.blocks for problem in problems)
    warnings = len(problems) - errors
    if not problems:
        console.print(Text(f"{files} checked: no problems.", style="green"))
        return
    counts = [format_count(number, noun) for number, noun in ((errors, "error"), (warnings, "warning")) if number]
    console.print(Text(f"{files} checked: {' and '.join(counts)}.", style="bold red" if errors else "yellow"))


def _sources(snapshot: Snapshot, paths: Iterable[str]) -> Mapping[str, bytes]:
    blobs = {
        path: entry.blob
        for path in paths
        if (entry := snapshot.entries.get(path)) and entry.mode.startswith("100") and entry.size <= MAXIMUM_BYTES
    }
    contents = snapshot.read(blobs.values())
    return {path: contents[blob] for path, blob in blobs.items() if blob in contents}


def _write_problem(console: Console, problem: Problem, source: bytes) -> None:
    colour = "red" if problem.blocks else "yellow"
    position = ":".join(str(part) for part in (problem.path, problem.line, problem.column) if part is not None)
    head = Text()
    head.append(f"{printable(position)}: ", "bold")
    head.append(f"{_WORDS[problem.level]} ", f"bold {colour}")
    head.append(f"[{problem.code}] ", colour)
    head.append(printable(problem.message))
    console.print(head)
    if problem.line is not None:
        _write_line(console, source, problem.line, problem.column, colour)
    if problem.remedy:
        console.print(Text(f"  = {printable(problem.remedy)}"))
    console.print()


def _write_line(console: Console, source: bytes, line: int, column: int | None, colour: str) -> None:
    raw = next(itertools.islice(source.split(b"\n"), line - 1, None), None)
    if raw is None:
        return
    text = printable(raw.decode("utf-8", errors="replace").rstrip("\r"))
    start = max(0, (column or 1) - 1 - _BEFORE)
    before = text[start : (column or 1) - 1]
    after = text[(column or 1) - 1 :]
    shown = ("…" if start else "") + before
    ending = after[:_AFTER] + ("…" if len(after) > _AFTER else "")
    gutter = f"{line:>6} "
    console.print(Text.assemble((gutter + "| ", "dim"), shown + ending))
    if column is not None:
        console.print(Text.assemble((" " * len(gutter) + "| ", "dim"), " " * cell_len(shown), ("^", f"bold {colour}")))


def _annotation(problem: Problem) -> str:
    """Return a problem as a workflow command of GitHub, escaped so that no text can become another command."""

    def escaped(text: str, *others: str) -> str:
        return "".join(
            f"%{ord(character):02X}" if character in "%\r\n" or character in others else character
            for character in printable(text)
        )

    fields = {"file": problem.path, "line": problem.line, "col": problem.column, "title": problem.code}
    written = ",".join(f"{key}={escaped(str(value), ':', ',')}" for key, value in fields.items() if value is not None)
    return f"::{_ANNOTATIONS[problem.level]} {written}::{escaped(f'{problem.message} {problem.remedy}')}"


def _sarif(problems: Sequence[Problem]) -> str:
    """Return problems as SARIF 2.1.0, which code hosts show beside the lines of a change."""
    codes = sorted({problem.code for problem in problems})
    driver = {
        "name": "allotment",
        "version": version("allotment"),
        "rules": [{"id": code, "shortDescription": {"text": code.replace("-", " ")}} for code in codes],
    }
    results = [_sarif_result(problem, codes.index(problem.code)) for problem in problems]
    log = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(log, indent=2) + "\n"


def _sarif_result(problem: Problem, rule: int) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": problem.path or "policy.yaml"}}
    if problem.line is not None:
        region = {"startLine": problem.line, "startColumn": problem.column}
        location["region"] = {key: number for key, number in region.items() if number is not None}
    # The fingerprint has no line number, so that a problem keeps its identity when its line moves.
    identity = f"{problem.path}\0{problem.code}\0{problem.field}"
    return {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": _SARIF_LEVELS[problem.level],
        "message": {"text": f"{problem.message} {problem.remedy}".strip()},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"allotment/v1": hashlib.sha256(identity.encode(errors="replace")).hexdigest()[:32]},
    }
