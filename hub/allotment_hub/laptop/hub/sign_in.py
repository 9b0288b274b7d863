"""The file of `allotment up --config`: how people sign in, with the keys that `hub.config` of the chart has."""

from pathlib import Path
from typing import Any

import yaml

from allotment_hub.laptop.folder import LaptopError

_CLASS = "authenticator_class"


def read_sign_in(path: Path) -> dict[str, dict[str, Any]]:
    """Return the options by their sections. Raise LaptopError that says what is wrong, without any value."""
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise LaptopError(f"{path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, ValueError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        raise LaptopError(f"{path} is not valid YAML{'' if line is None else f', line {line + 1}'}.") from None
    sections = content if isinstance(content, dict) else {}
    wrong = [name for name, options in sections.items() if not (isinstance(name, str) and isinstance(options, dict))]
    if wrong:
        raise LaptopError(f"{path}: {wrong[0]} is no section with options.")
    hub = sections.get("JupyterHub", {})
    if set(hub) != {_CLASS}:
        raise LaptopError(f"{path}: the section JupyterHub has to have {_CLASS}, and nothing else.")
    return sections


def readable_by_others(path: Path) -> bool:
    """Return whether other users of this machine can read a file, which has the secret of the application."""
    return bool(path.stat().st_mode & 0o077)
