"""The paths of a profiles repository. No other module knows its layout."""

import re
from typing import Literal, NamedTuple, cast

from allotment_profiles.model.values.texts import is_name

Kind = Literal["policy", "team", "profile", "data role"]

POLICY = "policy.yaml"
ROOTS = (POLICY, "teams", "data-roles")
"""The file, and the folders, that have all files that are read."""
_READ = re.compile(r"(teams?|data[-_ ]?roles?|policy|policies)/.*|policy\.ya?ml", re.IGNORECASE | re.DOTALL)
# What editors and file managers leave behind.
_LEFT_BEHIND = re.compile(
    r"(.*/)?(\.?#[^/]*|[^/]*~|\.[^/]*\.sw[a-p]|\.DS_Store|Thumbs\.db|\.ipynb_checkpoints/.*|[^/]*\.(bak|orig|rej|tmp))",
    re.IGNORECASE | re.DOTALL,
)
# Files that are allowed beside the profiles. In other folders with a dot, a forge may run what it finds.
_NOTES = re.compile(
    r"([A-Za-z0-9_-]{1,63}/){0,5}(README(\.[a-z]{1,9})?|\.gitkeep|CODEOWNERS)"
    r"|\.(forgejo|gitea|github|gitlab)/CODEOWNERS"
)


class FileRef(NamedTuple):
    """A file that Allotment reads."""

    kind: Kind
    id: str
    """`policy`, the name of a team or a data role, or `<team>/<name>` of a profile."""


def file_ref(path: str) -> FileRef | None:
    """Return the file at a path, or None if the path is not one that is read or contains an invalid name."""
    # Compare strings instead of matching an expression: this runs several times for each of 10,000 paths.
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
    """Whether a path is below a folder that is read, but is not itself read: probably a mistake."""
    return (
        file_ref(path) is None
        and _READ.fullmatch(path) is not None
        and not is_note(path)
        and _LEFT_BEHIND.fullmatch(path) is None
    )


def meant_path(path: str) -> str | None:
    """Return the path that was probably meant: another ending, capitals, spaces, another folder. None if unknown."""
    stem, dot, ending = path.rpartition(".")
    if not dot or ending.lower() not in ("yaml", "yml"):
        return None
    match [re.sub(r"[\s_.]+", "-", part.strip().lower()) for part in stem.split("/")]:
        case ["policy"] | [*_, "policy"]:
            meant = POLICY
        case ["team" | "teams", team] | ["team" | "teams", team, "team"]:
            meant = team_path(team)
        case ["team" | "teams", team, *_, name]:
            meant = profile_path(f"{team}/{name}")
        case ["data-roles" | "data-role" | "dataroles" | "datarole", *_, name]:
            meant = data_role_path(name)
        case _:
            return None
    return meant if file_ref(meant) and meant != path else None


def is_note(path: str) -> bool:
    """Whether a file is not read, and may lie beside the profiles: a README, or CODEOWNERS of a forge."""
    return _NOTES.fullmatch(path) is not None


def team_path(team: str) -> str:
    """Return the path of a team's file."""
    return f"teams/{team}/team.yaml"


def profile_path(profile_id: str) -> str:
    """Return the path of a profile's file from its id, `<team>/<name>`."""
    team, _, name = profile_id.partition("/")
    return f"teams/{team}/profiles/{name}.yaml"


def data_role_path(name: str) -> str:
    """Return the path of a data role's file."""
    return f"data-roles/{name}.yaml"
