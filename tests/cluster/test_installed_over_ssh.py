"""The chart with a git server that speaks SSH: the hub reads with its key, and the service pushes with another."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from support.conditions import until
from support.repositories import ProfilesRepository, policy, profile, team
from support.servers.cluster import needs_cluster
from support.servers.forge import Forge, needs_forge
from support.servers.installed import JUPYTERLAB, ForgePerson, Installed
from support.servers.ssh_server import SshServer

from allotment_profiles.git.remotes import RemoteError

pytestmark = [needs_cluster, needs_forge, pytest.mark.timeout(600)]

PROFILE = profile(
    image=JUPYTERLAB,
    resources={"cpu": {"guarantee": 0.05, "limit": 1}, "memory": {"guarantee": "128 MiB", "limit": "1 GiB"}},
)


@dataclass
class Platform:
    """What is installed, the repository that it follows, and who is there."""

    installed: Installed
    origin: ProfilesRepository
    server: SshServer
    analyst: ForgePerson
    lead: ForgePerson


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("cluster")
    forge = Forge()
    analyst, lead, groups = forge.people()
    (folder / "origin").mkdir()
    origin = ProfilesRepository(folder / "origin")
    origin.commit(
        {
            "policy.yaml": policy(registries=["localhost/*"]),
            "teams/red/team.yaml": team(
                "red", members={"groups": [groups["members"]]}, leads={"groups": [groups["leads"]]},
                envelope={"cpu": 4, "memory": "8 GiB", "images": ["localhost/*"]},
            ),
            "teams/red/profiles/notebook.yaml": PROFILE,
        }
    )  # fmt: skip
    # Pods reach this machine where they reach the forge.
    host = urlsplit(forge.url).hostname
    assert host
    with SshServer(folder / "server", host) as server, Installed.opened(forge, folder) as installed:
        (server.folder / "repositories" / "profiles.git").symlink_to(origin.path)
        known = server.known_hosts.read_text()
        keys = {
            kind: {"ssh-key": server.key(kind, write=kind == "write").read_text(), "known-hosts": known}
            for kind in ("read", "write")
        }
        installed.prepare(server.url("profiles.git"), groups, keys)
        installed.values["git"] = {"method": "ssh"}
        installed.install()
        installed.wait_for_hub()
        yield Platform(installed, origin, server, *(installed.sign_in(name) for name in (analyst, lead)))


def test_a_proposal_goes_over_ssh_from_the_page_to_the_start_page(platform: Platform) -> None:
    analyst, lead, before = platform.analyst, platform.lead, platform.origin.head
    assert "red/notebook" in analyst.page("hub/spawn").text
    body = {"team": "red", "name": "larger", "profile": PROFILE | {"title": "Larger"}, "reason": "Larger joins"}
    proposed = analyst.service("POST", "proposals", json=body)
    assert proposed.status_code == 201, proposed.text
    identity = proposed.json()["id"]
    looked_at = {key: proposed.json()[key] for key in ("head", "digest")}
    assert f"refs/heads/propose/{identity}" in platform.origin.repository.references("refs/heads/")
    for step in ("approvals", "merge"):
        answer = lead.service("POST", f"proposals/{identity}/{step}", json=looked_at)
        assert answer.is_success, answer.text
    assert platform.origin.repository.is_ancestor(before, platform.origin.head)
    assert platform.origin.head != before
    assert until(lambda: "red/larger" in analyst.page("hub/spawn").text, within=10, what="the new profile")


def test_a_key_that_is_taken_away_is_said_and_nothing_is_lost(platform: Platform) -> None:
    analyst, before = platform.analyst, platform.origin.head
    platform.server.forget_keys()
    body = {"team": "red", "name": "later", "profile": PROFILE | {"title": "Later"}, "reason": "Later joins"}
    refused = analyst.service("POST", "proposals", json=body)
    assert refused.status_code == 503
    assert refused.json()["code"] == "repository-away"
    assert RemoteError("Permission denied").why in refused.text
    assert "red/notebook" in analyst.page("hub/spawn").text
    assert platform.origin.head == before
