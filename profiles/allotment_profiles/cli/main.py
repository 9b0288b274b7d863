"""The command `allotment`. Its commands, and those of other packages, are imported when they are used."""

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

import click

GROUP = "allotment.commands"
OWN = (
    "check", "codeowners", "compare", "erase", "explain", "import", "key", "new", "readers", "record", "render",
    "schema",
)  # fmt: skip


class Commands(click.Group):
    """Allotment's own commands and those of other packages, each imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands without importing them."""
        return sorted({*OWN, *super().list_commands(ctx), *(point.name for point in entry_points(group=GROUP))})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; if another package's command cannot be imported, return one that reports the reason."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        if cmd_name in OWN:
            # `import` is a keyword of Python, and cannot name a module's function.
            module, name = ("importing", "import_values") if cmd_name == "import" else (cmd_name, cmd_name)
            command: click.Command = getattr(import_module(f"allotment_profiles.cli.commands.{module}"), name)
            return command
        return next((_load(point) for point in entry_points(group=GROUP, name=cmd_name)), None)


def _load(point: EntryPoint) -> click.Command:
    try:
        command = point.load()
    except Exception as error:  # noqa: BLE001  (code of other packages: an import may raise anything)
        return _unavailable(point.name, f"{type(error).__name__}: {error}")
    if isinstance(command, click.Command):
        return command
    return _unavailable(point.name, f"{point.value} is not a click command")


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
    """Check, compare and explain JupyterHub profiles that teams keep in a git repository."""
