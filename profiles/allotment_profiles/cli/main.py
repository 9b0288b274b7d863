"""The command `allotment`: what people and pipelines ask on the command line.

Our own commands lie in `commands`, one module each; other packages join with click commands in the entry point group
`allotment.commands`. Each is imported when it is asked for.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

import click

GROUP = "allotment.commands"
OWN: Mapping[str, str] = {
    "check": "allotment_profiles.cli.commands.check",
    "compare": "allotment_profiles.cli.commands.compare",
    "explain": "allotment_profiles.cli.commands.explain",
    "import": "allotment_profiles.cli.commands.importing:import_values",
    "new": "allotment_profiles.cli.commands.new",
    "readers": "allotment_profiles.cli.commands.readers",
    "render": "allotment_profiles.cli.commands.render",
    "schema": "allotment_profiles.cli.commands.schema",
}
"""Command → the module that has it under the same name, or under the one that is given."""


class Commands(click.Group):
    """Our own commands, and those of the packages beside; each of these is imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all commands without importing any."""
        return sorted({*OWN, *super().list_commands(ctx), *(found.name for found in entry_points(group=GROUP))})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command; one of another package that cannot be imported is a command that says why."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        if cmd_name in OWN:
            module, _, name = OWN[cmd_name].partition(":")
            command: click.Command = getattr(import_module(module), name or cmd_name)
            return command
        return next((_loaded(found) for found in entry_points(group=GROUP, name=cmd_name)), None)


def _loaded(found: EntryPoint) -> click.Command:
    try:
        command = found.load()
    except Exception as error:  # noqa: BLE001  (the edge to other packages: an import may raise anything)
        return _unavailable(found.name, f"{type(error).__name__}: {error}")
    if isinstance(command, click.Command):
        return command
    return _unavailable(found.name, f"{found.value} is no command")


def _unavailable(name: str, why: str) -> click.Command:
    def refuse(arguments: tuple[str, ...]) -> None:
        raise click.ClickException(f"`{name}` is not available in this installation. {why}")

    return click.Command(
        name,
        callback=refuse,
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        short_help=f"(not available: {why})",
        context_settings={"ignore_unknown_options": True},
        add_help_option=False,
    )


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="allotment", prog_name="allotment")
def main() -> None:
    """JupyterHub profiles that teams tend themselves: files in git, proposed on a page, reviewed by those who know."""
