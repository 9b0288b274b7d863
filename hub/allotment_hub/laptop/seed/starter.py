"""Create the repository of profiles of a new deployment, and the key with which the service signs commits."""

import datetime as dt
import shutil
from pathlib import Path

from allotment_hub.laptop.folder import LaptopError, StateFolder
from allotment_profiles.cli.scaffold import starter_folder
from allotment_profiles.git.commits import Person
from allotment_profiles.git.keys import PublicKey, parse_keys
from allotment_profiles.git.process import GitError
from allotment_profiles.git.repository import NO_OBJECT, RefUpdate, Repository
from allotment_profiles.git.signatures import Signer, generate_key
from allotment_profiles.private_files import write_private

_AUTHOR = Person(name="Allotment", email="allotment@localhost")
_MESSAGE = """\
Set up the profiles from the starter

An example for an administrator to edit: made-up teams with profiles of public images and made-up data.
"""


def ensure_keys(folder: StateFolder) -> str:
    """Create what is missing of the service's keys. Return what to tell the user, or nothing.

    Without the private key a new one is made, and the known ones stay known. Without the known ones there is only the
    private key: what others signed is unknown.
    """
    text = folder.allowed_signers.read_text() if folder.allowed_signers.exists() else ""
    try:
        own = PublicKey(Signer(folder.signing_key).public, _AUTHOR.email)
    except (OSError, ValueError):  # it is missing, or an interrupted start left a part of it
        folder.signing_key.unlink(missing_ok=True)
        write_private(folder.allowed_signers, generate_key(folder.signing_key, _AUTHOR.email) + text)
        if not text:
            return ""
        return "The key to sign with was lost, and a new one was made. What the old one signed still counts."
    if all(known.blob != own.blob for known in parse_keys(text)):
        write_private(folder.allowed_signers, own.line() + text)
    return ""


def ensure_starter(folder: StateFolder) -> bool:
    """Create the bare repository with the starter in one signed commit on main; return whether it was created now."""
    if folder.repository.exists():
        # The programs of an earlier run have ended, and nothing else writes here: locks are left-overs.
        for lock in (*folder.repository.glob("*.lock"), *folder.repository.glob("refs/**/*.lock")):
            lock.unlink()
        return False
    unfinished = folder.path / ".profiles.git.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    repository = Repository.create(unfinished)
    starter = starter_folder()
    contents = {
        path.relative_to(starter).as_posix(): path.read_bytes() for path in sorted(starter.rglob("*")) if path.is_file()
    }
    commit = repository.write_commit(
        repository.write_tree(None, contents),
        [],
        _MESSAGE,
        author=_AUTHOR,
        committer=_AUTHOR,
        time=dt.datetime.now(dt.UTC),
        signer=Signer(folder.signing_key),
    )
    repository.update_references([RefUpdate(name="refs/heads/main", new=commit, old=NO_OBJECT)])
    unfinished.rename(folder.repository)
    return True


def existing_repository(path: Path) -> Path:
    """Return the git folder of a repository, bare or not. Raise `LaptopError` if it cannot be used."""
    path = path.resolve()
    for git_folder in (path / ".git", path):
        if (git_folder / "HEAD").is_file() and (git_folder / "objects").is_dir():
            break
    else:
        raise LaptopError(f"{path} is no git repository. Name the repository itself, not a linked worktree.")
    try:
        repository = Repository(git_folder)
        # Fails if git refuses the repository, for example because of its owner; a missing branch is no error here.
        repository.references("refs/heads/main")
        head = repository.resolve("refs/heads/main")
    except GitError as error:
        raise LaptopError(f"{git_folder} cannot be used: {error}") from None
    if head is None:
        raise LaptopError(
            f"{path} has no branch main. Commit the profiles to main first."
            " Without --repository, one is created from the starter."
        )
    if repository.file(head, "policy.yaml") is None:
        raise LaptopError(
            f"{path} has no policy.yaml on its branch main, so it is no repository of profiles. `allotment check`"
            " lists what a repository needs. Without --repository, one is created from the starter."
        )
    return git_folder
