"""The command `allotment up`."""

import re
from pathlib import Path
from typing import Any

import click


def _base_url(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    if not re.fullmatch(r"[A-Za-z0-9/_.~-]*", value) or ".." in value:
        raise click.BadParameter("expected a path of letters, digits, '-', '_', '.' and '/', such as /jupyter/")
    inner = "/".join(part for part in value.split("/") if part)
    return f"/{inner}/" if inner else "/"


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".allotment"),
    show_default=True,
    help="The folder for profiles, homes, data, databases and logs. Delete it to start from nothing.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    show_default="8000, or as last time",
    help="The port on 127.0.0.1 to open in a browser. If it is taken, the next free port is used and printed.",
)
@click.option(
    "--base-url",
    callback=_base_url,
    show_default="/, or as last time",
    help="The path under which everything is served, such as /jupyter/.",
)
@click.option(
    "--repository",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    show_default="as last time; at first a copy of the starter",
    help="An existing git repository of profiles with a branch main, bare or not, instead of a copy of the starter."
    " Proposals and merges are written to it.",
)
@click.option(
    "--shared-origin/--own-origins",
    default=None,
    show_default="--own-origins, or as last time",
    help="Serve sessions at the hub's own address, for a browser that does not find USER.localhost. A page in a session"
    " can then act as whoever opens it.",
)
@click.option(
    "--config",
    "sign_in",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    show_default="as last time; at first the accounts analyst, lead and admin",
    help="A YAML file that says how people sign in, with the keys of hub.config of the chart; and, in the sections"
    " Repository and Forge, on which git server the repository is, with pull requests or without.",
)
@click.option("--local-accounts", is_flag=True, help="Sign in with the accounts again, after --config.")
def up(sign_in: Path | None, *, local_accounts: bool, **others: Any) -> None:
    """Run Allotment on this machine: JupyterHub, a proxy and the service, for the accounts analyst, lead and admin.

    With --config, people sign in through an identity provider instead. Prints the address and the passwords when
    everything answers, and writes them to access.json in the folder. Ctrl-C stops everything, including the sessions.
    The next start continues with the same state; after a crash it finds the sessions that still run.

    Listens on 127.0.0.1 only. The hub and the service are there; a user's sessions are at USER.localhost, with the same
    port, so that their pages cannot act in the name of whoever opens them. Sessions are processes of your own user:
    images are not used, limits are not enforced and folders are not isolated.
    """
    # Imported here, so that the other commands start without these modules.
    from allotment_hub.laptop.app import LaptopOptions, run  # noqa: PLC0415
    from allotment_hub.laptop.folder import LaptopError  # noqa: PLC0415
    from allotment_profiles.model.problems import AllotmentError  # noqa: PLC0415

    try:
        if sign_in and local_accounts:
            raise LaptopError("--config and --local-accounts exclude each other.")
        run(LaptopOptions(sign_in=sign_in, local_accounts=local_accounts, **others))
    except (LaptopError, AllotmentError) as error:
        raise click.ClickException(str(error)) from None
