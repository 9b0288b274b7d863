"""What each kind of deployment can do for a session."""

import shutil

from allotment_profiles.rules import Capabilities

# The program of an app on a laptop; the start page names it where it is not installed.
LAPTOP_PROGRAMS = {"rstudio": ("RStudio", "rserver"), "vscode": ("VS Code", "code-server")}


def laptop() -> Capabilities:
    """Say what this machine can do: folders as data, and the apps whose programs are installed."""
    missing = {
        app: f"{title} is not installed on this laptop: there is no program {program} on its PATH. "
        f"Install {program}, or choose a JupyterLab profile."
        for app, (title, program) in LAPTOP_PROGRAMS.items()
        if shutil.which(program) is None
    }
    return Capabilities("this laptop", frozenset({"volume"}), missing)
