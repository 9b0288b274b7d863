"""Which path of the repository holds what, and the only place that knows it."""

import re
from typing import Literal, NamedTuple, cast

from allotment_profiles.model.texts import is_name

Kind = Literal["policy", "team", "profile", "data role"]

POLICY = "policy.yaml"
_OURS = re.compile(r"(teams|data-roles)/.*|policy\.ya?ml", re.IGNORECASE | re.DOTALL)
# Files beside ours that are nobody's mistake.
_NOTES = re.compile(r"(.*/)?(README(\.[a-z]+)?|\.gitkeep|CODEOWNERS)", re.DOTALL)


class FileRef(NamedTuple):
    """What a path means."""

    kind: Kind
    id: str
    """`policy`, a team's name, `<team>/<name>` or a data role's name."""


def file_ref(path: str) -> FileRef | None:
    """Say what a path holds, or None where it is not one of ours or has a name that is not allowed."""
    # Plain comparisons: this is asked several times for each of ten thousand paths.
    parts = path.split("/")
    match parts:
        case ["teams", team, "profiles", file] if file.endswith(".yaml"):
            kind, names = "profile", [team, file[:-5]]
        case ["teams", team, "team.yaml"]:
            kind, names = "team", [team]
        case ["data-roles", file] if file.endswith(".yaml"):
            kind, names = "data role", [file[:-5]]
        case _:
            return FileRef("policy", "policy") if path == POLICY else None
    return FileRef(cast("Kind", kind), "/".join(names)) if all(map(is_name, names)) else None


def is_stray(path: str) -> bool:
    """Tell whether a path looks as if it were meant for us, but is not a place that is read."""
    return file_ref(path) is None and _OURS.fullmatch(path) is not None and _NOTES.fullmatch(path) is None


def team_path(team: str) -> str:
    """Give the path of a team's file."""
    return f"teams/{team}/team.yaml"


def profile_path(profile_id: str) -> str:
    """Give the path of a profile's file from its id, `<team>/<name>`."""
    team, _, name = profile_id.partition("/")
    return f"teams/{team}/profiles/{name}.yaml"


def data_role_path(name: str) -> str:
    """Give the path of a data role's file."""
    return f"data-roles/{name}.yaml"
