"""Detect names that look alike: they differ only by case or by similar characters. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping

from allotment_profiles.model.paths import file_ref, team_path
from allotment_profiles.model.problems import Problem
from allotment_profiles.model.values.texts import skeleton

_STRAY = re.compile(r"(teams|data-roles)/([^/]+?)(?:\.ya?ml)?(?:/(.*))?", re.IGNORECASE | re.DOTALL)
_PROFILE = re.compile(r"profiles/([^/]+?)(?:\.ya?ml)?", re.IGNORECASE | re.DOTALL)

Key = tuple[str, ...]
"""Kind, team of a profile, skeleton of the name. Two files with the same key collide."""


def key_of(path: str) -> Key | None:
    """Return the key of a file. None for the policy, and for files that are not read."""
    ref = file_ref(path)
    if ref is None or ref.kind == "policy":
        return None
    team, slash, name = ref.id.rpartition("/")
    return (ref.kind, team, skeleton(name)) if slash else (ref.kind, skeleton(ref.id))


def find_collisions(paths: Iterable[str], order: Callable[[str], int]) -> dict[str, str]:
    """Return, for files with the same key, each file to reject → the file that stays: the first on main."""
    first, *later = sorted(paths, key=lambda path: (order(path), path))
    return dict.fromkeys(later, first)


def lookalike_of(path: str, files: Mapping[Key, tuple[str, ...]]) -> str | None:
    """Return the file whose name a path that is not read looks like, as `teams/Housing/…` does like `teams/housing`."""
    match = _STRAY.fullmatch(path)
    if match is None:
        return None
    folder, first, rest = match[1].lower(), match[2], match[3] or ""
    exact = folder == match[1]
    if folder == "data-roles":
        return _other(("data role", skeleton(first)), "", files) if not rest else None
    team = _other(("team", skeleton(first)), team_path(first) if exact else "", files)
    profile = _PROFILE.fullmatch(rest)
    if team or profile is None:
        return team
    return _other(("profile", first, skeleton(profile[1])), path, files)


def _other(key: Key, own: str, files: Mapping[Key, tuple[str, ...]]) -> str | None:
    return next((path for path in files.get(key, ()) if path != own), None)


def collision_problem(path: str, other: str) -> Problem:
    """Return the problem of a file whose name looks like that of another."""
    message = f"The name looks like {other}: they differ by case or by similar characters."
    return Problem(path, "name-collision", message, "Choose a name that differs clearly.")
