"""Where a session opens: the page of each app. Pure."""

from allotment_profiles.access.launch import Launch

# Where JupyterLab, and the proxies inside the session for the other two, answer.
_PAGES = {"jupyterlab": "/lab", "rstudio": "/rstudio", "vscode": "/vscode"}


def default_url(launch: Launch) -> str:
    """Give the path below the session's address that a user comes to."""
    return launch.tool.address if launch.tool else _PAGES[launch.app]
