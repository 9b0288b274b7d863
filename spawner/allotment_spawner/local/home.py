"""A user's home folder on this machine, with links to the data and the team folder of a session."""

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from allotment_profiles.model import Volume
from allotment_profiles.model.problems import RefusedError
from allotment_spawner.session.errors import not_started

_SAFE_NAME = re.compile(r"[a-z0-9]([a-z0-9_.-]{0,38}[a-z0-9])?", re.ASCII)
DATA = "data"
TEAM_PREFIX = "team-"


def folder_name(user: str) -> str:
    """Return a folder name that is safe in a path and unique to a user."""
    # The digest follows two hyphens, which no plain name has, so no user's name equals the folder of another one.
    if _SAFE_NAME.fullmatch(user) and "--" not in user and ".." not in user:
        return user
    readable = re.sub(r"[^a-z0-9]+", "-", user.lower()[:40], flags=re.ASCII).strip("-")
    return f"{readable or 'user'}--{hashlib.sha256(user.encode(errors='surrogatepass')).hexdigest()[:16]}"


def data_folder(volumes: Path, role: str, volume: Volume) -> Path:
    """Return the folder that a data role is bound to. Raise RefusedError if it is missing or behind a link.

    Whoever may write into a folder above it could otherwise lead to the data of another role.
    """
    folder = volumes.resolve() / volume.claim / volume.sub_path
    try:
        linked = folder.resolve() != folder
    except (OSError, RuntimeError):  # a loop of links
        linked = True
    if linked or not folder.is_dir():
        why = (
            f"The data role {role} is bound to the folder {volume.claim}/{volume.sub_path}, which is missing or a link."
        )
        remedy = "Put the data there, or choose a profile without this data."
        raise not_started("data-missing", why, remedy)
    return folder


def make_home(home: Path, volumes: Path, data: Mapping[str, Volume], in_use: Collection[str] = ()) -> None:
    """Create the home folder with a link `data/<role>` for each role, and remove our other links from `data`.

    Links of the roles `in_use` stay: other sessions of the user need them. Files of the user are never changed; raises
    RefusedError if one is where a link belongs.
    """
    targets = {role: data_folder(volumes, role, volume) for role, volume in data.items()}
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        why = f"The home folder {home.name} cannot be created or is not a folder."
        raise not_started("home-missing", why, "Remove what is in its place.") from error
    folder = home / DATA
    if targets and not os.path.lexists(folder):
        folder.mkdir(mode=0o700)
    if folder.is_symlink() or not folder.is_dir():
        if targets:
            raise _occupied("data-place-taken", DATA)
        return
    _remove_links(folder.iterdir(), volumes, {*targets, *in_use})
    for role, target in targets.items():
        _link(home, f"{DATA}/{role}", target, volumes, "data-place-taken")
    if not any(folder.iterdir()):
        folder.rmdir()


def remove_home(home: Path) -> None:
    """Remove the home folder of a trial. Links in it are removed, not what they lead to."""
    shutil.rmtree(home, ignore_errors=True)


def link_team(home: Path, teams: Path, team: str | None, in_use: Collection[str] = ()) -> None:
    """Link the team's folder into the home as `team-<team>`, and remove our links to folders of other teams.

    Links of the teams `in_use` stay. Files of the user are never changed; raises RefusedError if one is where the link
    belongs.
    """
    kept = {f"{TEAM_PREFIX}{name}" for name in (*in_use, *([team] if team else []))}
    _remove_links(home.glob(f"{TEAM_PREFIX}*"), teams, kept)
    if team is None:
        return
    target = teams.resolve() / team
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    _link(home, f"{TEAM_PREFIX}{team}", target, teams, "team-place-taken")


def _remove_links(entries: Iterable[Path], base: Path, kept: Collection[str]) -> None:
    for entry in list(entries):
        if _is_ours(entry, base) and entry.name not in kept:
            entry.unlink()


def _link(home: Path, place: str, target: Path, base: Path, code: str) -> None:
    link = home / place
    if os.path.lexists(link) and not _is_ours(link, base):
        raise _occupied(code, place)
    if not link.is_symlink() or link.readlink() != target:
        _replace(link, target)


def _is_ours(entry: Path, base: Path) -> bool:
    """Check whether this is a link into the volumes or team folders. Only this module creates those."""
    return entry.is_symlink() and entry.readlink().is_relative_to(base.resolve())


def _replace(link: Path, target: Path) -> None:
    """Create or replace a link atomically, so that other sessions of the user always find it."""
    new = link.with_name(f".{link.name}.{secrets.token_hex(8)}")
    new.symlink_to(target)
    new.replace(link)


def _occupied(code: str, place: str) -> RefusedError:
    why = f"It needs {place} in your home folder, where a file or folder of yours is."
    remedy = f"Start a profile that does not need it, and rename {place} there."
    return not_started(code, why, remedy, decides="")
