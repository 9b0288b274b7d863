"""The page that a session opens, by app. Pure."""

from allotment_profiles.access.launch import Launch

# JupyterLab, and the paths of the proxies inside the session for the other two.
_PATHS = {"jupyterlab": "/lab", "rstudio": "/rstudio", "vscode": "/vscode"}


def default_url(launch: Launch) -> str:
    """Return the path below the session's address that is opened first."""
    return launch.tool.address if launch.tool else _PATHS[launch.app]
