"""Prepare a home folder in a pod before the session starts: create a tool's folder and fetch the profile's code.

    python3 -m allotment_spawner.checkout.init_home --home=/home/jovyan --repository=https://… --into=analysis

The session starts even if this fails; a note in the home folder then says what is missing.
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import click

from allotment_profiles.model import Checkout
from allotment_spawner.checkout.fetcher import CheckoutError, Fetcher, drop_note, leave_note


@click.command()
@click.option("--home", type=click.Path(path_type=Path), required=True, help="The home folder.")
@click.option("--folder", help="A folder to create in the home folder.")
@click.option("--repository", help="The address of the code.")
@click.option("--into", help="The folder in the home folder for the code.")
@click.option("--ref", help="The branch, tag or commit.")
def main(home: Path, folder: str | None, repository: str | None, into: str | None, ref: str | None) -> None:
    """Prepare the home folder."""
    if repository and into:
        _fetch(home, Checkout(repository=repository, folder=into, ref=ref))
    if folder:
        with contextlib.suppress(OSError):
            (home / folder).mkdir(exist_ok=True)


def _fetch(home: Path, code: Checkout) -> None:
    try:
        asyncio.run(Fetcher(os.environ.get("ALLOTMENT_GIT_CA_FILE", "")).fetch(home, code))
    except CheckoutError as error:
        click.echo(f"{code.repository} was not fetched: {error}", file=sys.stderr)
        leave_note(home, code, str(error))
    else:
        drop_note(home, code)


if __name__ == "__main__":
    main()
