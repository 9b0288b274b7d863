"""The packages that a user has added to what the image has, by two rules that need nothing of the image.

What is in a folder of the user was added. What is in a folder of the image was added if it changed after the session
started: the time of a file's last change of status, which no installer can set back.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from allotment_session.capture.cgroup import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

RULE = (
    "Packages in folders of yours, and those in folders of the image that changed after the session started (pip, uv,"
    " conda, R)."
)
_NAMES = {
    "pip": re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?"),
    "uv": re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?"),
    "conda": re.compile(r"[a-z0-9_][a-z0-9._-]{0,99}"),
    "r": re.compile(r"[A-Za-z][A-Za-z0-9.]{0,99}"),
}
_VERSION = re.compile(r"[0-9][A-Za-z0-9.!+~_-]{0,63}")
_LOOKED_AT = 100_000
"""How many entries of one folder are looked at."""
_ROOT = Path("/")


def added(home: Path, environment: Mapping[str, str], since: float, root: Path = _ROOT) -> list[dict[str, str]]:
    """Return the packages that were added, sorted. `since`: when the session started, in seconds since 1970."""
    found: set[tuple[str, str, str]] = set()
    for folder, own in _python_folders(home, environment, root):
        found.update(_python(folder, 0 if own else since))
    for folder, own in _conda_folders(home, environment, root):
        found.update(_conda(folder, 0 if own else since))
    for folder, own in _r_folders(home, environment, root):
        found.update(_r(folder, 0 if own else since))
    # What conda has installed has the files of a Python package, too.
    conda = {(name.lower().replace("_", "-"), version) for manager, name, version in found if manager == "conda"}
    kept = (
        each
        for each in found
        if each[0] not in ("pip", "uv") or (each[1].lower().replace("_", "-"), each[2]) not in conda
    )
    return [{"manager": manager, "name": name, "version": version} for manager, name, version in sorted(kept)]


def _python_folders(home: Path, environment: Mapping[str, str], root: Path) -> Iterator[tuple[Path, bool]]:
    for base in {home / ".local", *_inside(home, environment.get("PYTHONUSERBASE", ""))}:
        yield from ((folder, True) for folder in _found(base / "lib", "python*/site-packages"))
    prefixes = {sys.prefix} if root == _ROOT else set()
    prefixes |= {environment.get("CONDA_PREFIX", ""), environment.get("VIRTUAL_ENV", "")}
    named = (Path(prefix) for prefix in prefixes if prefix)
    usual = (root / prefix for prefix in ("opt/conda", "opt/venv", "usr/local", "usr"))
    for prefix in dict.fromkeys([*named, *usual]):
        own = _is_inside(prefix, home)
        for pattern in ("python*/site-packages", "python*/dist-packages"):
            yield from ((folder, own) for folder in _found(prefix / "lib", pattern))


def _conda_folders(home: Path, environment: Mapping[str, str], root: Path) -> Iterator[tuple[Path, bool]]:
    yield from ((folder, True) for folder in _found(home / ".conda" / "envs", "*/conda-meta"))
    named = [Path(environment["CONDA_PREFIX"])] if environment.get("CONDA_PREFIX") else []
    for prefix in dict.fromkeys([*named, root / "opt/conda"]):
        yield prefix / "conda-meta", _is_inside(prefix, home)


def _r_folders(home: Path, environment: Mapping[str, str], root: Path) -> Iterator[tuple[Path, bool]]:
    yield from ((folder, True) for folder in _inside(home, environment.get("R_LIBS_USER", "")))
    yield from ((folder, True) for folder in _found(home / "R", "*-library/*"))
    yield from ((folder, True) for folder in _found(home / ".local" / "share" / "R", "*-library/*"))
    for library in ("usr/local/lib/R/site-library", "usr/local/lib/R/library", "usr/lib/R/library"):
        yield root / library, False
    yield root / "opt/conda/lib/R/library", False


def _python(folder: Path, since: float) -> Iterator[tuple[str, str, str]]:
    for entry in _newer(folder, since, ".dist-info"):
        installer = read(entry / "INSTALLER").strip().lower()
        manager = "uv" if installer == "uv" else "pip"
        name, version = _header(read(entry / "METADATA"), "Name", "Version")
        if not name:
            name, _, version = entry.name[: -len(".dist-info")].rpartition("-")
        if installer != "conda":
            yield from _valid(manager, name, version)


def _conda(folder: Path, since: float) -> Iterator[tuple[str, str, str]]:
    for entry in _newer(folder, since, ".json"):
        name, version = ([*entry.name[: -len(".json")].rsplit("-", 2), "", ""])[:2]
        try:
            described = json.loads(read(entry))
        except (ValueError, RecursionError):
            described = None  # mostly it is longer than what was read
        if isinstance(described, dict):
            name, version = str(described.get("name", name)), str(described.get("version", version))
        yield from _valid("conda", name, version)


def _r(folder: Path, since: float) -> Iterator[tuple[str, str, str]]:
    for entry in _newer(folder, since, ""):
        name, version = _header(read(entry / "DESCRIPTION"), "Package", "Version")
        yield from _valid("r", name, version)


def _valid(manager: str, name: str, version: str) -> Iterator[tuple[str, str, str]]:
    """Yield a package whose name and version are such as its ecosystem allows; anything may lie in a folder."""
    if _NAMES[manager].fullmatch(name) and _VERSION.fullmatch(version):
        yield manager, name, version


def _header(text: str, *names: str) -> tuple[str, ...]:
    """Return the values of the first lines with these names, up to the first empty line."""
    head = text.replace("\r\n", "\n").partition("\n\n")[0]
    found: dict[str, str] = {}
    for line in head.splitlines():
        name, colon, value = line.partition(":")
        if colon and name in names and name not in found:
            found[name] = value.strip()
    return tuple(found.get(name, "") for name in names)


def _newer(folder: Path, since: float, suffix: str) -> Iterator[Path]:
    """Yield the entries of a folder with a suffix that changed after a time."""
    try:
        entries = os.scandir(folder)
    except OSError:
        return
    with entries:
        for number, entry in enumerate(entries):
            if number >= _LOOKED_AT:
                return
            try:
                if entry.name.endswith(suffix) and entry.stat().st_ctime > since:
                    yield Path(entry.path)
            except OSError:
                continue


def _found(base: Path, pattern: str) -> list[Path]:
    try:
        return sorted(base.glob(pattern))
    except OSError:
        return []


def _inside(home: Path, named: str) -> Iterable[Path]:
    """Return a folder that a variable names, if it is in the home folder."""
    path = Path(named) if named.startswith("/") else None
    return [path] if path and _is_inside(path, home) else []


def _is_inside(path: Path, home: Path) -> bool:
    return home in (path, *path.parents)
