"""The command `allotment forge`."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from allotment_hub.configuration import ServiceConfiguration
    from allotment_hub.forge_doctor import Doctor, DoctorFinding
    from allotment_hub.services.identities import Identities

_CONFIGURATION = Path("/etc/allotment/service.json")
"""Where the chart mounts it."""
_MARKS = {"ok": "ok     ", "wrong": "WRONG  ", "unknown": "?      "}
_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def forge() -> None:
    """Look at the forge whose pull requests show the proposals."""


@forge.command()
@click.option(
    "--config", type=_file, help="The configuration file of the service.  [default: /etc/allotment/service.json]"
)
@click.option(
    "--deployment",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of `allotment up`, in place of --config.",
)
@click.option(
    "--owners", type=_file, help="The accounts of groups and users, as `allotment codeowners` takes them: is it stale?"
)
@click.option(
    "--settings-token",
    type=_file,
    help="A file with the token of somebody who may read the settings, where the service's account may not.",
)
@click.pass_context
def doctor(
    context: click.Context, config: Path | None, deployment: Path | None, owners: Path | None,
    settings_token: Path | None,
) -> None:  # fmt: skip
    """Check whether the forge is set up well, and name the page of each setting that is not.

    Looks at the service's account and its rights, the protection of main and of allotment/records, and the webhook
    with its events; with --owners, at CODEOWNERS. Asks the service that runs whether it decides and which webhooks
    came, and the hub, where JUPYTERHUB_API_URL and JUPYTERHUB_API_TOKEN name it, whether the account is somebody's.
    Changes nothing.

    Exit codes: 0; 1 if something is wrong; 2 if a file cannot be used.
    """
    # Imported here, so that the other commands start without these modules.
    from allotment_hub.forge_doctor import Doctor  # noqa: PLC0415
    from allotment_profiles.cli.commands.codeowners import read_accounts  # noqa: PLC0415

    if config and deployment:
        raise click.UsageError("--config and --deployment exclude each other.")
    configuration, environment = _read(config, deployment)
    if configuration.forge is None:
        raise click.UsageError("The configuration names no forge: proposals are reviewed on the page alone.")
    accounts = read_accounts(owners, configuration.forge.kind) if owners else None

    async def look() -> bool:
        assert configuration.forge is not None  # noqa: S101  # said above
        identities = _identities(environment)
        try:
            made = Doctor(
                configuration, configuration.forge, identities=identities, settings_token=settings_token,
                accounts=accounts, service_url=_service_url(configuration, environment),
            )  # fmt: skip
        except (ValueError, OSError) as error:
            raise click.UsageError(f"The forge cannot be asked: {error}.") from None
        return await _print(made)

    context.exit(0 if asyncio.run(look()) else 1)


async def _print(made: "Doctor") -> bool:
    """Print what is found as it is. Return whether nothing is wrong."""
    from rich.console import Console  # noqa: PLC0415

    good = True
    console = Console(stderr=True)
    try:
        with console.status("Asking the forge"):
            async for finding in made.findings():
                click.echo(_line(finding))
                good = good and finding.state != "wrong"
    finally:
        await made.aclose()
    return good


def _line(finding: "DoctorFinding") -> str:
    from allotment_profiles.cli.report import printable  # noqa: PLC0415

    setting = f" Setting: {finding.address}" if finding.address else ""
    return printable(f"{_MARKS[finding.state]}{finding.text}{setting}")


def _read(config: Path | None, deployment: Path | None) -> "tuple[ServiceConfiguration, Mapping[str, str]]":
    """Return the configuration, and where the hub is. Raise `click.UsageError`."""
    from pydantic import ValidationError  # noqa: PLC0415

    from allotment_hub.configuration import ServiceConfiguration, in_words  # noqa: PLC0415

    environment: Mapping[str, str] = os.environ
    path = config or _CONFIGURATION
    if deployment:
        from allotment_hub.laptop.deployment import Deployment  # noqa: PLC0415
        from allotment_hub.laptop.folder import StateFolder  # noqa: PLC0415

        folder = StateFolder(deployment.resolve())
        path, environment = folder.service, Deployment.read(folder).service_environment()
    try:
        return ServiceConfiguration.read(path), environment
    except ValidationError as error:
        raise click.UsageError(f"{click.format_filename(path)} cannot be used. {in_words(error)}") from None
    except OSError as error:
        named = config or deployment
        remedy = "" if named else ". Name the folder of `allotment up` with --deployment, or a file with --config"
        raise click.UsageError(f"{click.format_filename(path)} cannot be read: {error.strerror}{remedy}") from None


def _service_url(configuration: "ServiceConfiguration", environment: "Mapping[str, str]") -> str:
    """Return where the service listens on this machine; empty where that is not known."""
    prefix = environment.get("JUPYTERHUB_SERVICE_PREFIX")
    return f"http://127.0.0.1:{configuration.port}{prefix}" if prefix else ""


def _identities(environment: "Mapping[str, str]") -> "Identities | None":
    from allotment_hub.services.hub_api import hub_api_client  # noqa: PLC0415
    from allotment_hub.services.identities import Identities  # noqa: PLC0415

    url, token = environment.get("JUPYTERHUB_API_URL"), environment.get("JUPYTERHUB_API_TOKEN")
    return Identities(hub_api_client(url, token)) if url and token else None
