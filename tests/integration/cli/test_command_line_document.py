"""`docs/command-line.md` shows what the commands really print. With UPDATE_DOCUMENTS=1 it is written anew."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from support.folders import ROOT

from allotment_profiles.cli.main import OWN
from allotment_profiles.cli.scaffold import starter_folder

DOCUMENT = ROOT / "docs" / "command-line.md"
VALUES = """\
singleuser:
  memory: {limit: 4G}
  extraEnv: {TZ: Europe/London, DB_PASSWORD: secret}
  profileList:
    - display_name: Analysis
      kubespawner_override: {image: quay.io/jupyter/scipy-notebook:2025-12-31, cpu_limit: 2}
      profile_options:
        size:
          display_name: Size
          choices:
            normal: {display_name: Normal}
            large: {display_name: Large, kubespawner_override: {mem_limit: 16G, cmd: [start.sh]}}
hub:
  config:
    Authenticator: {admin_users: [ada]}
"""
STEP = re.compile(r"^    \$ (.*)$")


def made_anew(folder: Path) -> str:
    """Run every command of the document, in order, and give the document with what they print."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C.UTF-8"}
    lines, skipping = [], False
    for line in DOCUMENT.read_text().splitlines():
        step = STEP.match(line)
        if step:
            done = subprocess.run(
                ["sh", "-c", step[1]], cwd=folder, env=environment, check=False,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            printed = [f"    {each}".rstrip() for each in done.stdout.rstrip().splitlines()]
            ending = [f"    (ends with {done.returncode})"] if done.returncode else []
            lines += [line, *printed, *ending]
            skipping = True
        elif not skipping or (line and not line.startswith("    ")):
            if skipping:
                lines.append("")
            skipping = False
            lines.append(line)
    return "\n".join(lines) + "\n"


def test_every_example_prints_what_the_document_shows(tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    shutil.copytree(starter_folder(), folder)
    (tmp_path / "values.yaml").write_text(VALUES)
    for words in (
        ["init", "--quiet", "--initial-branch=main", "."],
        ["add", "."],
        ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "commit", "--quiet", "-m", "Profiles"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
    made = made_anew(folder)
    if os.environ.get("UPDATE_DOCUMENTS"):
        DOCUMENT.write_text(made)
    assert DOCUMENT.read_text() == made, "run this test with UPDATE_DOCUMENTS=1, and look at what changed"


def test_the_document_has_every_command() -> None:
    text = DOCUMENT.read_text()
    assert all(f"| `allotment {name}" in text for name in OWN)
