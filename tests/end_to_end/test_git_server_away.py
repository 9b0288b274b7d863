"""The git server of the profiles is away, hangs or refuses: a real hub starts sessions as always, and says so."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from bs4 import BeautifulSoup
from support.conditions import until
from support.connections import PLAIN
from support.repositories import policy, profile, team
from support.servers.deployment import Deployment, Person
from support.servers.git_server import GitServer, ServedProfiles
from support.starting import ask, hub_log, stop_all

from allotment_hub.configuration import RemoteConfiguration, ServiceConfiguration
from allotment_hub.laptop.processes import ports
from allotment_profiles.git.remotes import RemoteError

pytestmark = pytest.mark.timeout(400)

TOKEN = ServedProfiles.TOKEN
GROUP = "/example/housing-statistics"
SINCE = re.compile(r"\d\d \w+, \d\d:\d\d UTC")


class Place(ServedProfiles):
    """A hub whose repository is the mirror of one on a git server."""

    def __init__(self, folder: Path, server: GitServer) -> None:
        files = {
            "policy.yaml": policy(),
            "teams/red/team.yaml": team("red", members={"groups": [GROUP]}),
            "teams/red/profiles/notebook.yaml": profile(),
        }
        super().__init__(folder, server, files)
        state = folder / "state"
        kept = {
            "service_module": "support.fakes.quiet_service",
            "spawner_class": "support.fakes.spawning.MirroringSpawner",
        }
        self.hub = Deployment(state, kept=kept)
        settings = {
            "repository": str(folder / "mirror.git"),
            "cache": "",
            "remote_url": server.url("profiles.git"),
            "remote_token_file": str(self.token_file),
            "remote_ca_file": str(server.ca_file),
            "fetch_seconds": 0.2,
        }
        (state / "remote.json").write_text(json.dumps(settings))

    def add(self, name: str) -> None:
        """Merge one more profile on the server."""
        self.origin.commit({f"teams/red/profiles/{name}.yaml": profile(title=f"Newest {name}")})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("away")
    with GitServer(folder / "server") as server:
        made = Place(folder, server)
        with made.hub.started():
            yield made


@pytest.fixture(scope="module")
def analyst(place: Place) -> Person:
    return place.hub.sign_in("analyst")


@contextmanager
def revoked(server: GitServer) -> Iterator[None]:
    server.token = "another"
    try:
        yield
    finally:
        server.token = TOKEN


def answering_with(status: int) -> Callable[[GitServer], AbstractContextManager[None]]:
    @contextmanager
    def answering(server: GitServer) -> Iterator[None]:
        server.status = status
        try:
            yield
        finally:
            server.status = 0

    return answering


# The trouble, and a message of git that means the same.
TROUBLES: dict[str, tuple[Callable[[GitServer], AbstractContextManager[None]], str]] = {
    "away": (GitServer.away, "Connection refused"),
    "revoked": (revoked, "error: 401"),
    "forbidden": (answering_with(403), "error: 403"),
    "gone": (answering_with(404), "error: 404"),
    "broken": (answering_with(502), "error: 502"),
    "hanging": (GitServer.hanging, "timed out"),
}


def why(trouble: str) -> str:
    return RemoteError(TROUBLES[trouble][1]).why


def start_page(person: Person) -> str:
    """Return the start page of another server, because a session's own leads into it."""
    return person.page(f"hub/spawn/{person.name}/other").text


def unreachable(person: Person) -> str:
    """Return what the start page says about the server that does not answer."""
    found = BeautifulSoup(start_page(person), "html.parser").select_one("#allotment-unreachable")
    return found.get_text() if found else ""


@pytest.mark.parametrize("trouble", ["away", "revoked", "hanging"])
def test_sessions_start_from_what_is_known_and_the_newest_applies_when_the_server_is_back(
    place: Place, analyst: Person, trouble: str
) -> None:
    stop_all(analyst)
    until(lambda: "Notebook" in start_page(analyst))
    known = place.origin.head
    with TROUBLES[trouble][0](place.server):
        if trouble == "hanging":
            assert place.server.asked.wait(30)
        place.add(trouble)
        analyst.start_session({"profile": "red/notebook"})
        assert analyst.session_environment()["ALLOTMENT_COMMIT"] == known
        said = until(lambda: unreachable(analyst), what="the start page saying so")
        assert why(trouble) in said
        if trouble == "revoked":  # as in an hour of trying: it counts from the first
            many = len(place.server.requests) + 6
            until(lambda: len(place.server.requests) >= many)
        assert SINCE.findall(unreachable(analyst)) == SINCE.findall(said) != []
        text = start_page(analyst)
        assert f"Newest {trouble}" not in text
        assert place.server.url("profiles.git") not in text
        assert TOKEN not in text
        assert ask(analyst, {"profile": f"red/{trouble}"}, server="other")[0] == 404
    until(lambda: f"Newest {trouble}" in start_page(analyst))
    # The mirror is looked at beside the fetch, and may be seen to have moved before git has ended.
    until(lambda: not unreachable(analyst), what="the start page saying no more that the server is silent")
    if trouble == "away":
        stop_all(analyst)
        analyst.start_session({"profile": f"red/{trouble}"})
        assert analyst.session_environment()["ALLOTMENT_COMMIT"] == place.origin.head
    assert TOKEN not in hub_log(place.hub)
    assert "Traceback" not in hub_log(place.hub)


