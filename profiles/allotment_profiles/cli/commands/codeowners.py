"""`allotment codeowners`: whom a forge asks for a review by itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from allotment_profiles.cli.sources import MAIN, catalog_of, open_repository, repository, revision, usage_errors

if TYPE_CHECKING:
    from allotment_profiles.review.code_owners import ForgeKind

FORGES = ("gitea", "github", "gitlab")


@click.command()
@click.option("--forge", type=click.Choice(FORGES), required=True, help="The forge: their syntaxes differ.")
@click.option(
    "--owners",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help='A YAML file with the account of each group and user: `/moj/prison/leads: "@moj/prison-leads"`. The key'
    " `administrators` is theirs; several accounts are a list.",
)
@click.option("--check", is_flag=True, help="Write nothing, and say whether the file that is there is stale.")
@click.option("--output", type=click.File("w", encoding="utf-8"), default="-", help="A file.  [default: the terminal]")
@repository
@revision
@click.pass_context
def codeowners(
    context: click.Context, forge: "ForgeKind", owners: Path, *, check: bool, output: IO[str], path: Path,
    revision: str | None,
) -> None:  # fmt: skip
    """Write CODEOWNERS, by which a forge asks people for a review.

    They are a team's leads for its folder, the leads of the owner for a data role, and administrators for the policy
    and the files of teams. Groups and users that have no account in --owners are listed on standard error and left
    out. It is a hint: Allotment itself decides who has to approve.

    Exit codes: 0; 1 if --check finds the file missing or stale; 2 if a file cannot be used.
    """
    from allotment_profiles.cli.report import printable
    from allotment_profiles.review.code_owners import code_owners

    made = code_owners(catalog_of(path, revision), read_accounts(owners, forge), forge)
    for name in made.unknown:
        click.echo(f"{printable(name)} has no account in {click.format_filename(owners)}, and is left out.", err=True)
    if not check:
        output.write(made.text)
        return
    present, text = _present(path, revision, forge)
    if text == made.text:
        click.echo(f"{present} is up to date.")
        return
    click.echo(f"{present} is stale: write it anew." if text is not None else f"There is no {present}: write it.")
    context.exit(1)


def read_accounts(path: Path, forge: "ForgeKind") -> Mapping[str, tuple[str, ...]]:
    """Return the accounts of groups and users that a file names. Raise `click.UsageError`."""
    from allotment_profiles.documents.parsing import DocumentError, parse_yaml
    from allotment_profiles.review.code_owners import AccountsError, accounts_from

    name = click.format_filename(path)
    try:
        return accounts_from(parse_yaml(path.read_bytes()), forge)
    except (DocumentError, AccountsError) as error:
        raise click.UsageError(f"{name} cannot be used: {error}") from None
    except OSError as error:
        raise click.UsageError(f"{name} cannot be read: {error.strerror}") from None


def _present(path: Path, revision: str | None, forge: "ForgeKind") -> tuple[str, str | None]:
    """Return the place of the file that counts, and its text; the first place and None where there is none."""
    from allotment_profiles.review.code_owners import PLACES

    with usage_errors(path):
        for place in PLACES[forge]:
            if revision is None and not (path / "objects").is_dir():
                data = (path / place).read_bytes() if (path / place).is_file() else None
            else:
                files = open_repository(path)
                commit = files.resolve(revision or MAIN)
                data = files.file(commit, place) if commit else None
            if data is not None:
                return place, data.decode(errors="replace")
    return PLACES[forge][0], None
