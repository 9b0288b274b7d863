"""`python -m allotment_hub --config FILE`: run the service."""

import asyncio
import logging
from pathlib import Path

import click
from pydantic import ValidationError

from allotment_hub.app import serve
from allotment_hub.configuration import ServiceConfiguration, in_words
from allotment_hub.forges.pull_requests.connecting import ForgeConfigurationError


@click.command()
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
def main(config: Path) -> None:
    """Run the service beside the hub with a configuration file."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        configuration = ServiceConfiguration.read(config)
    except ValidationError as error:
        raise click.ClickException(f"{config} cannot be used. {in_words(error)}") from None
    try:
        asyncio.run(serve(configuration))
    except ForgeConfigurationError as error:
        raise click.ClickException(f"{config} cannot be used. forge: {error}.") from None


main()
