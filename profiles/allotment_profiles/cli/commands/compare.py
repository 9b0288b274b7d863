"""`allotment compare`: what differs between two revisions, by meaning, and which approvals that needs."""

import dataclasses
import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from allotment_profiles.cli.sources import output, repository, snapshot_of, unread_changes, usage_errors

if TYPE_CHECKING:
    from allotment_profiles.access.people import User
    from allotment_profiles.model.problems import Problem
    from allotment_profiles.review.access_diff import AccessChange, StartChange
    from allotment_profiles.review.approvals import Requirement
    from allotment_profiles.review.changes import Change
    from allotment_profiles.review.cost_changes import CostChange
    from allotment_profiles.store.snapshot import Snapshot


@dataclass(frozen=True)
class Comparison:
    """What differs between two revisions, and what follows from it."""

    problems: "list[Problem]"
    changes: "list[Change]"
    access: "list[AccessChange]"
    starts: "list[StartChange]"
    costs: "list[CostChange]"
    requirements: "list[Requirement]"
    automatic: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON shows it."""
        lists = {
            field.name: [item.as_dict() for item in getattr(self, field.name)]
            for field in dataclasses.fields(self)
            if field.name != "automatic"
        }
        return {**lists, "automatic": list(self.automatic)}


@click.command()
@click.argument("base")
@click.argument("head", required=False)
@click.option("--proposer", help="Show the approvals that are needed if this user proposes the change.")
@click.option("--group", "groups", multiple=True, help="A group of the proposer, by its full name; may be repeated.")
@repository
@output("text", "json")
@click.pass_context
def compare(
    context: click.Context,
    base: str,
    head: str | None,
    proposer: str | None,
    groups: tuple[str, ...],
    path: Path,
    form: str,
) -> None:
    """Show what differs between the revisions BASE and HEAD (default: the files in the folder), by meaning.

    Shows the changes, who gains and who loses access to which data, what sessions cost before and after, who has to
    approve and why, and the problems that BASE does not have.

    Exit codes: 0 if HEAD has no new errors; 1 if it has; 2 for a usage error.
    """
    from allotment_profiles.access.people import User

    with usage_errors(path):
        before, after = snapshot_of(path, base), snapshot_of(path, head)
        user = User(proposer, frozenset(groups)) if proposer else None
        result = comparison(before, after, user)
    if form == "json":
        click.echo(json.dumps(result.as_dict(), indent=2))
    else:
        _print(result)
    context.exit(1 if any(problem.blocks for problem in result.problems) else 0)


def comparison(before: "Snapshot", after: "Snapshot", proposer: "User | None" = None) -> Comparison:
    """Compare two snapshots of the files."""
    from allotment_profiles.review.access_diff import compare_access, compare_starts
    from allotment_profiles.review.approvals import requirements_of
    from allotment_profiles.review.automatic import automatic_of
    from allotment_profiles.review.changes import compare as compare_catalogs
    from allotment_profiles.review.changes import removed, unreadable
    from allotment_profiles.review.cost_changes import compare_costs
    from allotment_profiles.store.loading import load

    now = dt.datetime.now(dt.UTC)
    old, new = load(before), load(after)
    unread = unread_changes(before, after, old, new)
    known = {(problem.path, problem.code, problem.field) for problem in old.problems if problem.path not in unread}
    changes = compare_catalogs(old, new)
    told = {change.path for change in changes}
    changes += [unreadable(path) if path in after.entries else removed(path) for path in sorted(unread - told)]
    return Comparison(
        [problem for problem in new.problems if (problem.path, problem.code, problem.field) not in known],
        changes,
        compare_access(old, new, now),
        compare_starts(old, new, now),
        compare_costs(changes, old, new),
        requirements_of(changes, old, new, proposer),
        automatic_of(changes, old, new, proposer),
    )


def _print(result: Comparison) -> None:
    from allotment_profiles.cli.report import console, table, text

    out = console()
    if not result.changes and not result.problems:
        out.print(text("The meaning does not differ."))
        return
    if result.changes:
        rows = [(change.subject, change.text) for change in result.changes]
        out.print(table(["file", "change"], rows, "Changes"))
    for title, texts in (
        ("Access to data", [change.text for change in result.access]),
        ("Who can start which profiles", [change.text for change in result.starts]),
        ("Cost of the most expensive choices", [cost.text for cost in result.costs]),
        ("Required approvals", [requirement.text for requirement in result.requirements]),
        ("No approval needed", list(result.automatic)),
        ("Problems", [str(problem) for problem in result.problems]),
    ):
        if texts:
            out.print()
            out.print(text(title, "bold"))
            for line in texts:
                out.print(text(f"  {line}"))
