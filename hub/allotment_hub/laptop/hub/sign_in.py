"""How people sign in: with the local accounts, or as a file says, with the keys that `hub.config` of the chart has."""

import secrets
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field

from allotment_hub.laptop.folder import LaptopError, StateFolder
from allotment_profiles.private_files import write_private

_CLASS = "authenticator_class"
OF_THE_SERVICE = ("Repository", "Forge")
"""Sections that are not the hub's: the git server and its forge."""


class SignIn(BaseModel):
    """The file sign-in.json, read by `allotment up` and by JupyterHub's configuration."""

    model_config = ConfigDict(extra="allow")

    file: Path | None = None
    """The file of `--config`; None means the local accounts."""
    mirrored: bool = False
    """Whether the file says on which git server the repository is."""
    crypt_key: str = Field(default_factory=lambda: secrets.token_hex(32))
    """The key of the tokens of identity providers that the hub keeps."""

    @classmethod
    def read(cls, folder: StateFolder) -> Self:
        """Read the file, or return the defaults before the first start."""
        if not folder.sign_in.exists():
            return cls()
        try:
            return cls.model_validate_json(folder.sign_in.read_bytes())
        except ValueError:
            raise LaptopError(f"{folder.sign_in} cannot be used. Delete it, and name --config again.") from None

    def write(self, folder: StateFolder) -> None:
        """Write the file for the hub and for the next start."""
        write_private(folder.sign_in, self.model_dump_json(indent=2) + "\n")


def read_options(path: Path) -> dict[str, dict[str, Any]]:
    """Return the hub's options by their sections. Raise LaptopError that says what is wrong, without any value."""
    sections = read_sections(path)
    hub = sections.get("JupyterHub", {})
    if set(hub) != {_CLASS}:
        raise LaptopError(f"{path}: the section JupyterHub has to have {_CLASS}, and nothing else.")
    return {name: options for name, options in sections.items() if name not in OF_THE_SERVICE}


def read_sections(path: Path) -> dict[str, dict[str, Any]]:
    """Return all sections of the file. Raise LaptopError that says what is wrong, without any value."""
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise LaptopError(f"{path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, ValueError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        raise LaptopError(f"{path} is not valid YAML{'' if line is None else f', line {line + 1}'}.") from None
    sections = content if isinstance(content, dict) else {}
    wrong = [name for name, options in sections.items() if not (isinstance(name, str) and isinstance(options, dict))]
    if wrong:
        raise LaptopError(f"{path}: {wrong[0]} is no section with options.")
    return sections


def readable_by_others(path: Path) -> bool:
    """Return whether other users of this machine can read a file, which has the secret of the application."""
    return bool(path.stat().st_mode & 0o077)
