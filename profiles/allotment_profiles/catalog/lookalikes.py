"""Names that people take for each other: by case, or by characters that look alike. Pure functions."""

import re
from collections.abc import Callable, Iterable, Mapping

from allotment_profiles.model.paths import file_ref, team_path
from allotment_profiles.model.problems import Problem
from allotment_profiles.model.texts import skeleton

_STRAY = re.compile(r"(teams|data-roles)/([^/]+?)(?:\.ya?ml)?(?:/(.*))?", re.IGNORECASE | re.DOTALL)
_PROFILE = re.compile(r"profiles/([^/]+?)(?:\.ya?ml)?", re.IGNORECASE | re.DOTALL)

Key = tuple[str, ...]


def key_of(path: str) -> Key | None:
    """Give what two files must not share: the kind, the team of a profile, the name's skeleton."""
    where = file_ref(path)
    if where is None or where.kind == "policy":
        return None
    team, slash, name = where.id.rpartition("/")
    return (where.kind, team, skeleton(name)) if slash else (where.kind, skeleton(where.id))


def losers(paths: Iterable[str], order: Callable[[str], int]) -> dict[str, str]:
    """Say which of some files that share a key give way, each with the one that stays: the first to come."""
    first, *later = sorted(paths, key=lambda path: (order(path), path))
    return dict.fromkeys(later, first)


def taken_by(path: str, names: Mapping[Key, tuple[str, ...]]) -> str | None:
    """Give the file whose name a stray one looks like (`teams/Housing/…` beside the team `housing`), or None."""
    match = _STRAY.fullmatch(path)
    if match is None:
        return None
    folder, first, rest = match[1].lower(), match[2], match[3] or ""
    exact = folder == match[1]
    if folder == "data-roles":
        return _taken(("data role", skeleton(first)), "", names) if not rest else None
    team = _taken(("team", skeleton(first)), team_path(first) if exact else "", names)
    profile = _PROFILE.fullmatch(rest)
    if team or profile is None:
        return team
    return _taken(("profile", first, skeleton(profile[1])), path, names)


def _taken(key: Key, own: str, names: Mapping[Key, tuple[str, ...]]) -> str | None:
    return next((path for path in names.get(key, ()) if path != own), None)


def problem(path: str, other: str) -> Problem:
    """Say that a file's name is refused because of another's."""
    return Problem(
        path, "name-collision", f"The name is taken for another one, {other}, by its case or by characters that look "
        "alike.", "Choose a name that nobody takes for the other.",
    )  # fmt: skip
