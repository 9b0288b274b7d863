"""What each kind of deployment can do for a session."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from allotment_profiles.model import BUILT_IN_APPS, Binding, Policy


@dataclass(frozen=True)
class Capabilities:
    """What a deployment can do for a session."""

    deployment: str
    bindings: frozenset[str]
    missing_apps: Mapping[str, str]
    """Apps that cannot be started, each with the reason and what would help, as one or two sentences."""
    missing_program: Callable[[str], str | None] | None = None
    """Returns why a tool's program is not installed, or None; not set where images bring every program."""
    shared: str = ""
    """What a trial could reach of other sessions of whoever tries it, as a sentence; empty where that is nothing."""

    def missing(self, app: str, policy: Policy | None) -> str | None:
        """Return why an app or a tool of the policy cannot be started, or None."""
        if app in BUILT_IN_APPS:
            return self.missing_apps.get(app)
        tool = policy.tools.get(app) if policy else None
        if tool is None:
            return f"The platform's policy has no tool {app}."
        if tool.program is None or self.missing_program is None:
            return None
        return self.missing_program(tool.program)


@dataclass(frozen=True)
class Program:
    """The program behind an app, as the proxy inside a session looks for it."""

    title: str
    name: str
    folders: tuple[Path, ...] = ()
    """Folders that are searched after the PATH."""

    @property
    def installed(self) -> bool:
        """Whether the proxy would find it."""
        # As in jupyter-rsession-proxy: a file in one of the folders need not be executable.
        return shutil.which(self.name) is not None or any((folder / self.name).exists() for folder in self.folders)

    @property
    def missing(self) -> str:
        """The message that it is not installed, with what helps."""
        places = ["on its PATH", *(f"in {folder}" for folder in self.folders)]
        where = f"{', '.join(places[:-1])} or {places[-1]}" if len(places) > 1 else places[0]
        return (
            f"{self.title} is not installed on this laptop: there is no program {self.name} {where}. "
            f"Install {self.name}, or choose a JupyterLab profile."
        )


# Where jupyter-rsession-proxy and jupyter-vscode-proxy look. The packages of RStudio put nothing on the PATH.
_RSTUDIO_FOLDERS = (Path("/usr/lib/rstudio-server/bin"), Path("/usr/lib/rstudio/bin"))
LAPTOP_PROGRAMS: Mapping[str, Program] = {
    "rstudio": Program(BUILT_IN_APPS["rstudio"], "rserver", _RSTUDIO_FOLDERS),
    "vscode": Program(BUILT_IN_APPS["vscode"], "code-server"),
}


def laptop() -> Capabilities:
    """Return what this machine can do: folders as data, and the apps whose programs are installed."""
    missing = {app: program.missing for app, program in LAPTOP_PROGRAMS.items() if not program.installed}
    shared = "Sessions are not isolated on this laptop: what runs in a trial could read and change your files."
    return Capabilities("this laptop", frozenset({"volume"}), missing, _missing_program, shared)


def cluster() -> Capabilities:
    """Return what a Kubernetes cluster can do: every kind of binding, and every program, because images bring them."""
    # JupyterHub gives one host to all servers of a user, and sends the cookies of each to all of them.
    shared = "A trial has the address of your other sessions: in your browser, what runs in it could read them."
    return replace(unlimited("this cluster"), shared=shared)


def unlimited(deployment: str) -> Capabilities:
    """Return the capabilities of a deployment that can do everything."""
    return Capabilities(deployment, frozenset(Binding.model_fields), {})


def _missing_program(name: str) -> str | None:
    """Return why the program of a tool cannot be started on this machine, or None."""
    program = Program(name, name)
    return None if program.installed else program.missing
