"""`allotment compare`: what differs between two revisions, by its meaning, and what that takes."""

import dataclasses
import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from allotment_profiles.cli.commands.sources import asked_in_vain, output, repository, snapshot_of

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
    """Everything that is told of a change."""

    problems: "list[Problem]"
    changes: "list[Change]"
    access: "list[AccessChange]"
    starts: "list[StartChange]"
    costs: "list[CostChange]"
    requirements: "list[Requirement]"
    automatic: tuple[str, ...]

    @property
    def blocks(self) -> bool:
        """Whether the change cannot apply as it is."""
        return any(problem.blocks for problem in self.problems)

    def as_dict(self) -> dict[str, Any]:
        """Give the form that machines read."""
        lists = {
            field.name: [each.as_dict() for each in getattr(self, field.name)]
            for field in dataclasses.fields(self)
            if field.name != "automatic"
        }
        return {**lists, "automatic": list(self.automatic)}


@click.command()
@click.argument("base")
@click.argument("head", required=False)
@click.option("--proposer", help="Say what the change needs when this user proposes it.")
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
    """Say what differs between the revisions BASE and HEAD (default: the files in the folder), by its meaning.

    Changes, who gains and who loses which data, what sessions cost before and after, who has to approve and why, and
    the problems that HEAD brings.

    Ends with 0, with 1 when HEAD brings problems that stand in the way, and with 2 when the question makes no sense.
    """
    from allotment_profiles.access.people import User

    with asked_in_vain(path):
        before, after = snapshot_of(path, base), snapshot_of(path, head)
        who = User(proposer, frozenset(groups)) if proposer else None
        found = comparison(before, after, who)
    if form == "json":
        click.echo(json.dumps(found.as_dict(), indent=2))
    else:
        _tell(found)
    context.exit(1 if found.blocks else 0)


def comparison(before: "Snapshot", after: "Snapshot", proposer: "User | None" = None) -> Comparison:
    """Compare two states of the files."""
    from allotment_profiles.review.access_diff import compare_access, compare_starts
    from allotment_profiles.review.approvals import requirements_of
    from allotment_profiles.review.automatic import automatic_of
    from allotment_profiles.review.changes import compare as compare_catalogs
    from allotment_profiles.review.cost_changes import compare_costs
    from allotment_profiles.store.loading import load

    now = dt.datetime.now(dt.UTC)
    old, new = load(before), load(after)
    known = {(problem.path, problem.code, problem.field) for problem in old.problems}
    changes = compare_catalogs(old, new)
    return Comparison(
        [each for each in new.problems if (each.path, each.code, each.field) not in known],
        changes,
        compare_access(old, new, now),
        compare_starts(old, new, now),
        compare_costs(changes, old, new),
        requirements_of(changes, old, new, proposer),
        automatic_of(changes, old, new, proposer),
    )


def _tell(found: Comparison) -> None:
    from allotment_profiles.cli.commands.tables import console, table, text

    out = console()
    if not found.changes and not found.problems:
        out.print(text("Nothing differs in meaning."))
        return
    if found.changes:
        out.print(table(["what", "change"], [(each.subject, each.text) for each in found.changes], "Changes"))
    for title, texts in (
        ("Who reaches which data", [each.text for each in found.access]),
        ("Who can start what", [each.text for each in found.starts]),
        ("Cost, at the dearest choices", [each.text for each in found.costs]),
        ("Who has to approve", [each.text for each in found.requirements]),
        ("Nobody has to approve", list(found.automatic)),
        ("Problems", [str(each) for each in found.problems]),
    ):
        if texts:
            out.print()
            out.print(text(title, "bold"))
            for each in texts:
                out.print(text(f"  {each}"))
