"""`allotment up` from the options to the end: prepare, start, tell, wait, stop."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from allotment_hub.laptop.deployment import Deployment
from allotment_hub.laptop.folder import StateFolder, write_private
from allotment_hub.laptop.hub.accounts import ACCOUNTS
from allotment_hub.laptop.hub.proxy import write_proxy_configuration
from allotment_hub.laptop.processes import ports, program
from allotment_hub.laptop.processes.program import Program
from allotment_hub.laptop.processes.supervisor import Supervisor
from allotment_hub.laptop.requirements import require_programs, search_path
from allotment_hub.laptop.seed import starter
from allotment_hub.laptop.seed.sample_data import write_sample_data
from allotment_profiles.processes import end

# Where this runs inside somebody's session, that session's own variables mean another hub.
_OTHER_HUBS = ("JUPYTERHUB_", "JPY_", "CONFIGPROXY_", "ALLOTMENT_")
_HUB_CONFIGURATION = Path(__file__).with_name("hub") / "jupyterhub_config.py"


@dataclass(frozen=True)
class Choices:
    """The options of the command; None means as last time."""

    folder: Path
    port: int | None = None
    base_url: str | None = None
    repository: Path | None = None


def run(choices: Choices) -> None:
    """Run until told to stop. Raises `LaptopError` with the reason when that is not possible."""
    console = Console(soft_wrap=True, highlight=False)
    traefik = require_programs()
    folder = StateFolder(choices.folder.resolve())
    # Looked at before the lock: a folder that is somebody else's gets not even that.
    folder.check()
    with folder.locked():
        folder.create()
        deployment = _prepare(console, folder, choices)
        asyncio.run(_Run(console, folder, deployment, traefik).to_the_end())


def _prepare(console: Console, folder: StateFolder, choices: Choices) -> Deployment:
    deployment = Deployment.read(folder)
    for name in program.end_orphans(sorted(folder.pids.glob("*.json"))):
        console.print(f"Ended the {name} of an earlier run that was killed.")
    if choices.port is not None and choices.port != deployment.asked_port:
        deployment.asked_port = choices.port
        deployment.ports.public = None
    if choices.base_url is not None:
        deployment.base_url = choices.base_url
    wanted = choices.repository or deployment.repository
    if wanted is not None:
        deployment.repository = starter.existing_repository(wanted)
    for note in deployment.settle():
        console.print(note)
    deployment.write(folder)
    starter.ensure_keys(folder)
    if deployment.repository is None:
        if starter.ensure_starter(folder):
            console.print("Made a repository of profiles from the starter.")
    else:
        console.print(f"Profiles come from {deployment.repository}", markup=False)
        if deployment.repository.name == ".git":
            console.print(
                "Merges move its branch main; files that are checked out beside it do not follow by themselves."
            )
    write_sample_data(folder.volumes)
    write_proxy_configuration(folder, deployment)
    write_private(folder.service, deployment.service_configuration(folder).model_dump_json(indent=2) + "\n")
    return deployment


class _Run:
    """One run of the three programs."""

    def __init__(self, console: Console, folder: StateFolder, deployment: Deployment, traefik: str) -> None:
        self._console = console
        self._folder = folder
        self._deployment = deployment
        self._traefik = traefik

    async def to_the_end(self) -> None:
        """Start, tell, wait, stop."""
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            supervisor = Supervisor(self._programs(client), self._say)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                    loop.add_signal_handler(number, supervisor.ask_to_stop)
            try:
                with self._console.status("Starting the proxy, the service and the hub"):
                    await supervisor.start()
                if not supervisor.stop_asked:
                    self._tell()
                await supervisor.wait()
                self._say("Stopping. Sessions are asked to end first; Ctrl-C again ends everything at once.")
            finally:
                await supervisor.stop()
                # Sessions that the hub did not know yet, and what sessions left running.
                left = program.of_sessions(f"http://{ports.ADDRESS}:{self._deployment.ports.hub}")
                await asyncio.to_thread(end, left, patience=5)
            self._say("Stopped.")

    def _say(self, words: str) -> None:
        self._console.print(words, markup=False)

    def _programs(self, client: httpx.AsyncClient) -> list[Program]:
        folder, deployment = self._folder, self._deployment

        async def proxy_ready() -> bool:
            return await _listens(deployment.ports.public) and await _listens(deployment.ports.proxy_api)

        async def service_ready() -> bool:
            return await _is_well(client, f"{deployment.service_address}{deployment.service_prefix}api/v1/health")

        async def hub_ready() -> bool:
            # Through the proxy, as a browser will come; then the service, whose route the hub adds.
            return await _is_well(client, f"{deployment.public_url}hub/health") and await _is_well(
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
                *(sys.executable, "-m", "jupyterhub", "--config", str(_HUB_CONFIGURATION)),
                ready=hub_ready,
                # It asks every session to end and waits for it.
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
        environment = {key: value for key, value in os.environ.items() if not key.startswith(_OTHER_HUBS)}
        return Program(
            name=name,
            command=command,
            environment={**environment, "PATH": search_path(), **(extra or {})},
            working_folder=folder.path,
            log=_fresh(folder.logs / f"{name}.log"),
            pid_file=folder.pids / f"{name}.json",
            ready=ready,
            patience=patience,
        )

    def _tell(self) -> None:
        """Write access.json, then say the same: who waits for the words finds the file."""
        deployment, folder = self._deployment, self._folder
        access = {"url": deployment.public_url, "accounts": deployment.passwords}
        write_private(folder.access, json.dumps(access, indent=2) + "\n")
        table = Table("account", "password", "", box=None, header_style="dim", pad_edge=False)
        for name, account in ACCOUNTS.items():
            table.add_row(name, escape(deployment.passwords[name]), account.about)
        self._console.print()
        self._console.print(table)
        self._say(f"\nThe same is in {folder.access}")
        self._say(f"Allotment is ready: {deployment.public_url}    Ctrl-C stops it.")


async def _listens(port: int | None) -> bool:
    try:
        _, writer = await asyncio.open_connection(ports.ADDRESS, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def _is_well(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _fresh(log: Path) -> Path:
    """Begin a new log and keep the one of the run before."""
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    log.touch(mode=0o600)
    return log
