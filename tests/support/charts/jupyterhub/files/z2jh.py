"""What a configuration file asks the values with, under the name that it has in zero-to-jupyterhub."""

from functools import reduce
from pathlib import Path
from typing import Any

import yaml

_SECRET = Path("/usr/local/etc/jupyterhub/secret")


def get_config(key: str, default: Any = None) -> Any:
    """Give a value by its dotted name."""
    values = yaml.safe_load((_SECRET / "values.yaml").read_text())
    return reduce(lambda at, part: at.get(part, default) if isinstance(at, dict) else default, key.split("."), values)


def get_secret_value(key: str) -> str:
    """Give a generated secret."""
    return (_SECRET / key).read_text()
