"""`allotment key`: show, replace, revoke and recover the keys that sign records and merges."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from allotment_profiles.cli.sources import open_repository, usage_errors
from allotment_profiles.private_files import write_private

if TYPE_CHECKING:
    from allotment_profiles.git.keys import PublicKey
    from allotment_profiles.git.repository import Repository

_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
NAMES = (("tls.key", "tls.crt"), ("service", "allowed_signers"))
"""The private key and the known keys: as in the chart's Secret, and as in the folder of `allotment up`."""

folder_argument = click.argument(
    "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".allotment/keys"
)
repository_option = click.option(
    "--repository",
    "path",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A bare repository or a mirror of it, with main and the log of records.",
)


@click.group()
def key() -> None:
    """Show, replace, revoke and recover the keys that sign records and merges.

    FOLDER has the private key and the known public keys: `service` and `allowed_signers`, as in the folder `keys` of
    `allotment up` (the default), or `tls.key` and `tls.crt`, as in the Secret of the chart. Hub and service read both
    anew by themselves.
    """


@key.command("list")
@folder_argument
@repository_option
def list_keys(folder: Path, path: Path | None) -> None:
    """List the known keys. With a repository, also who signed the commits of its main, whether known or not."""
    _, signers = _files(folder)
    known = _read(signers)
    own = _own(folder)
    with usage_errors(path or folder):
        signed = _signed(_open(path)) if path else {}
    for public in known:
        state = "signs now" if public.blob == own else "counts, signs no more"
        if public.former is not None:
            state = f"counts in the history of {len(public.former)} commits"
        click.echo(f"{public.fingerprint}  {public.principal}  {state}{_counted(signed.pop(public.blob, None))}")
    for blob, commits in signed.items():
        click.echo(f"{_unlimited(blob).fingerprint}  unknown{_counted(commits)}")


@key.command()
@folder_argument
@click.option("--stolen", is_flag=True, help="The keys of before count only for what the repository has now.")
@repository_option
def rotate(folder: Path, stolen: bool, path: Path | None) -> None:
    """Make a new key to sign with. Also after the private key was lost: the known public keys are enough.

    The public keys of before stay known, so everything that they signed goes on counting. With --stolen, it counts
    only in the history that --repository has: a copy from before the theft, or the repository itself.
    """
    from allotment_profiles.git.keys import parse_keys
    from allotment_profiles.git.signatures import generate_key

    if stolen and path is None:
        raise click.UsageError("--stolen needs --repository: what it has goes on counting.")
    private, signers = _files(folder)
    text = signers.read_text() if signers.exists() else ""
    known = parse_keys(text)
    with usage_errors(path or folder):
        if stolen and path:
            text = _revoked(text, _heads(_open(path)))
        unfinished = private.with_name(f".{private.name}.new")
        unfinished.unlink(missing_ok=True)
        line = generate_key(unfinished, known[0].principal if known else "allotment@localhost")
        # The known keys come first: nothing is ever signed with a key that is not among them.
        write_private(signers, line + text)
        unfinished.with_name(f"{unfinished.name}.pub").replace(private.with_name(f"{private.name}.pub"))
        unfinished.replace(private)
    click.echo(f"{parse_keys(line)[0].fingerprint} signs from now on.")


@key.command()
@click.argument("fingerprint")
@folder_argument
@repository_option
def recover(fingerprint: str, folder: Path, path: Path | None) -> None:
    """Count what a lost key has signed, up to now. `allotment key list` shows the FINGERPRINT of an unknown key.

    The public key is in its signatures. Whether it was yours, only a note or a backup of its fingerprint can say.
    """
    if path is None:
        raise click.UsageError("Name the repository with --repository.")
    _, signers = _files(folder)
    with usage_errors(path):
        repository = _open(path)
        found = [blob for blob in _signed(repository) if _unlimited(blob).fingerprint == fingerprint]
        if not found or found[0] in {each.blob for each in _read(signers)}:
            raise click.ClickException("No unknown key with this fingerprint signed a commit of main.")
        public = _unlimited(found[0], former=_heads(repository))
        write_private(signers, (signers.read_text() if signers.exists() else "") + public.line())
    click.echo(f"{fingerprint} counts in the history of {len(public.former or ())} commits.")


def _files(folder: Path) -> tuple[Path, Path]:
    for private, signers in NAMES:
        if (folder / private).exists() or (folder / signers).exists():
            return folder / private, folder / signers
    raise click.UsageError(f"{folder} has neither a private key nor known keys.")


def _read(signers: Path) -> "list[PublicKey]":
    from allotment_profiles.git.keys import parse_keys

    return parse_keys(signers.read_text()) if signers.exists() else []


def _revoked(text: str, heads: tuple[str, ...]) -> str:
    """Return a file with every key as a former one, and what is no key as it was."""
    import dataclasses

    from allotment_profiles.git.keys import parse_keys

    others = [line for line in _CERTIFICATE.sub("", text).splitlines() if line.strip() and not parse_keys(line)]
    former = (each if each.former is not None else dataclasses.replace(each, former=heads) for each in parse_keys(text))
    return "".join([*(each.line() for each in former), *(f"{line}\n" for line in others)])


def _own(folder: Path) -> bytes | None:
    from allotment_profiles.git.signatures import Signer

    try:
        return Signer(_files(folder)[0]).public
    except (OSError, ValueError):
        return None


def _open(path: Path) -> "Repository":
    return open_repository(path)


def _heads(repository: "Repository") -> tuple[str, ...]:
    """Return main, the newest record, and what an earlier version has recorded."""
    from allotment_profiles.git.repository import MAIN, RECORDS, REVIEWS

    main = repository.resolve(MAIN)
    if main is None:
        raise click.UsageError(f"{repository.path} has no branch main.")
    return main, *repository.references(RECORDS, REVIEWS).values()


def _signed(repository: "Repository") -> "dict[bytes, list[str]]":
    """Return the first-parent history of main by the key that signed it: key → commits, newest first."""
    from allotment_profiles.git.commits import key_of

    commits = repository.first_parents(_heads(repository)[0])
    raw = repository.objects(commits)
    signed: dict[bytes, list[str]] = {}
    for commit in commits:
        blob = key_of(raw[commit])
        if blob:
            signed.setdefault(blob, []).append(commit)
    return signed


def _unlimited(blob: bytes, former: tuple[str, ...] | None = None) -> "PublicKey":
    from allotment_profiles.git.keys import PublicKey

    return PublicKey(blob, "allotment@localhost", former=former)


def _counted(commits: Sequence[str] | None) -> str:
    if not commits:
        return ""
    return f"  {len(commits)} commits of main, {commits[-1][:10]} to {commits[0][:10]}"
