"""Run the measures and print both sides, the ratio and what was promised: `make bench`, `make bench ARGS=--help`."""

import argparse
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import hostile, judging, kubernetes, loading, outage, proposals, selectable, starting
from benchmarks.measuring import Row

Measure = Callable[[Path, int, int, int], Iterator[Row]]
MEASURES: dict[str, tuple[Measure, int]] = {
    "full": (loading.full, 10_000),
    "reload": (loading.reload, 10_000),
    "restart": (loading.restart, 10_000),
    "memory": (loading.memory, 10_000),
    "pause": (loading.pause, 10_000),
    "launch": (starting.launch, 1_000),
    "form": (starting.form, 1_000),
    "starts": (kubernetes.starts, 20),
    "starts-many": (kubernetes.starts, 1_000),
    "recovery": (kubernetes.recovery, 1_000),
    "readiness": (kubernetes.readiness, 1),
    "selectable": (selectable.selectable, 1),
    "hostile": (hostile.refusals, 1),
    "judging": (judging.judging, 1),
    "proposals": (proposals.proposals, 1),
    "outage": (outage.first_start, 1),
}
"""Name → the measure, and the number of profiles that it is promised for."""


def run(names: Sequence[str], profiles: int | None, rounds: int, sample: int) -> Iterator[Row]:
    """Run measures one after the other."""
    for name in names:
        measure, promised = MEASURES[name]
        with tempfile.TemporaryDirectory(prefix="allotment-bench-") as folder:
            yield from measure(Path(folder), profiles or promised, rounds, sample)


def _figure(values: Sequence[float]) -> str:
    def written(value: float) -> str:
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

    return f"{written(statistics.median(values))}  ({written(min(values))}-{written(max(values))})"


def _table(rows: Sequence[Row]) -> Table:
    table = Table(title="Medians (lowest-highest), both sides in turn")
    for heading in ("measure", "against", "unit", "ours", "theirs", "ratio", "promised", ""):
        table.add_column(heading, overflow="fold")
    for row in rows:
        promised = f"at most {row.target:g} {row.unit}" if row.limit else f"at least {row.target:.3g} x"
        table.add_row(
            row.what, row.against, row.unit, _figure(row.ours), _figure(row.theirs), f"{row.ratio:.3g} x", promised,
            "[green]kept[/]" if row.kept else "[red]missed[/]",
        )  # fmt: skip
    return table


def main() -> None:
    """Take the arguments, run, print."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--measure", action="append", choices=MEASURES, help="one of them alone; may be repeated")
    parser.add_argument("--profiles", type=int, help="another number of profiles than the promised one")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of both sides (default: 5)")
    parser.add_argument("--full", action="store_true", help="the slowest side reads all files, not a sample of 500")
    parser.add_argument("--sample", type=int, default=500, help="another sample; so many users at most, too")
    parser.add_argument("--json", type=Path, help="write all figures to this file as well")
    arguments = parser.parse_args()
    console = Console(width=max(140, Console().width), soft_wrap=False)
    rows = []
    sample = 0 if arguments.full else arguments.sample
    for row in run(arguments.measure or list(MEASURES), arguments.profiles, arguments.rounds, sample):
        rows.append(row)
        console.print(f"{row.what} / {row.against}: {row.ratio:.3g} x", highlight=False)
    console.print(_table(rows))
    notes = dict.fromkeys(f"{row.against}: {row.note}" for row in rows if row.note)
    for note in notes:
        console.print(note)
    console.print(f"Python {platform.python_version()}, {os.cpu_count()} processors, {platform.machine()}")
    if arguments.json:
        arguments.json.write_text(json.dumps([row.as_dict() for row in rows], indent=2))


if __name__ == "__main__":
    main()
