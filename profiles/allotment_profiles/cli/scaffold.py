"""New files of a repository: what was asked for, and comments that say what else there is. Pure but for the starter."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from allotment_profiles.documents.writing import write
from allotment_profiles.model.paths import Kind
from allotment_profiles.model.problems import AllotmentError

# What a new repository takes from the starter: the platform's part and the checks of every forge, no made-up teams.
SHAPE = (
    "policy.yaml", ".pre-commit-config.yaml", ".github/workflows/profiles.yml", ".gitea/workflows/profiles.yml",
    ".gitlab-ci.yml",
)  # fmt: skip
README = """\
# Profiles

What sessions exist here, who may start them and which data they reach. Every file says one thing:

| file | what it says |
| --- | --- |
| `policy.yaml` | the platform's ceilings, registries and prices |
| `teams/<team>/team.yaml` | who is in a team, who leads it, how far it decides for itself |
| `teams/<team>/profiles/<name>.yaml` | one kind of session |
| `data-roles/<name>.yaml` | one permission to reach data |

Begin with `allotment new team NAME`, then `allotment new profile TEAM/NAME`; `allotment check` says what is wrong.
"""
_HEADS: Mapping[Kind, str] = {
    "profile": "# One kind of session. The team's leads approve changes inside the team's envelope.\n",
    "team": "# A team: members, leads, and how far it decides for itself. Administrators approve changes.\n",
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
        "review_by": "review_by: 2027-03-31                   # not offered after this day until somebody looked again",
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
    """Write a file with a comment at its head, and the keys that it does not use as comments at its end."""
    hints = [f"# {hint}" for key, hint in _HINTS[kind].items() if key not in value]
    end = "\n".join(["", "# What it could say as well:", *hints, ""]) if hints else ""
    return _HEADS[kind].encode() + write(kind, value) + end.encode()


def new_repository() -> dict[str, bytes]:
    """Give the files of a new repository."""
    folder = starter_folder()
    return {"README.md": README.encode(), **{path: (folder / path).read_bytes() for path in SHAPE}}


def starter_folder() -> Path:
    """Find the starter: in the package when it came as a wheel, beside it in a checkout."""
    package = Path(str(files("allotment_profiles")))
    for candidate in (package / "starter", package.parent / "starter"):
        if candidate.is_dir():
            return candidate
    raise AllotmentError("The starter's files are missing from this installation.")
