"""`allotment explain`: rule by rule, why somebody can or cannot start a profile."""

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from allotment_profiles.cli.commands.sources import catalog_of, output, repository, revision

if TYPE_CHECKING:
    from allotment_profiles.access.deployments import Capabilities


def moment(day: dt.datetime | None) -> dt.datetime:
    """Give the end of a day, UTC, or now."""
    return day.replace(hour=23, minute=59, tzinfo=dt.UTC) if day else dt.datetime.now(dt.UTC)


def able() -> "Capabilities":
    """Say what a platform can do of which nothing more is known: everything."""
    from allotment_profiles.access.deployments import Capabilities
    from allotment_profiles.model import Binding

    return Capabilities("the platform", frozenset(Binding.model_fields), {})


@click.command()
@click.argument("user")
@click.argument("profile")
@click.option("--group", "groups", multiple=True, help="A group of the user, by its full name; may be repeated.")
@click.option("--admin", is_flag=True, help="The user is an administrator.")
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="Ask about the end of this day.  [default: now]")
@repository
@revision
@output("text", "json")
@click.pass_context
def explain(
    context: click.Context,
    user: str,
    profile: str,
    groups: tuple[str, ...],
    admin: bool,
    day: dt.datetime | None,
    path: Path,
    revision: str | None,
    form: str,
) -> None:
    """Say rule by rule why USER can or cannot start PROFILE (team/name).

    The groups are those of the identity provider, which no file knows: name them with --group. Whether a deployment has
    the program and the kind of credential is not asked here.

    Ends with 0 when the profile can be started, with 1 when not, and with 2 when the question makes no sense.
    """
    from allotment_profiles.access.offers import offer
    from allotment_profiles.access.people import User

    catalog = catalog_of(path, revision)
    decided = offer(catalog, User(user, frozenset(groups), admin), profile, moment(day), able())
    if form == "json":
        answer = {
            "user": user,
            "profile": profile,
            "startable": decided.startable,
            "steps": [{"rule": step.rule, "text": step.text, "passed": step.passed} for step in decided.steps],
            "refusal": decided.refusal.as_dict() if decided.refusal else None,
            "warnings": list(decided.warnings),
        }
        click.echo(json.dumps(answer, indent=2))
    else:
        _tell(decided)
    context.exit(0 if decided.startable else 1)


def _tell(decided: "object") -> None:
    from allotment_profiles.access.offers import Offer
    from allotment_profiles.cli.commands.tables import console, text

    assert isinstance(decided, Offer)  # noqa: S101  (the name is imported late)
    out = console()
    for step in decided.steps:
        out.print(text(f"{'✓' if step.passed else '✗'} {step.text}", "green" if step.passed else "bold red"))
    refusal = decided.refusal
    if refusal:
        out.print(text(f"{refusal.why} [{refusal.code}]"))
        if refusal.remedy:
            out.print(text(f"  = {refusal.remedy}"))
        if refusal.decides:
            out.print(text(f"  = Who decides: {refusal.decides}"))
    else:
        out.print(text("It can be started.", "bold green"))
    for warning in decided.warnings:
        out.print(text(f"! {warning}", "yellow"))
