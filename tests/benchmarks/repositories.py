"""Repositories of any size for the measures: the same one every time, made in a second with git's own importer."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from allotment_profiles.git.repository import Repository

TEAM_SIZE = 50
"""So many profiles has one team."""
_BOUNDS = "envelope: {cpu: 8, memory: 32 GiB, images: [registry.example.org/analysis/*]}"


def files(profiles: int) -> Iterator[tuple[str, str]]:
    """Give path and text of every file of a repository with so many profiles."""
    yield (
        "policy.yaml",
        (
            "# The platform's ceilings and rules.\nformat: 1\nceilings: {cpu: 16, memory: 64 GiB, lifetime: 2 d}\n"
            "registries: [registry.example.org/*]\nprices: {currency: GBP, cpu_hour: 0.03, memory_gib_hour: 0.004}\n"
        ),
    )
    teams = max(1, profiles // TEAM_SIZE)
    for number in range(teams):
        yield (
            f"teams/team-{number}/team.yaml",
            (
                f"title: Team number {number}\nmembers: {{groups: [/example/team-{number}]}}\n"
                f"leads: {{groups: [/example/team-{number}/leads]}}\n{_BOUNDS}\n"
            ),
        )
        yield (
            f"data-roles/data-{number}.yaml",
            (
                f"title: Tables of team {number}\nowner: team-{number}\npurpose: Reading the curated tables\n"
                f"sensitivity: official\ngranted_to: {{team-{number}: {{until: 2199-12-31}}}}\n"
                f"binding: {{volume: {{claim: tables, sub_path: team-{number}}}}}\n"
            ),
        )
    for number in range(profiles):
        yield profile_path(number, teams), profile(number, number % teams)


def profile_path(number: int, teams: int) -> str:
    """Give the path of one profile."""
    return f"teams/team-{number % teams}/profiles/profile-{number}.yaml"


def profile(number: int, team: int, title: str = "Notebook") -> str:
    """Write one profile as people do: with comments, options, variables and data."""
    return f"""\
# The usual notebook of team {team}; see the team's handbook for the packages.
title: {title} {number}
description: JupyterLab with the packages of the monthly bulletin
purpose: Producing the monthly bulletin number {number}, and answering questions about it
app: {("jupyterlab", "rstudio", "vscode")[number % 3]}
image: registry.example.org/analysis/notebook-{number % 40}:2026-{number % 12 + 1:02}
resources:
  cpu: {{guarantee: 0.5, limit: 2}}
  memory: {{guarantee: 2 GiB, limit: 8 GiB}}
options:
  size:
    title: Size
    default: normal
    choices:
      normal: {{title: Normal}}
      large: {{title: Large, resources: {{memory: {{limit: 16 GiB}}}}}}     # for the yearly tables
environment: {{TZ: Europe/London, STAGE: production}}
data_roles: [data-{team}]
lifetime: {{idle: 2 h, total: 12 h}}
review_by: 2199-03-31
"""


def create(path: Path, profiles: int) -> Repository:
    """Make a bare repository whose main holds the files in one commit."""
    repository = Repository.create(path)
    stream = bytearray(b"commit refs/heads/main\ncommitter A <a@example.org> 1767268800 +0000\ndata 5\nfiles\n")
    for name, text in files(profiles):
        data = text.encode()
        stream += f"M 100644 inline {name}\ndata {len(data)}\n".encode() + data + b"\n"
    _git(path, "fast-import", "--quiet", stdin=bytes(stream))
    return repository


def change_one(path: Path, profiles: int, round_number: int) -> str:
    """Commit another version of one profile on main; gives the commit's id."""
    teams = max(1, profiles // TEAM_SIZE)
    number = round_number % profiles
    data = profile(number, number % teams, f"Notebook, changed {round_number} times,").encode()
    stream = (
        f"commit refs/heads/main\ncommitter A <a@example.org> {1767268801 + round_number} +0000\ndata 6\nchange\n"
        f"from refs/heads/main^0\nM 100644 inline {profile_path(number, teams)}\ndata {len(data)}\n"
    ).encode()
    _git(path, "fast-import", "--quiet", stdin=stream + data + b"\n")
    return _git(path, "rev-parse", "refs/heads/main").strip()


def _git(path: Path, *arguments: str, stdin: bytes = b"") -> str:
    done = subprocess.run(["git", *arguments], cwd=path, input=stdin, capture_output=True, check=True)
    return done.stdout.decode()
