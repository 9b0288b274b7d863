"""The launcher has RStudio and VS Code only where they are there.

jupyter-server-proxy shows all that it has packages for, and the packages do not look for the programs.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jupyter_server.serverapp import ServerApp

_RSERVER = ("rserver", "/usr/lib/rstudio-server/bin/rserver", "/usr/lib/rstudio/bin/rserver")
"""Where jupyter-rsession-proxy looks for it."""


def hide_missing(server: ServerApp, environment: Mapping[str, str] = os.environ) -> None:
    """Hide the entries of the launcher whose program is not there."""
    # The code-server of jupyter-vscode-proxy may be another program.
    programs = {"rstudio": _RSERVER, "vscode": (environment.get("CODE_EXECUTABLE") or "code-server",)}
    for process in _proxied(server):
        wanted = programs.get(process.name)
        if wanted and not any(_is_there(each, environment) for each in wanted):
            process.launcher_entry.enabled = False


def _is_there(program: str, environment: Mapping[str, str]) -> bool:
    return Path(program).exists() if os.sep in program else bool(shutil.which(program, path=environment.get("PATH")))


def _proxied(server: ServerApp) -> Iterator[Any]:
    """Yield what jupyter-server-proxy lists, if it is there: it is loaded before, and only its route has the list."""
    for hosts in server.web_app.default_router.rules:
        for rule in getattr(hosts.target, "rules", ()):
            yield from (getattr(rule, "target_kwargs", None) or {}).get("server_processes", ())
