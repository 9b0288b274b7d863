"""Run `allotment up`: prepare the state folder, start the programs, print the accounts, wait, and stop."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from allotment_hub.configuration import ServiceConfiguration, in_words
from allotment_hub.laptop.deployment import Deployment
from allotment_hub.laptop.folder import LaptopError, StateFolder
from allotment_hub.laptop.git_server import GitServer, check_files, ensure_mirror, read_git_server
from allotment_hub.laptop.hub.accounts import ACCOUNTS
from allotment_hub.laptop.hub.proxy import write_proxy_configuration
from allotment_hub.laptop.hub.sign_in import SignIn, read_options, readable_by_others
from allotment_hub.laptop.processes import ports, program
from allotment_hub.laptop.processes.program import Program, require_programs, search_path
from allotment_hub.laptop.processes.supervisor import Supervisor
from allotment_hub.laptop.seed import starter
from allotment_hub.laptop.seed.sample_data import write_sample_data
from allotment_hub.laptop.telling import nobodys_acts, tell_whether_decided
from allotment_profiles import processes
from allotment_profiles.private_files import write_private

# Inside a session of another hub, variables with these prefixes belong to that hub.
_FOREIGN_PREFIXES = ("JUPYTERHUB_", "JPY_", "CONFIGPROXY_", "ALLOTMENT_")
_HUB_CONFIGURATION = Path(__file__).with_name("hub") / "jupyterhub_config.py"


@dataclass(frozen=True)
class LaptopOptions:
    """The options of the command; None keeps the value of the last run."""

    folder: Path
    port: int | None = None
    base_url: str | None = None
    repository: Path | None = None
    shared_origin: bool | None = None
    sign_in: Path | None = None
    local_accounts: bool = False


def run(options: LaptopOptions) -> None:
    """Run until a signal stops it. Raise `LaptopError` with the reason when it cannot run."""
    console = Console(soft_wrap=True, highlight=False)
    traefik = require_programs()
    folder = StateFolder(options.folder.resolve())
    # Before the lock, which would create a file in a folder that is not ours.
    folder.check()
    with folder.locked():
        # First of all, so that the folder is known as ours, however far this start comes.
        Deployment.read(folder).write(folder)
        folder.create()
        deployment = _prepare(console, folder, options)
        asyncio.run(_Run(console, folder, deployment, traefik).run())


def _prepare(console: Console, folder: StateFolder, options: LaptopOptions) -> Deployment:
    deployment = Deployment.read(folder)
    for name in program.end_orphans(sorted(folder.pids.glob("*.json"))):
        console.print(f"Killed the {name} that an earlier run left behind.")
    if options.port is not None and options.port != deployment.asked_port:
        deployment.asked_port = options.port
        deployment.ports.public = None
    if options.base_url is not None:
        deployment.base_url = options.base_url
    if options.shared_origin is not None:
        deployment.shared_origin = options.shared_origin
    server = _choose_configuration(console, folder, options)
    if server and options.repository:
        raise LaptopError("--repository, and the section Repository of the file of --config, exclude each other.")
    repository = options.repository or deployment.repository
    if repository is not None and not server:
        deployment.repository = starter.existing_repository(repository)
    for message in deployment.settle():
        console.print(message)
    deployment.write(folder)
    if lost := starter.ensure_keys(folder):
        console.print(lost)
    _prepare_repository(console, folder, deployment, server)
    write_sample_data(folder.volumes)
    write_proxy_configuration(folder, deployment)
    write_private(folder.service, _service_configuration(folder, deployment, server).model_dump_json(indent=2) + "\n")
    return deployment


def _prepare_repository(
    console: Console, folder: StateFolder, deployment: Deployment, server: GitServer | None
) -> None:
    if server:
        ensure_mirror(folder, server)
        console.print(f"Profiles come from {server.remote.url}", markup=False)
    elif deployment.repository is None:
        if starter.ensure_starter(folder):
            console.print("Created a repository of profiles from the starter.")
    else:
        console.print(f"Profiles come from {deployment.repository}", markup=False)
        if deployment.repository.name == ".git":
            console.print("A merge moves its branch main. It does not update the files that are checked out beside it.")


def _service_configuration(
    folder: StateFolder, deployment: Deployment, server: GitServer | None
) -> ServiceConfiguration:
    try:
        return deployment.service_configuration(
            folder, server.remote if server else None, server.forge if server else None
        )
    except ValidationError as error:
        raise LaptopError(f"The file of --config cannot be used. {in_words(error)}") from None


def _choose_configuration(console: Console, folder: StateFolder, options: LaptopOptions) -> GitServer | None:
    """Keep which file says how people sign in. Return the git server that it names."""
    sign_in, authenticator = SignIn.read(folder), {}
    if options.sign_in or options.local_accounts:
        sign_in.file = options.sign_in.resolve() if options.sign_in else None
    if sign_in.file:
        authenticator = read_options(sign_in.file)
    server = read_git_server(sign_in.file) if sign_in.file else None
    if server:
        check_files(server)
    if server and server.forge and (hint := nobodys_acts(authenticator, server.forge)):
        console.print(hint, markup=False)
    for file in [*([sign_in.file] if sign_in.file else []), *(server.secret_files if server else [])]:
        if readable_by_others(file):
            console.print(f"Other users of this machine can read {file}.", markup=False)
    sign_in.mirrored = server is not None
    sign_in.write(folder)
    return server


class _Run:
    def __init__(self, console: Console, folder: StateFolder, deployment: Deployment, traefik: str) -> None:
        self._console = console
        self._folder = folder
        self._deployment = deployment
        self._traefik = traefik

    async def run(self) -> None:
        """Start the programs, wait for a signal, and stop them."""
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            supervisor = Supervisor(self._programs(client), self._print)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup does
                    loop.add_signal_handler(number, supervisor.request_stop)
            try:
                with self._console.status("Starting the proxy, the service and the hub"):
                    await supervisor.start()
                if not supervisor.stop_requested:
                    self._print_accounts()
                health = f"{self._deployment.service_address}{self._deployment.service_prefix}api/v1/health"
                telling = asyncio.create_task(tell_whether_decided(client, health, self._print))
                await supervisor.wait()
                telling.cancel()
                self._print("Stopping. Sessions end first; press Ctrl-C again to kill everything at once.")
            finally:
                await supervisor.stop()
                # Sessions that the hub did not know yet, and processes that sessions left running.
                remaining = program.session_processes(f"http://{ports.ADDRESS}:{self._deployment.ports.hub}")
                await asyncio.to_thread(processes.end, remaining, patience=5)
            self._print("Stopped.")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False)

    def _programs(self, client: httpx.AsyncClient) -> list[Program]:
        folder, deployment = self._folder, self._deployment

        async def proxy_ready() -> bool:
            return await _listens(deployment.ports.public) and await _listens(deployment.ports.proxy_api)

        async def service_ready() -> bool:
            return await _answers_ok(client, f"{deployment.service_address}{deployment.service_prefix}api/v1/health")

        async def hub_ready() -> bool:
            # Through the proxy, as browsers do. The hub adds the service's route, so the service is asked again.
            return await _answers_ok(client, f"{deployment.public_url}hub/health") and await _answers_ok(
                client, f"{deployment.service_url}api/v1/health"
            )

        return [
            self._program("proxy", self._traefik, f"--configfile={folder.proxy_static}", ready=proxy_ready, patience=5),
            self._program(
                "service",
                *(sys.executable, "-m", deployment.service_module, "--config", str(folder.service)),
                ready=service_ready,
                patience=10,
                extra=deployment.service_environment(),
            ),
            self._program(
                "hub",
                *(sys.executable, "-m", "allotment_profiles.quick_start", "jupyterhub"),
                *("--config", str(_HUB_CONFIGURATION)),
                ready=hub_ready,
                # It stops every session and waits for it.
                patience=45,
            ),
        ]

    def _program(
        self,
        name: str,
        *command: str,
        ready: Callable[[], Awaitable[bool]],
        patience: float,
        extra: Mapping[str, str] | None = None,
    ) -> Program:
        folder = self._folder
        environment = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN_PREFIXES)}
        return Program(
            name=name,
            command=command,
            environment={**environment, "PATH": search_path(), **(extra or {})},
            working_folder=folder.path,
            log=_rotated(folder.logs / f"{name}.log"),
            pid_file=folder.pids / f"{name}.json",
            ready=ready,
            patience=patience,
        )

    def _print_accounts(self) -> None:
        """Write access.json, then print the same: a script that waits for the text then finds the file."""
        deployment, folder = self._deployment, self._folder
        sign_in = SignIn.read(folder)
        accounts = {} if sign_in.file else deployment.passwords
        access = {"url": deployment.public_url, "accounts": accounts}
        write_private(folder.access, json.dumps(access, indent=2) + "\n")
        if sign_in.file:
            self._print(f"People sign in as {sign_in.file} says.")
            self._print(f"The identity provider leads them back to {deployment.callback_url}")
            if sign_in.mirrored:
                self._print(f"Webhooks of the forge go to {deployment.service_url}api/v1/webhooks/forge")
            self._print(f"Allotment is ready: {deployment.public_url}    Ctrl-C stops it.")
            return
        table = Table("account", "password", "", box=None, header_style="dim", pad_edge=False)
        for name, account in ACCOUNTS.items():
            table.add_row(name, escape(deployment.passwords[name]), account.about)
        self._console.print()
        self._console.print(table)
        self._print(f"\nThe same is in {folder.access}")
        self._print(f"Allotment is ready: {deployment.public_url}    Ctrl-C stops it.")


async def _listens(port: int | None) -> bool:
    try:
        _, writer = await asyncio.open_connection(ports.ADDRESS, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def _answers_ok(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _rotated(log: Path) -> Path:
    """Create an empty log and keep the log of the run before as `NAME.log.1`."""
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    log.touch(mode=0o600)
    return log
