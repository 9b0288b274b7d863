"""End the processes that a session on this machine left running, such as kernels and RStudio.

JupyterHub ends only the process that it started. On a cluster the others end with the pod.
"""

from collections.abc import Mapping
from pathlib import Path

from allotment_profiles import processes


def session_variables(user: str, server: str, home: Path) -> Mapping[str, str]:
    """Return the environment variables that identify every process of one session, also after a restart of the hub.

    The home folder identifies the deployment: another one on this machine may have a user of the same name.
    """
    return {"JUPYTERHUB_USER": user, "JUPYTERHUB_SERVER_NAME": server, "HOME": str(home)}


def end_orphans(variables: Mapping[str, str], *, patience: float = 3.0) -> int:
    """End every process with these environment variables and return how many there were. Blocks."""
    orphans = processes.with_environment(lambda environment: variables.items() <= environment.items())
    processes.end(orphans, patience=patience)
    return len(orphans)
