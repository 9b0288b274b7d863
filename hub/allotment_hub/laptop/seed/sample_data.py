"""Made-up data for the data roles of the starter repository; the same numbers on every machine."""

import csv
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

_README = """\
These files are made up: allotment_hub/laptop/seed/sample_data.py writes them with a fixed seed at the first start of
Allotment. The places do not exist and the numbers measure nothing. They give a session on a laptop something to read.
You can delete or replace them: they are written only once.
"""

_REGIONS = ("Northshire", "Eastmarch", "Southmoor", "Westvale")
_STATIONS = ("Alderford", "Brackley Cross", "Coldharbour", "Dunmere", "Elmsworth")
_YEARS = range(2021, 2026)

_Row = tuple[str | int | float, ...]


def write_sample_data(volumes: Path) -> None:
    """Write the volume `open-data`, unless it exists."""
    volume = volumes / "open-data"
    if volume.exists():
        return
    unfinished = volumes / ".open-data.unfinished"
    for name, table, columns, rows in (
        ("housing", "sales", ("region", "month", "sales", "median_price"), _housing()),
        ("rail", "punctuality", ("station", "month", "trains", "on_time_percent"), _rail()),
        ("weather", "monthly", ("region", "month", "mean_temperature_c", "rain_mm"), _weather()),
    ):
        folder = unfinished / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "README.txt").write_text(_README, encoding="utf-8")
        _write_table(folder / f"{table}.csv", columns, rows)
    unfinished.rename(volume)


def _write_table(path: Path, columns: Iterable[str], rows: Iterable[_Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _months() -> Iterator[tuple[str, int]]:
    for year in _YEARS:
        for month in range(1, 13):
            yield f"{year}-{month:02}", month


def _warmth(month: int) -> float:
    """Return 0 for January, 1 for July, and values between for the other months."""
    return 1 - abs(month - 7) / 6


def _housing() -> Iterator[_Row]:
    chance = random.Random("housing")  # noqa: S311  made-up numbers, nothing secret
    for index, region in enumerate(_REGIONS):
        price = 180_000 + 35_000 * index
        for month, number in _months():
            price = round(price * (1.002 + 0.006 * (chance.random() - 0.5)))
            yield region, month, round(400 + 250 * _warmth(number) + 80 * chance.random()), price


def _rail() -> Iterator[_Row]:
    chance = random.Random("rail")  # noqa: S311  made-up numbers, nothing secret
    for index, station in enumerate(_STATIONS):
        for month, number in _months():
            trains = round(900 + 400 * index + 60 * chance.random())
            yield station, month, trains, round(84 + 7 * _warmth(number) + 6 * chance.random(), 1)


def _weather() -> Iterator[_Row]:
    chance = random.Random("weather")  # noqa: S311  made-up numbers, nothing secret
    for index, region in enumerate(_REGIONS):
        for month, number in _months():
            temperature = round(2.5 + 15 * _warmth(number) - 0.8 * index + 2 * chance.random(), 1)
            yield region, month, temperature, round(45 + 40 * (1 - _warmth(number)) + 35 * chance.random(), 1)
