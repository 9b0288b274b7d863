"""A repository on a git server, and its forge: the sections `Repository` and `Forge` of the file of --config."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from allotment_hub.configuration import ForgeConfiguration, RemoteConfiguration, in_words, unknown_keys
from allotment_hub.forges.pull_requests.connecting import ForgeConfigurationError, connect
from allotment_hub.laptop.folder import LaptopError, StateFolder
from allotment_hub.laptop.hub.sign_in import read_sections
from allotment_profiles.git.mirror import Mirror
from allotment_profiles.git.process import GitError
from allotment_profiles.git.remotes import Remote, RemoteError
from allotment_profiles.git.repository import MAIN

Section = TypeVar("Section", bound=BaseModel)


@dataclass(frozen=True)
class GitServer:
    """Where the repository is."""

    remote: RemoteConfiguration
    forge: ForgeConfiguration | None

    @property
    def secret_files(self) -> list[Path]:
        """The files that hold secrets, each once."""
        found = [self.remote.token_file, self.remote.ssh_key_file]
        if self.forge:
            found += [self.forge.token_file, self.forge.app_key_file, self.forge.webhook_secret_file]
        return list(dict.fromkeys(filter(None, found)))


def read_git_server(file: Path) -> GitServer | None:
    """Return what a file says; None where it names no git server. Raise LaptopError."""
    sections = read_sections(file)
    remote = _section(file, "Repository", RemoteConfiguration, sections)
    forge = _section(file, "Forge", ForgeConfiguration, sections)
    if forge and not remote:
        raise LaptopError(
            f"{file}: the section Forge needs the section Repository. Pull requests need a repository on a git server;"
            " without it, the repository is a folder of this machine."
        )
    if forge:
        names = {"kind", "url", "repository", "token_file", "app_id", "app_key_file", "ca_file", "plain_http"}
        try:
            connect(**forge.model_dump(include=names))
        except (ForgeConfigurationError, OSError) as error:
            raise LaptopError(f"{file}: Forge: {error}.") from None
    return GitServer(remote, forge) if remote else None


def _section(file: Path, name: str, kind: type[Section], sections: dict[str, dict[str, Any]]) -> Section | None:
    if name not in sections:
        return None
    try:
        made = kind.model_validate(sections[name])
    except ValidationError as error:
        raise LaptopError(f"{file}: {name}: {in_words(error)}.") from None
    if unknown := next(unknown_keys(made), None):  # people write this file: nothing of it is silently passed over
        raise LaptopError(f"{file}: {name} has no option {unknown}.")
    # Names of files are relative to the file that they stand in.
    paths = {key: file.parent / value for key, value in made if isinstance(value, Path)}
    return made.model_copy(update=paths)


def check_files(server: GitServer) -> None:
    """Raise LaptopError for a file that is named and cannot be read."""
    for name, section in (("Repository", server.remote), ("Forge", server.forge)):
        for key, value in section or ():
            if not isinstance(value, Path):
                continue
            try:
                value.open("rb").close()
            except OSError as error:
                raise LaptopError(f"{name}: {key}: {value} cannot be read: {error.strerror}.") from None


def ensure_mirror(folder: StateFolder, server: GitServer) -> None:
    """Fetch main the first time, so that the programs find it. Raise LaptopError."""
    try:
        mirror = Mirror.opened(folder.mirror, Remote(**server.remote.model_dump()))
        if MAIN not in mirror.repository.references(MAIN):
            mirror.fetch_main()
    except RemoteError as error:
        raise LaptopError(f"The repository at {server.remote.url} cannot be used: {error.why}.") from None
    except GitError as error:
        raise LaptopError(f"The repository at {server.remote.url} cannot be used: {error}.") from None
