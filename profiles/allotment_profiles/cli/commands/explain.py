"""`allotment explain`: why a user can or cannot start a profile, rule by rule."""

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from allotment_profiles.cli.sources import catalog_of, on, output, repository, revision, time_of

if TYPE_CHECKING:
    from allotment_profiles.access.offers import Offer


@click.command()
@click.argument("user")
@click.argument("profile")
@click.option("--group", "groups", multiple=True, help="A group of the user, by its full name; may be repeated.")
@click.option("--admin", is_flag=True, help="The user is an administrator.")
@on
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
    """Explain rule by rule why USER can or cannot start PROFILE (team/name).

    The user's groups come from the identity provider, not from the files: name them with --group. Assumes that the
    deployment has every program and can provide every kind of binding.

    Exit codes: 0 if the profile can be started; 1 if not; 2 for a usage error.
    """
    from allotment_profiles.access.deployments import unlimited
    from allotment_profiles.access.offers import offer
    from allotment_profiles.access.people import User
    from allotment_profiles.model.base import attributes

    catalog = catalog_of(path, revision)
    decided = offer(catalog, User(user, frozenset(groups), admin), profile, time_of(day), unlimited("the platform"))
    if form == "json":
        answer = {
            "user": user,
            "profile": profile,
            "startable": decided.startable,
            "steps": [attributes(result, "rule", "text", "passed") for result in decided.results],
            "refusal": decided.refusal.as_dict() if decided.refusal else None,
            "warnings": list(decided.warnings),
        }
        click.echo(json.dumps(answer, indent=2))
    else:
        _print(decided)
    context.exit(0 if decided.startable else 1)


def _print(decided: "Offer") -> None:
    from allotment_profiles.cli.report import console, text

    out = console()
    for result in decided.results:
        mark, style = ("✓", "green") if result.passed else ("✗", "bold red")
        out.print(text(f"{mark} {result.text}", style))
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
