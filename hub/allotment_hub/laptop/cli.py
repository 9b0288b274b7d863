"""The command `allotment up`."""

import re
from pathlib import Path

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
def up(
    folder: Path, port: int | None, base_url: str | None, repository: Path | None, *, shared_origin: bool | None
) -> None:
    """Run Allotment on this machine: JupyterHub, a proxy and the service, for the accounts analyst, lead and admin.

    Prints the address and the passwords when everything answers, and writes them to access.json in the folder. Ctrl-C
    stops everything, including the sessions. The next start continues with the same state; after a crash it finds the
    sessions that still run.

    Listens on 127.0.0.1 only. The hub and the service are there; a user's sessions are at USER.localhost, with the same
    port, so that their pages cannot act in the name of whoever opens them. Sessions are processes of your own user:
    images are not used, limits are not enforced and folders are not isolated.
    """
    # Imported here, so that the other commands start without these modules.
    from allotment_hub.laptop.app import LaptopOptions, run  # noqa: PLC0415
    from allotment_hub.laptop.folder import LaptopError  # noqa: PLC0415
    from allotment_profiles.model.problems import AllotmentError  # noqa: PLC0415

    try:
        run(
            LaptopOptions(
                folder=folder, port=port, base_url=base_url, repository=repository, shared_origin=shared_origin
            )
        )
    except (LaptopError, AllotmentError) as error:
        raise click.ClickException(str(error)) from None
