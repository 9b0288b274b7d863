"""How Allotment's lines look in the hub's log: as JupyterHub's own, with time and level."""

from typing import Any

LOGGING: dict[str, Any] = {
    "loggers": {
        name: {"level": "INFO", "handlers": ["console"], "propagate": False}
        for name in ("allotment_profiles", "allotment_spawner")
    }
}
"""For `c.JupyterHub.logging_config`; `console` is the handler of every traitlets application."""
