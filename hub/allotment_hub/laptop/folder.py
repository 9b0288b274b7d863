"""The state folder: the paths of one deployment, and the lock that allows one supervisor at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class LaptopError(Exception):
    """The deployment cannot start; the message tells the user why."""


class StateFolder:
    """The paths inside one state folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.deployment = path / "laptop.json"
        """Ports, tokens and options of this deployment."""
        self.sign_in = path / "sign-in.json"
        """How people sign in. Not in laptop.json, in which version 0.1 takes no other keys."""
        self.service = path / "service.json"
        self.access = path / "access.json"
        """The address and the accounts, for the person who runs it."""
        self.repository = path / "profiles.git"
        """The repository of profiles, unless another one was named."""
        self.mirror = path / "mirror" / "profiles.git"
        """The mirror of the repository on a git server, where --config names one."""
        self.signing_key = path / "keys" / "service"
        self.allowed_signers = path / "keys" / "allowed_signers"
        """The public keys whose signatures count."""
        self.homes = path / "homes"
        self.volumes = path / "volumes"
        """One folder for each volume claim that a data role can bind."""
        self.logs = path / "logs"
        self.pids = path / "pids"
        self.proxy_static = path / "proxy" / "traefik.toml"
        self.proxy_routes = path / "proxy" / "routes.toml"
        """The proxy's routes, written by the hub."""
        self.hub_database = f"sqlite:///{path / 'jupyterhub.sqlite'}"
        self.addresses = path / "notifications.txt"
        """Where people hear of proposals outside the pages; an administrator writes it."""
        self.events = f"sqlite:///{path / 'events.sqlite'}"

    def cache(self, program: str) -> Path:
        """The catalog cache of a program; it may be deleted at any time."""
        return self.path / f"{program}-catalog.cache"

    def check(self) -> None:
        """Raise `LaptopError` if the folder holds anything else."""
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise LaptopError(f"{self.path} is a file. Name a folder with --folder.")
        # The first start writes laptop.json right after the lock. Keys are kept by who starts from nothing.
        ours = {"lock", ".laptop.json.unfinished", *({"keys"} if self.allowed_signers.is_file() else ())}
        foreign = {entry.name for entry in self.path.iterdir()} - ours
        if foreign and not self.deployment.exists():
            raise LaptopError(
                f"{self.path} holds other files and is no folder of Allotment. Name a new one with --folder."
            )

    def create(self) -> None:
        """Create the subfolders, closed to other users."""
        self.path.chmod(0o700)
        for part in (
            self.signing_key.parent,
            self.mirror.parent,
            self.homes,
            self.volumes,
            self.logs,
            self.pids,
            self.proxy_static.parent,
        ):
            part.mkdir(mode=0o700, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for this process; the kernel releases the lock when the process ends."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise LaptopError(
                f"{self.path} cannot be created: {error.strerror}. Name another one with --folder."
            ) from None
        with (self.path / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip()
                raise LaptopError(
                    f"Allotment already runs with the folder {self.path}"
                    + (f" (process {holder})" if holder else "")
                    + ". Its address and accounts are in access.json there; stop it with Ctrl-C in its terminal first,"
                    " or name another folder with --folder."
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield
