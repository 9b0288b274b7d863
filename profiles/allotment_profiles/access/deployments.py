"""What each kind of deployment can do for a session."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from allotment_profiles.access.rules import Capabilities
from allotment_profiles.model import BUILT_IN_APPS, Binding


@dataclass(frozen=True)
class Program:
    """The program behind an app, as the proxy inside a session looks for it."""

    title: str
    """What the start page calls the app."""
    name: str
    elsewhere: tuple[Path, ...] = ()
    """Folders that are looked in after the PATH."""

    @property
    def installed(self) -> bool:
        """Whether the proxy would find it."""
        # As jupyter-rsession-proxy does it: beside the PATH, to be there is enough.
        return shutil.which(self.name) is not None or any((folder / self.name).exists() for folder in self.elsewhere)

    @property
    def missing(self) -> str:
        """Say that it is not there, and what helps."""
        places = ["on its PATH", *(f"in {folder}" for folder in self.elsewhere)]
        where = f"{', '.join(places[:-1])} or {places[-1]}" if len(places) > 1 else places[0]
        return (
            f"{self.title} is not installed on this laptop: there is no program {self.name} {where}. "
            f"Install {self.name}, or choose a JupyterLab profile."
        )


# Where jupyter-rsession-proxy and jupyter-vscode-proxy look. The packages of RStudio put nothing on the PATH.
LAPTOP_PROGRAMS: Mapping[str, Program] = {
    "rstudio": Program(
        BUILT_IN_APPS["rstudio"], "rserver", (Path("/usr/lib/rstudio-server/bin"), Path("/usr/lib/rstudio/bin"))
    ),
    "vscode": Program(BUILT_IN_APPS["vscode"], "code-server"),
}


def laptop() -> Capabilities:
    """Say what this machine can do: folders as data, and the apps whose programs are installed."""
    missing = {app: program.missing for app, program in LAPTOP_PROGRAMS.items() if not program.installed}
    return Capabilities("this laptop", frozenset({"volume"}), missing, _missing_program)


def cluster() -> Capabilities:
    """Say what a Kubernetes cluster can do: every kind of binding, and every program, because images bring them."""
    return Capabilities("this cluster", frozenset(Binding.model_fields), {})


def _missing_program(name: str) -> str | None:
    """Say that the program of a tool is not on this machine, or give None."""
    program = Program(name, name)
    return None if program.installed else program.missing
