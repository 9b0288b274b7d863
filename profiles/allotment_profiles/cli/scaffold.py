"""New files of a repository, with comments on the keys that they do not use."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from allotment_profiles.documents.writing import write
from allotment_profiles.model.paths import Kind
from allotment_profiles.model.problems import AllotmentError

# The starter's files in a new repository: the policy and the checks for forges, not the example teams.
SHAPE = (
    "policy.yaml", ".pre-commit-config.yaml", ".github/workflows/profiles.yml", ".gitea/workflows/profiles.yml",
    ".gitlab-ci.yml",
)  # fmt: skip
README = """\
# Profiles

These files define which sessions exist, who may start them and which data they reach:

| file | content |
| --- | --- |
| `policy.yaml` | the platform's ceilings, registries and prices |
| `teams/<team>/team.yaml` | the members and leads of a team, and its envelope |
| `teams/<team>/profiles/<name>.yaml` | one kind of session |
| `data-roles/<name>.yaml` | one permission to reach data |

Begin with `allotment new team NAME`, then `allotment new profile TEAM/NAME`; `allotment check` shows problems.
"""
_HEADS: Mapping[Kind, str] = {
    "profile": "# One kind of session. The team's leads approve changes inside the team's envelope.\n",
    "team": "# A team: its members, its leads, and its envelope. Administrators approve changes.\n",
    "data role": "# A permission to reach data. The leads of the owner decide who has it.\n",
    "policy": "",
}
_HINTS: Mapping[Kind, Mapping[str, str]] = {
    "profile": {
        "options": "options: {size: {title: Size, default: normal, choices: {normal: {title: Normal}}}}",
        "environment": "environment: {TZ: Europe/London}        # never secrets",
        "data_roles": "data_roles: [name]                      # the team needs a grant for each",
        "lifetime": "lifetime: {idle: 2 h, total: 12 h}",
        "only": "only: [/group]                          # for some of the team",
        "review_by": "review_by: 2027-03-31                   # no starts after this day until it is reviewed",
    },
    "team": {
        "deputies": "deputies: {users: [name]}               # stand in for the leads",
        "budget": "budget: {sessions: 40, cpu: 120}        # of the whole team at one time",
        "user_budget": "user_budget: {sessions: 3}              # of one member at one time",
    },
    "data role": {
        "granted_to": "granted_to: {team: {until: 2027-03-31}}",
        "paperwork": "paperwork: https://wiki.example.org/assessment",
    },
    "policy": {},
}


def new_file(kind: Kind, value: Mapping[str, Any]) -> bytes:
    """Return a file with a comment at its start, and unused keys as comments at its end."""
    hints = [f"# {hint}" for key, hint in _HINTS[kind].items() if key not in value]
    end = "\n".join(["", "# Other keys:", *hints, ""]) if hints else ""
    return _HEADS[kind].encode() + write(kind, value) + end.encode()


def new_repository() -> dict[str, bytes]:
    """Return the files of a new repository."""
    folder = starter_folder()
    return {"README.md": README.encode(), **{path: (folder / path).read_bytes() for path in SHAPE}}


def write_new(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a folder; write none if one of them exists."""
    existing = [path for path in files if (folder / path).exists() or (folder / path).is_symlink()]
    if existing:
        raise click.ClickException(f"{click.format_filename(folder / existing[0])} exists; nothing was written.")
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with (folder / path).open("xb") as file:
            file.write(data)


def starter_folder() -> Path:
    """Return the folder of the starter: inside the package of a wheel, or beside it in a checkout."""
    package = Path(str(files("allotment_profiles")))
    for candidate in (package / "starter", package.parent / "starter"):
        if candidate.is_dir():
            return candidate
    raise AllotmentError("The starter's files are missing from this installation.")
