"""What administrators do while people work: replace keys, back up, and restore what was destroyed, as documented."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.conditions import until
from support.folders import ROOT
from support.servers.deployment import Deployment, Person
from support.starting import events, hub_log

BACKUP, OPERATIONS = ROOT / "docs" / "backup.md", ROOT / "docs" / "operations.md"
NOTEBOOK = "housing-statistics/notebook"


def commands(document: Path, heading: str) -> list[list[str]]:
    """Return the indented blocks below a heading, each as lines of a shell."""
    section = document.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [
        [line.strip() for line in block.splitlines()]
        for block in re.findall(r"(?:^    \S.*\n)+", section, re.MULTILINE)
    ]


def run(folder: Path, *lines: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", "\n".join(lines)], cwd=folder, env={**os.environ, "PATH": path, "COLUMNS": "200"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("machine")


@pytest.fixture(scope="module")
def deployment(place: Path) -> Iterator[Deployment]:
    with Deployment(place / ".allotment").started() as started:
        yield started


def proposed(person: Person, name: str) -> dict[str, Any]:
    settings = person.service("GET", f"profiles/{NOTEBOOK}").json()["settings"]
    body = {"team": "housing-statistics", "name": name, "profile": settings, "reason": "It is needed"}
    answer = person.service("POST", "proposals", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def decided(person: Person, proposal: dict[str, Any], *deeds: str) -> dict[str, Any]:
    for deed in deeds:
        answer = person.service(
            "POST", f"proposals/{proposal['id']}/{deed}", json={"head": proposal["head"], "digest": proposal["digest"]}
        )
        assert answer.is_success, answer.text
    return dict(answer.json())


def state(admin: Person) -> dict[str, Any]:
    """Return what has to be there again."""
    proposals = admin.service("GET", "proposals").json()["proposals"]
    return {
        "revision": admin.deployment.service("GET", "health", token="none").json()["applied"]["revision"],
        "profiles": admin.service("GET", "profiles").json()["profiles"],
        # With the records of each, and its first start from the events.
        "proposals": [admin.service("GET", f"proposals/{each['id']}").json() for each in proposals],
        "users": sorted(user["name"] for user in admin.hub("GET", "users").json()),
    }


def test_keys_are_replaced_and_everything_is_restored_as_documented(place: Path, deployment: Deployment) -> None:
    analyst, lead, admin = (deployment.sign_in(name) for name in ("analyst", "lead", "admin"))
    waiting, merged = proposed(analyst, "waiting"), proposed(analyst, "merged")
    decided(lead, waiting, "approvals")
    decided(lead, merged, "approvals", "merge")
    profile = "housing-statistics/merged"
    until(lambda: analyst.start_session({"profile": profile}) if not analyst.sessions() else True)
    environment = analyst.session_environment()
    (Path(environment["HOME"]) / "work.txt").write_text("of years")
    token = analyst.new_token()

    # The key is replaced while the session runs: it goes on, and what is merged then counts in the hub and the service.
    run(place, *commands(OPERATIONS, "Replace the signing key")[0])
    until(lambda: "the keys were read anew" in hub_log(deployment))
    until(lambda: "the keys were read anew" in (deployment.folder / "logs" / "service.log").read_text())
    decided(lead, after := proposed(analyst, "after"), "approvals", "merge")
    reviewed = {each["id"]: each["reviewed"] for each in admin.service("GET", "profiles").json()["profiles"]}
    assert all(reviewed.values()), reviewed
    assert "housing-statistics/after" in reviewed
    assert analyst.session_environment()["ALLOTMENT_COMMIT"] == environment["ALLOTMENT_COMMIT"]

    backup, (restore, *_) = commands(BACKUP, "One machine")[0], commands(BACKUP, "One machine")[1:]
    known, before = events(deployment, profile), state(admin)
    states = {each["id"]: each["state"] for each in before["proposals"]}
    assert states == {waiting["id"]: "approved", merged["id"]: "live", after["id"]: "live"}
    assert "start" in dict(known)
    run(place, *backup)
    deployment.destroy()
    shutil.rmtree(deployment.folder)
    said = run(place, *restore[:-1])
    assert "unknown" not in said
    assert restore[-1] == "allotment up"

    # The token of the service is replaced as documented, too: the old one is in the backup.
    kept = deployment.folder / "laptop.json"
    configuration = json.loads(kept.read_text())
    old = configuration.pop("service_token")
    kept.write_text(json.dumps({**configuration, "newer": 1}))  # as after a way back from a newer version
    run(place, *commands(OPERATIONS, "The token of the service")[0])
    deployment.start()

    analyst, lead, admin = (deployment.sign_in(name) for name in ("analyst", "lead", "admin"))
    assert state(admin) == before
    assert ("newer in laptop.json" in deployment.output, json.loads(kept.read_text())["newer"]) == (True, 1)
    assert events(deployment, profile)[: len(known)] == known
    assert deployment.hub("GET", "user", token=token).json()["name"] == "analyst", "a token of before"
    assert deployment.hub("GET", "users", token=old).status_code == 403
    assert analyst.sessions() == {}
    analyst.start_session({})  # the last choice
    assert analyst.session_environment()["ALLOTMENT_PROFILE"] == profile
    assert (Path(analyst.session_environment()["HOME"]) / "work.txt").read_text() == "of years"
    # An approval from before is enough for a merge.
    # What was looked at is sealed with the key, so with another one it is looked at again.
    waiting = lead.service("GET", f"proposals/{waiting['id']}").json()
    assert decided(lead, waiting, "merge")["state"] in ("merged", "live")
