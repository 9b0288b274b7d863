"""`allotment record`: verify the log of what people did with proposals, and export it for an archive."""

import datetime as dt
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from allotment_profiles.cli.sources import open_repository, usage_errors

if TYPE_CHECKING:
    from allotment_profiles.git.repository import Repository
    from allotment_profiles.records.record import Record

repository_argument = click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
keys_option = click.option(
    "--keys",
    "signers",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The known public keys: `allowed_signers` in the folder `keys`, or `tls.crt` of the chart's Secret.",
)


@click.group()
def record() -> None:
    """Verify and export the log of records: who proposed, approved, rejected and merged what, and when.

    The log is the branch `allotment/records`: a chain of signed commits.
    """


@record.command()
@repository_argument
@keys_option
def verify(path: Path, signers: Path) -> None:
    """Check the log in the repository PATH: the chain, every signature, and a record for each merge on main.

    Exits with 1 where something is wrong.
    """
    from allotment_profiles.git.repository import MAIN
    from allotment_profiles.records.chain import ChainError, since, unrecorded_merges

    with usage_errors(path):
        repository, tip = _opened(path, signers)
        proposals, merges, count = set(), set(), 0
        try:
            for commit, found in _records(repository, tip):
                count += 1 if found else 0
                if found and found.proposal:
                    proposals.add(found.proposal)
                if found and found.merge:
                    merges.add(found.merge)
                newest = commit
        except ChainError as error:
            raise click.ClickException(f"{error.why}: the commit {error.commit}.") from None
        main = repository.resolve(MAIN)
        missing = unrecorded_merges(repository, main, since(repository, tip), merges.intersection) if main else []
        if missing:
            listed = ", ".join(commit[:12] for commit in missing[:10])
            raise click.ClickException(f"{len(missing)} merges on main have no record: {listed}.")
    click.echo(f"{count} records of {len(proposals)} proposals are good. The newest commit is {newest}.")


@record.command()
@repository_argument
@keys_option
@click.option("--output", type=click.File("w", encoding="utf-8"), default="-", help="A file.  [default: the terminal]")
def export(path: Path, signers: Path, output: IO[str]) -> None:
    """Write the log of the repository PATH as JSON lines, the oldest record first.

    Each line has the commit of its record and the commit of the line before. The signatures are checked on the way.
    In the place of a redacted text stands who redacted it, when and why, and the line says `"redacted": true`.
    """
    from allotment_profiles.records.chain import ChainError

    with usage_errors(path), tempfile.TemporaryFile("w+", encoding="utf-8") as lines:
        repository, tip = _opened(path, signers)
        before, redactions, broken = "", list["Record"](), None
        try:
            for commit, found in _records(repository, tip):
                line = {"commit": commit, "before": before, **(_content(found) if found else {})}
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
                redactions += [found] if found and found.kind == "redacted" else []
                before = commit
        except ChainError as error:
            broken = error
        lines.seek(0)
        output.writelines(_without_redacted(lines, redactions))
    if broken:
        raise click.ClickException(f"{broken.why}: the commit {broken.commit}. What is before it was written.")


def _without_redacted(lines: Iterable[str], redactions: Sequence["Record"]) -> Iterator[str]:
    """Return the lines of an export without redacted texts: a redaction comes later than what it is of."""
    from allotment_profiles.records.record import read_record
    from allotment_profiles.records.redacting import tombstones, without_words

    shown, of = tombstones(redactions), {record.redacts: record.proposal for record in redactions}
    for line in lines:
        content = json.loads(line) if shown else {}
        commit = content.get("commit", "")
        if commit in shown and of[commit] == content.get("proposal"):
            record = read_record(line, commit, dt.datetime.fromisoformat(content["time"]))
            title = without_words(record, "").title if record else ""
            words = {"title": title, "text": shown[commit], "redacted": True}
            content.pop("evidence", None)
            yield json.dumps({**content, **words}, ensure_ascii=False) + "\n"
        else:
            yield line


def _content(found: "Record") -> dict[str, object]:
    content = json.loads(found.content())
    return {**content, "time": found.time.isoformat()}


def _opened(path: Path, signers: Path) -> "tuple[Repository, str]":
    from allotment_profiles.git.repository import RECORDS
    from allotment_profiles.git.signatures import Verifier

    repository = open_repository(path, Verifier(signers.read_text()))
    tip = repository.resolve(RECORDS)
    if tip is None:
        raise click.ClickException(f"{path} has no branch {RECORDS.removeprefix('refs/heads/')}.")
    return repository, tip


def _records(repository: "Repository", tip: str) -> "Iterator[tuple[str, Record | None]]":
    """Read the log, and show how far it is on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    from allotment_profiles.records.chain import links, read

    found = links(repository, tip)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Reading records", total=len(found.ids))
        for batch in read(repository, found):
            yield from batch
            progress.advance(task, len(batch))
