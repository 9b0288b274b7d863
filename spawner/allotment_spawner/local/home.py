"""A user's home folder on this machine, and the links in it to the data that a session may reach."""

import hashlib
import os
import re
import secrets
from collections.abc import Collection, Mapping
from pathlib import Path

from allotment_profiles.model import Volume
from allotment_profiles.model.problems import Refusal, RefusedError

_PLAIN = re.compile(r"[a-z0-9]([a-z0-9_.-]{0,38}[a-z0-9])?", re.ASCII)
DATA = "data"
TEAM = "team-"


def folder_name(user: str) -> str:
    """Give a name for a user's folder that is safe in a path and belongs to this user alone."""
    # Two hyphens set off the digest, so a user's own name never looks like the folder of another one.
    if _PLAIN.fullmatch(user) and "--" not in user and ".." not in user:
        return user
    readable = re.sub(r"[^a-z0-9]+", "-", user.lower()[:40], flags=re.ASCII).strip("-")
    return f"{readable or 'user'}--{hashlib.sha256(user.encode(errors='surrogatepass')).hexdigest()[:16]}"


def source_of(volumes: Path, role: str, volume: Volume) -> Path:
    """Give the folder that a data role is bound to; raises RefusedError where it is not there, or lies elsewhere."""
    base = volumes.resolve()
    try:
        source = (base / volume.claim / volume.sub_path).resolve()
    except (OSError, RuntimeError):  # a loop of links
        source = base
    if not source.is_relative_to(base / volume.claim) or not source.is_dir():
        raise RefusedError(
            Refusal(
                "data-missing",
                "The session was not started.",
                f"The data role {role} is bound to the folder {volume.claim}/{volume.sub_path}, which is not here.",
                "Put the data there, or choose a profile without this data.",
                "an administrator of the platform",
                409,
            )
        )
    return source


def make_home(home: Path, volumes: Path, data: Mapping[str, Volume], in_use: Collection[str] = ()) -> None:
    """Make the home folder with `data/<role>` for each role and no other link of ours.

    Links of `in_use` stay: another session of the same user needs them. What is not a link of ours is never touched;
    raises RefusedError where it is in the way.
    """
    sources = {role: source_of(volumes, role, volume) for role, volume in data.items()}
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _no_home(home.name) from error
    folder = home / DATA
    if sources and not os.path.lexists(folder):
        folder.mkdir(mode=0o700)
    if folder.is_symlink() or not folder.is_dir():
        if sources:
            raise _in_the_way("data-place-taken", DATA)
        return
    for entry in list(folder.iterdir()):
        if _is_ours(entry, volumes) and entry.name not in sources and entry.name not in in_use:
            entry.unlink()
    for role, source in sources.items():
        link = folder / role
        if os.path.lexists(link) and not _is_ours(link, volumes):
            raise _in_the_way("data-place-taken", f"{DATA}/{role}")
        if not link.is_symlink() or link.readlink() != source:
            _replace(link, source)
    if not any(folder.iterdir()):
        folder.rmdir()


def link_team(home: Path, teams: Path, team: str | None, in_use: Collection[str] = ()) -> None:
    """Link the team's folder into the home as `team-<team>`, and take away links to folders of other teams.

    Links of the teams `in_use` stay. What is not a link of ours is never touched; raises RefusedError where it is in
    the way.
    """
    kept = {f"{TEAM}{name}" for name in (*in_use, *([team] if team else []))}
    for entry in list(home.glob(f"{TEAM}*")):
        if _is_ours(entry, teams) and entry.name not in kept:
            entry.unlink()
    if team is None:
        return
    source, link = teams.resolve() / team, home / f"{TEAM}{team}"
    source.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.path.lexists(link) and not _is_ours(link, teams):
        raise _in_the_way("team-place-taken", link.name)
    if not link.is_symlink() or link.readlink() != source:
        _replace(link, source)


def _is_ours(entry: Path, base: Path) -> bool:
    """Tell whether this is a link into the volumes or the teams' folders; those are made here alone."""
    return entry.is_symlink() and entry.readlink().is_relative_to(base.resolve())


def _replace(link: Path, source: Path) -> None:
    """Put a link in its place at once, so that another session of the user never finds it gone."""
    new = link.with_name(f".{link.name}.{secrets.token_hex(8)}")
    new.symlink_to(source)
    new.replace(link)


def _no_home(name: str) -> RefusedError:
    return RefusedError(
        Refusal(
            "home-missing",
            "The session was not started.",
            f"The home folder {name} cannot be made or is no folder.",
            "Whatever lies in its place has to go.",
            "an administrator of the platform",
            409,
        )
    )


def _in_the_way(code: str, place: str) -> RefusedError:
    return RefusedError(
        Refusal(
            code,
            "The session was not started.",
            f"What it needs belongs into {place} of your home folder, where something of your own lies.",
            f"Start a profile that does not need it, and rename {place} there.",
            status=409,
        )
    )
