"""Makes a home folder ready in a pod, before the session starts: a tool's folder, and the profile's code.

    python3 -m allotment_spawner.checkout.init_home --home=/home/jovyan --repository=https://… --into=analysis

Whatever goes wrong, the session starts: what is missing lies as a note in the home folder.
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import click

from allotment_profiles.model import Checkout
from allotment_spawner.checkout.fetcher import CheckoutError, Fetcher, drop_note, leave_note

_SURROUNDINGS = ("PATH", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY")


@click.command()
@click.option("--home", type=click.Path(path_type=Path), required=True, help="The home folder.")
@click.option("--folder", help="A folder of the home that is made.")
@click.option("--repository", help="The address of the code.")
@click.option("--into", help="The folder of the home that the code comes into.")
@click.option("--ref", help="The branch, tag or commit.")
def main(home: Path, folder: str | None, repository: str | None, into: str | None, ref: str | None) -> None:
    """Make the home folder ready."""
    if repository and into:
        _fetch(home, Checkout(repository=repository, folder=into, ref=ref))
    if folder:
        with contextlib.suppress(OSError):
            (home / folder).mkdir(exist_ok=True)


def _fetch(home: Path, code: Checkout) -> None:
    surroundings = {name: os.environ[name] for name in _SURROUNDINGS if name in os.environ}
    try:
        asyncio.run(Fetcher(surroundings, os.environ.get("ALLOTMENT_GIT_CA_FILE", "")).fetch(home, code))
    except CheckoutError as error:
        click.echo(f"{code.repository} was not fetched: {error}", file=sys.stderr)
        leave_note(home, code, str(error))
    else:
        drop_note(home, code)


if __name__ == "__main__":
    main()
