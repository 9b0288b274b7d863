"""`allotment erase`: replace the name of somebody who has left by a pseudonym, in the table of events."""

import re
import secrets
from pathlib import Path

import click

_PSEUDONYM = re.compile(r"erased-[0-9a-f]{16}")
_BATCH = 1000
"""Events that are changed at a time, so that whoever writes events waits only a moment."""


@click.command()
@click.argument("user")
@click.option(
    "--events",
    "url",
    required=True,
    envvar="ALLOTMENT_EVENTS_URL",
    help="The table of events, as an SQLAlchemy URL. May be in the variable ALLOTMENT_EVENTS_URL.",
)
@click.option("--as", "pseudonym", help="The pseudonym of an earlier run, for events that were written since.")
def erase(user: str, url: str, pseudonym: str | None) -> None:
    """Replace the name of USER in the table of events by a random pseudonym.

    All events of the user get the same pseudonym. Nothing stores whose it is. It is safe while events are written, and
    to run twice: a second run finds what was written since.
    """
    if pseudonym is not None and not _PSEUDONYM.fullmatch(pseudonym):
        raise click.BadParameter("it is not a pseudonym that this command has made.", param_hint="--as")
    pseudonym = pseudonym or f"erased-{secrets.token_hex(8)}"
    count = _erased(user, pseudonym, url)
    if not count:
        click.echo("No events have this name.")
        return
    click.echo(f"{count} {'event' if count == 1 else 'events'} changed. The name is now {pseudonym}.")
    click.echo(f"For events that are written later, run it again with --as {pseudonym}.")


def _erased(user: str, pseudonym: str, url: str) -> int:
    """Rename a user in all events, and return how many there were. Exits with a message if the table cannot be used."""
    try:
        from sqlalchemy import make_url
        from sqlalchemy.exc import SQLAlchemyError

        from allotment_profiles.events import Events
    except ImportError as error:
        raise click.ClickException("This needs the extra `hub` of allotment, for SQLAlchemy.") from error
    count = 0
    try:
        address = make_url(url)
        file = address.database if address.get_backend_name() == "sqlite" else None
        if file and not Path(file).is_file():  # SQLite would make it
            raise click.BadParameter(f"there is no file {file}.", param_hint="--events")
        events = Events(url)
        while changed := events.rename_user(user, pseudonym, at_most=_BATCH):
            count += changed
        events.close()
    except (SQLAlchemyError, ImportError) as error:
        # The message of the driver may have the password.
        done = f" {count} events were changed to {pseudonym}; run it again with --as." if count else ""
        raise click.ClickException(f"The table of events cannot be used: {type(error).__name__}.{done}") from error
    return count