@pytest.mark.parametrize("trouble", ["forbidden", "gone", "broken"])
def test_the_start_page_says_why_the_server_does_not_give_the_profiles(
    place: Place, analyst: Person, trouble: str
) -> None:
    with TROUBLES[trouble][0](place.server):
        assert why(trouble) in until(lambda: unreachable(analyst))
        assert "Notebook" in start_page(analyst)
    until(lambda: not unreachable(analyst))


def test_an_administrator_reads_what_git_says(place: Place) -> None:
    admin = place.hub.sign_in("admin")
    with answering_with(403)(place.server):
        until(lambda: unreachable(admin))
        assert "The requested URL returned error: 403" in start_page(admin)
    until(lambda: not unreachable(admin))


@pytest.mark.parametrize("trouble", ["away", "hanging"])
def test_a_hub_that_restarts_meanwhile_starts_from_its_mirror(place: Place, analyst: Person, trouble: str) -> None:
    stop_all(analyst)
    until(lambda: start_page(analyst) and not unreachable(analyst))
    known = place.origin.head
    with TROUBLES[trouble][0](place.server):
        place.hub.kill("hub")
        place.hub.wait_until_well(within=180)
        analyst.start_session({"profile": "red/notebook"})
        assert analyst.session_environment()["ALLOTMENT_COMMIT"] == known
        until(lambda: unreachable(analyst))
    until(lambda: not unreachable(analyst))


def test_sessions_start_as_always_without_the_service(place: Place, analyst: Person) -> None:
    stop_all(analyst)
    place.hub.process("service").send_signal(signal.SIGUSR1)
    until(lambda: analyst.page("services/allotment/").status_code in {502, 503})
    assert "Notebook" in start_page(analyst)
    analyst.start_session({"profile": "red/notebook"})
    assert analyst.session_environment()["ALLOTMENT_PROFILE"] == "red/notebook"


def test_the_services_health_says_since_when_and_why(place: Place, tmp_path: Path) -> None:
    port = ports.any_free()
    configuration = ServiceConfiguration(
        repository=tmp_path / "mirror.git",
        signing_key=place.origin.signing_key,
        allowed_signers=place.origin.allowed_signers,
        events=f"sqlite:///{tmp_path / 'events.sqlite'}",
        port=port,
        public_url="http://hub.example.org/",
        remote=RemoteConfiguration(
            url=place.server.url("profiles.git"), token_file=place.folder / "token", ca_file=place.server.ca_file
        ),
        fetch_seconds=0.2,
    )
    (tmp_path / "service.json").write_text(configuration.model_dump_json())
    environment = {
        "PATH": os.environ["PATH"],
        "JUPYTERHUB_API_TOKEN": "token",
        "JUPYTERHUB_API_URL": "http://127.0.0.1:1/hub/api",
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_CLIENT_ID": "service-allotment",
        "JUPYTERHUB_SERVICE_NAME": "allotment",
        "JUPYTERHUB_SERVICE_PREFIX": "/services/allotment/",
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}/services/allotment/",
    }

    def ask() -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{port}/services/allotment/api/v1/health", trust_env=False, verify=PLAIN)

    def fetched() -> dict[str, Any]:
        try:
            return dict(ask().json()["fetched"] or {})
        except httpx.HTTPError:
            return {}

    command = [sys.executable, "-m", "allotment_hub", "--config", str(tmp_path / "service.json")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as service:
        try:
            until(lambda: fetched().get("failed") is False, within=60)
            assert fetched()["why"] is None
            with answering_with(403)(place.server):
                said = until(lambda: fetched().get("failed") and fetched())
                assert said["why"] == why("forbidden")
                since = said["failing_since"]
                until(lambda: fetched()["time"] > said["time"])
                assert fetched()["failing_since"] == since
                assert ask().is_success, "it goes on serving, and stays ready"
                assert not ask().json()["ok"]
                assert ask().json()["standstill"]["code"] == "git-server"
                assert ask().json()["standstill"]["since"] == since
            until(lambda: fetched()["failed"] is False)
            assert fetched()["failing_since"] is None
            until(lambda: ask().json()["ok"])
            assert ask().json()["standstill"] is None
        finally:
            service.terminate()
