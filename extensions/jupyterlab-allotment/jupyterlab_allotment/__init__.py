"""Allotment in JupyterLab: the panel, and the server's part, which calls the service for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

__version__ = "0.1.0"


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Return where the built front end is, for `jupyter labextension develop`."""
    return [{"src": "labextension", "dest": "jupyterlab-allotment"}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Return the module that the server loads."""
    return [{"module": "jupyterlab_allotment"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    """Add the routes of the panel to a Jupyter server, and hide from its launcher what is not there."""
    # The front end's path is read without a server.
    from jupyterlab_allotment.launcher import hide_missing  # noqa: PLC0415
    from jupyterlab_allotment.routes import add_routes  # noqa: PLC0415

    add_routes(server)
    hide_missing(server)
