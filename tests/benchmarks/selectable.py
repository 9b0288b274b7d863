"""How soon a profile can be chosen on the start page of a cluster's hub. Needs KUBECONFIG and ALLOTMENT_TEST_FORGE."""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from support.conditions import until
from support.repositories import policy, profile, small, team, write_folder
from support.servers.deployment import Person
from support.servers.forge import Forge
from support.servers.git_server import git
from support.servers.installed import Installed

from benchmarks.measuring import Row

POLL = 2.0
"""Seconds between two looks of the hub at the git server, where nobody tells it of what was pushed."""


def selectable(folder: Path, _profiles: int, rounds: int, _sample: int) -> Iterator[Row]:
    """Measure from the answer to a merge, and from the end of a push, to the first page with the new profile."""
    needed = ("KUBECONFIG", "ALLOTMENT_TEST_FORGE")
    if not all(os.environ.get(name) for name in needed) or shutil.which("helm") is None:
        sys.stderr.write("selectable: left out, it needs KUBECONFIG, ALLOTMENT_TEST_FORGE, kubectl and helm\n")
        return
    forge = Forge()
    analyst, lead, groups = forge.people()
    repository = forge.repository()
    members, leads = {"groups": [groups["members"]]}, {"groups": [groups["leads"]]}
    red = team("red", members=members, leads=leads, envelope={"cpu": 8, "memory": "32 GiB", "images": ["localhost/*"]})
    files = small(**{"policy.yaml": policy(registries=["localhost/*"]), "teams/red/team.yaml": red})
    work = write_folder(folder / "work", {**files, "teams/red/profiles/notebook.yaml": profile(image="localhost/a:1")})
    address = repository.replace("://", f"://git:{forge.token(write=True)}@")
    git(work, "init", "--quiet", "--initial-branch=main")
    _push(work, address)
    with Installed.opened(forge, folder) as installed:
        installed.prepare(repository, groups)
        installed.install()
        installed.wait_for_hub()
        reader, reviewer = installed.sign_in(analyst), installed.sign_in(lead)
        merged = [_merged(reader, reviewer, f"merged-{number}") for number in range(rounds)]
        # A merge is told to the hub, which looked every minute so far.
        installed.values["jupyterhub"]["custom"]["allotment"]["repository"]["fetchSeconds"] = POLL
        installed.install()
        installed.wait_for_hub()
        pushed = [_pushed(reader, work, address, f"pushed-{number}") for number in range(rounds)]
    yield Row("until a profile merged on the page can be chosen", "its limit", "s", merged, [2.0], 2, limit=True)
    yield Row(
        "until a profile pushed by somebody else can be chosen", f"a look every {POLL:g} s and 0.5 s", "s", pushed,
        [POLL + 0.5], POLL + 0.5, limit=True,
    )  # fmt: skip


def _push(work: Path, address: str) -> None:
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message=Profiles")
    git(work, "push", "--quiet", address, "HEAD:main")


def _seconds_until_offered(reader: Person, name: str) -> float:
    began = time.monotonic()
    until(lambda: f"red/{name}" in reader.page("hub/spawn").text, within=60, what=name, pause=0.05)
    return time.monotonic() - began


def _merged(reader: Person, reviewer: Person, name: str) -> float:
    """Propose, approve and merge a profile; gives the seconds from the merge on."""
    content = json.dumps(profile(image="localhost/a:1", title=name))
    file = {"path": f"teams/red/profiles/{name}.yaml", "content": content}
    proposed = (
        reader.service("POST", "proposals", json={"files": [file], "reason": "Measured"}).raise_for_status().json()
    )
    proposal = proposed.get("proposal", proposed)
    for step in ("approvals", "merge"):
        reviewer.service(
            "POST", f"proposals/{proposal['id']}/{step}", json={"head": proposal["head"], "digest": proposal["digest"]}
        ).raise_for_status()
    return _seconds_until_offered(reader, name)


def _pushed(reader: Person, work: Path, address: str, name: str) -> float:
    """Push a profile past the page; gives the seconds from then on."""
    git(work, "pull", "--quiet", "--rebase", address, "main")
    write_folder(work, {f"teams/red/profiles/{name}.yaml": profile(image="localhost/a:1", title=name)})
    _push(work, address)
    return _seconds_until_offered(reader, name)
