"""Tables on a terminal. The content of files is printed as text, never read as markup."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from allotment_profiles.cli.report import printable


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
